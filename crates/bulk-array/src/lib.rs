//! Moves numeric arrays between memory and a stream without copying them.
#![deny(unsafe_code)]

mod array;
pub mod blocking;
pub mod chunked;
mod dtype;
mod element;
mod error;
mod limits;
#[cfg(target_os = "linux")]
pub mod linux;
mod memory;
pub mod npy;
mod order;
pub mod raw;
mod shape;
mod source;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use array::Array;
pub use dtype::{Dtype, Kind};
pub use element::Element;
pub use error::{ArrayError, Error};
pub use limits::Limits;
pub use order::ByteOrder;
pub use shape::{Order, Shape};
pub use source::{Reader, Source};
