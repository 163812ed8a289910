//! Python's `multiprocessing.connection`, both roles.
#![forbid(unsafe_code)]

mod address;
mod auth;
pub mod blocking;
mod digest;
mod error;
mod frame;
mod handshake;
mod incoming;
pub mod pickle;
mod place;
#[cfg(feature = "rpc-core")]
pub mod rpc;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use address::{Address, AddressError};
pub use auth::{Auth, EmptyKey, fresh_nonce};
pub use error::{AcceptError, AuthError, Error, Message};
pub use handshake::{Generation, Handshake};
