use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use crate::datagram_server::DatagramSettings;
use crate::service::Hooks;
use crate::{Bound, Connection, Failure, HandlerResult, Limits, Peer, Running, Strategy};

/// A server to be: where it will listen, and how it will serve.
///
/// ```no_run
/// use socket_server::{Server, Strategy};
/// # fn main() -> std::io::Result<()> {
/// let running = Server::tcp("127.0.0.1:20000")
///     .strategy(Strategy::Pool { workers: 16 })
///     .serve(|connection| {
///         let (mut input, mut out) = connection.split();
///         std::io::copy(&mut input, &mut out)?;
///         Ok(())
///     })?;
/// # running.shutdown(std::time::Duration::ZERO);
/// # Ok(())
/// # }
/// ```
#[must_use = "a server does nothing until it is bound or serves"]
pub struct Server {
    pub(crate) source: Source,
    pub(crate) settings: Settings,
}

/// Where the socket comes from.
pub(crate) enum Source {
    Tcp(io::Result<Vec<SocketAddr>>),
    Udp(io::Result<Vec<SocketAddr>>),
    Unix(PathBuf),
    UnixAbstract(Vec<u8>),
    Adopted(OwnedFd),
}

/// How to serve.
pub(crate) struct Settings {
    pub(crate) strategy: Strategy,
    pub(crate) limits: Limits,
    pub(crate) backlog: u32,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) hooks: Hooks,
    pub(crate) datagrams: DatagramSettings,
}

impl Server {
    /// A server on a TCP address. Of several, the first that can be bound is taken; port 0 lets the
    /// system choose. A name is looked up at once; that it could not be is reported by
    /// [`bind`](Self::bind).
    ///
    /// Connections are made without delay of small writes (`TCP_NODELAY`), and the system asks peers
    /// that have been silent for a minute for a sign of life (keep-alive).
    pub fn tcp(address: impl ToSocketAddrs) -> Self {
        Self::new(Source::Tcp(resolve(address)))
    }

    /// A server on a UDP address; for datagrams.
    pub fn udp(address: impl ToSocketAddrs) -> Self {
        Self::new(Source::Udp(resolve(address)))
    }

    /// A server on a Unix socket. A file that a dead server left behind is replaced, the file of a
    /// living one is not. At the end the file is removed.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Source::Unix(path.into()))
    }

    /// A server on a Unix socket with a name in the abstract name space, which has no file and no
    /// permissions: every process of the same network name space can connect.
    pub fn unix_abstract(name: impl Into<Vec<u8>>) -> Self {
        Self::new(Source::UnixAbstract(name.into()))
    }

    /// A server on a socket that exists: a `TcpListener`, `UnixListener`, `UdpSocket` or a descriptor
    /// from elsewhere. A stream socket that is bound and does not listen yet is made to listen. The
    /// socket is made not to block, which others that share it will notice, and TCP connections are
    /// made as by [`tcp`](Self::tcp).
    pub fn adopt(socket: impl Into<OwnedFd>) -> Self {
        Self::new(Source::Adopted(socket.into()))
    }

    /// The structure in which handlers run. Default [`Strategy::Threads`].
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.settings.strategy = strategy;
        self
    }

    /// What connections may cost. Default [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How many connections may wait to be accepted. Default 4096; the system has a maximum of its own
    /// (`net.core.somaxconn`).
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.settings.backlog = backlog;
        self
    }

    /// Whether to bind a TCP port on which connections of an earlier server are still winding down
    /// (`SO_REUSEADDR`). Default yes. A port on which another socket listens is not taken in any case.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.settings.reuse_address = reuse;
        self
    }

    /// Whether other sockets may be bound to the same port (`SO_REUSEPORT`); the system spreads
    /// connections over all of them. Default no.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.settings.reuse_port = reuse;
        self
    }

    /// Asks before each connection whether the peer is wanted. One that is not is closed without a
    /// word and counted as refused. The question is asked where the handler would run, so it may take
    /// its time;
    /// but under [`Strategy::Processes`] in the parent, where newcomers wait for the answer.
    pub fn verify(mut self, verify: impl Fn(&Peer) -> bool + Send + Sync + 'static) -> Self {
        self.settings.hooks.verify = Some(Arc::new(verify));
        self
    }

    /// What to do when a connection did not end well. Default: a line in the log, through `tracing`.
    /// Newcomers over a limit on connections are only counted.
    pub fn on_error(mut self, on_error: impl Fn(&Peer, &Failure) + Send + Sync + 'static) -> Self {
        self.settings.hooks.on_error = Some(Arc::new(on_error));
        self
    }

    /// From which addresses connections come through a proxy that begins each with a PROXY protocol
    /// header (version 1 or 2). From them the header is required; from others it is not looked for.
    /// [`Connection::peer`], [`verify`](Self::verify) and the limit per address go by the client that
    /// the header names.
    pub fn proxied(mut self, proxied: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.settings.hooks.proxied = Some(Arc::new(proxied));
        self
    }

    /// Makes the socket, sets its options and binds it. It does not listen before
    /// [`Bound::serve`]: until then nobody can connect, and options may be set.
    ///
    /// # Errors
    ///
    /// The address could not be looked up or bound; an adopted descriptor is not a socket of a kind that
    /// can be served (`InvalidInput`).
    pub fn bind(self) -> io::Result<Bound> {
        Bound::new(self)
    }

    /// [Binds](Self::bind) and [serves](Bound::serve).
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn serve(
        self,
        handler: impl Fn(&mut Connection) -> HandlerResult + Send + Sync + 'static,
    ) -> io::Result<Running> {
        self.bind()?.serve(handler)
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            settings: Settings {
                strategy: Strategy::default(),
                limits: Limits::default(),
                backlog: 4096,
                reuse_address: true,
                reuse_port: false,
                hooks: Hooks::default(),
                datagrams: DatagramSettings::default(),
            },
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("strategy", &self.settings.strategy)
            .field("limits", &self.settings.limits)
            .finish_non_exhaustive()
    }
}

fn resolve(address: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    Ok(address.to_socket_addrs()?.collect())
}
