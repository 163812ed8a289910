use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::{Context, Datagrams, Outgoing};

/// One conversation on a byte stream.
///
/// The loop owns the socket; the handler gets what arrived and puts what should go out into `out`.
/// It never waits: what can't be done at once comes back later as a timer, a message, or a call of
/// [`writable`](Self::writable). `M` is the type of the messages that travel on the loop.
///
/// # The contract
///
/// - [`opened`](Self::opened) comes first and [`closed`](Self::closed) last, each once; no method is
///   called after `closed`. (A handler that panics is dropped without `closed`.)
/// - No handler is called while another one runs: messages and closes that a handler asks for happen
///   after it returns. Handlers may thus share state in an `Rc<RefCell<…>>` without fear.
/// - Bytes put into `out` are sent when the handler returns, or at the end of the turn.
/// - Each method should return soon: nothing else moves on this loop meanwhile. Slow work goes to
///   [`Context::offload`].
///
/// A closure `FnMut(&[u8], &mut Outgoing, &mut Context<'_, M>)` is a handler that only receives. An
/// `Option` of a handler that is `None` turns the peer away: it closes the connection when it is opened.
///
/// ```
/// # use event_loop::{Context, EventLoop, Options, Outgoing, Peer};
/// # let mut event_loop = EventLoop::<()>::new()?;
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// event_loop.listen(listener, Options::default(), |peer| {
///     let is_local = matches!(peer, Peer::Tcp(address) if address.ip().is_loopback());
///     is_local.then_some(|bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes))
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait StreamHandler<M = ()> {
    /// The connection is there. Speak first here, or set timers.
    fn opened(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let _ = (out, cx);
    }

    /// Bytes arrived, in order, cut anywhere: between one and
    /// [`read_budget`](crate::Options::read_budget) of them.
    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_, M>);

    /// The peer will send no more (a half-close); it may still receive. By default this side ends
    /// too, once what is queued is sent.
    fn peer_finished(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let _ = cx;
        out.end();
    }

    /// The outgoing queue was [above its high-water mark](Outgoing::is_above_high_water) when a call
    /// of this handler returned, and is now at or below the low one.
    fn writable(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let _ = (out, cx);
    }

    /// A timer set with this `token` is due.
    fn timer(&mut self, token: u64, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let _ = (token, out, cx);
    }

    /// A message came: from another handler, from a thread, or as the result of offloaded work.
    fn message(&mut self, message: M, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let _ = (message, out, cx);
    }

    /// The loop is stopping. By default the connection is closed once what is queued is sent; a
    /// handler in the middle of something may go on until the grace period is over.
    fn stopping(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let _ = cx;
        out.close();
    }

    /// Somebody has asked for a [close](Context::close) of this connection: it is closed once what is
    /// queued is sent, and its handler receives nothing more. Only a wrapper, which holds bytes back, has
    /// something to do here; it must close `out` as soon as it holds none.
    fn closing(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let _ = cx;
        out.close();
    }

    /// Whether the peer has still to prove itself (log in, authenticate, negotiate). A connection
    /// that is so for longer than [`handshake_timeout`](crate::Options::handshake_timeout) is closed.
    /// Asked after each call until it says `false` for the first time.
    fn handshaking(&self) -> bool {
        false
    }

    /// The connection is gone.
    fn closed(&mut self, why: &Closed, cx: &mut Context<'_, M>) {
        let _ = (why, cx);
    }
}

impl<M, F> StreamHandler<M> for F
where
    F: FnMut(&[u8], &mut Outgoing, &mut Context<'_, M>),
{
    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_, M>) {
        self(bytes, out, cx);
    }
}

