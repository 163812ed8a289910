//! Serving each connection as a task of a tokio runtime (feature `tokio`).
//!
//! The builder, the limits, the deadlines and the counts are those of [`Server`]; only the handler and
//! what it gets are different: an `async` function and a [`Connection`] that is
//! `AsyncRead + AsyncWrite`.
//!
//! ```
//! use std::time::Duration;
//!
//! use socket_server::Server;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
//! use tokio::net::TcpStream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let running = Server::tcp("127.0.0.1:0").serve_tokio(async |connection| {
//!     copy(&mut &connection, &mut &connection).await?;
//!     Ok(())
//! })?;
//!
//! let mut client = TcpStream::connect(running.address().socket_addr().unwrap()).await?;
//! client.write_all(b"hello").await?;
//! let mut answer = [0; 5];
//! client.read_exact(&mut answer).await?;
//! assert_eq!(&answer, b"hello");
//! drop(client);
//!
//! let stats = running.shutdown(Duration::from_secs(5)).await;
//! assert_eq!(stats.finished, 1);
//! # Ok(())
//! # }
//! ```
//!
//! Deadlines arm no timers: one thread looks at all connections now and then, as it does for the other
//! strategies. So a connection that waits costs its task, its entry in the reactor and a few hundred
//! bytes beside; what the handler keeps while it waits often costs more. A handler that waits by
//! [`Connection::readable`] needs no buffer meanwhile.

mod connection;
mod socket;
mod task;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use ::tokio::runtime::Handle;
use ::tokio::task::{AbortHandle, JoinHandle};
use ::tokio::time::{sleep, timeout};
use rustix::io::Errno;

pub use self::connection::Connection;
use self::connection::Place;
use self::socket::Ear;
pub(crate) use self::socket::Stream;
use crate::acceptor::{Listener, Pauses, Trouble};
use crate::gate::{Permit, Turn};
use crate::registry::{Registered, Socket};
use crate::running::AFTER_CUT;
use crate::service::Service;
use crate::{Address, Bound, HandlerResult, Limits, Peer, Server, Stats};

impl Server {
    /// [Binds](Self::bind) and [serves](Bound::serve_tokio) on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// Those of both.
    ///
    /// # Panics
    ///
    /// See [`Bound::serve_tokio`].
    pub fn serve_tokio<F: Future<Output = HandlerResult> + Send + 'static>(
        self,
        handler: impl Fn(Connection) -> F + Send + Sync + 'static,
    ) -> io::Result<Running> {
        self.bind()?.serve_tokio(handler)
    }
}

impl Bound {
    /// Listens, and serves in the background on the current tokio runtime: the handler runs for each
    /// connection in a task of its own, whatever the [`Strategy`](crate::Strategy).
    ///
    /// The connection ends when the handler's future does.
    ///
    /// # Errors
    ///
    /// The socket can't listen or is one for datagrams (`InvalidInput`), or there is no current runtime.
    ///
    /// # Panics
    ///
    /// When the runtime was built without its I/O or time drivers.
    pub fn serve_tokio<F: Future<Output = HandlerResult> + Send + 'static>(
        mut self,
        handler: impl Fn(Connection) -> F + Send + Sync + 'static,
    ) -> io::Result<Running> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let service = self.activate()?;
        let ear = Ear::new(&self.listener, &self.address)?;
        let tasks = Arc::new(Tasks {
            service,
            runtime,
            running: Mutex::default(),
        });
        let accepting =
            tasks
                .runtime
                .spawn(accept(Arc::clone(&tasks), self.listener, ear, handler));
        Ok(Running {
            address: self.address,
            tasks,
            accepting,
            is_over: false,
        })
    }
}

/// A server that runs on a tokio runtime.
///
/// Dropping it stops accepting, cuts every connection and cancels every handler, at once; keep it, and
/// end with [`shutdown`](Self::shutdown), [`detach`](Self::detach) or [`wait`](Self::wait).
#[must_use = "dropping it shuts the server down"]
pub struct Running {
    address: Address,
    tasks: Arc<Tasks>,
    accepting: JoinHandle<()>,
    is_over: bool,
}

