//! The life of one stream on the loop: opening, receiving, sending, half-closing, lingering, closing.
//!
//! A stream that is being served is taken out of its seat, so that its handler can borrow it and the
//! loop at the same time. What the handler may ask for meanwhile is kept in the seat.
//!
//! The way of a message through here is inlined into one function: on processors that defend
//! themselves against return prediction attacks (AMD's "Safe RET"), each return from a function that
//! has made a system call costs a fifth of a microsecond.

use std::io;
use std::rc::Rc;

use crate::handler::Closed;
use crate::listener::Origin;
use crate::poller::{Ready, Watched};
use crate::timers::TimerKey;
use crate::turn::{Core, Source, Timer, ticks};
use crate::{Context, Key, Outgoing, Socket, StreamHandler};

pub(crate) struct Seat<M> {
    /// Away while it is being served.
    stream: Option<Box<Stream<M>>>,
    pub(crate) timers: Vec<TimerKey>,
    pub(crate) is_ready: bool,
    pub(crate) is_paused: bool,
}

pub(crate) struct Stream<M> {
    /// Dropped when it panics.
    handler: Option<Box<dyn StreamHandler<M>>>,
    /// Holds the socket too.
    out: Outgoing,
    pub(crate) origin: Rc<Origin>,
    /// The loop's own deadline: handshake, idle or linger, whichever is next.
    pub(crate) deadline: TimerKey,
    opened_at: u64,
    /// The tick of the last byte received or sent.
    active_at: u64,
    is_readable: bool,
    /// The poller has seen the end of the peer's side: read until the read says so too.
    is_read_closed: bool,
    /// Counts against the listener's `max_connections`.
    pub(crate) is_counted: bool,
    stage: Stage,
    is_handshaking: bool,
    is_watching_writes: bool,
    /// Its key is in the list of streams to flush at the end of the turn.
    is_dirty: bool,
    /// Was above the high-water mark, and is not yet down to the low one.
    is_choked: bool,
    peer_has_finished: bool,
}

/// ```text
/// Connecting ─► Opening ─► Open ─► Lingering ─► Doomed
///      └───────────┴────────┴──────────┴──────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The connection is being made.
    Connecting,
    /// Connected; the handler does not know yet.
    Opening,
    /// Both know; `write_is_shut` once this side has told the peer that no more will come.
    Open { write_is_shut: bool },
    /// All is sent and the peer was told; what it still sends is thrown away until it closes too.
    Lingering,
    /// Closed at the end of this turn.
    Doomed,
}

pub(crate) struct Newcomer {
    /// Otherwise its connection is still being made.
    pub(crate) is_connected: bool,
    /// Counts as an open connection, here and against its listener's `max_connections`.
    pub(crate) is_counted: bool,
}

