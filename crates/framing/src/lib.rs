//! Cuts a byte stream into messages.
#![forbid(unsafe_code)]

mod decoder;
mod encoder;
mod error;
mod limits;
mod parser;
mod pattern;

pub use decoder::Decoder;
pub use encoder::{Encoder, Head};
pub use error::{Direction, Error, FrameError, Opening};
pub use limits::{Limits, Oversize};
pub use pattern::{Delimiter, Pattern, Prefix};
