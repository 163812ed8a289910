//! Runs handlers on readiness: streams, datagrams, timers, messages and offloaded work on one thread.
//!
//! It does not parse (give what arrives to a decoder such as `framing`'s), it does not encrypt, it runs
//! no futures, and it does not spread work over cores by itself: run one loop a thread, and let them
//! share a port with [`bind_shared`].
//!
//! # An echo server, and a client of it
//!
//! ```
//! use std::net::TcpListener;
//! use event_loop::{Closed, Context, EventLoop, Options, Outgoing, StreamHandler};
//!
//! struct Client;
//!
//! impl StreamHandler for Client {
//!     fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
//!         out.write(b"hello");
//!     }
//!
//!     fn received(&mut self, bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
//!         assert_eq!(bytes, b"hello");
//!         out.close();
//!     }
//!
//!     fn closed(&mut self, why: &Closed, cx: &mut Context<'_>) {
//!         println!("{why}"); // finished
//!         cx.stop(std::time::Duration::from_secs(1));
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let mut event_loop: EventLoop = EventLoop::new()?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! event_loop.connect(listener.local_addr()?, Options::default(), Client)?;
//! event_loop.listen(listener, Options::default(), |_peer| {
//!     |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes)
//! })?;
//! let stats = event_loop.run()?;
//! assert_eq!((stats.accepted, stats.finished), (1, 2));
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! A handler never touches a socket. The loop reads and calls the handler with the bytes; the handler
//! puts its answer into an [`Outgoing`] queue; the loop writes it.
//!
//! ```text
//!             ┌──────────────────────── one turn ────────────────────────┐
//!   sockets ──► wait ─► messages from threads ─► timers ─► each ready source, within its budget
//!             │                                              │ received(bytes, out, cx)
//!   sockets ◄─┤ close ◄─ write what is left ◄─ messages ◄────┘ out.write(…), cx.post(…)
//!             └──────────────────────────────────────────────────────────┘
//! ```
//!
//! A stream goes through these states; `closed` is the last call in each case:
//!
//! ```text
//! connect ─► (connecting) ─┐                        peer ends: peer_finished
//! accept ──────────────────┴─► opened ─► received … out.end():  half-close, still receiving
//!                                                   out.close(): send the rest, wait for the peer
//! ```
//!
//! - A socket is registered once, edge-triggered; the loop remembers what is readable. It writes at
//!   once and asks to be told of room only after the socket was full.
//! - No handler is called while another one runs. What a handler asks of others (messages, closing
//!   a neighbour) happens after it returns, so handlers can share an `Rc<RefCell<…>>`.
//! - Each source has a share of each turn: a connection up to
//!   [`read_budget`](Options::read_budget) bytes, a listener 16 newcomers, a datagram socket 64
//!   datagrams. What is left comes in the next turn.
//! - A [`Key`] names a source and is never used twice: a late event or message reaches nobody else.
//! - The wheel of timers has ticks of a millisecond; setting and cancelling take constant time. No timer
//!   fires early.
//!
//! # Limits
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | [connections of a listener](Options::max_connections) | 10,000 | newcomers wait, or get the [refusal](Options::refusal) |
//! | [handshake](Options::handshake_timeout) | 10 s | closed |
//! | [idle](Options::idle_timeout) | 5 min | closed |
//! | [closing without progress](Options::linger_timeout) | 2 s | closed |
//! | [bytes that wait to be sent](Options::max_queue_len) | 1 MiB | closed; [`Outgoing::try_push`] leaves the choice to the handler |
//! | [high-water mark](Options::high_water) | 256 KiB | nothing is read from that peer until [64 KiB](Options::low_water) |
//! | [messages that wait](LoopOptions::message_queue) | 65,536 | [`PostError::Full`] gives the message back |
//! | [offloaded work that waits](LoopOptions::offload_queue) | 1024 | [`OffloadError::Full`] |
//! | datagrams that wait on a socket | 4096 of 1 MiB together | [`QueueFull`] |
//! | out of descriptors | | accepting rests for 10 ms, doubling up to 1 s |
//!
//! An idle connection has no buffers: all connections read into one of 64 KiB, and a queue that is
//! empty holds no memory.
//!
//! # Threads
//!
//! A loop and its handlers stay on one thread. Other threads reach it by a [`Handle`]: messages that
//! come before the loop wakes up share one wake-up. Slow work goes the other way, by
//! [`Context::offload`]; its result comes back as a message, a panic included.
//!
//! A handler that panics loses its connection, and nobody else's. That needs unwinding: with
//! `panic = "abort"` the process ends.
//!
//! # Testing handlers
//!
//! [`sim`] has a poller that follows a script and a clock that is moved by hand: a test of deadlines
//! or of a peer that reads slowly needs neither sockets nor sleep.
//!
//! # Features
//!
//! - `signals`: `EventLoop::on_signal` (through `signal-hook`). Off by default.
//!
//! # Platforms
//!
//! Unix with 64-bit pointers. Tested on Linux.
//!
//! # Related blocks
//!
//! `framing` cuts the bytes that arrive into messages without copying them.
#![forbid(unsafe_code)]

mod context;
mod datagram;
mod event_loop;
mod groups;
mod handle;
mod handler;
mod held;
mod key;
mod listener;
mod offload;
mod options;
mod outgoing;
mod poller;
#[cfg(feature = "signals")]
mod signals;
pub mod sim;
mod slots;
mod socket;
mod stream;
mod timers;
mod turn;

pub use context::Context;
pub use datagram::Datagrams;
pub use event_loop::EventLoop;
pub use handle::{Handle, PostError};
pub use handler::{Closed, DatagramHandler, Peer, StreamHandler};
pub use key::Key;
pub use listener::{Listener, bind_shared};
pub use offload::{OffloadError, Panicked};
pub use options::{LoopOptions, Options, Stats};
pub use outgoing::{Outgoing, QueueFull};
pub use socket::Socket;
pub use timers::TimerKey;
