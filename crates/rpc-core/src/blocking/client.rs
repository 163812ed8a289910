use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::batch::Batch;
use super::line::{Handle, Line};
use super::parker::Parker;
use super::pending::Pending;
use super::stream::Stream;
use super::workers::Workers;
use crate::native::{Link, Peer, Terms};
use crate::{Context, Dialect, Error, Options, Registry, ToArguments};

/// Calls the functions of the other end of a native connection, from any number of threads.
///
/// A clone costs one or two reference counts, and all clones share the connection, which ends with the last of them.
/// [`timeout`](Self::timeout), [`within`](Self::within) and [`metadata`](Self::metadata) give a clone that differs in that
/// one thing.
///
/// There is no thread behind it: of those who wait for an answer one reads for all. So while nobody waits nothing is
/// read, and the functions of a client [with a registry](Self::with_registry) can be called by the other end only while
/// somebody waits here, or a thread is in [`run`](Self::run).
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use std::os::unix::net::UnixStream;
/// use std::sync::Arc;
///
/// use rpc_core::blocking::{Client, serve};
/// use rpc_core::{Codec, Options, Registry, native};
///
/// let mut registry = Registry::new();
/// registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
/// let options = Options::new(Codec::Postcard);
/// let server = native::Peer::new(Arc::new(registry), options.clone());
/// let (near, far) = UnixStream::pair()?; // or TcpStream, TLS, a Pair of pipes, …
/// std::thread::spawn(move || serve(&far, server));
///
/// let client = Client::new(near, options)?;
/// let sum: i64 = client.call("add", (2, 3))?;
/// assert_eq!(sum, 5);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The stream
///
/// The client sets up a socket for itself: blocking, `TCP_NODELAY`, and timeouts for reading (1 s) and writing (50 ms),
/// after which it looks at its deadlines and at what comes. Of system calls a call alone takes one write and one read,
/// and calls of many threads share them.
///
/// # Memory
///
/// 64 KiB to read, and the answers that were not yet fetched. While more than
/// [`Options::max_queued`](crate::Options::max_queued) bytes wait to be sent, who calls waits too.
#[derive(Clone)]
pub struct Client {
    pub(super) line: Arc<Line>,
    terms: Terms,
}

impl Client {
    /// Begins a conversation in which this end has no functions, and waits for the other end's hello.
    ///
    /// # Errors
    /// [`Error::NoHello`] if it does not come in time, those of ends that don't suit each other, and those of the stream.
    pub fn new(
        stream: impl Stream + Send + Sync + 'static,
        options: Options,
    ) -> Result<Self, Error> {
        Self::with_registry(stream, Arc::new(Registry::new()), options)
    }

