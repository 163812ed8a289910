use std::error::Error;
use std::fmt::{self, Display};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use event_loop::{EventLoop, Listener, Options, Peer, StreamHandler};

use crate::{announce, cannot_listen};

/// Where a server listens or a client connects: `127.0.0.1:8800`, `localhost:8800` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address. Port 0 is any free port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAddress;

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        match text.strip_prefix("unix:") {
            Some("") => Err(NoAddress),
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
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl Address {
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
        let (listener, bound) = self.bind().map_err(|error| cannot_listen(self, &error))?;
        let listening = Listening { address: bound };
        event_loop.listen(listener, options, accept)?;
        announce(&listening.address)?;
        Ok(listening)
    }

    fn bind(&self) -> io::Result<(Listener, Self)> {
        match self {
            Self::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                // The standard library asks for 128, too few when a crowd comes at once.
                rustix::net::listen(&listener, BACKLOG)?;
                let bound = Self::Tcp(listener.local_addr()?);
                Ok((listener.into(), bound))
            }
            Self::Unix(path) => {
                let path = std::path::absolute(path)?;
                let listener = UnixListener::bind(&path).or_else(|error| {
                    if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(&path) {
                        std::fs::remove_file(&path)?;
                        return UnixListener::bind(&path);
                    }
                    Err(error)
                })?;
                Ok((listener.into(), Self::Unix(path)))
            }
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// A listener that was announced.
#[derive(Debug)]
pub struct Listening {
    address: Address,
}

impl Listening {
    /// The address, with the port that was found free where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.address {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;
