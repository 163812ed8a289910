use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{SocketType, listen, sockopt};

use crate::acceptor::{Acceptor, Listener};
use crate::crew::Crew;
use crate::process::{Prefork, Processes, Role};
use crate::running::Engine;
use crate::server::Settings;
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
    pub(crate) role: Role,
}

impl Bound {
    pub(crate) fn new(server: Server) -> io::Result<Self> {
        let Server { source, settings } = server;
        let (role, inherited) = process::role(settings.strategy)?;
        let (listener, kind, address) = match (inherited, &role) {
            (Some(socket), _) => socket::inherited(socket)?,
            (None, Role::Bystander) => socket::unbound(source)?,
            (None, _) => socket::bound(source, &settings)?,
        };
        Ok(Self {
            listener: Arc::new(listener),
            service: None,
            kind,
            address,
            settings,
            role,
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
        let number = match self.role {
            Role::Server(number) => number,
            Role::Worker(inherited) => {
                let socket = self.listener.socket.try_clone()?;
                drop(self.listener);
                return inherited.serve(self.address, socket, self.settings.hooks, &handler);
            }
            Role::Bystander => return process::stand_by(self.address),
        };
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
            Strategy::Processes { max } => Processes::start(listener, service, number, max)?,
            Strategy::Prefork { workers } => {
                Prefork::start(listener, Arc::clone(&gate), true, number, workers)?
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
    pub(crate) fn activate(&mut self) -> io::Result<Arc<Service>> {
        if !matches!(self.role, Role::Server(_)) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a worker process serves only what its parent gave it",
            ));
        }
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
