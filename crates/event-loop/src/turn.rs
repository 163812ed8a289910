//! All that a loop has, and one turn of it: wait, then let everybody who has something to do have
//! their share.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::datagram::DatagramSource;
use crate::groups::Groups;
use crate::handle::{Command, Shared};
use crate::handler::Closed;
use crate::held::Held;
use crate::listener::{ListenerSource, Origin};
use crate::offload::{self, Pool};
use crate::poller::{Poller, Ready};
use crate::slots::Slots;
use crate::socket::begin_connect;
use crate::stream::{Newcomer, Seat};
use crate::timers::{TimerKey, Wheel};
use crate::{Context, Key, LoopOptions, Options, PostError, Socket, Stats, StreamHandler};

pub(crate) struct Core<M> {
    pub(crate) sources: Slots<Source<M>>,
    pub(crate) poller: Poller,
    pub(crate) wheel: Wheel<(Key, Timer)>,
    /// The time at which this turn began, and the same in ticks.
    pub(crate) now: Instant,
    tick: u64,
    next_tick: u64,
    began: Instant,
    pub(crate) shared: Arc<Shared<M>>,
    pub(crate) loop_options: LoopOptions,
    pub(crate) stats: Stats,
    /// Every stream reads into this one; what a handler wants to keep, it copies.
    pub(crate) read_buffer: Vec<u8>,
    /// The write buffer that idle streams share.
    pub(crate) spare_buffer: Vec<u8>,
    /// How many bytes one source may read in this turn.
    pub(crate) share: usize,
    /// Sources with something to do in the next turn.
    ready: Vec<Key>,
    /// Streams with something to send at the end of this turn.
    pub(crate) dirty: Vec<Key>,
    /// Streams to close at the end of this turn.
    pub(crate) doomed: Vec<(Key, Closed)>,
    /// Streams that a handler wants closed (or, when `true`, cut) after it returns.
    pub(crate) close_later: Vec<(Key, bool)>,
    posts: VecDeque<Post<M>>,
    /// Messages to connections that are still being made.
    pub(crate) held: Held<M>,
    pub(crate) groups: Groups,
    /// Those to whom a message is going round.
    audience: Vec<Key>,
    pub(crate) pool: Option<Pool>,
    pub(crate) offloaded: usize,
    stop: Option<Stop>,
    commands: Vec<Command<M>>,
    events: Vec<Ready>,
}

pub(crate) enum Source<M> {
    Stream(Seat<M>),
    Listener(Box<ListenerSource<M>>),
    Datagrams(Box<DatagramSource<M>>),
    #[cfg(feature = "signals")]
    Signal(Box<crate::signals::SignalSource<M>>),
}

