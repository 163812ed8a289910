use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::datagram::DatagramSource;
use crate::handle::{Command, Shared};
use crate::handler::Closed;
use crate::listener::{ListenerSource, Origin};
use crate::offload::{self, Pool};
use crate::poller::{Poller, Ready};
use crate::slots::Slots;
use crate::socket::begin_connect;
use crate::stream::{Stream, ticks};
use crate::timers::{TimerKey, Wheel};
use crate::{
    Handle, Key, LoopOptions, OffloadError, Options, Panicked, PostError, Socket, Stats,
    StreamHandler,
};

/// What a handler can ask of its loop while it runs.
pub struct Context<'a, M = ()> {
    core: &'a mut Core<M>,
    key: Key,
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
        if let Some(stream) = self.core.stream_mut(self.key) {
            stream.timers.push(timer);
        }
        timer
    }

    /// Cancels a timer; says whether it was still running.
    pub fn cancel_timer(&mut self, timer: TimerKey) -> bool {
        if let Some(stream) = self.core.stream_mut(self.key) {
            stream.timers.retain(|&other| other != timer);
        }
        self.core.wheel.cancel(timer).is_some()
    }

    /// Sends a message to the handler named by `key`, to arrive after this one returns. Messages
    /// arrive in the order in which they were sent.
    ///
    /// # Errors
    ///
    /// [`PostError::Gone`] when there is no such handler, [`PostError::Full`] when
    /// [`message_queue`](LoopOptions::message_queue) messages wait.
    pub fn post(&mut self, key: Key, message: M) -> Result<(), PostError<M>> {
        if self.core.sources.get(key).is_none() {
            return Err(PostError::Gone(message));
        }
        self.core
            .queue_post(message, |message| Post::One { to: key, message })
    }

    /// Puts this handler into a group. Groups need no making: one exists while it has members.
    pub fn join(&mut self, group: u64) {
        let members = self.core.groups.entry(group).or_default();
        let mut members = members.borrow_mut();
        if members.len() == members.capacity() {
            // Before the list grows, forget those who are gone.
            let sources = &self.core.sources;
            members.retain(|&member| sources.get(member).is_some());
        }
        members.push(self.key);
    }

    /// Takes this handler out of a group. Costs a look at each member. A handler that closes leaves
    /// all its groups by itself.
    pub fn leave(&mut self, group: u64) {
        if let Some(members) = self.core.groups.get(&group) {
            let mut members = members.borrow_mut();
            for member in members.iter_mut().filter(|member| **member == self.key) {
                // A delivery to the group may be under way: leave the others in their places.
                *member = Key::NOBODY;
            }
        }
    }

    /// Sends a message to all members of a group but this handler, as [`post`](Self::post) does. It
    /// waits as one message, however many members there are; `M`'s `clone` should be cheap.
    ///
    /// # Errors
    ///
    /// [`PostError::Full`] when [`message_queue`](LoopOptions::message_queue) messages wait.
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
    /// [`OffloadError::Full`] when [`offload_queue`](LoopOptions::offload_queue) pieces of work wait,
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
        self.core
            .add_single_stream(begin_connect(address)?, options, Box::new(handler))
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

/// All that a loop has, but for the calls on it.
pub(crate) struct Core<M> {
    pub(crate) sources: Slots<Source<M>>,
    pub(crate) poller: Poller,
    pub(crate) wheel: Wheel<(Key, Timer)>,
    pub(crate) now: Instant,
    began: Instant,
    pub(crate) shared: Arc<Shared<M>>,
    pub(crate) loop_options: LoopOptions,
    pub(crate) stats: Stats,
    /// Every stream reads into this one; what a handler wants to keep, it copies.
    pub(crate) read_buffer: Vec<u8>,
    /// The write buffer that idle streams share.
    pub(crate) spare_buffer: Vec<u8>,
    /// Sources with something to do in the next turn.
    ready: Vec<Key>,
    /// Streams with something to send at the end of this turn.
    pub(crate) dirty: Vec<Key>,
    /// Streams to close at the end of this turn.
    pub(crate) doomed: Vec<(Key, Closed)>,
    /// Streams that a handler wants closed (or, when `true`, cut) after it returns.
    close_later: Vec<(Key, bool)>,
    posts: VecDeque<Post<M>>,
    groups: HashMap<u64, Rc<RefCell<Vec<Key>>>>,
    pool: Option<Pool>,
    offloaded: usize,
    stop: Option<Stop>,
    commands: Vec<Command<M>>,
    events: Vec<Ready>,
}

