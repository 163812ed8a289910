//! Cuts a byte stream into messages.
#![forbid(unsafe_code)]

pub mod blocking;
#[cfg(feature = "codec")]
mod codec;
mod decoder;
mod encoder;
mod error;
mod limits;
mod parser;
mod pattern;
mod queue;
#[cfg(feature = "tokio")]
pub mod tokio;

#[cfg(feature = "codec")]
pub use codec::FrameCodec;
pub use decoder::Decoder;
pub use encoder::{Encoder, Head};
pub use error::{Direction, Error, FrameError, Opening};
pub use limits::{Limits, Oversize};
pub use pattern::{Delimiter, Pattern, Prefix};
pub use queue::{FrameQueue, QueueLimits};
