use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::{Closed, Socket};

/// The bytes that wait to be sent on one stream.
///
/// A handler puts bytes in; the loop takes them out as the socket accepts them. Small pieces that a
/// handler makes on the spot go in by [`write`](Self::write), which copies them; payloads that exist
/// already go in by [`push`](Self::push), which keeps a reference and copies nothing, so one `Bytes`
/// can wait in ten thousand queues. Both keep their order.
///
/// The queue is bounded. Past its limit `write` and `push` mark it as overflowed and the loop closes
/// the connection ([`Closed::Overflowed`](crate::Closed::Overflowed)); a handler with a gentler
/// policy uses [`try_push`](Self::try_push) and decides for itself.
///
/// A written piece of 16 KiB or more that finds the queue of a connection empty goes to the socket at
/// once; only what the socket does not take is copied.
///
/// An empty queue holds no heap memory of its own. A wrapper (TLS, compression) makes one for the
/// handler that it wraps, [within the bounds](Self::share_bounds) of its own, and empties it with
/// [`chunks`](Self::chunks) and [`advance`](Self::advance).
#[derive(Debug)]
pub struct Outgoing {
    /// What was pushed, and what was written before that.
    segments: VecDeque<Bytes>,
    /// What was written last; comes after all segments.
    tail: Vec<u8>,
    /// How much of the first piece is sent.
    sent: usize,
    len: usize,
    /// How many bytes wait in the queue to which a wrapper carries these.
    beyond: usize,
    limit: usize,
    pub(crate) high_water: usize,
    ended: bool,
    closing: bool,
    overflowed: bool,
    /// What to tell when the conversation is over.
    reason: Option<Box<Closed>>,
    /// Where the queue leads; to nowhere when a wrapper made it.
    pub(crate) socket: Socket,
    pub(crate) is_writable: bool,
    /// Something was sent that the loop has not yet taken note of.
    has_sent: bool,
}

/// More pieces than this go out in the next call.
const MAX_SLICES: usize = 64;
/// From this length on, trying the socket costs less than copying.
const LARGE: usize = 16 << 10;

/// A payload was refused because it does not fit into the queue's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull {
    /// The length of the refused payload, in bytes.
    pub refused: usize,
    /// How many bytes wait in the queue.
    pub queued: usize,
    /// How many bytes may wait in the queue.
    pub limit: usize,
}

