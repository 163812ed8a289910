//! Python's `multiprocessing.connection` over blocking sockets.
//!
//! [`Listener`], [`Connection`] and [`wait`] do what Python's do, with the same bytes.

mod connection;
#[cfg(feature = "fd-passing")]
mod handle;
mod listener;
mod login;
mod object;
mod pending;
mod readiness;
mod socket;
mod wait;

pub use connection::Connection;
pub use listener::Listener;
pub use wait::wait;

#[cfg(feature = "rpc-core")]
pub(crate) use socket::Socket;
