use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{self, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::lock::lock;
use crate::native::{CallId, Link, Peer, Terms};
use crate::{Context, Driver, Error, ToArguments};

/// Calls the functions of the other end of a native connection, from async code.
///
/// `tokio::connect` gives one, and so does [`of`](Self::of) inside a function. It needs no particular runtime:
/// whatever drives the connection sends what is queued here and wakes the callers.
///
/// In a function that runs at once, of a registry of the same connection, a client hangs for ever: those of
/// [`register_with`](crate::Registry::register_with) and
/// [`register_async`](crate::Registry::register_async) may have one.
///
/// A clone costs one or two reference counts, and all clones share the connection. [`timeout`](Self::timeout),
/// [`within`](Self::within) and [`metadata`](Self::metadata) give a clone that differs in that one thing.
///
/// ```
/// # #[cfg(all(feature = "tokio", feature = "postcard"))] {
/// use rpc_core::{Arguments, Client, Error};
///
/// async fn total(client: &Client) -> Result<i64, Error> {
///     let left = client.call("add", (2, 3)); // both are on their way now
///     let right = client.call("add", Arguments::new().positional(&4).keyword("y", &5));
///     let (left, right): (i64, i64) = (left.await?, right.await?);
///     Ok(left + right)
/// }
/// # let _ = total;
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    line: Arc<Line>,
    terms: Terms,
}

/// One end of a connection, and who carries its bytes.
struct Line {
    peer: Arc<Mutex<Peer>>,
    driver: Arc<dyn Driver>,
}

impl Client {
    pub(crate) fn new(peer: Arc<Mutex<Peer>>, driver: Arc<dyn Driver>) -> Self {
        Self {
            line: Arc::new(Line { peer, driver }),
            terms: Terms::default(),
        }
    }

    /// Returns a client of the connection that this call came by, so that a function can call its caller back.
    ///
    /// `None` if the call came in a dialect or by a driver that can't call back: JSON-RPC, or threads. The
    /// client's calls end no later than the call itself, as with [`within`](Self::within).
    #[must_use]
    pub fn of(cx: &Context) -> Option<Self> {
        let link = cx.caller::<Link>()?;
        let client = Self::new(link.peer.upgrade()?, Arc::clone(&link.driver));
        Some(client.within(cx))
    }

    /// Calls a function, and gives its result when the returned future is awaited.
    ///
    /// The arguments are encoded at once, into what goes out next, so that a task can start many calls and then
    /// await them. Takes no more than a lock and the encoding; the driver is woken if it is not awake.
    ///
    /// # Errors
    ///
    /// By the future: [`Error::Fault`] is what the function, or the other end on its behalf, answered; all others
    /// are about the connection or this end. [`Error::is_safe_to_repeat`] tells those after which the function
    /// was certainly not run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call: the other end is told, and drops what it can.
    pub fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Pending<R> {
        self.start(function, &arguments)
    }

    /// Calls a function without ever learning what became of it. Its bytes are queued; nothing is waited for.
    ///
    /// # Errors
    ///
    /// If the call can't be sent: its arguments can't be encoded or are too large, the connection is closing or gone,
    /// or the other end reads too slowly ([`Error::QueueFull`]).
    pub fn notify(&self, function: &str, arguments: impl ToArguments) -> Result<(), Error> {
        let now = self.line.driver.now();
        self.line
            .with_peer(|peer| peer.notify(&self.terms.request(function), &arguments, now))
    }

    /// The same client with another timeout for each call; without this it is
    /// [`Options::call_timeout`](crate::Options::call_timeout).
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> Self {
        self.with(self.terms.with_timeout(timeout))
    }

    /// The same client, whose calls end no later than the call of `cx` does: a function that calls others gives
    /// them what is left of its own time.
    #[must_use]
    pub fn within(&self, cx: &Context) -> Self {
        self.with(self.terms.within(cx))
    }

    /// The same client, whose calls carry one more pair of a name and bytes for the function's
    /// [`Context::metadata`].
    #[must_use]
    pub fn metadata(&self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.with(self.terms.with_metadata(name.into(), value.into()))
    }

    /// Returns whether calls can be made: the ends have met, and neither is closing.
    #[must_use]
    pub fn is_open(&self) -> bool {
        lock(&self.line.peer).is_callable()
    }

    /// Waits until both ends have said hello and suit each other.
    ///
    /// # Errors
    ///
    /// They don't ([`Error::Version`], [`Error::CodecMismatch`], [`Error::Mismatch`]), the other says nothing for
    /// [`Options::hello_timeout`](crate::Options::hello_timeout), or the connection is lost.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost; one may wait again.
    pub async fn opened(&self) -> Result<(), Error> {
        poll_fn(|cx| lock(&self.line.peer).poll_open(cx.waker())).await
    }

    pub(crate) fn start<R>(&self, function: &str, arguments: &impl ToArguments) -> Pending<R> {
        let (request, now) = (self.terms.request(function), self.line.driver.now());
        let state = match self
            .line
            .with_peer(|peer| peer.call(&request, arguments, now))
        {
            Ok(id) => State::Running {
                line: Arc::clone(&self.line),
                id,
            },
            Err(error) => State::Failed(error),
        };
        Pending {
            state,
            result: PhantomData,
        }
    }

    fn with(&self, terms: Terms) -> Self {
        Self {
            line: Arc::clone(&self.line),
            terms,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("timeout", &self.terms.timeout)
            .field("deadline", &self.terms.deadline)
            .finish_non_exhaustive()
    }
}

impl Line {
    fn with_peer<T>(&self, work: impl FnOnce(&mut Peer) -> T) -> T {
        let result = work(&mut lock(&self.peer));
        self.driver.wake();
        result
    }
}

/// A call on its way: a future of its result. See [`Client::call`]; dropping it cancels the call.
#[must_use = "dropping it cancels the call"]
pub struct Pending<R> {
    state: State,
    result: PhantomData<fn() -> R>,
}

enum State {
    Running { line: Arc<Line>, id: CallId },
    Failed(Error),
    Over,
}

impl<R: DeserializeOwned> Future for Pending<R> {
    type Output = Result<R, Error>;

    /// # Panics
    ///
    /// If it was ready before.
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        if let State::Running { line, id } = &self.state {
            let mut peer = lock(&line.peer);
            let Poll::Ready(answer) = peer.poll_answer(*id, cx.waker()) else {
                return Poll::Pending;
            };
            drop(peer);
            self.state = State::Over;
            return Poll::Ready(answer.and_then(|body| body.decode()));
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Failed(error) => Poll::Ready(Err(error)),
            _ => panic!("the call was ready before"),
        }
    }
}

impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        if let State::Running { line, id } = &self.state {
            line.with_peer(|peer| peer.forget(*id));
        }
    }
}

impl<R> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Running { id, .. } => f.debug_tuple("Pending").field(id).finish(),
            State::Failed(error) => f.debug_tuple("Pending").field(error).finish(),
            State::Over => f.write_str("Pending"),
        }
    }
}
