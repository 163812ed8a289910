use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{SocketType, listen, sockopt};

use crate::acceptor::{Acceptor, Listener};
use crate::crew::Crew;
use crate::running::Engine;
use crate::server::{Settings, Source};
use crate::service::{Handler, HandlerResult, Service};
use crate::{Address, Connection, Running, Server, Strategy, process, socket};

/// A server whose socket is bound and does not listen yet.
///
/// Between [`Server::bind`] and [`serve`](Self::serve) its socket can be given further options, through
/// `AsFd`.
pub struct Bound {
    pub(crate) listener: Arc<Listener>,
    /// From the first [`handle_one`](Self::handle_one) on.
    service: Option<Arc<Service>>,
    pub(crate) kind: SocketType,
    pub(crate) address: Address,
    pub(crate) settings: Settings,
}

impl Bound {
    pub(crate) fn new(server: Server) -> io::Result<Self> {
        let Server { source, settings } = server;
        let (stream, datagram) = (SocketType::STREAM, SocketType::DGRAM);
        let (listener, kind, address) = match source {
            Source::Tcp(addresses) => socket::bind_ip(addresses?, stream, &settings)?,
            Source::Udp(addresses) => socket::bind_ip(addresses?, datagram, &settings)?,
            Source::Unix(path) => socket::bind_unix(&path)?,
            Source::UnixAbstract(name) => socket::bind_unix_abstract(&name)?,
            Source::Adopted(socket) => socket::adopt(socket)?,
        };
        Ok(Self {
            listener: Arc::new(listener),
            service: None,
            kind,
            address,
            settings,
        })
    }

    /// Returns the address that was bound.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Listens, and serves in the background: the handler runs for each connection, in the structure of
    /// the [`Strategy`].
    ///
    /// # Errors
    ///
    /// The socket can't listen, the first thread or process can't be started, or the socket is one for
    /// datagrams (`InvalidInput`).
    pub fn serve(
        mut self,
        handler: impl Fn(&mut Connection) -> HandlerResult + Send + Sync + 'static,
    ) -> io::Result<Running> {
        let handler: Handler = Arc::new(handler);
        let strategy = self.settings.strategy;
        let service = self.activate()?;
        let listener = self.listener;
        let gate = Arc::clone(&service.gate);
        let engine: Arc<dyn Engine> = match strategy {
            Strategy::Serial => Crew::start(service, listener, &handler, 1, false)?,
            Strategy::Threads => Crew::start(service, listener, &handler, 1, true)?,
            Strategy::Pool { workers } => {
                Crew::start(service, listener, &handler, workers.max(1), false)?
            }
            Strategy::Processes { .. } | Strategy::Prefork { .. } => {
                process::serve(strategy, listener, service, &handler)?
            }
        };
        Ok(Running::new(self.address, gate, engine))
    }

    /// Waits for one connection and runs the handler for it, on this thread, whatever the strategy.
    /// Returns whether one came before the timeout; `None` waits for as long as it takes. From the first
    /// call on, others wait in the backlog.
    ///
    /// # Errors
    ///
    /// The socket can't listen or accept, or is one for datagrams (`InvalidInput`). What happens on the
    /// connection is told to [`Server::on_error`].
    pub fn handle_one(
        &mut self,
        handler: impl Fn(&mut Connection) -> HandlerResult + Send + Sync + 'static,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let service = self.activate()?;
        let mut acceptor = Acceptor::new(Arc::clone(&self.listener), &service)?;
        let Some(connection) = acceptor.next(&service, until) else {
            return service.gate.take_failure().map_or(Ok(false), Err);
        };
        let handler: Handler = Arc::new(handler);
        service.serve(connection, &handler);
        Ok(true)
    }

    /// Makes the socket listen, if it does not yet, and the service that its connections have.
    fn activate(&mut self) -> io::Result<Arc<Service>> {
        if self.kind != SocketType::STREAM {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a datagram socket has no connections to serve",
            ));
        }
        if let Some(service) = &self.service {
            return Ok(Arc::clone(service));
        }
        let Settings { limits, hooks, .. } = &self.settings;
        let service = Service::start(self.address.clone(), limits.clone(), hooks.clone())?;
        if !sockopt::socket_acceptconn(&self.listener.socket)? {
            let backlog = i32::try_from(self.settings.backlog).unwrap_or(i32::MAX);
            listen(&self.listener.socket, backlog)?;
        }
        self.service = Some(Arc::clone(&service));
        Ok(service)
    }
}

/// For options of the socket.
impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.socket.as_fd()
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
