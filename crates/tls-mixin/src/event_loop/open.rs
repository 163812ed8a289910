//! After the handshake: from the wire to the handler inside, and back.

use std::cell::Cell;
use std::io::{self, BufRead, IoSlice, Write};
use std::mem;

use event_loop::{Closed, Context, Outgoing, StreamHandler};
use rustls::Connection;

use crate::error::Error;
use crate::handshake::Lifetime;

/// A connection whose handshake is done, and the handler inside.
pub(super) struct Open<H> {
    pub(super) connection: Connection,
    pub(super) lifetime: Lifetime,
    pub(super) handler: H,
    /// What the handler sends. Lent by the thread while the handler is at work; one that waits has no buffer.
    pub(super) inner: Outgoing,
    /// The handler has seen its queue above the high-water mark, and was not yet told that it has room.
    pub(super) is_choked: bool,
    /// The peer was told that no more will come.
    has_finished: bool,
    pub(super) peer_has_finished: bool,
}

thread_local! {
    /// The queue that the connections of a thread take turns with: its buffer has grown already.
    static SPARE: Cell<Option<Outgoing>> = const { Cell::new(None) };
}

impl<H> Open<H> {
    pub(super) fn new(connection: Connection, lifetime: Lifetime, handler: H) -> Self {
        Self {
            connection,
            lifetime,
            handler,
            inner: Outgoing::new(0),
            is_choked: false,
            has_finished: false,
            peer_has_finished: false,
        }
    }

    /// Gives the handler a queue with a buffer, if it has none.
    pub(super) fn prepare(&mut self) {
        if self.inner.is_empty()
            && !self.inner.is_ended()
            && let Some(spare) = SPARE.take()
        {
            self.inner = spare;
        }
    }

    pub(super) fn receive<M>(
        &mut self,
        mut bytes: &[u8],
        out: &mut Outgoing,
        cx: &mut Context<'_, M>,
    ) where
        H: StreamHandler<M>,
    {
        // Nothing counts that comes after the peer's end, or after this side is done with it.
        while !bytes.is_empty() && !self.peer_has_finished && !self.is_done(out) {
            match take(&mut self.connection, &mut bytes) {
                Ok(()) => self.deliver(out, cx),
                // What came before the error is not lost.
                Err(error) => {
                    self.deliver(out, cx);
                    self.fail(Error::of_rustls(error), out);
                }
            }
        }
    }

    /// Gives the handler what was deciphered.
    pub(super) fn deliver<M>(&mut self, out: &Outgoing, cx: &mut Context<'_, M>)
    where
        H: StreamHandler<M>,
    {
        while !self.is_done(out) {
            match self.connection.reader().into_first_chunk() {
                Ok([]) => {
                    self.peer_has_finished = true;
                    return self.call(out, cx, |handler, inner, cx| {
                        handler.peer_finished(inner, cx);
                    });
                }
                Ok(bytes) => {
                    self.inner.share_bounds(out);
                    self.handler.received(bytes, &mut self.inner, cx);
                    self.is_choked |= self.inner.is_above_high_water();
                    let len = bytes.len();
                    self.connection.reader().consume(len);
                }
                // There is no more.
                Err(_) => return,
            }
        }
    }

    pub(super) fn call<M>(
        &mut self,
        out: &Outgoing,
        cx: &mut Context<'_, M>,
        call: impl FnOnce(&mut H, &mut Outgoing, &mut Context<'_, M>),
    ) {
        self.inner.share_bounds(out);
        call(&mut self.handler, &mut self.inner, cx);
        self.is_choked |= self.inner.is_above_high_water();
    }

    /// Encrypts what the handler has sent, as far as there is room for it, and draws the conclusions.
    pub(super) fn carry(&mut self, out: &mut Outgoing) {
        send(&mut self.connection, out);
        if out.is_closing() {
            return;
        }
        if self.inner.is_overflowed() {
            return self.overflow(out);
        }
        // A queue that is to be closed is sent to its end: then the peer's slowness is the loop's affair.
        while !self.inner.is_empty() && (self.inner.is_closing() || !out.is_above_high_water()) {
            let room = fitting(out.limit() - out.len());
            if room == 0 && out.is_above_high_water() {
                return;
            }
            self.connection.set_buffer_limit(Some(room.min(BATCH)));
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let filled = self.inner.chunks(&mut slices);
            match self.connection.writer().write_vectored(&slices[..filled]) {
                Ok(0) | Err(_) => return self.overflow(out),
                Ok(len) => self.inner.advance(len),
            }
            send(&mut self.connection, out);
        }
        if !self.inner.is_empty() {
            return;
        }
        if !self.inner.is_ended() {
            let emptied = mem::replace(&mut self.inner, Outgoing::new(0));
            return SPARE.set(Some(emptied));
        }
        if !mem::replace(&mut self.has_finished, true) {
            self.connection.send_close_notify();
            send(&mut self.connection, out);
        }
        if let Some(why) = self.inner.take_reason() {
            out.close_because(why);
        } else if self.inner.is_closing() || self.peer_has_finished {
            out.close();
        } else {
            out.end();
        }
    }

    /// Ends the connection: the peer gets what rustls has to say to it.
    pub(super) fn fail(&mut self, error: Error, out: &mut Outgoing) {
        send(&mut self.connection, out);
        self.inner.close();
        out.close_because(Closed::Failed(error.into()));
    }

    fn overflow(&self, out: &mut Outgoing) {
        out.close_because(Closed::Overflowed {
            queued: self.inner.len() + out.len(),
            limit: out.limit(),
        });
    }

    /// Whether the handler is to receive nothing more.
    fn is_done(&self, out: &Outgoing) -> bool {
        self.inner.is_closing() || self.inner.is_overflowed() || out.is_closing()
    }
}

/// Lets rustls have some of the bytes: it does not take more than a record or so at a time.
pub(super) fn take(connection: &mut Connection, bytes: &mut &[u8]) -> Result<(), rustls::Error> {
    match connection.read_tls(bytes) {
        Ok(0) => *bytes = &[],
        Ok(_) => {}
        Err(error) => return Err(rustls::Error::General(error.to_string())),
    }
    connection.process_new_packets().map(drop)
}

/// Moves what rustls has for the peer into the queue.
pub(super) fn send(connection: &mut Connection, out: &mut Outgoing) {
    while connection.wants_write() {
        // A queue takes everything: past its limit it throws it away, and says so.
        if connection.write_tls(&mut Sink(out)).is_err() {
            return;
        }
    }
}

/// How many bytes become no more than `room` when they are encrypted.
fn fitting(room: usize) -> usize {
    room.saturating_sub((room / RECORD + 1) * MAX_OVERHEAD)
}

struct Sink<'a>(&'a mut Outgoing);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // In pieces that the queue keeps: if it sent some of them at once, it would not be above its
        // high-water mark when the handler inside is, and the loop would not call `writable`.
        for piece in bytes.chunks(PIECE) {
            self.0.write(piece);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The longest content of a record.
const RECORD: usize = 16 << 10;
/// A record is at most so much longer than its content.
const MAX_OVERHEAD: usize = 64;
/// How much is encrypted at a time.
const BATCH: usize = 64 << 10;
/// Less than what a queue sends at once.
const PIECE: usize = 8 << 10;
const MAX_SLICES: usize = 16;
