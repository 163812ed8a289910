use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fd_passing::handover::{self, Handed, Offer, Taken};

use crate::{Access, Address, GRACE, Listening, cannot_listen, seconds};

/// How a server gives its listener to the process that replaces it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HandoverOptions {
    /// Take the listener over from the process that was started with the same PATH (a Unix socket, made
    /// here), if there is one, which then ends; and hand it over to the next one
    #[arg(long, value_name = "PATH")]
    handover: Option<PathBuf>,
    /// How long conversations may go on after the listener was handed over
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    drain: Duration,
}

/// Where a server listens, and for whom; with a handover, its listener is there already.
#[derive(Debug)]
pub struct Place {
    pub(crate) address: Address,
    pub(crate) access: Access,
    pub(crate) handover: Option<Handover>,
}

/// A listener that was taken over, or can be.
#[derive(Debug)]
pub(crate) struct Handover {
    socket: OwnedFd,
    file: Listening,
    path: PathBuf,
    drain: Duration,
    predecessor: Option<Taken>,
}

/// What goes on until the listener is handed over, or the server stops.
#[derive(Debug)]
pub(crate) struct Succession {
    /// None if the listener can't be handed over.
    offer: Option<(Arc<Offer>, JoinHandle<bool>)>,
    file: Listening,
    drain: Duration,
}

impl HandoverOptions {
    /// Finds a place for a server: the listener of the process that is to be replaced, or a new one. In a
    /// worker process it is just the address: the parent gives it what it needs.
    pub(crate) fn place(&self, place: Place) -> Result<Place, Box<dyn Error>> {
        let path = self.handover.as_deref();
        let path = path.filter(|_| !socket_server::is_worker());
        let handover = path.map(|path| Handover::begin(path, self.drain, &place.address));
        Ok(Place {
            handover: handover.transpose()?,
            ..place
        })
    }
}

/// For everybody.
impl From<&Address> for Place {
    fn from(address: &Address) -> Self {
        Self {
            address: address.clone(),
            access: Access::default(),
            handover: None,
        }
    }
}

impl Place {
    /// Who may come in.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// A server for this place.
    pub(crate) fn server(&self) -> io::Result<socket_server::Server> {
        Ok(match &self.handover {
            Some(handover) => socket_server::Server::adopt(handover.socket.try_clone()?),
            None => self.address.server(),
        })
    }
}

impl Handover {
    fn begin(path: &Path, drain: Duration, listen: &Address) -> Result<Self, Box<dyn Error>> {
        let mut predecessor = handover::take(path)
            .map_err(|error| format!("cannot take over at {}: {error}", path.display()))?;
        let (socket, address) = match &mut predecessor {
            Some(taken) => {
                let socket = taken.take(NAME).ok_or("no listener is handed over")?;
                check(socket, listen)?
            }
            None => {
                let bound = listen.bind();
                bound.map_err(|error| cannot_listen(listen, &error))?
            }
        };
        // The file of a Unix socket is the predecessor's until that has ended.
        let file = Listening::new(address, predecessor.is_none());
        Ok(Self {
            socket,
            file,
            path: path.to_owned(),
            drain,
            predecessor,
        })
    }

    pub(crate) fn socket(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    pub(crate) fn address(&self) -> &Address {
        self.file.address()
    }

    /// This process serves: the one before it may end. From now on the next one can take over, and then
    /// `handed_over` is called with the time that conversations have.
    pub(crate) fn ready(
        mut self,
        handed_over: impl FnOnce(Duration) + Send + 'static,
    ) -> Result<Succession, Box<dyn Error>> {
        let predecessor = self.predecessor.take();
        let is_first = predecessor.is_none();
        if let Some(predecessor) = predecessor {
            let process = predecessor.peer().pid.unwrap_or_default();
            predecessor.ready()?;
            tracing::info!("took over from process {process}");
            self.file.is_ours = true;
        }
        let drain = self.drain;
        let offer = match offer(&self.path, self.socket, drain, handed_over) {
            Ok(offer) => Some(offer),
            Err(error) if is_first => return Err(error),
            // Nobody else serves any more.
            Err(error) => {
                tracing::error!("the next process will not be able to take over: {error}");
                None
            }
        };
        Ok(Succession {
            offer,
            file: self.file,
            drain,
        })
    }
}

fn offer(
    path: &Path,
    listener: OwnedFd,
    drain: Duration,
    handed_over: impl FnOnce(Duration) + Send + 'static,
) -> Result<(Arc<Offer>, JoinHandle<bool>), Box<dyn Error>> {
    let offer = Offer::bind(path)
        .map_err(|error| format!("cannot hand over at {}: {error}", path.display()))?;
    let offer = Arc::new(offer);
    let waiting = Arc::clone(&offer);
    let thread = thread::Builder::new().name("handover".into());
    let waiting = thread.spawn(move || {
        let handed = wait(&waiting, &listener);
        // First this, then the line in the log: who reads that may send a signal.
        if let Some(handed) = &handed {
            handed_over(drain);
            let (process, seconds) = (handed.peer.pid.unwrap_or_default(), drain.as_secs_f64());
            tracing::info!("handed over to process {process}: stopping within {seconds} s");
        }
        handed.is_some()
    })?;
    Ok((offer, waiting))
}

/// Waits until another process has taken the listener over and serves; `None` if the offer is closed first.
fn wait(offer: &Offer, listener: &OwnedFd) -> Option<Handed> {
    loop {
        match offer.wait(&[(NAME, listener)]) {
            Ok(handed) => return handed,
            Err(error) => tracing::warn!("not handed over: {error}"),
        }
    }
}

impl Succession {
    /// What ends the offer, and with it our own copy of the listener.
    pub(crate) fn closer(&self) -> impl Fn() + Clone + use<> {
        let offer = self.offer.as_ref().map(|(offer, _)| Arc::clone(offer));
        move || {
            if let Some(offer) = &offer {
                offer.close();
            }
        }
    }

    /// The server stops, or has stopped. Returns how long conversations may go on.
    pub(crate) fn end(mut self) -> Duration {
        self.closer()();
        let is_handed_over = self.offer.take().is_some_and(|(_, waiting)| {
            // It does not panic.
            waiting.join().unwrap_or(false)
        });
        self.file.is_ours &= !is_handed_over;
        if is_handed_over { self.drain } else { GRACE }
    }
}

/// Looks whether this is what was asked for. Returns where it listens.
fn check(socket: OwnedFd, listen: &Address) -> Result<(OwnedFd, Address), Box<dyn Error>> {
    let (socket, found) = match listen {
        Address::Tcp(_) | Address::Tls(_) => {
            let listener: TcpListener = fd_passing::tcp_listener(socket)?;
            let address = listen.at(listener.local_addr()?);
            (listener.into(), address)
        }
        Address::Unix(_) => {
            let listener: UnixListener = fd_passing::unix_listener(socket)?;
            let address = Address::of_unix(&listener.local_addr()?);
            (listener.into(), address)
        }
    };
    if listen.is_met_by(&found) {
        Ok((socket, found))
    } else {
        Err(format!("the process to take over from listens on {found}, not on {listen}").into())
    }
}

/// What the listener is called where it is handed over.
const NAME: &str = "listener";
