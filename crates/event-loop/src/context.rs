use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::offload::{self, Pool};
use crate::timers::TimerKey;
use crate::turn::{Core, Post, Timer};
use crate::{
    Handle, Key, OffloadError, Options, Panicked, PostError, Socket, Stats, StreamHandler,
};

/// What a handler can ask of its loop while it runs.
pub struct Context<'a, M = ()> {
    pub(crate) core: &'a mut Core<M>,
    pub(crate) key: Key,
}

impl<M: 'static> Context<'_, M> {
    /// The key of the handler that is running: give it to those who should send it messages.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// The time at which this turn of the loop began.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.now
    }

    /// Calls this handler's `timer` with `token` once, `after` from [`now`](Self::now), rounded up to
    /// a millisecond. Setting and cancelling take constant time. Timers of a stream end with it.
    pub fn set_timer(&mut self, after: Duration, token: u64) -> TimerKey {
        let timer = self.core.set_timer(self.key, after, Timer::Token(token));
        if let Some(seat) = self.core.seat_mut(self.key) {
            seat.timers.push(timer);
        }
        timer
    }

    /// Cancels a timer; says whether it was still running.
    pub fn cancel_timer(&mut self, timer: TimerKey) -> bool {
        if let Some(seat) = self.core.seat_mut(self.key) {
            seat.timers.retain(|&other| other != timer);
        }
        self.core.wheel.cancel(timer).is_some()
    }

    /// Sends a message to the handler named by `key`, to arrive after this one returns. Messages
    /// arrive in the order in which they were sent.
    ///
    /// # Errors
    ///
    /// [`PostError::Gone`] when there is no such handler, [`PostError::Full`] when
    /// [`message_queue`](crate::LoopOptions::message_queue) messages wait.
    pub fn post(&mut self, key: Key, message: M) -> Result<(), PostError<M>> {
        if self.core.sources.get(key).is_none() {
            return Err(PostError::Gone(message));
        }
        self.core
            .queue_post(message, |message| Post::One { to: key, message })
    }

    /// Puts this handler into a group. Groups need no making: one exists while it has members.
    pub fn join(&mut self, group: u64) {
        let sources = &self.core.sources;
        self.core
            .groups
            .join(group, self.key, |member| sources.get(member).is_some());
    }

    /// Takes this handler out of a group. Costs a look at each member. A handler that closes leaves
    /// all its groups by itself.
    pub fn leave(&mut self, group: u64) {
        self.core.groups.leave(group, self.key);
    }

    /// Sends a message to all members of a group but this handler, as [`post`](Self::post) does. It
    /// waits as one message, however many members there are; `M`'s `clone` should be cheap.
    ///
    /// # Errors
    ///
    /// [`PostError::Full`] when [`message_queue`](crate::LoopOptions::message_queue) messages wait.
    pub fn publish(&mut self, group: u64, message: M) -> Result<(), PostError<M>>
    where
        M: Clone,
    {
        let except = self.key;
        self.core.queue_post(message, |message| Post::Group {
            group,
            except,
            message,
            clone: M::clone,
        })
    }

    /// Runs `work` on another thread and sends the message that `done` makes of its outcome to this
    /// handler. A panic in `work` is an outcome too. When the handler is gone by then, the message is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`OffloadError::Full`] when [`offload_queue`](crate::LoopOptions::offload_queue) pieces of work wait,
    /// [`OffloadError::NoThread`] when there is no thread and the system gives none.
    pub fn offload<T>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
        done: impl FnOnce(Result<T, Panicked>) -> M + Send + 'static,
    ) -> Result<(), OffloadError>
    where
        M: Send,
    {
        let shared = Arc::clone(&self.core.shared);
        let key = self.key;
        let options = &self.core.loop_options;
        let pool = self
            .core
            .pool
            .get_or_insert_with(|| Pool::new(options.offload_threads, options.offload_queue));
        pool.run(Box::new(move || {
            let outcome = offload::catch(work);
            // `done` is the user's too: when it panics there is no message, but the loop must learn
            // that the work is over.
            shared.work_done(key, offload::catch(|| done(outcome)).ok());
        }))?;
        self.core.offloaded += 1;
        Ok(())
    }

    /// Stops reading from this handler's socket until [`resume_reading`](Self::resume_reading).
    pub fn pause_reading(&mut self) {
        self.core.set_paused(self.key, true);
    }

    /// Reads again after [`pause_reading`](Self::pause_reading).
    pub fn resume_reading(&mut self) {
        self.core.set_paused(self.key, false);
    }

    /// Closes the stream named by `key` after this handler returns and that stream's queue is sent.
    /// Its handler receives nothing more, and learns of it by `closed`.
    /// (A handler closes its own stream by [`Outgoing::close`](crate::Outgoing::close).)
    pub fn close(&mut self, key: Key) {
        self.core.close_later.push((key, false));
    }

    /// Cuts the stream named by `key`, which may be this handler's own, after this handler returns.
    /// What is queued is not sent.
    pub fn abort(&mut self, key: Key) {
        self.core.close_later.push((key, true));
    }

    /// Puts another stream on the loop.
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

    /// Connects to `address` without waiting; see [`EventLoop::connect`](crate::EventLoop::connect).
    ///
    /// # Errors
    ///
    /// What the system says to making the socket. A connection that can't be made is told to the
    /// handler's `closed`.
    pub fn connect(
        &mut self,
        address: SocketAddr,
        options: Options,
        handler: impl StreamHandler<M> + 'static,
    ) -> io::Result<Key> {
        self.core.connect(address, options, Box::new(handler))
    }

    /// Stops the loop as [`EventLoop::stop`](crate::EventLoop::stop) does.
    pub fn stop(&mut self, grace: Duration) {
        self.core.stop(grace);
    }

    /// What has happened on this loop so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats
    }

    /// Reaches this loop from other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<M> {
        Handle::new(Arc::clone(&self.core.shared))
    }
}

impl<M> fmt::Debug for Context<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