pub(crate) enum Source<M> {
    Stream(Stream<M>),
    Listener(Box<ListenerSource<M>>),
    Datagrams(Box<DatagramSource<M>>),
    #[cfg(feature = "signals")]
    Signal(Box<crate::signals::SignalSource<M>>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    /// One that a handler set.
    Token(u64),
    /// A stream's own deadline.
    Deadline,
    /// A listener's pause is over.
    AcceptAgain,
    /// The grace period is over.
    GraceOver,
}

enum Post<M> {
    One {
        to: Key,
        message: M,
    },
    Group {
        group: u64,
        except: Key,
        message: M,
        clone: fn(&M) -> M,
    },
}

#[derive(Clone, Copy, Debug)]
struct Stop {
    timer: TimerKey,
    at: Instant,
    is_announced: bool,
}

const READ_BUFFER_LEN: usize = 64 << 10;
/// A write buffer that grew beyond this is not kept for the next stream.
const LARGEST_SPARE: usize = 256 << 10;

impl<M: 'static> Core<M> {
    pub(crate) fn new(poller: Poller, loop_options: LoopOptions) -> io::Result<Self> {
        let now = poller.now();
        let shared = Arc::new(Shared::new(poller.waker()?, loop_options.message_queue));
        Ok(Self {
            sources: Slots::new(),
            poller,
            wheel: Wheel::new(),
            now,
            began: now,
            shared,
            loop_options,
            stats: Stats::default(),
            read_buffer: vec![0; READ_BUFFER_LEN],
            spare_buffer: Vec::new(),
            ready: Vec::new(),
            dirty: Vec::new(),
            doomed: Vec::new(),
            close_later: Vec::new(),
            posts: VecDeque::new(),
            groups: HashMap::new(),
            pool: None,
            offloaded: 0,
            stop: None,
            commands: Vec::new(),
            events: Vec::new(),
        })
    }

    /// One turn: wait, then let everybody who has something to do have their share of it.
    pub(crate) fn turn(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let timeout = self.wait_at_most(wait);
        let mut events = std::mem::take(&mut self.events);
        let waited = self.poller.wait(timeout, &mut events);
        self.now = self.poller.now();
        for event in events.drain(..) {
            self.note(event);
        }
        self.events = events;
        waited?;
        self.take_commands();
        self.fire_timers();
        let mut ready = std::mem::take(&mut self.ready);
        for key in ready.drain(..) {
            self.service(key);
            self.deliver_posts();
        }
        if self.ready.is_empty() {
            self.ready = ready;
        }
        self.announce_stop();
        self.deliver_posts();
        self.flush_dirty();
        self.bury_the_doomed();
        Ok(())
    }

    pub(crate) fn is_over(&self) -> bool {
        match self.stop {
            Some(stop) => stop.is_announced && self.stats.open == 0 && self.offloaded == 0,
            None => self.sources.keys().all(|key| match self.sources.get(key) {
                #[cfg(feature = "signals")]
                Some(Source::Signal(_)) => true,
                _ => false,
            }),
        }
    }

    fn wait_at_most(&self, wait: Option<Duration>) -> Option<Duration> {
        let is_busy = !(self.ready.is_empty()
            && self.posts.is_empty()
            && self.dirty.is_empty()
            && self.doomed.is_empty()
            && self.close_later.is_empty());
        if is_busy || self.stop.is_some_and(|stop| !stop.is_announced) {
            return Some(Duration::ZERO);
        }
        let timer = self.wheel.next_tick().map(|tick| {
            let at = self.began + Duration::from_millis(tick);
            at.saturating_duration_since(self.poller.now())
        });
        wait.into_iter().chain(timer).min()
    }

    fn note(&mut self, event: Ready) {
        let key = event.key;
        if key == Key::NOBODY {
            return;
        }
        // An event for a former tenant of the slot finds nothing here.
        match self.sources.get_mut(key) {
            Some(Source::Stream(stream)) => {
                stream.is_readable |= event.readable || event.read_closed;
                stream.is_writable |= event.writable;
                stream.is_read_closed |= event.read_closed;
            }
            Some(Source::Listener(listener)) => listener.is_readable = true,
            Some(Source::Datagrams(source)) => {
                source.is_readable |= event.readable;
                source.is_writable |= event.writable;
            }
            #[cfg(feature = "signals")]
            Some(Source::Signal(_)) => {}
            None => return,
        }
        self.ready.push(key);
    }

