//! Runs handlers on readiness: streams, datagrams, timers, messages and offloaded work on one thread.
#![forbid(unsafe_code)]

mod context;
mod datagram;
mod event_loop;
mod handle;
mod handler;
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
