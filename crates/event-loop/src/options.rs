use std::time::Duration;

use bytes::Bytes;

/// What a stream, or every stream of a listener, may cost.
///
/// The defaults are safe on the open internet; change single fields:
///
/// ```
/// use event_loop::Options;
/// let options = Options { max_connections: 100, ..Options::default() };
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// How many connections of one listener may be open. Default 10,000.
    pub max_connections: usize,
    /// What a connection over [`max_connections`](Self::max_connections) is told before it is
    /// closed. When empty (the default), nobody is refused: newcomers wait in the listener's
    /// backlog until a place is free.
    pub refusal: Bytes,
    /// How long a connection may stay [`handshaking`](crate::StreamHandler::handshaking), and how
    /// long a [`connect`](crate::EventLoop::connect) may take. Default 10 s.
    pub handshake_timeout: Duration,
    /// How long a connection may go without a byte received or sent. Default 5 minutes; `None`
    /// never closes an idle connection, save that the system asks the peer of a TCP connection that
    /// was accepted or made by the loop for a sign of life after a minute (keep-alive).
    pub idle_timeout: Option<Duration>,
    /// How long a closing connection may go without progress: first while the rest of its queue is
    /// sent, then while the loop waits for the peer to close too, so that the last bytes are not
    /// lost in a reset. Default 2 s.
    pub linger_timeout: Duration,
    /// The most bytes that may wait to be sent on one connection. Default 1 MiB.
    pub max_queue_len: usize,
    /// Above this many waiting bytes, nothing is read from the peer (but see
    /// [`reads_when_full`](Self::reads_when_full)). Default 256 KiB.
    pub high_water: usize,
    /// At or below this many waiting bytes, reading goes on and
    /// [`writable`](crate::StreamHandler::writable) is called. Default 64 KiB.
    pub low_water: usize,
    /// Whether to read from the peer even above the high-water mark. Default no: a peer that sends
    /// without reading is made to wait. A client that sends of its own accord, and holds back until
    /// [`writable`](crate::StreamHandler::writable) is called, says yes: otherwise it and a server
    /// that waits for it to read would wait for each other.
    pub reads_when_full: bool,
    /// The most bytes read from one connection in one turn of the loop, before others have theirs.
    /// When many have something to read, each gets less: a turn has 8 MiB for all of them, though at
    /// least 64 KiB for each. Default 1 MiB.
    pub read_budget: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            refusal: Bytes::new(),
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(300)),
            linger_timeout: Duration::from_secs(2),
            max_queue_len: 1 << 20,
            high_water: 256 << 10,
            low_water: 64 << 10,
            reads_when_full: false,
            read_budget: 1 << 20,
        }
    }
}

/// The bounds of a loop as a whole.
#[derive(Clone, Debug)]
pub struct LoopOptions {
    /// How many threads run offloaded work. They start when the first work comes. Default: one for
    /// each core.
    pub offload_threads: usize,
    /// How much offloaded work may wait for a thread. Default 1024.
    pub offload_queue: usize,
    /// How many messages may wait: from handlers, and (counted apart) from other threads.
    /// Default 65,536.
    pub message_queue: usize,
}

impl Default for LoopOptions {
    fn default() -> Self {
        Self {
            offload_threads: std::thread::available_parallelism().map_or(2, usize::from),
            offload_queue: 1024,
            message_queue: 65_536,
        }
    }
}

/// What has happened on a loop since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that are open now.
    pub open: usize,
    /// Connections accepted by listeners, refused ones not counted.
    pub accepted: u64,
    /// Connections turned away because their listener was full.
    pub refused: u64,
    /// Connections that ended in order, by both sides.
    pub finished: u64,
    /// Connections closed by a deadline: handshake, idle, lingering.
    pub timed_out: u64,
    /// Connections ended by an error of the socket or of the peer.
    pub failed: u64,
    /// Connections closed because their queue was full.
    pub overflowed: u64,
    /// Connections ended by a panic in their handler.
    pub panicked: u64,
    /// Connections cut by [`abort`](crate::Context::abort) or at the end of the grace period.
    pub cut_off: u64,
    /// Pauses in accepting because the process or the system was out of descriptors or memory.
    pub accept_pauses: u64,
    /// Datagrams that could not be sent.
    pub datagrams_dropped: u64,
}
