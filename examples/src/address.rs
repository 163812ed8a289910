use std::error::Error;
use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use event_loop::{EventLoop, Listener, Options, Peer, StreamHandler};
use rustix::fs::Mode;
use socket_server::Server;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{announce, cannot_listen};

/// Where a server listens or a client connects: `127.0.0.1:8800`, `localhost:8800`, `unix:PATH` or
/// `unix:@NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address. Port 0 is any free port.
    Tcp(SocketAddr),
    /// A TCP address where TLS is spoken.
    Tls(SocketAddr),
    /// The path of a Unix socket. One that begins with `@` is no file, but a name in Linux's abstract
    /// namespace, without the `@`.
    Unix(PathBuf),
}

/// Where a client connects: the address, and what it was found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The address.
    pub address: Address,
    host: Option<String>,
}

/// A text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAddress;

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        match text.strip_prefix("unix:") {
            Some("" | "@") => Err(NoAddress),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text
                .to_socket_addrs()
                .ok()
                .and_then(|mut addresses| addresses.next())
                .map(Self::Tcp)
                .ok_or(NoAddress),
        }
    }
}

impl Remote {
    /// The host as it was given, a name or an IP address; a Unix socket has none.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl From<Address> for Remote {
    fn from(address: Address) -> Self {
        let host = match &address {
            Address::Tcp(address) | Address::Tls(address) => Some(address.ip().to_string()),
            Address::Unix(_) => None,
        };
        Self { address, host }
    }
}

impl FromStr for Remote {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let address = text.parse()?;
        let host = match &address {
            Address::Unix(_) => None,
            _ => text.rsplit_once(':').map(|(host, _)| host),
        };
        let host = host.map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        Ok(Self {
            address,
            host: host.map(str::to_owned),
        })
    }
}

/// As `multiprocessing.connection` has it.
impl From<&Address> for mp_connection::Address {
    fn from(address: &Address) -> Self {
        match address {
            Address::Tcp(address) | Address::Tls(address) => Self::Tcp(*address),
            Address::Unix(path) => match abstract_name(path) {
                Some(name) => Self::Abstract(name.to_owned()),
                None => Self::Unix(path.clone()),
            },
        }
    }
}

impl Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither HOST:PORT of a known host nor unix:PATH")
    }
}

impl Error for NoAddress {}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls(address) => write!(f, "tls://{address}"),
            Self::Unix(path) if abstract_name(path).is_some() => {
                write!(f, "unix:{}", path.display())
            }
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl Address {
    /// The same place, where TLS is spoken. (The name of a Unix socket does not tell.)
    #[must_use]
    pub fn with_tls(self) -> Self {
        match self {
            Self::Tcp(address) => Self::Tls(address),
            other => other,
        }
    }

    /// Listens here, puts the listener on the loop and announces it. Keep what comes back until the
    /// loop has ended: dropping it removes the file of a Unix socket.
    ///
    /// The file of a Unix socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    ///
    /// What the system says to binding, listening, watching or announcing, with the address in front.
    pub fn listen<M: 'static, H: StreamHandler<M> + 'static>(
        &self,
        event_loop: &mut EventLoop<M>,
        options: Options,
        accept: impl FnMut(Peer) -> H + 'static,
    ) -> io::Result<Listening> {
        let (socket, bound) = self.bind().map_err(|error| cannot_listen(self, &error))?;
        let listening = Listening::new(bound, true);
        event_loop.listen(self.listener(socket), options, accept)?;
        announce(&listening.address)?;
        Ok(listening)
    }

    /// For a socket that listens on an address of this kind.
    pub(crate) fn listener(&self, socket: OwnedFd) -> Listener {
        match self {
            Self::Tcp(_) | Self::Tls(_) => TcpListener::from(socket).into(),
            Self::Unix(_) => UnixListener::from(socket).into(),
        }
    }

    /// A server for this address.
    pub fn server(&self) -> Server {
        match self {
            Self::Tcp(address) | Self::Tls(address) => Server::tcp(*address),
            Self::Unix(path) => match abstract_name(path) {
                Some(name) => Server::unix_abstract(name),
                None => Server::unix(path),
            },
        }
    }

    /// Connects a blocking socket.
    ///
    /// # Errors
    ///
    /// What the system says, with the address in front.
    pub fn connect(&self) -> io::Result<Socket> {
        let connected = match self {
            Self::Tcp(address) | Self::Tls(address) => {
                TcpStream::connect(address).map(Socket::from)
            }
            Self::Unix(path) => connect_unix(path).map(Socket::from),
        };
        connected.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot connect to {self}: {error}"))
        })
    }

    /// Where this Unix socket listens.
    pub(crate) fn of_unix(address: &unix::net::SocketAddr) -> Self {
        let name = address.as_abstract_name().map(|name| [b"@", name].concat());
        let path = match &name {
            Some(name) => Path::new(OsStr::from_bytes(name)),
            None => address.as_pathname().unwrap_or_else(|| Path::new("")),
        };
        Self::Unix(path.to_owned())
    }

    /// Whether who asks for this gets what he wants with the other address.
    pub(crate) fn is_met_by(&self, bound: &Self) -> bool {
        match (self, bound) {
            (Self::Tcp(wanted), Self::Tcp(bound)) | (Self::Tls(wanted), Self::Tls(bound)) => {
                wanted.ip() == bound.ip() && (wanted.port() == 0 || wanted.port() == bound.port())
            }
            (Self::Unix(wanted), Self::Unix(bound)) => {
                wanted == bound || std::path::absolute(wanted).is_ok_and(|wanted| wanted == *bound)
            }
            _ => false,
        }
    }

    /// The same with another TCP address.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        match self {
            Self::Tls(_) => Self::Tls(address),
            _ => Self::Tcp(address),
        }
    }

    /// What to announce when a server for this address listens there.
    pub(crate) fn url(&self, bound: &socket_server::Address) -> String {
        match bound {
            socket_server::Address::Tcp(bound) => self.at(*bound).to_string(),
            bound => bound.to_string(),
        }
    }

    /// Listens here. Returns where that is, with the port that was found free.
    pub(crate) fn bind(&self) -> io::Result<(OwnedFd, Self)> {
        match self {
            Self::Tcp(address) | Self::Tls(address) => {
                let listener = TcpListener::bind(address)?;
                // The standard library asks for 128, too few when a crowd comes at once.
                rustix::net::listen(&listener, BACKLOG)?;
                let bound = self.at(listener.local_addr()?);
                Ok((listener.into(), bound))
            }
            Self::Unix(path) => {
                if let Some(address) = abstract_address(path)? {
                    let listener = UnixListener::bind_addr(&address)?;
                    return Ok((listener.into(), self.clone()));
                }
                let path = std::path::absolute(path)?;
                let listener = in_place_of_the_dead(&path, || UnixListener::bind(&path))?;
                Ok((listener.into(), Self::Unix(path)))
            }
        }
    }
}