impl<M, H: StreamHandler<M>> StreamHandler<M> for Option<H> {
    fn opened(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        match self {
            Some(handler) => handler.opened(out, cx),
            None => out.close(),
        }
    }

    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Some(handler) = self {
            handler.received(bytes, out, cx);
        }
    }

    fn peer_finished(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Some(handler) = self {
            handler.peer_finished(out, cx);
        }
    }

    fn writable(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Some(handler) = self {
            handler.writable(out, cx);
        }
    }

    fn timer(&mut self, token: u64, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Some(handler) = self {
            handler.timer(token, out, cx);
        }
    }

    fn message(&mut self, message: M, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Some(handler) = self {
            handler.message(message, out, cx);
        }
    }

    fn stopping(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Some(handler) = self {
            handler.stopping(out, cx);
        }
    }

    fn closing(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        match self {
            Some(handler) => handler.closing(out, cx),
            None => out.close(),
        }
    }

    fn handshaking(&self) -> bool {
        self.as_ref().is_some_and(StreamHandler::handshaking)
    }

    fn closed(&mut self, why: &Closed, cx: &mut Context<'_, M>) {
        if let Some(handler) = self {
            handler.closed(why, cx);
        }
    }
}

/// A service on a datagram socket.
///
/// The same contract as [`StreamHandler`]'s: never called while another handler runs.
/// A closure `FnMut(&[u8], SocketAddr, &mut Datagrams, &mut Context<'_, M>)` is a handler that only
/// receives.
pub trait DatagramHandler<M = ()> {
    /// A datagram arrived, whole; it may be empty.
    fn received(
        &mut self,
        payload: &[u8],
        from: SocketAddr,
        out: &mut Datagrams,
        cx: &mut Context<'_, M>,
    );

    /// A timer set with this `token` is due.
    fn timer(&mut self, token: u64, out: &mut Datagrams, cx: &mut Context<'_, M>) {
        let _ = (token, out, cx);
    }

    /// A message came: from another handler, from a thread, or as the result of offloaded work.
    fn message(&mut self, message: M, out: &mut Datagrams, cx: &mut Context<'_, M>) {
        let _ = (message, out, cx);
    }
}

impl<M, F> DatagramHandler<M> for F
where
    F: FnMut(&[u8], SocketAddr, &mut Datagrams, &mut Context<'_, M>),
{
    fn received(
        &mut self,
        payload: &[u8],
        from: SocketAddr,
        out: &mut Datagrams,
        cx: &mut Context<'_, M>,
    ) {
        self(payload, from, out, cx);
    }
}

/// Who is at the other end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// A process on this machine, over a Unix socket.
    Unix,
    /// The other end of a simulated stream.
    Simulated,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Simulated => f.write_str("simulated"),
        }
    }
}

/// Why a connection is gone.
#[derive(Debug)]
#[non_exhaustive]
pub enum Closed {
    /// Both sides ended the conversation, or this side closed it and sent all it had to.
    Finished,
    /// Nothing was received or sent for the idle timeout.
    Idle,
    /// The peer was still handshaking, or the connection still not made, at the handshake timeout.
    Handshake,
    /// This side had closed the conversation, but the peer took nothing more for the linger timeout.
    Lingered {
        /// How many bytes were still to be sent.
        unsent: usize,
    },
    /// The handler queued more than the peer took, up to the queue's limit.
    Overflowed {
        /// How many bytes waited.
        queued: usize,
        /// How many bytes may wait.
        limit: usize,
    },
    /// The socket failed, most often because the peer reset the connection.
    Failed(io::Error),
    /// Somebody called [`Context::abort`].
    Aborted,
    /// The handler panicked. It is dropped, and never told.
    Panicked,
    /// The loop stopped, and the grace period is over.
    Stopped,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("finished"),
            Self::Idle => f.write_str("idle for too long"),
            Self::Handshake => f.write_str("handshake not finished in time"),
            Self::Lingered { unsent } => {
                write!(
                    f,
                    "peer did not take the rest in time, {unsent} bytes unsent"
                )
            }
            Self::Overflowed { queued, limit } => {
                write!(
                    f,
                    "peer reads too slowly, {queued} of at most {limit} bytes wait"
                )
            }
            Self::Failed(error) => error.fmt(f),
            Self::Aborted => f.write_str("cut off"),
            Self::Panicked => f.write_str("the handler panicked"),
            Self::Stopped => f.write_str("cut off at the end of the grace period"),
        }
    }
}
