use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use crate::datagram::DatagramSource;
use crate::handler::Peer;
use crate::listener::ListenerSource;
use crate::poller::Poller;
use crate::turn::{Core, Source};
use crate::{
    DatagramHandler, Handle, Key, Listener, LoopOptions, Options, PostError, Socket, Stats,
    StreamHandler, sim,
};

/// Watches sockets and calls their handlers, all on the thread that runs it.
///
/// `M` is the type of the messages between handlers, from other threads and from offloaded work.
///
/// A loop and its handlers stay on one thread. For more than one core, run one loop a thread, each
/// with its own listener from [`bind_shared`](crate::bind_shared).
pub struct EventLoop<M = ()> {
    core: Core<M>,
}

impl<M: 'static> EventLoop<M> {
    /// Makes a loop with default options.
    ///
    /// # Errors
    ///
    /// What the system says to making the poller.
    pub fn new() -> io::Result<Self> {
        Self::with_options(LoopOptions::default())
    }

    /// Makes a loop.
    ///
    /// # Errors
    ///
    /// What the system says to making the poller.
    pub fn with_options(options: LoopOptions) -> io::Result<Self> {
        Ok(Self {
            core: Core::new(Poller::os()?, options)?,
        })
    }

    /// Makes a loop whose sockets and clock are moved by a script; see [`sim`].
    ///
    /// # Errors
    ///
    /// None in practice; the signature is that of [`with_options`](Self::with_options).
    pub fn simulated(sim: &sim::Sim, options: LoopOptions) -> io::Result<Self> {
        Ok(Self {
            core: Core::new(Poller::Sim(sim.clone()), options)?,
        })
    }

    /// Accepts connections and gives each to the handler that `accept` makes for it.
    ///
    /// Accepting goes on through `EMFILE` and its kin: it rests for 10 ms, doubling up to 1 s, and
    /// writes one warning (through `tracing`) a pause. A panic in `accept` or in a handler costs that
    /// one connection.
    ///
    /// # Errors
    ///
    /// What the system says to watching the listener.
    pub fn listen<H: StreamHandler<M> + 'static>(
        &mut self,
        listener: impl Into<Listener>,
        options: Options,
        mut accept: impl FnMut(Peer) -> H + 'static,
    ) -> io::Result<Key> {
        let listener = listener.into();
        listener.prepare()?;
        let key = self.core.sources.next_key();
        if let Some(simulated) = listener.simulated() {
            simulated.watch(key);
        }
        if let Some(fd) = listener.raw_fd() {
            self.core.poller.watch_fd(fd, key)?;
        }
        let accept = Box::new(move |peer| Box::new(accept(peer)) as Box<dyn StreamHandler<M>>);
        let source = ListenerSource::new(listener, key, options, accept);
        Ok(self.core.sources.insert(Source::Listener(Box::new(source))))
    }

    /// Puts one stream on the loop: an accepted or connected one, a socket pair's end, or
    /// [`Socket::stdin`].
    ///
    /// # Errors
    ///
    /// What the system says to watching the socket.
    pub fn add_stream(
        &mut self,
        stream: impl Into<Socket>,
        options: Options,
        handler: impl StreamHandler<M> + 'static,
    ) -> io::Result<Key> {
        self.core
            .add_single_stream(stream.into(), options, Box::new(handler))
    }

    /// Connects to `address` without waiting. The handler's `opened` tells when the connection is
    /// there, its `closed` when it can't be made; it may take
    /// [`handshake_timeout`](Options::handshake_timeout). Messages sent to it before it is there wait
    /// for it.
    ///
    /// # Errors
    ///
    /// What the system says to making the socket.
    pub fn connect(
        &mut self,
        address: SocketAddr,
        options: Options,
        handler: impl StreamHandler<M> + 'static,
    ) -> io::Result<Key> {
        self.core.connect(address, options, Box::new(handler))
    }

    /// Serves a datagram socket. A panic in its handler costs the call in which it happened; the
    /// handler goes on.
    ///
    /// # Errors
    ///
    /// What the system says to watching the socket.
    pub fn add_datagrams(
        &mut self,
        socket: UdpSocket,
        handler: impl DatagramHandler<M> + 'static,
    ) -> io::Result<Key> {
        socket.set_nonblocking(true)?;
        let key = self.core.sources.next_key();
        self.core.poller.watch_fd(socket.as_raw_fd(), key)?;
        let source = DatagramSource::new(socket, Box::new(handler));
        Ok(self
            .core
            .sources
            .insert(Source::Datagrams(Box::new(source))))
    }

    /// Calls `handler` on the loop each time the process gets `signal` (such as 15, SIGTERM).
    ///
    /// The process's own handling of the signal is replaced until the loop is dropped.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a signal that can't be handled (such as 9, SIGKILL); otherwise what the
    /// system says to the signal or to watching for it.
    #[cfg(feature = "signals")]
    pub fn on_signal(
        &mut self,
        signal: i32,
        handler: impl FnMut(&mut crate::Context<'_, M>) + 'static,
    ) -> io::Result<()> {
        let key = self.core.sources.next_key();
        let source = crate::signals::SignalSource::new(signal, Box::new(handler))?;
        self.core.poller.watch_fd(source.raw_fd(), key)?;
        self.core.sources.insert(Source::Signal(Box::new(source)));
        Ok(())
    }

    /// Runs until the loop is stopped, or until it watches nothing any more (signals do not count).
    /// Returns what has happened.
    ///
    /// # Errors
    ///
    /// What the system says to waiting. Errors of single sockets end those sockets only.
    pub fn run(&mut self) -> io::Result<Stats> {
        while !self.core.is_over() {
            self.core.turn(None)?;
        }
        Ok(self.core.stats)
    }

    /// Runs one turn, waiting for something to do for at most `wait` (`None`: without end). A
    /// simulated loop never waits.
    ///
    /// # Errors
    ///
    /// What the system says to waiting.
    pub fn turn(&mut self, wait: Option<Duration>) -> io::Result<()> {
        self.core.turn(wait)
    }

    /// Stops the loop: listeners are closed at once, no more datagrams are received, each stream's
    /// handler is told by [`stopping`](StreamHandler::stopping), and streams that are still open after
    /// `grace` are cut. Offloaded work is waited for as long, and then [`run`](Self::run) returns.
    /// Stopping again can only shorten the grace.
    pub fn stop(&mut self, grace: Duration) {
        self.core.stop(grace);
    }

    /// Sends a message to the handler named by `key`, to arrive in the next turn.
    ///
    /// # Errors
    ///
    /// As [`Handle::post`].
    pub fn post(&mut self, key: Key, message: M) -> Result<(), PostError<M>> {
        self.handle().post(key, message)
    }

    /// Reaches this loop from other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<M> {
        Handle::new(Arc::clone(&self.core.shared))
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats
    }
}

impl<M> Drop for EventLoop<M> {
    fn drop(&mut self) {
        self.core.shared.close();
    }
}

impl<M> fmt::Debug for EventLoop<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("stats", &self.core.stats)
            .finish_non_exhaustive()
    }
}
