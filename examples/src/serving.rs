use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use event_loop::{EventLoop, Options, Peer, StreamHandler};
use socket_server::{Connection, HandlerResult, Limits, Server};
use tokio::runtime::Runtime;

use crate::handover::{HandoverOptions, Place, Succession};
use crate::stopping::stop_once_on_signals;
use crate::{
    AccessOptions, Address, GRACE, Signals, announce, cannot_listen, raise_file_limit,
    stop_on_signals, summary,
};

/// Whom a server serves, how, and within which limits.
#[derive(Clone, Debug, clap::Args)]
pub struct Serving {
    /// How connections are served
    #[arg(long, value_enum, default_value_t = Strategy::Threads)]
    strategy: Strategy,
    /// How many threads (pool) or processes (fork: at most; prefork) [default: 16; fork: 40]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// How many connections may be open; more are turned away (where workers are fewer: wait)
    /// [default: 4096; loop, tokio: 16384]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// How many of them may come from one address (not under loop) [default: 1024; on a loopback
    /// address, where all have the same one: all]
    #[arg(long, value_name = "N")]
    max_per_address: Option<usize>,
    /// How long a connection may go without a byte either way
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    idle_timeout: Duration,
    /// How long a connection may be open before its first byte
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    first_byte_timeout: Duration,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    handover: HandoverOptions,
}

/// A structure for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// One connection after the other
    Serial,
    /// A thread for each connection
    Threads,
    /// Threads that are there before the connections
    Pool,
    /// A process for each connection
    Fork,
    /// Processes that are there before the connections
    Prefork,
    /// One thread, one event loop
    Loop,
    /// Tasks on tokio
    Tokio,
}

/// How long a client may take to prove itself.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

const REFUSAL: &[u8] = b"too many connections\n";

impl Serving {
    /// The structure that was asked for.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// The place to serve at: a listener that is taken over, if the process that has it is there, or the
    /// address. Those are served there who may come in.
    ///
    /// # Errors
    ///
    /// Which rule can't be read, and why. The process is there and gives none, or one that listens elsewhere; with a handover, also whatever keeps
    /// a first process from listening.
    pub fn place(&self, listen: &Address) -> Result<Place, Box<dyn Error>> {
        let place = Place {
            access: self.access.load()?,
            ..Place::from(listen)
        };
        self.handover.place(place)
    }

    /// A server for all structures but the event loop. (On tokio it serves by [`serve_on_tokio`].) It asks
    /// [`Place::access`] who may come in, unless [`Server::verify`] is called again.
    ///
    /// # Errors
    ///
    /// No more descriptors can be opened.
    pub fn server(&self, place: &Place) -> io::Result<Server> {
        let workers = |default| self.workers.map_or(default, NonZeroUsize::get);
        let strategy = match self.strategy {
            Strategy::Serial => socket_server::Strategy::Serial,
            Strategy::Pool => socket_server::Strategy::Pool {
                workers: workers(16),
            },
            Strategy::Fork => socket_server::Strategy::Processes { max: workers(40) },
            Strategy::Prefork => socket_server::Strategy::Prefork {
                workers: workers(16),
            },
            // The last two do without.
            Strategy::Threads | Strategy::Loop | Strategy::Tokio => {
                socket_server::Strategy::Threads
            }
        };
        let limits = self.limits(&place.address);
        let server = place.server()?.strategy(strategy).limits(limits);
        Ok(place.access.guard(server))
    }

    pub(crate) fn limits(&self, listen: &Address) -> Limits {
        let refusal = match (self.strategy, listen) {
            // As with the recipes' servers, those for whom there is no process wait.
            (Strategy::Fork, _) => b"",
            // A client that waits for TLS does not understand it.
            (_, Address::Tls(_)) => b"",
            _ => REFUSAL,
        };
        Limits {
            max_connections: self.max_connections(),
            max_per_address: self.max_per_address(listen),
            refusal: Cow::Borrowed(refusal),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            first_byte_timeout: Some(self.first_byte_timeout),
            idle_timeout: Some(self.idle_timeout),
            ..Limits::default()
        }
    }

    fn max_connections(&self) -> usize {
        self.max_connections.unwrap_or(match self.strategy {
            Strategy::Loop | Strategy::Tokio => 16_384,
            _ => 4096,
        })
    }

    fn max_per_address(&self, listen: &Address) -> usize {
        let is_local = match listen {
            Address::Tcp(address) | Address::Tls(address) => address.ip().is_loopback(),
            Address::Unix(_) => false,
        };
        let default = if is_local { usize::MAX } else { 1024 };
        self.max_per_address.unwrap_or(default)
    }

    /// The same limits for an event loop.
    ///
    /// A handler that is [`handshaking`](StreamHandler::handshaking) until its first byte has come
    /// keeps the deadline for it.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            max_connections: self.max_connections(),
            refusal: Bytes::from_static(REFUSAL),
            handshake_timeout: self.first_byte_timeout,
            idle_timeout: Some(self.idle_timeout),
            // Much can come at once, and an answer be longer than its question.
            max_queue_len: 2 << 20,
            ..Options::default()
        }
    }
}

