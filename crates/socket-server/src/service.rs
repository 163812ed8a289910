use std::any::Any;
use std::error::Error;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::{fmt, io};

use crate::gate::{Gate, Outcome, Permit};
use crate::registry::{Registered, Registry, Socket};
use crate::{Address, Connection, Failure, Limits, Peer, Refused, connection, proxy, watchdog};

/// What a handler returns: any error will do, through `?`.
pub type HandlerResult = Result<(), Box<dyn Error + Send + Sync>>;

pub(crate) type Handler = Arc<dyn Fn(&mut Connection) -> HandlerResult + Send + Sync>;

type Verify = dyn Fn(&Peer) -> bool + Send + Sync;
type OnError = dyn Fn(&Peer, &Failure) + Send + Sync;
type Proxied = dyn Fn(IpAddr) -> bool + Send + Sync;

/// What the user put into the builder to be asked while serving.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) verify: Option<Arc<Verify>>,
    pub(crate) on_error: Option<Arc<OnError>>,
    pub(crate) proxied: Option<Arc<Proxied>>,
}

impl Hooks {
    pub(crate) fn is_wanted(&self, peer: &Peer) -> bool {
        self.verify.as_ref().is_none_or(|verify| verify(peer))
    }

    pub(crate) fn is_proxied(&self, peer: &Peer) -> bool {
        match (&self.proxied, peer.ip()) {
            (Some(proxied), Some(ip)) => proxied(ip),
            _ => false,
        }
    }

    /// Tells the user of a failure.
    pub(crate) fn tell(&self, peer: &Peer, failure: &Failure) {
        let told = catch_unwind(AssertUnwindSafe(|| match &self.on_error {
            Some(on_error) => on_error(peer, failure),
            None => log(peer, failure),
        }));
        if told.is_err() {
            tracing::error!(%peer, %failure, "on_error panicked");
        }
    }
}

/// Serving connections, the same under every strategy: admits a newcomer, runs its handler, closes it,
/// counts.
pub(crate) struct Service {
    pub(crate) gate: Arc<Gate>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) address: Address,
    pub(crate) hooks: Hooks,
}

impl Service {
    /// Makes a service, and starts its watchdog.
    pub(crate) fn start(address: Address, limits: Limits, hooks: Hooks) -> io::Result<Arc<Self>> {
        let gate = Gate::new(limits)?;
        let registry = Arc::new(Registry::default());
        watchdog::start(&registry, &gate)?;
        Ok(Arc::new(Self {
            gate,
            registry,
            address,
            hooks,
        }))
    }

    /// Takes in a newcomer, if no limit is in the way; else tells it so. Never waits.
    pub(crate) fn admit(self: &Arc<Self>, socket: OwnedFd, peer: Peer) -> Option<Connection> {
        let (open, permit) = self.take_in(Socket::Thread(socket), &peer)?;
        Some(Connection::new(open, peer, permit, Arc::clone(self)))
    }

    /// The same, for whoever makes a connection of his own of it.
    pub(crate) fn take_in(&self, socket: Socket, peer: &Peer) -> Option<(Registered, Permit)> {
        // A proxy's connections are counted for those behind it, once they are known. A question that
        // panics is asked again where that costs this connection alone.
        let is_proxied = catch_unwind(AssertUnwindSafe(|| self.hooks.is_proxied(peer)));
        let network = peer.network().filter(|_| !is_proxied.unwrap_or(true));
        match self.gate.admit(network) {
            Ok(permit) => Some((self.registry.add(socket, &self.gate), permit)),
            Err(refused) => {
                tracing::debug!(%peer, %refused, "refused");
                connection::refuse(&socket, self);
                None
            }
        }
    }

    /// Runs the handler on a connection and sees it to its end. A panic does not leave here.
    pub(crate) fn serve(&self, mut connection: Connection, handler: &Handler) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.welcome(&mut connection)?;
            handler(&mut connection).map_err(Failure::Handler)
        }));
        let failure = match (connection.why_cut(), result) {
            (Some(cut), _) => Some(cut.into()),
            (None, Ok(result)) => result.err(),
            (None, Err(panic)) => Some(Failure::Panicked(message(&*panic))),
        };
        let (peer, permit) = connection.close();
        permit.end(self.report(&peer, failure.as_ref()));
    }

    /// Tells the user of a failure, and says what to count.
    pub(crate) fn report(&self, peer: &Peer, failure: Option<&Failure>) -> Outcome {
        let Some(failure) = failure else {
            return Outcome::Finished;
        };
        self.hooks.tell(peer, failure);
        match failure {
            Failure::Handler(_) | Failure::Proxy(_) => Outcome::Failed,
            Failure::Panicked(_) => Outcome::Panicked,
            Failure::TimedOut(_) => Outcome::TimedOut,
            Failure::Refused(_) => Outcome::Refused,
            Failure::CutOff => Outcome::CutOff,
            Failure::Process(status) => match status.signal() {
                // An abort, as after a panic that can't unwind.
                Some(SIGABRT) => Outcome::Panicked,
                Some(_) => Outcome::CutOff,
                None => Outcome::Failed,
            },
        }
    }

    /// What comes before the handler: the header of a proxy, and whether the peer is wanted.
    fn welcome(&self, connection: &mut Connection) -> Result<(), Failure> {
        if self.hooks.is_proxied(connection.peer()) {
            let client = connection
                .handshake(proxy::read_header)
                .map_err(Failure::Proxy)?;
            let peer = match client {
                Some(client) => connection.peer().behind_proxy(client),
                None => connection.peer().clone(),
            };
            if let Err(refused) = connection.permit().move_to(peer.network()) {
                connection.refuse();
                return Err(Failure::Refused(refused));
            }
            connection.set_peer(peer);
        }
        if self.hooks.is_wanted(connection.peer()) {
            Ok(())
        } else {
            Err(Failure::Refused(Refused::NotVerified))
        }
    }

    /// Asks now what [`serve`](Self::serve) would ask later, unless the peer speaks for another.
    pub(crate) fn screen(&self, peer: &Peer) -> Result<(), Failure> {
        let asked = catch_unwind(AssertUnwindSafe(|| {
            self.hooks.is_proxied(peer) || self.hooks.is_wanted(peer)
        }));
        match asked {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Refused(Refused::NotVerified)),
            Err(panic) => Err(Failure::Panicked(message(&*panic))),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.registry.close();
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

pub(crate) const SIGABRT: i32 = rustix::process::Signal::ABORT.as_raw();

fn log(peer: &Peer, failure: &Failure) {
    match failure {
        Failure::Panicked(_) | Failure::Process(_) => {
            tracing::error!(%peer, %failure, "connection failed");
        }
        Failure::Handler(_) | Failure::Proxy(_) => {
            tracing::warn!(%peer, %failure, "connection failed");
        }
        Failure::TimedOut(_) | Failure::Refused(_) | Failure::CutOff => {
            tracing::info!(%peer, %failure, "connection ended");
        }
    }
}

/// What a panic says, where it says it in words.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}