    /// As [`new`](Self::new), with functions that the other end can call; see [`run`](Self::run).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_registry(
        stream: impl Stream + Send + Sync + 'static,
        registry: Arc<Registry>,
        options: Options,
    ) -> Result<Self, Error> {
        let peer = Peer::new(registry, options);
        Self::with_peer(stream, peer, &Workers::default())
    }

    /// As [`with_registry`](Self::with_registry), with a peer that has some [state](Peer::with_state), and threads that
    /// others use too.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_peer(
        stream: impl Stream + Send + Sync + 'static,
        peer: Peer,
        workers: &Workers,
    ) -> Result<Self, Error> {
        let hello_timeout = peer.options().hello_timeout;
        let peer = peer.attended(false);
        let line = Line::new(Box::new(stream), peer, workers.clone());
        let client = Self {
            line,
            terms: Terms::default(),
        };
        client.open(Instant::now().checked_add(hello_timeout))?;
        Ok(client)
    }

    /// Returns a client of the connection that this call came by, so that a function can call its caller back. Its calls
    /// end no later than the call itself, as with [`within`](Self::within).
    ///
    /// `None` if the call came in another way than by a client of this kind: see [`run`](Self::run).
    #[must_use]
    pub fn of(cx: &Context) -> Option<Self> {
        let driver = Arc::clone(&cx.caller::<Link>()?.driver) as Arc<dyn Any + Send + Sync>;
        let client = Self {
            line: driver.downcast::<Handle>().ok()?.0.upgrade()?,
            terms: Terms::default(),
        };
        Some(client.within(cx))
    }

    /// Calls a function and waits for its result.
    ///
    /// # Errors
    /// [`Error::Fault`] is what the function, or the other end on its behalf, answered; [`Error::Timeout`] leaves the
    /// connection as it is; all others are about the connection or this end. [`Error::is_safe_to_repeat`] tells those
    /// after which the function was certainly not run.
    pub fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Result<R, Error> {
        let mut pending = self.start::<R>(function, arguments)?;
        pending.answer()?.decode()
    }

    /// Calls a function, and gives its result when it is waited for: so that one thread can have many calls running. The
    /// call is sent before this returns.
    ///
    /// # Errors
    /// If it can't be sent; see [`call`](Self::call). Never [`Error::Fault`].
    pub fn start<R: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Result<Pending<R>, Error> {
        self.start_with(function, &arguments)
    }

    /// Calls a function without ever learning what became of it. It is sent before this returns.
    ///
    /// # Errors
    /// If it can't be sent; see [`call`](Self::call). Never [`Error::Fault`].
    pub fn notify(&self, function: &str, arguments: impl ToArguments) -> Result<(), Error> {
        let Beginning { now, .. } = self.begin();
        let mut peer = self.line.peer();
        peer.notify(&self.terms.request(function), &arguments, now)?;
        let queued = peer.output().len();
        drop(peer);
        self.line.flush(queued, None);
        Ok(())
    }

    /// Collects calls that are then sent together.
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// The same client with another timeout for each call; without this it is
    /// [`Options::call_timeout`](crate::Options::call_timeout). [`Duration::MAX`] is for ever.
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> Self {
        self.with(self.terms.with_timeout(timeout))
    }

    /// The same client, whose calls end no later than the call of `cx` does: a function that calls others gives them what
    /// is left of its own time.
    #[must_use]
    pub fn within(&self, cx: &Context) -> Self {
        self.with(self.terms.within(cx))
    }

    /// The same client, whose calls carry one more pair of a name and bytes for the function's [`Context::metadata`].
    #[must_use]
    pub fn metadata(&self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.with(self.terms.with_metadata(name.into(), value.into()))
    }

    /// Reads, and runs what the other end calls, in this thread until the connection is over. The other end is told that
    /// this one reads all the time: each then notices when the other is gone (see
    /// [`Options::keep_alive`](crate::Options::keep_alive)).
    ///
    /// Quick functions run in this thread, blocking ones and futures on the workers. Any of them may call back with
    /// [`Client::of`].
    ///
    /// # Errors
    /// Why it ended, unless both ends had finished.
    pub fn run(&self) -> Result<(), Error> {
        self.line.peer().set_attended(true);
        self.line.flush(0, None);
        Parker::with(|parker, _| self.line.run(parker))
    }

    /// Makes no more calls and takes none. Those in flight, either way, still get their answers, and then the stream is
    /// closed. Returns at once.
    pub fn close(&self) {
        self.line.peer().drain(Instant::now());
        self.line.flush(0, None);
        self.line.end_if_finished();
    }

    /// Returns whether calls can be made: the ends have met, and neither is closing. Looks what has come from the other
    /// end, if nothing did for a moment.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.line.look(Instant::now());
        self.line.peer().is_callable()
    }

    pub(super) fn start_with<R>(
        &self,
        function: &str,
        arguments: &impl ToArguments,
    ) -> Result<Pending<R>, Error> {
        let mut pending = self.queue(function, arguments, self.begin())?;
        pending.send();
        Ok(pending)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.line, &other.line)
    }

    /// When a call that begins now must be answered. Looks at the connection if it was quiet for long.
    pub(super) fn begin(&self) -> Beginning {
        let now = Instant::now();
        self.line.look(now);
        let (until, timeout) = self.terms.deadline(now, self.line.call_timeout);
        Beginning {
            now,
            until,
            timeout,
        }
    }

    /// Queues a call, which is not sent yet.
    pub(super) fn queue<R>(
        &self,
        function: &str,
        arguments: &impl ToArguments,
        beginning: Beginning,
    ) -> Result<Pending<R>, Error> {
        let mut peer = self.line.peer();
        let id = peer.call(&self.terms.request(function), arguments, beginning.now)?;
        let queued = peer.output().len();
        drop(peer);
        Ok(Pending {
            line: Arc::clone(&self.line),
            id,
            is_over: false,
            until: beginning.until,
            timeout: beginning.timeout,
            queued,
            result: PhantomData,
        })
    }

    fn open(&self, until: Option<Instant>) -> Result<(), Error> {
        self.line.flush(0, until);
        Parker::with(|parker, waker| {
            loop {
                parker.reset();
                if let Poll::Ready(opened) = self.line.peer().poll_open(waker) {
                    return opened;
                }
                self.line.wait(parker, until);
                if until.is_some_and(|until| until <= Instant::now()) {
                    self.line.timeout(Instant::now());
                }
            }
        })
    }

    fn with(&self, terms: Terms) -> Self {
        Self {
            line: Arc::clone(&self.line),
            terms,
        }
    }
}

/// When a call begins, when it is given up, and how long after it began that is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning {
    now: Instant,
    until: Option<Instant>,
    timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("timeout", &self.terms.timeout)
            .field("deadline", &self.terms.deadline)
            .finish_non_exhaustive()
    }
}
