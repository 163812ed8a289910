//! The life of one stream on the loop: opening, receiving, sending, half-closing, lingering, closing.

use std::io;
use std::rc::Rc;

use crate::handler::Closed;
use crate::listener::Origin;
use crate::timers::TimerKey;
use crate::turn::{Core, Timer, ticks};
use crate::{Context, Key, Outgoing, Socket, StreamHandler};

pub(crate) struct Stream<M> {
    /// Away while it is being called.
    handler: Option<Box<dyn StreamHandler<M>>>,
    /// Holds the socket; both are away while the handler is being called.
    out: Outgoing,
    pub(crate) origin: Rc<Origin>,
    pub(crate) timers: Vec<TimerKey>,
    /// The loop's own deadline: handshake, idle or linger, whichever is next.
    pub(crate) deadline: TimerKey,
    opened_at: u64,
    /// The tick of the last byte received or sent.
    active_at: u64,
    pub(crate) is_readable: bool,
    /// The poller has seen the end of the peer's side: read until the read says so too.
    pub(crate) is_read_closed: bool,
    /// Counts against the listener's `max_connections`.
    is_counted: bool,
    stage: Stage,
    is_handshaking: bool,
    is_watching_writes: bool,
    /// Its key is in the list of streams to flush at the end of the turn.
    is_dirty: bool,
    pub(crate) is_ready: bool,
    pub(crate) is_paused: bool,
    /// Above the high-water mark, and not yet down to the low one.
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
        out.socket = socket;
        out.is_writable = is_connected;
        if is_counted {
            origin.open.set(origin.open.get() + 1);
            self.stats.open += 1;
        }
        let stream = Stream {
            handler: Some(handler),
            out,
            origin,
            timers: Vec::new(),
            deadline: TimerKey::NONE,
            opened_at: self.next_tick(),
            active_at: self.next_tick(),
            is_readable: watched == crate::poller::Watched::AlwaysReady,
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
            is_ready: false,
            is_paused: false,
            is_choked: false,
            peer_has_finished: false,
        };
        let given = self.sources.insert(crate::turn::Source::Stream(stream));
        debug_assert_eq!(given, key, "the key was foreseen");
        self.arm_deadline(key);
        if is_connected {
            self.make_ready(key);
        } else {
            self.watch_writes(key);
        }
        Ok(key)
    }

    /// The stream has something to do: it is new, or readable, or writable.
    pub(crate) fn service_stream(&mut self, key: Key) {
        self.advance_opening(key);
        if self
            .stream_mut(key)
            .is_some_and(|stream| !stream.out.is_empty())
        {
            self.flush(key);
        }
        self.receive(key);
    }

    /// Tells the handler that its stream is there, as soon as it is.
    pub(crate) fn advance_opening(&mut self, key: Key) {
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        if stream.stage == Stage::Connecting && stream.out.is_writable {
            match stream.out.socket.is_connected() {
                Ok(true) => stream.stage = Stage::Opening,
                // Told too early: wait to be told again.
                Ok(false) => stream.out.is_writable = false,
                Err(error) => return self.doom(key, Closed::Failed(error)),
            }
        }
        if let Some(stream) = self
            .stream_mut(key)
            .filter(|stream| stream.stage == Stage::Opening)
        {
            stream.stage = Stage::Open {
                write_is_shut: false,
            };
            self.call_stream(key, |handler, out, cx| handler.opened(out, cx));
        }
    }

    fn receive(&mut self, key: Key) {
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        let mut budget = stream.origin.options.read_budget.max(1);
        budget = budget.min(self.share);
        let now = self.next_tick();
        let mut buffer = std::mem::take(&mut self.read_buffer);
        while let Some(stream) = self.stream_mut(key).filter(|stream| stream.wants_to_read()) {
            if budget == 0 {
                self.make_ready(key);
                break;
            }
            let wanted = budget.min(buffer.len());
            match stream.out.socket.read(&mut buffer[..wanted]) {
                Ok(0) => {
                    stream.is_readable = false;
                    self.peer_finished(key);
                }
                Ok(count) => {
                    budget -= count;
                    if count < wanted && !stream.is_read_closed {
                        stream.is_readable = !stream.out.socket.tells_new_arrivals();
                    }
                    if stream.stage == Stage::Lingering || stream.out.is_closing() {
                        continue;
                    }
                    stream.active_at = now;
                    let bytes = &buffer[..count];
                    self.call_stream(key, |handler, out, cx| handler.received(bytes, out, cx));
                    self.flush(key);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.is_readable = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The conversation was over: how the peer goes away is no matter.
                Err(_) if stream.stage == Stage::Lingering => self.doom(key, Closed::Finished),
                Err(error) => self.doom(key, Closed::Failed(error)),
            }
        }
        self.read_buffer = buffer;
    }

    fn peer_finished(&mut self, key: Key) {
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        stream.peer_has_finished = true;
        match stream.stage {
            Stage::Lingering => self.doom(key, Closed::Finished),
            _ if stream.out.is_closing() => {}
            _ => {
                self.call_stream(key, |handler, out, cx| handler.peer_finished(out, cx));
                self.flush(key);
            }
        }
    }

    /// Lends the handler its queue and the loop, and marks the stream for flushing.
    pub(crate) fn call_stream(
        &mut self,
        key: Key,
        call: impl FnOnce(&mut dyn StreamHandler<M>, &mut Outgoing, &mut Context<'_, M>),
    ) {
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        if !matches!(stream.stage, Stage::Open { .. }) {
            return;
        }
        let Some(mut handler) = stream.handler.take() else {
            return;
        };
        let mut is_handshaking = stream.is_handshaking;
        let mut out = std::mem::replace(&mut stream.out, Outgoing::new(0));
        if !out.has_buffer() {
            out.swap_buffer(&mut self.spare_buffer);
        }
        let survived = self.guard(key, |cx| {
            call(&mut *handler, &mut out, cx);
            is_handshaking = is_handshaking && handler.handshaking();
        });
        if out.is_empty() && out.has_buffer() && self.spare_buffer.capacity() == 0 {
            out.swap_buffer(&mut self.spare_buffer);
        }
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        stream.out = out;
        if !survived {
            // The handler is dropped as it is: its state can't be trusted with another call.
            self.guard(key, move |_| drop(handler));
            return self.doom(key, Closed::Panicked);
        }
        stream.is_handshaking = is_handshaking;
        stream.handler = Some(handler);
        if stream.out.is_overflowed() {
            let (queued, limit) = (stream.out.len(), stream.out.limit());
            return self.doom(key, Closed::Overflowed { queued, limit });
        }
        if !stream.is_dirty && (!stream.out.is_empty() || stream.out.is_ended()) {
            stream.is_dirty = true;
            self.dirty.push(key);
        }
    }

    /// Sends what waits, as far as the socket takes it, and draws the conclusions.
    pub(crate) fn flush(&mut self, key: Key) {
        let now = self.next_tick();
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        if !matches!(stream.stage, Stage::Open { .. }) {
            return;
        }
        match stream.out.send() {
            Ok(true) => stream.active_at = now,
            Ok(false) => {}
            Err(error) => return self.doom(key, Closed::Failed(error)),
        }
        let must_look_at_marks =
            stream.is_choked || stream.out.len() > stream.origin.options.high_water;
        let is_ended = stream.out.is_ended();
        if !stream.out.is_empty() {
            if !stream.is_watching_writes {
                self.watch_writes(key);
            }
        } else if stream.out.has_buffer() {
            let mut buffer = Vec::new();
            stream.out.swap_buffer(&mut buffer);
            self.keep_spare(buffer);
        }
        if must_look_at_marks {
            self.apply_water_marks(key);
        }
        if is_ended {
            self.end_if_due(key);
        }
    }

    fn apply_water_marks(&mut self, key: Key) {
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        let options = &stream.origin.options;
        if stream.out.len() > options.high_water {
            stream.is_choked = true;
        } else if stream.is_choked && stream.out.len() <= options.low_water {
            stream.is_choked = false;
            self.make_ready(key);
            self.call_stream(key, |handler, out, cx| handler.writable(out, cx));
        }
    }

    /// Once all is sent and this side has ended: tells the peer, and closes when both have ended.
    fn end_if_due(&mut self, key: Key) {
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        let Stage::Open { write_is_shut } = stream.stage else {
            return;
        };
        if !stream.out.is_ended() {
            return;
        }
        if stream.out.is_closing() {
            self.arm_deadline(key);
        }
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        if !stream.out.is_empty() {
            return;
        }
        if stream.peer_has_finished {
            return self.doom(key, Closed::Finished);
        }
        if !write_is_shut {
            if let Err(error) = stream.out.socket.shutdown_write() {
                return self.doom(key, Closed::Failed(error));
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

    fn watch_writes(&mut self, key: Key) {
        let Some(crate::turn::Source::Stream(stream)) = self.sources.get_mut(key) else {
            return;
        };
        stream.is_watching_writes = true;
        if let Err(error) = self.poller.watch_writes(&stream.out.socket, key) {
            self.doom(key, Closed::Failed(error));
        }
    }

    /// Sets the loop's own timer for this stream to the earliest of its deadlines.
    pub(crate) fn arm_deadline(&mut self, key: Key) {
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        let (old, due) = (stream.deadline, stream.next_deadline());
        self.wheel.cancel(old);
        let armed = match due {
            Some((tick, _)) => self.wheel.set(tick, (key, Timer::Deadline)),
            None => TimerKey::NONE,
        };
        if let Some(stream) = self.stream_mut(key) {
            stream.deadline = armed;
        }
    }

    /// The stream's timer fired: has a deadline really passed, or did it move meanwhile?
    pub(crate) fn check_deadline(&mut self, key: Key) {
        let now = self.tick();
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        match stream.next_deadline() {
            Some((due, why)) if due <= now => self.doom(key, why),
            _ => self.arm_deadline(key),
        }
    }

    /// Takes the stream out of the conversation; it is closed at the end of the turn.
    pub(crate) fn doom(&mut self, key: Key, why: Closed) {
        if let Some(stream) = self.stream_mut(key)
            && stream.stage != Stage::Doomed
        {
            stream.stage = Stage::Doomed;
            self.doomed.push((key, why));
        }
    }

    /// The last word to the handler of a doomed stream.
    pub(crate) fn say_closed(&mut self, key: Key, why: &Closed) {
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        if let Some(mut handler) = stream.handler.take() {
            let survived = self.guard(key, |cx| {
                handler.closed(why, cx);
                drop(handler);
            });
            if !survived {
                self.stats.panicked += 1;
            }
        }
    }

    /// Asks for a close of this or another stream, once its queue is sent.
    pub(crate) fn close_stream(&mut self, key: Key) {
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        if matches!(stream.stage, Stage::Connecting | Stage::Opening) {
            return self.doom(key, Closed::Aborted);
        }
        if !stream.is_dirty {
            stream.is_dirty = true;
            self.dirty.push(key);
        }
        if let Some(stream) = self.stream_mut(key) {
            stream.out.close();
        }
    }

    /// At the end of the turn: sends what came in by messages.
    pub(crate) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            if let Some(stream) = self.stream_mut(key) {
                stream.is_dirty = false;
                self.flush(key);
            }
        }
        // A flush may have called handlers, whose bytes wait for the next round.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }
}

impl<M> Stream<M> {
    fn wants_to_read(&self) -> bool {
        let is_open = match self.stage {
            Stage::Open { .. } => !self.is_paused && !self.is_choked || self.out.is_closing(),
            Stage::Lingering => true,
            Stage::Connecting | Stage::Opening | Stage::Doomed => false,
        };
        is_open && self.is_readable && !self.peer_has_finished
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

    pub(crate) fn set_writable(&mut self, is_writable: bool) {
        self.out.is_writable |= is_writable;
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.out.socket
    }

    pub(crate) fn is_counted(&self) -> bool {
        self.is_counted
    }
}
