use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, io, option};

use rustix::net::{SocketAddrAny, SocketAddrUnix};

/// Where a server listens.
///
/// Prints as `tcp://127.0.0.1:20000`, `udp://[::1]:20000`, `unix:///run/echo.sock` or, for an abstract
/// name, `unix:@echo`. A TCP or UDP address can be given to `TcpStream::connect` and its like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP address. Port 0 has become the port that the system chose.
    Tcp(SocketAddr),
    /// A UDP address.
    Udp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// The name of a Unix socket in the abstract name space, which has no file.
    UnixAbstract(Vec<u8>),
}

impl Address {
    /// Returns the IP address and port, if it has them.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Udp(address) => Some(*address),
            Self::Unix(_) | Self::UnixAbstract(_) => None,
        }
    }

    /// Returns the path of a Unix socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            _ => None,
        }
    }

    /// The address of a stream socket, as the system gives it.
    pub(crate) fn of_stream(address: SocketAddrAny) -> io::Result<Self> {
        if let Ok(address) = SocketAddr::try_from(address.clone()) {
            return Ok(Self::Tcp(address));
        }
        let address = SocketAddrUnix::try_from(address)?;
        Ok(match (address.path_bytes(), address.abstract_name()) {
            (Some(path), _) => Self::Unix(Path::new(std::ffi::OsStr::from_bytes(path)).into()),
            (None, name) => Self::UnixAbstract(name.unwrap_or_default().to_vec()),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::UnixAbstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
        }
    }
}

impl ToSocketAddrs for Address {
    type Iter = option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        match self.socket_addr() {
            Some(address) => Ok(Some(address).into_iter()),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a Unix socket has no IP address",
            )),
        }
    }
}
