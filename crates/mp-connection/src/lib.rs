//! Python's `multiprocessing.connection`, both roles.
#![forbid(unsafe_code)]

mod address;
mod auth;
pub mod blocking;
mod digest;
mod error;
mod handshake;
pub mod pickle;
#[cfg(feature = "rpc-core")]
pub mod rpc;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use auth::{Auth, EmptyKey};