impl<M: 'static> Core<M> {
    pub(crate) fn add_stream(
        &mut self,
        socket: Socket,
        origin: Rc<Origin>,
        handler: Box<dyn StreamHandler<M>>,
        Newcomer {
            is_connected,
            is_counted,
        }: Newcomer,
    ) -> io::Result<Key> {
        let key = self.sources.next_key();
        let watched = self.poller.watch(&socket, key)?;
        let mut out = Outgoing::new(origin.options.max_queue_len);
        out.high_water = origin.options.high_water;
        out.socket = socket;
        out.is_writable = is_connected;
        if is_counted {
            origin.open.set(origin.open.get() + 1);
            self.stats.open += 1;
        }
        let mut stream = Box::new(Stream {
            handler: Some(handler),
            out,
            origin,
            deadline: TimerKey::NONE,
            opened_at: self.next_tick(),
            active_at: self.next_tick(),
            is_readable: watched == Watched::AlwaysReady,
            is_read_closed: false,
            is_counted,
            stage: if is_connected {
                Stage::Opening
            } else {
                Stage::Connecting
            },
            // Until the handler says otherwise.
            is_handshaking: true,
            is_watching_writes: false,
            is_dirty: false,
            is_choked: false,
            peer_has_finished: false,
        });
        self.arm_deadline(key, &mut stream);
        if !is_connected {
            self.watch_writes(key, &mut stream);
        }
        let given = self.sources.insert(Source::Stream(Seat {
            stream: Some(stream),
            timers: Vec::new(),
            is_ready: false,
            is_paused: false,
        }));
        debug_assert_eq!(given, key, "the key was foreseen");
        if is_connected {
            self.make_ready(key);
        }
        Ok(key)
    }

    /// The stream has something to do: it is new, or readable, or writable.
    #[inline(always)]
    pub(crate) fn service_stream(&mut self, key: Key) {
        let Some(mut stream) = self.take_stream(key) else {
            return;
        };
        if !stream.is_open() {
            self.advance_opening(key, &mut stream);
        }
        if !stream.out.is_empty() {
            self.flush(key, &mut stream);
        }
        self.receive(key, &mut stream);
        self.seat_stream(key, stream);
    }

    /// Does something to one stream.
    fn with_stream(&mut self, key: Key, act: impl FnOnce(&mut Self, &mut Stream<M>)) {
        if let Some(mut stream) = self.take_stream(key) {
            act(self, &mut stream);
            self.seat_stream(key, stream);
        }
    }

    #[inline(always)]
    fn take_stream(&mut self, key: Key) -> Option<Box<Stream<M>>> {
        self.seat_mut(key)?.stream.take()
    }

    #[inline(always)]
    fn seat_stream(&mut self, key: Key, stream: Box<Stream<M>>) {
        if let Some(seat) = self.seat_mut(key) {
            seat.stream = Some(stream);
        }
    }

    /// Tells the handler that its stream is there, as soon as it is.
    fn advance_opening(&mut self, key: Key, stream: &mut Stream<M>) {
        if stream.stage == Stage::Connecting && stream.out.is_writable {
            match stream.out.socket.is_connected() {
                Ok(true) => stream.stage = Stage::Opening,
                // Told too early: wait to be told again.
                Ok(false) => stream.out.is_writable = false,
                Err(error) => return self.doom(key, stream, Closed::Failed(error)),
            }
        }
        if stream.stage == Stage::Opening {
            stream.stage = Stage::Open {
                write_is_shut: false,
            };
            self.call(key, stream, |handler, out, cx| handler.opened(out, cx));
            for message in self.held.take(key) {
                self.call(key, stream, |handler, out, cx| {
                    handler.message(message, out, cx);
                });
            }
            self.flush_later(key, stream);
        }
    }

    #[inline(always)]
    fn receive(&mut self, key: Key, stream: &mut Stream<M>) {
        let mut budget = stream.origin.options.read_budget.max(1).min(self.share);
        let mut buffer = std::mem::take(&mut self.read_buffer);
        while stream.wants_to_read(self.is_paused(key)) {
            if budget == 0 {
                self.make_ready(key);
                break;
            }
            let wanted = budget.min(buffer.len());
            match stream.out.socket.read(&mut buffer[..wanted]) {
                Ok(0) => {
                    stream.is_readable = false;
                    self.peer_finished(key, stream);
                }
                Ok(count) => {
                    budget -= count;
                    if count < wanted && !stream.is_read_closed {
                        stream.is_readable = !stream.out.socket.tells_new_arrivals();
                    }
                    if stream.stage == Stage::Lingering || stream.out.is_closing() {
                        continue;
                    }
                    stream.active_at = self.next_tick();
                    let bytes = &buffer[..count];
                    self.call(key, stream, |handler, out, cx| {
                        handler.received(bytes, out, cx);
                    });
                    self.flush_here(key, stream);
                    if self.has_posts() {
                        // They reach the others before more is read: one of them may be full by then,
                        // and ask this one to hold back.
                        self.make_ready(key);
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.is_readable = false;
                }
                Err(error) => self.read_failed(key, stream, error),
            }
        }
        self.read_buffer = buffer;
    }

    #[cold]
    fn read_failed(&mut self, key: Key, stream: &mut Stream<M>, error: io::Error) {
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            // The conversation was over: how the peer goes away is no matter.
            _ if stream.stage == Stage::Lingering => self.doom(key, stream, Closed::Finished),
            _ => self.doom(key, stream, Closed::Failed(error)),
        }
    }

    #[inline(never)]
    fn peer_finished(&mut self, key: Key, stream: &mut Stream<M>) {
        stream.peer_has_finished = true;
        match stream.stage {
            Stage::Lingering => self.doom(key, stream, Closed::Finished),
            _ if stream.out.is_closing() => {}
            _ => {
                self.call(key, stream, |handler, out, cx| {
                    handler.peer_finished(out, cx);
                });
                self.flush(key, stream);
            }
        }
    }

    /// A message for the handler.
    pub(crate) fn deliver_to_stream(&mut self, key: Key, message: M) {
        self.with_stream(key, |core, stream| {
            core.advance_opening(key, stream);
            if stream.stage == Stage::Connecting {
                return core.held.hold(key, message);
            }
            core.call(key, stream, |handler, out, cx| {
                handler.message(message, out, cx);
            });
            core.flush_later(key, stream);
        });
    }

    pub(crate) fn fire_on_stream(&mut self, key: Key, token: u64) {
        self.with_stream(key, |core, stream| {
            core.call(key, stream, |handler, out, cx| {
                handler.timer(token, out, cx)
            });
            core.flush_later(key, stream);
        });
    }

    pub(crate) fn tell_stopping(&mut self, key: Key) {
        self.with_stream(key, |core, stream| {
            core.call(key, stream, |handler, out, cx| handler.stopping(out, cx));
            core.flush_later(key, stream);
        });
    }

    /// Lends the handler its queue and the loop. Whoever calls this flushes, now or later.
    #[inline(always)]
    fn call(
        &mut self,
        key: Key,
        stream: &mut Stream<M>,
        call: impl FnOnce(&mut dyn StreamHandler<M>, &mut Outgoing, &mut Context<'_, M>),
    ) {
        if !stream.is_open() {
            return;
        }
        let Some(handler) = &mut stream.handler else {
            return;
        };
        let out = &mut stream.out;
        if !out.has_buffer() {
            out.swap_buffer(&mut self.spare_buffer);
        }
        let is_handshaking = &mut stream.is_handshaking;
        let survived = self.guard(key, |cx| {
            call(&mut **handler, out, cx);
            *is_handshaking = *is_handshaking && handler.handshaking();
        });
        if !survived {
            return self.lose_handler(key, stream);
        }
        if stream.out.is_overflowed() {
            let (queued, limit) = (stream.out.len(), stream.out.limit());
            return self.doom(key, stream, Closed::Overflowed { queued, limit });
        }
        stream.is_choked |= stream.out.is_above_high_water();
    }

    /// The handler has panicked: its state can't be trusted with another call.
    #[cold]
    fn lose_handler(&mut self, key: Key, stream: &mut Stream<M>) {
        let handler = stream.handler.take();
        self.guard(key, move |_| drop(handler));
        self.doom(key, stream, Closed::Panicked);
    }

    /// Flushes at the end of the turn, so that many small messages go out together; at once where so
    /// much waits already that the next might find no room.
    fn flush_later(&mut self, key: Key, stream: &mut Stream<M>) {
        if stream.is_choked && stream.out.is_writable {
            return self.flush(key, stream);
        }
        if !stream.out.is_empty() || stream.out.is_ended() {
            if !std::mem::replace(&mut stream.is_dirty, true) {
                self.dirty.push(key);
            }
        } else if stream.out.has_buffer() {
            self.give_back_buffer(stream);
        }
    }

    /// At the end of the turn: sends what came in by messages.
    pub(crate) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            self.with_stream(key, |core, stream| {
                stream.is_dirty = false;
                core.flush(key, stream);
            });
        }
        // A flush may have called handlers, whose bytes wait for the next round.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    #[inline(never)]
    fn flush(&mut self, key: Key, stream: &mut Stream<M>) {
        self.flush_here(key, stream);
    }

    /// Sends what waits, as far as the socket takes it, and draws the conclusions.
    #[inline(always)]
    fn flush_here(&mut self, key: Key, stream: &mut Stream<M>) {
        if !stream.is_open() {
            return;
        }
        match stream.out.send() {
            Ok(true) => stream.active_at = self.next_tick(),
            Ok(false) => {}
            Err(error) => return self.doom(key, stream, Closed::Failed(error)),
        }
        if !stream.out.is_empty() {
            if !stream.is_watching_writes {
                self.watch_writes(key, stream);
            }
        } else if stream.out.has_buffer() {
            self.give_back_buffer(stream);
        }
        if stream.is_choked {
            self.relieve(key, stream);
        }
        if stream.out.is_ended() {
            self.end_if_due(key, stream);
        }
    }

    /// An idle stream has no buffer of its own.
    #[inline(always)]
    fn give_back_buffer(&mut self, stream: &mut Stream<M>) {
        let mut buffer = Vec::new();
        stream.out.swap_buffer(&mut buffer);
        self.keep_spare(buffer);
    }

    #[inline(never)]
    fn relieve(&mut self, key: Key, stream: &mut Stream<M>) {
        if stream.out.len() <= stream.origin.options.low_water {
            stream.is_choked = false;
            self.make_ready(key);
            self.call(key, stream, |handler, out, cx| handler.writable(out, cx));
            if !stream.out.is_empty() && !std::mem::replace(&mut stream.is_dirty, true) {
                self.dirty.push(key);
            }
        }
    }

    /// Once all is sent and this side has ended: tells the peer, and closes when both have ended.
    #[inline(never)]
    fn end_if_due(&mut self, key: Key, stream: &mut Stream<M>) {
        let Stage::Open { write_is_shut } = stream.stage else {
            return;
        };
        if stream.out.is_closing() {
            self.arm_deadline(key, stream);
        }
        if !stream.out.is_empty() {
            return;
        }
        if stream.peer_has_finished {
            return self.doom(key, stream, Closed::Finished);
        }
        if !write_is_shut {
            if let Err(error) = stream.out.socket.shutdown_write() {
                return self.doom(key, stream, Closed::Failed(error));
            }
            stream.stage = Stage::Open {
                write_is_shut: true,
            };
        }
        if stream.out.is_closing() {
            stream.stage = Stage::Lingering;
            self.make_ready(key);
        }
    }

    #[inline(never)]
    fn watch_writes(&mut self, key: Key, stream: &mut Stream<M>) {
        stream.is_watching_writes = true;
        if let Err(error) = self.poller.watch_writes(&stream.out.socket, key) {
            self.doom(key, stream, Closed::Failed(error));
        }
    }

    /// Sets the loop's own timer for this stream to the earliest of its deadlines.
    fn arm_deadline(&mut self, key: Key, stream: &mut Stream<M>) {
        self.wheel.cancel(stream.deadline);
        stream.deadline = match stream.next_deadline() {
            Some((tick, _)) => self.wheel.set(tick, (key, Timer::Deadline)),
            None => TimerKey::NONE,
        };
    }

    /// The stream's timer fired: has a deadline really passed, or did it move meanwhile?
    pub(crate) fn check_deadline(&mut self, key: Key) {
        let now = self.tick();
        self.with_stream(key, |core, stream| {
            if stream.is_due(now).is_some() && stream.is_open() {
                // The loop may be late: what the peer has sent in time is read first.
                stream.is_readable = true;
                core.receive(key, stream);
            }
            match stream.is_due(now) {
                Some(why) => core.doom(key, stream, why),
                None => core.arm_deadline(key, stream),
            }
        });
    }

    /// Takes the stream out of the conversation; it is closed at the end of the turn.
    #[cold]
    fn doom(&mut self, key: Key, stream: &mut Stream<M>, why: Closed) {
        if stream.stage != Stage::Doomed {
            stream.stage = Stage::Doomed;
            let why = match stream.out.take_reason() {
                Some(reason) if !matches!(why, Closed::Panicked) => reason,
                _ => why,
            };
            self.doomed.push((key, why));
        }
    }

    /// Cuts this or another stream.
    pub(crate) fn cut_stream(&mut self, key: Key, why: Closed) {
        self.with_stream(key, |core, stream| core.doom(key, stream, why));
    }

    /// Asks for a close of this or another stream, once its queue is sent.
    pub(crate) fn close_stream(&mut self, key: Key) {
        self.with_stream(key, |core, stream| {
            if matches!(stream.stage, Stage::Connecting | Stage::Opening) {
                return core.doom(key, stream, Closed::Aborted);
            }
            core.call(key, stream, |handler, out, cx| handler.closing(out, cx));
            core.flush_later(key, stream);
        });
    }

    /// The last word to the handler of a doomed stream.
    pub(crate) fn say_closed(&mut self, key: Key, why: &Closed) {
        self.with_stream(key, |core, stream| {
            if let Some(mut handler) = stream.handler.take() {
                let survived = core.guard(key, |cx| {
                    handler.closed(why, cx);
                    drop(handler);
                });
                if !survived {
                    core.stats.panicked += 1;
                }
            }
        });
    }

    #[inline(always)]
    fn is_paused(&mut self, key: Key) -> bool {
        self.seat_mut(key).is_some_and(|seat| seat.is_paused)
    }
}

