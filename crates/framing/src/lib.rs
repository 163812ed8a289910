//! Cuts a byte stream into messages.
#![forbid(unsafe_code)]

#[cfg(feature = "codec")]
mod codec;
mod decoder;
mod encoder;
mod error;
mod limits;
mod parser;
mod pattern;

#[cfg(feature = "codec")]
pub use codec::FrameCodec;
pub use decoder::Decoder;
pub use encoder::{Encoder, Head};
pub use error::{Direction, Error, FrameError, Opening};
pub use limits::{Limits, Oversize};
pub use pattern::{Delimiter, Pattern, Prefix};