impl<M> Source<M> {
    /// Whether its key is in the list of those with something to do.
    fn is_ready(&mut self) -> &mut bool {
        match self {
            Self::Stream(seat) => &mut seat.is_ready,
            Self::Listener(listener) => &mut listener.is_ready,
            Self::Datagrams(source) => &mut source.is_ready,
            #[cfg(feature = "signals")]
            Self::Signal(source) => &mut source.is_ready,
        }
    }
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

pub(crate) enum Post<M> {
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
    /// The tick at which the grace period is over.
    due: u64,
    is_announced: bool,
    /// The grace period is over: nothing is waited for any more.
    is_cut: bool,
}

const READ_BUFFER_LEN: usize = 64 << 10;
/// How many bytes all sources together may read in one turn, as long as each can have the smallest
/// share. Larger shares mean fewer changes from one connection to the next, which cost time while the
/// peer is sending on both.
const SHARED_BY_ALL: usize = 8 << 20;
const SMALLEST_SHARE: usize = 64 << 10;
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
            tick: 0,
            next_tick: 0,
            began: now,
            shared,
            stats: Stats::default(),
            read_buffer: vec![0; READ_BUFFER_LEN],
            spare_buffer: Vec::new(),
            share: SMALLEST_SHARE,
            ready: Vec::new(),
            dirty: Vec::new(),
            doomed: Vec::new(),
            close_later: Vec::new(),
            held: Held::new(loop_options.message_queue),
            posts: VecDeque::new(),
            loop_options,
            groups: Groups::default(),
            audience: Vec::new(),
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
        self.set_now(self.poller.now());
        for event in events.drain(..) {
            self.note(event);
        }
        self.events = events;
        waited?;
        self.take_commands();
        self.fire_timers();
        let mut ready = std::mem::take(&mut self.ready);
        self.share = (SHARED_BY_ALL / ready.len().max(1)).max(SMALLEST_SHARE);
        for key in ready.drain(..) {
            self.service(key);
            if self.has_posts() {
                self.deliver_posts();
            }
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
            Some(stop) if stop.is_cut => true,
            Some(stop) => stop.is_announced && self.stats.open == 0 && self.offloaded == 0,
            None => self.sources.keys().all(|key| match self.sources.get(key) {
                #[cfg(feature = "signals")]
                Some(Source::Signal(_)) => true,
                _ => false,
            }),
        }
    }

    fn wait_at_most(&self, wait: Option<Duration>) -> Option<Duration> {
        let is_busy = self.has_posts()
            || !self.ready.is_empty()
            || !self.dirty.is_empty()
            || !self.doomed.is_empty();
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
            Some(Source::Stream(seat)) => seat.note(event),
            Some(Source::Listener(listener)) => listener.is_readable = true,
            Some(Source::Datagrams(source)) => {
                source.is_readable |= event.readable;
                source.is_writable |= event.writable;
            }
            #[cfg(feature = "signals")]
            Some(Source::Signal(_)) => {}
            None => {}
        }
        self.make_ready(key);
    }

    #[inline(always)]
    fn service(&mut self, key: Key) {
        if let Some(source) = self.sources.get_mut(key) {
            *source.is_ready() = false;
        }
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

    /// Gives the source its share of this turn or, when it had that already, of the next.
    pub(crate) fn make_ready(&mut self, key: Key) {
        if let Some(source) = self.sources.get_mut(key)
            && !std::mem::replace(source.is_ready(), true)
        {
            self.ready.push(key);
        }
    }

    fn take_commands(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        self.shared.take(&mut commands);
        for command in commands.drain(..) {
            match command {
                Command::Message(key, message) => {
                    self.deliver(key, message);
                }
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
            Some(Source::Stream(seat)) => {
                seat.timers.retain(|&other| other != fired);
                self.fire_on_stream(key, token);
            }
            Some(Source::Datagrams(_)) => {
                self.call_datagrams(key, |handler, out, cx| handler.timer(token, out, cx));
            }
            _ => {}
        }
    }

    pub(crate) fn queue_post(
        &mut self,
        message: M,
        post: impl FnOnce(M) -> Post<M>,
    ) -> Result<(), PostError<M>> {
        let limit = self.loop_options.message_queue;
        if self.posts.len() + self.held.len >= limit {
            return Err(PostError::Full { message, limit });
        }
        self.posts.push_back(post(message));
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn has_posts(&self) -> bool {
        !self.posts.is_empty() || !self.close_later.is_empty()
    }

    /// Delivers the messages that wait now; what their receivers send waits for the next round, so
    /// two that answer each other for ever hold up nobody.
    pub(crate) fn deliver_posts(&mut self) {
        for _ in 0..self.posts.len() {
            match self.posts.pop_front() {
                Some(Post::One { to, message }) => {
                    self.deliver(to, message);
                }
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
                self.cut_stream(key, Closed::Aborted);
            } else {
                self.close_stream(key);
            }
        }
    }

    /// Says whether there was somebody to receive the message.
    fn deliver(&mut self, to: Key, message: M) -> bool {
        match self.sources.get(to) {
            Some(Source::Stream(_)) => self.deliver_to_stream(to, message),
            Some(Source::Datagrams(_)) => {
                self.call_datagrams(to, |handler, out, cx| handler.message(message, out, cx));
            }
            _ => return false,
        }
        true
    }

    fn deliver_to_group(&mut self, group: u64, except: Key, message: &M, clone: fn(&M) -> M) {
        // Who joins while the message goes round has come too late for it.
        let mut audience = std::mem::take(&mut self.audience);
        audience.clear();
        audience.extend_from_slice(self.groups.members(group));
        let mut are_all_here = true;
        for &member in audience.iter().filter(|&&member| member != except) {
            are_all_here &= self.deliver(member, clone(message));
        }
        self.audience = audience;
        if !are_all_here {
            let sources = &self.sources;
            self.groups
                .keep(group, |member| sources.get(member).is_some());
        }
    }

    pub(crate) fn stop(&mut self, grace: Duration) {
        let due = self.due(grace);
        let mut is_announced = false;
        if let Some(stop) = self.stop {
            if stop.due <= due {
                return;
            }
            self.wheel.cancel(stop.timer);
            is_announced = stop.is_announced;
        }
        self.stop = Some(Stop {
            timer: self.wheel.set(due, (Key::NOBODY, Timer::GraceOver)),
            due,
            is_announced,
            is_cut: false,
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
                    self.tell_stopping(key);
                    self.deliver_posts();
                }
                // New requests would keep the loop busy until the grace period is over.
                Some(Source::Datagrams(_)) => self.set_paused(key, true),
                _ => {}
            }
        }
    }

    fn cut_off_all(&mut self) {
        let keys: Vec<Key> = self.sources.keys().collect();
        for key in keys {
            self.cut_stream(key, Closed::Stopped);
        }
        if let Some(stop) = &mut self.stop {
            stop.is_cut = true;
        }
    }

    fn bury_the_doomed(&mut self) {
        while !self.doomed.is_empty() {
            for (key, why) in std::mem::take(&mut self.doomed) {
                self.say_closed(key, &why);
                self.held.take(key);
                if let Some(Source::Stream(seat)) = self.sources.remove(key) {
                    self.bury(seat, &why);
                }
                self.deliver_posts();
            }
        }
    }

    fn bury(&mut self, seat: Seat<M>, why: &Closed) {
        for &timer in &seat.timers {
            self.wheel.cancel(timer);
        }
        let Some(stream) = seat.into_stream() else {
            return;
        };
        self.wheel.cancel(stream.deadline);
        self.poller.forget(stream.socket());
        if !stream.is_counted {
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
        let is_connected = socket.is_connected()?;
        self.add_alone(socket, is_connected, options, handler)
    }

    pub(crate) fn connect(
        &mut self,
        address: SocketAddr,
        options: Options,
        handler: Box<dyn StreamHandler<M>>,
    ) -> io::Result<Key> {
        // Even a connection that has failed already is told of by `closed`.
        self.add_alone(begin_connect(address)?, false, options, handler)
    }

    fn add_alone(
        &mut self,
        socket: Socket,
        is_connected: bool,
        options: Options,
        handler: Box<dyn StreamHandler<M>>,
    ) -> io::Result<Key> {
        socket.prepare()?;
        let newcomer = Newcomer {
            is_connected,
            is_counted: true,
        };
        self.add_stream(socket, Rc::new(Origin::single(options)), handler, newcomer)
    }

    pub(crate) fn set_timer(&mut self, key: Key, after: Duration, timer: Timer) -> TimerKey {
        self.wheel.set(self.due(after), (key, timer))
    }

    /// The tick that comes `after` from now, however far that is.
    fn due(&self, after: Duration) -> u64 {
        let passed = self.now.saturating_duration_since(self.began);
        ticks(passed.saturating_add(after))
    }

    pub(crate) fn set_paused(&mut self, key: Key, is_paused: bool) {
        match self.sources.get_mut(key) {
            Some(Source::Stream(seat)) => seat.is_paused = is_paused,
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

    fn set_now(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.began);
        self.now = now;
        self.next_tick = ticks(passed);
        self.tick = passed.as_secs() * 1000 + u64::from(passed.subsec_millis());
    }

    /// The present in ticks, rounded down: what is due by it is due.
    pub(crate) fn tick(&self) -> u64 {
        self.tick
    }

    /// The present in ticks, rounded up: what begins now must not end early.
    pub(crate) fn next_tick(&self) -> u64 {
        self.next_tick
    }

    #[inline(always)]
    pub(crate) fn seat_mut(&mut self, key: Key) -> Option<&mut Seat<M>> {
        match self.sources.get_mut(key) {
            Some(Source::Stream(seat)) => Some(seat),
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

/// A duration in ticks of the timer wheel, rounded up, so that no deadline comes early.
pub(crate) fn ticks(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1000);
    whole.saturating_add(u64::from(duration.subsec_nanos().div_ceil(1_000_000)))
}