    fn service(&mut self, key: Key) {
        match self.sources.get(key) {
            Some(Source::Stream(_)) => self.service_stream(key),
            Some(Source::Listener(_)) => self.service_listener(key),
            Some(Source::Datagrams(_)) => {
                self.flush_datagrams(key);
                self.service_datagrams(key);
            }
            #[cfg(feature = "signals")]
            Some(Source::Signal(_)) => self.service_signal(key),
            None => {}
        }
    }

    pub(crate) fn make_ready(&mut self, key: Key) {
        self.ready.push(key);
    }

    fn take_commands(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        self.shared.take(&mut commands);
        for command in commands.drain(..) {
            match command {
                Command::Message(key, message) => self.deliver(key, message),
                Command::Stop { grace } => self.stop(grace),
                Command::WorkDone(key, message) => {
                    self.offloaded -= 1;
                    if let Some(message) = message {
                        self.deliver(key, message);
                    }
                }
            }
            self.deliver_posts();
        }
        self.commands = commands;
    }

    fn fire_timers(&mut self) {
        let now = self.tick();
        while let Some((fired, (key, timer))) = self.wheel.expire(now) {
            match timer {
                Timer::Token(token) => self.fire_token(key, fired, token),
                Timer::Deadline => self.check_deadline(key),
                Timer::AcceptAgain => self.accept_again(key),
                Timer::GraceOver => self.cut_off_all(),
            }
            self.deliver_posts();
        }
    }

    fn fire_token(&mut self, key: Key, fired: TimerKey, token: u64) {
        match self.sources.get_mut(key) {
            Some(Source::Stream(stream)) => {
                stream.timers.retain(|&other| other != fired);
                self.call_stream(key, |handler, out, cx| handler.timer(token, out, cx));
            }
            Some(Source::Datagrams(_)) => {
                self.call_datagrams(key, |handler, out, cx| handler.timer(token, out, cx));
            }
            _ => {}
        }
    }

    fn queue_post(
        &mut self,
        message: M,
        post: impl FnOnce(M) -> Post<M>,
    ) -> Result<(), PostError<M>> {
        let limit = self.loop_options.message_queue;
        if self.posts.len() >= limit {
            return Err(PostError::Full { message, limit });
        }
        self.posts.push_back(post(message));
        Ok(())
    }

    /// Delivers the messages that wait now; what their receivers send waits for the next round, so
    /// two that answer each other for ever hold up nobody.
    pub(crate) fn deliver_posts(&mut self) {
        for _ in 0..self.posts.len() {
            match self.posts.pop_front() {
                Some(Post::One { to, message }) => self.deliver(to, message),
                Some(Post::Group {
                    group,
                    except,
                    message,
                    clone,
                }) => {
                    self.deliver_to_group(group, except, &message, clone);
                }
                None => {}
            }
        }
        while let Some((key, is_cut)) = self.close_later.pop() {
            if is_cut {
                self.doom(key, Closed::Aborted);
            } else {
                self.close_stream(key);
            }
        }
    }

    fn deliver(&mut self, to: Key, message: M) {
        match self.sources.get(to) {
            Some(Source::Stream(_)) => {
                self.advance_opening(to);
                self.call_stream(to, |handler, out, cx| handler.message(message, out, cx));
            }
            Some(Source::Datagrams(_)) => {
                self.call_datagrams(to, |handler, out, cx| handler.message(message, out, cx));
            }
            _ => {}
        }
    }

    fn deliver_to_group(&mut self, group: u64, except: Key, message: &M, clone: fn(&M) -> M) {
        let Some(members) = self.groups.get(&group).map(Rc::clone) else {
            return;
        };
        members
            .borrow_mut()
            .retain(|&member| self.sources.get(member).is_some());
        // Who joins while the message goes round has come too late for it.
        let count = members.borrow().len();
        for place in 0..count {
            let member = members.borrow()[place];
            if member != except {
                self.deliver(member, clone(message));
            }
        }
        if count == 0 {
            self.groups.remove(&group);
        }
    }

    pub(crate) fn stop(&mut self, grace: Duration) {
        let at = self.now + grace;
        if let Some(stop) = self.stop {
            if stop.at <= at {
                return;
            }
            self.wheel.cancel(stop.timer);
        }
        let timer = self.set_timer(Key::NOBODY, grace, Timer::GraceOver);
        let is_announced = self.stop.is_some_and(|stop| stop.is_announced);
        self.stop = Some(Stop {
            timer,
            at,
            is_announced,
        });
    }