/// Listens on a Unix socket that nobody but this user (and root) can connect to. The file is removed
/// when what comes with the listener is dropped; one that nobody listens on any more is replaced.
///
/// # Errors
///
/// What the system says to making, binding or listening, with the path in front.
pub fn bind_private(path: &Path) -> io::Result<(UnixListener, Listening)> {
    let bind = |path: PathBuf| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Its file gets this mode: there is no moment in which others could connect.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        let address = SockAddr::unix(&path)?;
        in_place_of_the_dead(&path, || socket.bind(&address))?;
        socket.listen(BACKLOG)?;
        Ok((socket.into(), Listening::new(Address::Unix(path), true)))
    };
    let bound = std::path::absolute(path).and_then(bind);
    bound.map_err(|error| cannot_listen(path.display(), &error))
}

/// Binds, if need be after removing the file of a socket that nobody listens on.
fn in_place_of_the_dead<T>(path: &Path, bind: impl Fn() -> io::Result<T>) -> io::Result<T> {
    bind().or_else(|error| {
        if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) {
            std::fs::remove_file(path)?;
            return bind();
        }
        Err(error)
    })
}

fn is_abandoned(path: &Path) -> bool {
    // A connection to another kind of file is refused, too.
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Connects to a Unix socket, by its path or by `@` and its abstract name.
///
/// # Errors
///
/// What the system says.
pub fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    match abstract_address(path)? {
        Some(address) => UnixStream::connect_addr(&address),
        None => UnixStream::connect(path),
    }
}

fn abstract_address(path: &Path) -> io::Result<Option<unix::net::SocketAddr>> {
    abstract_name(path)
        .map(unix::net::SocketAddr::from_abstract_name)
        .transpose()
}

fn abstract_name(path: &Path) -> Option<&[u8]> {
    path.as_os_str().as_bytes().strip_prefix(b"@")
}

/// Binds a UDP socket; returns it with its address.
///
/// # Errors
///
/// What the system says, with the address in front.
pub fn bind_udp(address: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let url = format_args!("udp://{address}");
    let socket = UdpSocket::bind(address).map_err(|error| cannot_listen(url, &error))?;
    let bound = socket.local_addr()?;
    Ok((socket, bound))
}

/// A listener that was announced.
#[derive(Debug)]
pub struct Listening {
    address: Address,
    /// Not while, or once, another process listens here.
    pub(crate) is_ours: bool,
}

impl Listening {
    pub(crate) fn new(address: Address, is_ours: bool) -> Self {
        Self { address, is_ours }
    }

    /// The address, with the port that was found free where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // A name without a file is not absolute.
        if let Address::Unix(path) = &self.address
            && path.is_absolute()
            && self.is_ours
        {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;