impl Running {
    /// Returns where the server listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns what has happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.tasks.service.gate.stats()
    }

    /// Returns the limits that hold now.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.tasks.service.gate.limits()
    }

    /// Changes the limits, as [`Running::set_limits`](crate::Running::set_limits) does.
    pub fn set_limits(&self, limits: Limits) {
        self.tasks.service.gate.set_limits(limits);
        self.tasks.service.registry.hurry();
    }

    /// Accepts no more connections until [`resume`](Self::resume): they wait in the backlog.
    pub fn suspend(&self) {
        self.tasks.service.gate.suspend();
    }

    /// Accepts connections again.
    pub fn resume(&self) {
        self.tasks.service.gate.resume();
    }

    /// Shuts down and returns how all went.
    ///
    /// The listener is closed at once, and handlers see [`is_stopping`](Connection::is_stopping). They
    /// have until the end of `grace`: then every open connection is cut, which frees handlers that wait
    /// for one. Handlers that go on even so have another second, and are then cancelled at their next
    /// `await` and counted as cut off. `Duration::MAX` waits for as long as it takes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does what dropping [`Running`] does.
    pub async fn shutdown(mut self, grace: Duration) -> Stats {
        self.stop();
        // Cancelled or ended, the listener is closed.
        let _ = (&mut self.accepting).await;
        let gate = &self.tasks.service.gate;
        let idle = || poll_fn(|cx| gate.poll_idle(cx));
        if timeout(grace, idle()).await.is_err() {
            self.tasks.service.registry.cut_all();
            let _ = timeout(AFTER_CUT, idle()).await;
        }
        let mut stats = gate.stats();
        stats.cut_off += stats.open as u64;
        stats.open = 0;
        self.tasks.abort();
        self.is_over = true;
        stats
    }

    /// Stops accepting and leaves the handlers that run to themselves, within the limits.
    pub fn detach(mut self) {
        self.is_over = true;
        self.stop();
    }

    /// Waits until the listener is of no more use, which is most often for ever, and returns the error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn wait(&self) -> io::Error {
        poll_fn(|cx| self.tasks.service.gate.poll_failure(cx)).await
    }

    fn stop(&self) {
        self.tasks.service.gate.stop();
        self.accepting.abort();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.stop();
            self.tasks.service.registry.cut_all();
            self.tasks.abort();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The tasks of a server.
struct Tasks {
    service: Arc<Service>,
    runtime: Handle,
    /// By the places that their connections have in the registry.
    running: Mutex<Vec<Option<AbortHandle>>>,
}

impl Tasks {
    fn start<F: Future<Output = HandlerResult> + Send + 'static>(
        self: &Arc<Self>,
        open: Registered,
        permit: Permit,
        peer: Peer,
        handler: &Arc<impl Fn(Connection) -> F + Send + Sync + 'static>,
    ) {
        let slot = open.slot();
        let place = Place {
            tasks: Arc::clone(self),
            open,
        };
        let task = task::serve(Connection::new(place, peer), permit, Arc::clone(handler));
        let task = self.runtime.spawn(task).abort_handle();
        // If it is over by now, the next connection that has its place has this one, too.
        let mut running = self.running();
        if running.len() <= slot {
            running.resize(slot + 1, None);
        }
        running[slot] = Some(task);
    }

    fn abort(&self) {
        let running = std::mem::take(&mut *self.running());
        for task in running.iter().flatten() {
            task.abort();
        }
    }

    fn running(&self) -> MutexGuard<'_, Vec<Option<AbortHandle>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts until the server stops.
async fn accept<F: Future<Output = HandlerResult> + Send + 'static>(
    tasks: Arc<Tasks>,
    listener: Arc<Listener>,
    ear: Ear,
    handler: impl Fn(Connection) -> F + Send + Sync + 'static,
) {
    let handler = Arc::new(handler);
    let gate = &tasks.service.gate;
    let mut pauses = Pauses::default();
    // What waits at the listener stays there while the gate says neither go nor stop.
    let next = || {
        poll_fn(|cx| match ready!(gate.poll_turn(cx)) {
            Turn::Go => ear.poll_accept(cx).map(Some),
            Turn::Stop | Turn::Late => Poll::Ready(None),
        })
    };
    while let Some(newcomer) = next().await {
        match newcomer {
            Ok((stream, peer)) => {
                pauses.over();
                if let Some((open, permit)) = tasks.service.take_in(Socket::Task(stream), &peer) {
                    tasks.start(open, permit, peer, &handler);
                }
            }
            Err(error) => {
                match Errno::from_io_error(&error).map_or(Trouble::Passing, Trouble::of) {
                    Trouble::None => {}
                    Trouble::Passing => {
                        let pause = pauses.next();
                        gate.note_pause(pause, &error);
                        sleep(pause).await;
                    }
                    Trouble::Fatal => {
                        gate.fail(error);
                        break;
                    }
                }
            }
        }
    }
    // A file of the listener goes with it.
    drop(listener);
}