impl Outgoing {
    /// Makes an empty queue for at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            segments: VecDeque::new(),
            tail: Vec::new(),
            sent: 0,
            len: 0,
            beyond: 0,
            limit,
            high_water: limit,
            ended: false,
            closing: false,
            overflowed: false,
            reason: None,
            socket: Socket::nowhere(),
            is_writable: false,
            has_sent: false,
        }
    }

    /// Copies `bytes` to the end of the queue.
    ///
    /// Past the limit, nothing is added and the connection will be closed. After
    /// [`end`](Self::end), nothing is added.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) {
        if self.admit(bytes.len()).is_err() {
            self.overflowed |= !self.ended;
            return;
        }
        let is_alone = self.len == bytes.len();
        let sent = if is_alone && bytes.len() >= LARGE && self.is_writable {
            // An error comes again when the loop sends, and is dealt with there.
            self.socket.send(bytes).unwrap_or(0)
        } else {
            0
        };
        self.has_sent |= sent > 0;
        self.len -= sent;
        self.tail.extend_from_slice(&bytes[sent..]);
    }

    /// Adds `payload` to the end of the queue without copying it.
    ///
    /// Past the limit, nothing is added and the connection will be closed. After
    /// [`end`](Self::end), nothing is added.
    pub fn push(&mut self, payload: Bytes) {
        if self.try_push(payload).is_err() {
            self.overflowed |= !self.ended;
        }
    }

    /// Adds `payload` to the end of the queue without copying it, if there is room.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when the payload would take the queue past its limit, or when the queue has
    /// ended; the queue is as it was.
    pub fn try_push(&mut self, payload: Bytes) -> Result<(), QueueFull> {
        self.admit(payload.len())?;
        if payload.is_empty() {
            return Ok(());
        }
        if !self.tail.is_empty() {
            let mut written = Bytes::from(std::mem::take(&mut self.tail));
            if self.segments.is_empty() {
                bytes::Buf::advance(&mut written, std::mem::take(&mut self.sent));
            }
            self.segments.push_back(written);
        }
        self.segments.push_back(payload);
        Ok(())
    }

    /// Ends this side of the conversation: what is queued is sent, then the peer learns that no more
    /// will come (a half-close). What the peer still sends is received as before.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Ends the whole conversation: what is queued is sent, then the connection is closed. What the
    /// peer still sends is thrown away.
    pub fn close(&mut self) {
        self.ended = true;
        self.closing = true;
    }

    /// Ends the whole conversation as [`close`](Self::close) does; at its end,
    /// [`closed`](crate::StreamHandler::closed) is told `why`, and [`Stats`](crate::Stats) count it. The
    /// first reason stays.
    ///
    /// For a handler that knows better than the loop what has happened: a protocol that the peer does not
    /// speak, bytes that can't be deciphered. With [`Closed::Overflowed`], what is queued is not sent.
    ///
    /// ```
    /// use std::io;
    /// use event_loop::sim::Sim;
    /// use event_loop::{Closed, Context, EventLoop, LoopOptions, Options, Outgoing};
    /// # fn main() -> io::Result<()> {
    /// let sim = Sim::new();
    /// let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default())?;
    /// let (socket, mut peer) = sim.stream();
    /// event_loop.add_stream(
    ///     socket,
    ///     Options::default(),
    ///     |_: &[u8], out: &mut Outgoing, _: &mut Context<'_>| {
    ///         out.write(b"what?");
    ///         out.close_because(Closed::Failed(io::ErrorKind::InvalidData.into()));
    ///     },
    /// )?;
    /// peer.send(b"?");
    /// peer.finish();
    /// assert_eq!(event_loop.run()?.failed, 1);
    /// assert_eq!(peer.received(), b"what?");
    /// # Ok(())
    /// # }
    /// ```
    pub fn close_because(&mut self, why: Closed) {
        self.overflowed |= matches!(why, Closed::Overflowed { .. });
        self.reason.get_or_insert_with(|| Box::new(why));
        self.close();
    }

    /// Takes on the bounds of `outer`, less what waits there: so both queues together hold no more than
    /// that one alone may.
    ///
    /// A wrapper, which carries the bytes of this queue into `outer`, does so each time before it calls
    /// the handler that it wraps.
    pub fn share_bounds(&mut self, outer: &Self) {
        self.beyond = outer.len;
        self.limit = outer.limit;
        self.high_water = outer.high_water;
    }

    /// Fills `slices` with the front of the queue and says how many it filled.
    pub fn chunks<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = self
            .segments
            .iter()
            .map(|segment| &segment[..])
            .chain([&self.tail[..]]);
        let mut filled = 0;
        let mut skip = self.sent;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            let piece = &piece[std::mem::take(&mut skip)..];
            if !piece.is_empty() {
                *slice = IoSlice::new(piece);
                filled += 1;
            }
        }
        filled
    }

    /// Removes the first `count` bytes: they are sent.
    ///
    /// # Panics
    ///
    /// When `count` is more than the queue holds.
    pub fn advance(&mut self, count: usize) {
        assert!(
            count <= self.len,
            "advanced {count} bytes in a queue of {}",
            self.len
        );
        self.len -= count;
        self.sent += count;
        while let Some(first) = self.segments.front() {
            if self.sent < first.len() {
                return;
            }
            self.sent -= first.len();
            self.segments.pop_front();
        }
        if self.len == 0 {
            if self.segments.capacity() > 0 {
                self.segments = VecDeque::new();
            }
            self.tail.clear();
            self.sent = 0;
        } else if self.sent >= self.tail.len() / 2 && self.sent > 0 {
            // Half of the buffer is behind us: move the rest down, so that a queue that is never
            // quite empty does not grow for ever. Each byte moves at most once for each one sent.
            self.tail.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// How many bytes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes may wait.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether more waits than the [high-water mark](crate::Options::high_water): a source that can
    /// hold back does so until [`writable`](crate::StreamHandler::writable) is called.
    #[must_use]
    pub fn is_above_high_water(&self) -> bool {
        self.len + self.beyond > self.high_water
    }

    /// Whether [`end`](Self::end) or [`close`](Self::close) was called.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether [`write`](Self::write) or [`push`](Self::push) went past the limit.
    #[must_use]
    pub fn is_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Takes out the reason that [`close_because`](Self::close_because) was given: a wrapper, which closes
    /// the queue outside when this one is closing and empty, passes it on.
    pub fn take_reason(&mut self) -> Option<Closed> {
        self.reason.take().map(|why| *why)
    }

    /// Exchanges the unused write buffer with `spare`, so that many queues take turns with one.
    pub(crate) fn swap_buffer(&mut self, spare: &mut Vec<u8>) {
        debug_assert!(self.tail.is_empty(), "the buffer is in use");
        std::mem::swap(&mut self.tail, spare);
    }

    pub(crate) fn has_buffer(&self) -> bool {
        self.tail.capacity() > 0
    }

    /// Sends as much as the socket takes; says whether it took anything, now or when it was written.
    #[inline(always)]
    pub(crate) fn send(&mut self) -> io::Result<bool> {
        while self.is_writable && self.len > 0 {
            match self.send_once() {
                Ok(count) => {
                    self.advance(count);
                    self.has_sent = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(std::mem::take(&mut self.has_sent))
    }

    #[inline(always)]
    fn send_once(&self) -> io::Result<usize> {
        match self.segments.len() {
            0 => self.socket.send(&self.tail[self.sent..]),
            1 if self.tail.is_empty() => self.socket.send(&self.segments[0][self.sent..]),
            _ => self.send_several(),
        }
    }

    #[inline(never)]
    fn send_several(&self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let filled = self.chunks(&mut slices);
        self.socket.send_slices(&slices[..filled])
    }

    fn admit(&mut self, more: usize) -> Result<(), QueueFull> {
        let queued = self.len + self.beyond;
        if self.ended || more > self.limit.saturating_sub(queued) {
            return Err(QueueFull {
                refused: more,
                queued,
                limit: self.limit,
            });
        }
        self.len += more;
        Ok(())
    }
}

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            refused,
            queued,
            limit,
        } = self;
        write!(
            f,
            "{refused} bytes do not fit into a queue that holds {queued} of {limit} bytes"
        )
    }
}

impl std::error::Error for QueueFull {}