impl<M> Seat<M> {
    /// Takes note of what the poller has learned.
    #[inline(always)]
    pub(crate) fn note(&mut self, event: Ready) {
        if let Some(stream) = &mut self.stream {
            stream.is_readable |= event.readable || event.read_closed;
            stream.out.is_writable |= event.writable;
            stream.is_read_closed |= event.read_closed;
        }
    }

    pub(crate) fn into_stream(self) -> Option<Box<Stream<M>>> {
        self.stream
    }
}

impl<M> Stream<M> {
    pub(crate) fn socket(&self) -> &Socket {
        &self.out.socket
    }

    #[inline(always)]
    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    #[inline(always)]
    fn wants_to_read(&self, is_paused: bool) -> bool {
        if !self.is_readable || self.peer_has_finished {
            return false;
        }
        match self.stage {
            Stage::Open { .. } => {
                let is_full = self.is_choked && !self.origin.options.reads_when_full;
                !is_paused && !is_full || self.out.is_closing()
            }
            Stage::Lingering => true,
            Stage::Connecting | Stage::Opening | Stage::Doomed => false,
        }
    }

    fn is_due(&self, now: u64) -> Option<Closed> {
        let (due, why) = self.next_deadline()?;
        (due <= now).then_some(why)
    }

    /// When this stream will have to be closed if nothing changes, in ticks, and why.
    fn next_deadline(&self) -> Option<(u64, Closed)> {
        let options = &self.origin.options;
        if self.stage == Stage::Lingering || self.out.is_closing() {
            let due = self.active_at.saturating_add(ticks(options.linger_timeout));
            let unsent = self.out.len();
            let why = if unsent == 0 {
                Closed::Finished
            } else {
                Closed::Lingered { unsent }
            };
            return Some((due, why));
        }
        let handshake = self.is_handshaking.then(|| {
            (
                self.opened_at
                    .saturating_add(ticks(options.handshake_timeout)),
                Closed::Handshake,
            )
        });
        let idle = options
            .idle_timeout
            .map(|timeout| (self.active_at.saturating_add(ticks(timeout)), Closed::Idle));
        handshake
            .into_iter()
            .chain(idle)
            .min_by_key(|&(due, _)| due)
    }
}
