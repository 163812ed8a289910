use std::error::Error as StdError;
use std::fmt;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use rustix::fs::FileType;
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_protocol, socket_type};
use rustix::net::{AddressFamily, SocketType, ipproto};

/// What a descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A TCP socket that listens.
    TcpListener,
    /// A TCP socket that does not listen: a connection, or what may become one.
    TcpStream,
    /// A UDP socket.
    UdpSocket,
    /// A Unix stream socket that listens.
    UnixListener,
    /// A Unix stream socket that does not listen.
    UnixStream,
    /// A Unix datagram socket.
    UnixDatagram,
    /// A Unix seqpacket socket, listening or not.
    UnixSeqpacket,
    /// Another socket.
    OtherSocket,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A pipe, or a named one.
    Pipe,
    /// A device, a terminal for example.
    Device,
    /// None of these: an epoll or event descriptor for example.
    Other,
}

impl Kind {
    /// Returns what this descriptor stands for. Two to five system calls; it is not touched.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Examples
    ///
    /// ```
    /// use fd_passing::Kind;
    ///
    /// let null = std::fs::File::open("/dev/null")?;
    /// assert_eq!(Kind::of(&null)?, Kind::Device);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of(descriptor: impl AsFd) -> std::io::Result<Self> {
        let descriptor = descriptor.as_fd();
        let stat = rustix::fs::fstat(descriptor)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => return of_socket(descriptor),
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Fifo => Self::Pipe,
            FileType::CharacterDevice | FileType::BlockDevice => Self::Device,
            _ => Self::Other,
        })
    }
}

fn of_socket(descriptor: impl AsFd) -> std::io::Result<Kind> {
    let socket = descriptor.as_fd();
    let family = socket_domain(socket)?;
    Ok(match (family, socket_type(socket)?) {
        (AddressFamily::INET | AddressFamily::INET6, kind) => {
            match (kind, socket_protocol(socket)?) {
                (SocketType::STREAM, Some(ipproto::TCP | ipproto::MPTCP)) => {
                    match socket_acceptconn(socket)? {
                        true => Kind::TcpListener,
                        false => Kind::TcpStream,
                    }
                }
                (SocketType::DGRAM, Some(ipproto::UDP)) => Kind::UdpSocket,
                _ => Kind::OtherSocket,
            }
        }
        (AddressFamily::UNIX, SocketType::STREAM) => match socket_acceptconn(socket)? {
            true => Kind::UnixListener,
            false => Kind::UnixStream,
        },
        (AddressFamily::UNIX, SocketType::DGRAM) => Kind::UnixDatagram,
        (AddressFamily::UNIX, SocketType::SEQPACKET) => Kind::UnixSeqpacket,
        _ => Kind::OtherSocket,
    })
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TcpListener => "a TCP listener",
            Self::TcpStream => "a TCP stream",
            Self::UdpSocket => "a UDP socket",
            Self::UnixListener => "a Unix listener",
            Self::UnixStream => "a Unix stream",
            Self::UnixDatagram => "a Unix datagram socket",
            Self::UnixSeqpacket => "a Unix seqpacket socket",
            Self::OtherSocket => "another socket",
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Pipe => "a pipe",
            Self::Device => "a device",
            Self::Other => "no file, no socket",
        })
    }
}

/// A descriptor is not what it should be.
#[derive(Debug)]
pub struct WrongKind {
    /// What it should be.
    pub expected: Kind,
    /// What it is.
    pub found: Kind,
    /// The descriptor.
    pub descriptor: OwnedFd,
}

impl fmt::Display for WrongKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            expected, found, ..
        } = self;
        write!(f, "the descriptor is {found}, it must be {expected}")
    }
}

impl StdError for WrongKind {}

impl From<WrongKind> for std::io::Error {
    fn from(error: WrongKind) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// Returns the descriptor as a TCP socket that listens.
///
/// # Errors
///
/// [`WrongKind`] if it is something else, with the descriptor.
pub fn tcp_listener(descriptor: OwnedFd) -> Result<TcpListener, WrongKind> {
    typed(descriptor, Kind::TcpListener)
}

/// Returns the descriptor as a TCP connection. Whether the peer is still there shows at the first read.
///
/// # Errors
///
/// [`WrongKind`] if it is something else, with the descriptor.
pub fn tcp_stream(descriptor: OwnedFd) -> Result<TcpStream, WrongKind> {
    typed(descriptor, Kind::TcpStream)
}

/// Returns the descriptor as a UDP socket.
///
/// # Errors
///
/// [`WrongKind`] if it is something else, with the descriptor.
pub fn udp_socket(descriptor: OwnedFd) -> Result<UdpSocket, WrongKind> {
    typed(descriptor, Kind::UdpSocket)
}

/// Returns the descriptor as a Unix stream socket that listens.
///
/// # Errors
///
/// [`WrongKind`] if it is something else, with the descriptor.
pub fn unix_listener(descriptor: OwnedFd) -> Result<UnixListener, WrongKind> {
    typed(descriptor, Kind::UnixListener)
}

/// Returns the descriptor as a Unix stream.
///
/// # Errors
///
/// [`WrongKind`] if it is something else, with the descriptor.
pub fn unix_stream(descriptor: OwnedFd) -> Result<UnixStream, WrongKind> {
    typed(descriptor, Kind::UnixStream)
}

/// Returns the descriptor as a Unix datagram socket.
///
/// # Errors
///
/// [`WrongKind`] if it is something else, with the descriptor.
pub fn unix_datagram(descriptor: OwnedFd) -> Result<UnixDatagram, WrongKind> {
    typed(descriptor, Kind::UnixDatagram)
}

fn typed<T: From<OwnedFd>>(descriptor: OwnedFd, expected: Kind) -> Result<T, WrongKind> {
    // A descriptor about which nothing can be learned is none of those.
    let found = Kind::of(&descriptor).unwrap_or(Kind::Other);
    match found == expected {
        true => Ok(descriptor.into()),
        false => Err(WrongKind {
            expected,
            found,
            descriptor,
        }),
    }
}
