//! Proves that both ends of a stream know a key, and hands out session keys.
//!
//! # The challenge
//!
//! # The handshake
#![forbid(unsafe_code)]

pub mod blocking;
mod challenge;
mod deadline;
mod error;
mod handshake;
mod incoming;
mod key;
mod machine;
mod message;
mod nonce;
mod outgoing;
mod schedule;
mod secret;
mod session;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use challenge::{Challenge, ChallengeEvent, ChallengeOptions};
pub use error::{AuthError, Error, KeyError, SessionError};
pub use handshake::{Handshake, HandshakeOptions};
pub use key::{ChallengeKey, Key, Keyring};
pub use nonce::fresh_nonce;
pub use session::{Opened, Opener, Sealer, Session};