/// Serves `listen` until a signal comes. Does not return in a worker process.
///
/// # Errors
///
/// Whatever keeps it from listening or serving.
pub fn serve(
    place: impl Into<Place>,
    server: Server,
    handler: impl Fn(&mut Connection) -> HandlerResult + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    serve_and_drain(place.into(), server, handler, || {})
}

/// The same; `drain` is called when no more connections are accepted.
pub(crate) fn serve_and_drain(
    place: Place,
    server: Server,
    handler: impl Fn(&mut Connection) -> HandlerResult + Send + Sync + 'static,
    drain: impl FnOnce(),
) -> Result<(), Box<dyn Error>> {
    raise_file_limit()?;
    let running = server
        .serve(handler)
        .map_err(|error| cannot_listen(&place.address, &error))?;
    let grace = serve_until_it_ends(place, running.address())?;
    drain();
    let stats = running.shutdown(grace);
    tracing::info!("{}", summary(&stats));
    Ok(())
}

/// Serves `listen` by tasks on tokio until a signal comes.
///
/// # Errors
///
/// Whatever keeps it from listening or serving.
pub fn serve_on_tokio<F: Future<Output = HandlerResult> + Send + 'static>(
    place: impl Into<Place>,
    server: Server,
    handler: impl Fn(socket_server::tokio::Connection) -> F + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    serve_on_tokio_and_drain(place.into(), server, handler, || {})
}

/// The same; `drain` is called when no more connections are accepted.
pub(crate) fn serve_on_tokio_and_drain<F: Future<Output = HandlerResult> + Send + 'static>(
    place: Place,
    server: Server,
    handler: impl Fn(socket_server::tokio::Connection) -> F + Send + Sync + 'static,
    drain: impl FnOnce(),
) -> Result<(), Box<dyn Error>> {
    raise_file_limit()?;
    let runtime = Runtime::new()?;
    let running = runtime
        .block_on(async { server.serve_tokio(handler) })
        .map_err(|error| cannot_listen(&place.address, &error))?;
    let grace = serve_until_it_ends(place, running.address())?;
    drain();
    let stats = runtime.block_on(running.shutdown(grace));
    tracing::info!("{}", summary(&stats));
    Ok(())
}

/// Announces a server, and waits for a signal or until the listener is handed over. Returns how long
/// conversations may go on.
fn serve_until_it_ends(
    place: Place,
    address: &socket_server::Address,
) -> Result<Duration, Box<dyn Error>> {
    let mut signals = Signals::watch()?;
    let stop = signals.stop();
    let handed_over = move |_| stop.stop();
    let url = place.address.url(address);
    let succession = place.handover.map(|handover| handover.ready(handed_over));
    let succession = succession.transpose()?;
    announce(url)?;
    let is_told_to_stop = signals.wait();
    let grace = succession.map_or(GRACE, Succession::end);
    Ok(if is_told_to_stop { GRACE } else { grace })
}

/// Serves on an event loop until a signal comes.
///
/// # Errors
///
/// Whatever keeps it from listening or serving.
pub fn serve_on_a_loop<H: StreamHandler + 'static>(
    place: impl Into<Place>,
    options: Options,
    accept: impl FnMut(Peer) -> H + 'static,
) -> Result<(), Box<dyn Error>> {
    serve_on_a_loop_with::<(), H>(place.into(), options, accept)
}

/// The same with messages on the loop.
pub(crate) fn serve_on_a_loop_with<M: Send + 'static, H: StreamHandler<M> + 'static>(
    place: Place,
    options: Options,
    accept: impl FnMut(Peer) -> H + 'static,
) -> Result<(), Box<dyn Error>> {
    let Place {
        address,
        access,
        handover,
    } = place;
    let accept = access.guard_accept(accept);
    raise_file_limit()?;
    let mut event_loop = EventLoop::<M>::new()?;
    let stats = if let Some(handover) = handover {
        let listener = address.listener(handover.socket()?);
        event_loop.listen(listener, options, accept)?;
        let bound = handover.address().clone();
        let is_stopping = Arc::<AtomicBool>::default();
        let (has_stopped, handle) = (Arc::clone(&is_stopping), event_loop.handle());
        let succession = handover.ready(move |drain| {
            has_stopped.store(true, Ordering::Relaxed);
            handle.stop(drain);
        })?;
        stop_once_on_signals(&mut event_loop, is_stopping, succession.closer())?;
        announce(bound)?;
        let stats = event_loop.run()?;
        succession.end();
        stats
    } else {
        stop_on_signals(&mut event_loop)?;
        let _listening = address.listen(&mut event_loop, options, accept)?;
        event_loop.run()?
    };
    tracing::info!("{}", summary(&stats));
    Ok(())
}

/// Reads a number of seconds from the command line, with a fraction if need be; not 0.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Err("must be more than 0".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}