    /// Closes the listeners and tells the streams that the loop is stopping.
    fn announce_stop(&mut self) {
        match &mut self.stop {
            Some(stop) if !stop.is_announced => stop.is_announced = true,
            _ => return,
        }
        let keys: Vec<Key> = self.sources.keys().collect();
        for key in keys {
            match self.sources.get(key) {
                Some(Source::Listener(_)) => {
                    self.sources.remove(key);
                }
                Some(Source::Stream(_)) => {
                    self.call_stream(key, |handler, out, cx| handler.stopping(out, cx));
                    self.deliver_posts();
                }
                _ => {}
            }
        }
    }

    fn cut_off_all(&mut self) {
        let keys: Vec<Key> = self.sources.keys().collect();
        for key in keys {
            self.doom(key, Closed::Stopped);
        }
        self.offloaded = 0;
    }

    fn bury_the_doomed(&mut self) {
        while !self.doomed.is_empty() {
            for (key, why) in std::mem::take(&mut self.doomed) {
                self.say_closed(key, &why);
                if let Some(Source::Stream(stream)) = self.sources.remove(key) {
                    self.bury(&stream, &why);
                }
                self.deliver_posts();
            }
        }
    }

    fn bury(&mut self, stream: &Stream<M>, why: &Closed) {
        self.poller.forget(&stream.socket);
        self.wheel.cancel(stream.deadline);
        for &timer in &stream.timers {
            self.wheel.cancel(timer);
        }
        if !stream.is_counted() {
            return;
        }
        match why {
            Closed::Finished => self.stats.finished += 1,
            Closed::Idle | Closed::Handshake | Closed::Lingered { .. } => self.stats.timed_out += 1,
            Closed::Overflowed { .. } => self.stats.overflowed += 1,
            Closed::Failed(_) => self.stats.failed += 1,
            Closed::Aborted | Closed::Stopped => self.stats.cut_off += 1,
            Closed::Panicked => self.stats.panicked += 1,
        }
        self.stats.open -= 1;
        let origin = &stream.origin;
        origin.open.set(origin.open.get() - 1);
        self.place_is_free(origin.listener);
    }

    /// Runs user code; says whether it survived.
    pub(crate) fn guard(&mut self, key: Key, call: impl FnOnce(&mut Context<'_, M>)) -> bool {
        let mut context = Context { core: self, key };
        match offload::catch(|| call(&mut context)) {
            Ok(()) => true,
            Err(panicked) => {
                tracing::error!(?key, panic = panicked.message, "a handler panicked");
                false
            }
        }
    }

    pub(crate) fn add_single_stream(
        &mut self,
        socket: Socket,
        options: Options,
        handler: Box<dyn StreamHandler<M>>,
    ) -> io::Result<Key> {
        socket.prepare()?;
        self.add_stream(socket, Rc::new(Origin::single(options)), handler, true)
    }

    pub(crate) fn set_timer(&mut self, key: Key, after: Duration, timer: Timer) -> TimerKey {
        let due = self
            .now
            .saturating_duration_since(self.began)
            .saturating_add(after);
        self.wheel.set(ticks(due), (key, timer))
    }

    fn set_paused(&mut self, key: Key, is_paused: bool) {
        match self.sources.get_mut(key) {
            Some(Source::Stream(stream)) => stream.is_paused = is_paused,
            Some(Source::Datagrams(source)) => source.is_paused = is_paused,
            _ => return,
        }
        if !is_paused {
            self.make_ready(key);
        }
    }

    pub(crate) fn keep_spare(&mut self, buffer: Vec<u8>) {
        if self.spare_buffer.capacity() == 0 && buffer.capacity() <= LARGEST_SPARE {
            self.spare_buffer = buffer;
        }
    }

    /// The present in ticks, rounded down: what is due by it is due.
    pub(crate) fn tick(&self) -> u64 {
        self.now.saturating_duration_since(self.began).as_millis() as u64
    }

    /// The present in ticks, rounded up: what begins now must not end early.
    pub(crate) fn next_tick(&self) -> u64 {
        ticks(self.now.saturating_duration_since(self.began))
    }

    pub(crate) fn stream_mut(&mut self, key: Key) -> Option<&mut Stream<M>> {
        match self.sources.get_mut(key) {
            Some(Source::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    pub(crate) fn listener_mut(&mut self, key: Key) -> Option<&mut ListenerSource<M>> {
        match self.sources.get_mut(key) {
            Some(Source::Listener(listener)) => Some(listener),
            _ => None,
        }
    }

    pub(crate) fn datagrams_mut(&mut self, key: Key) -> Option<&mut DatagramSource<M>> {
        match self.sources.get_mut(key) {
            Some(Source::Datagrams(source)) => Some(source),
            _ => None,
        }
    }
}
