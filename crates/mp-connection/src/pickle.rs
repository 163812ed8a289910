//! Pickles for data: a reader and a writer that construct values and nothing else.

mod error;
mod options;
mod reader;
mod tree;
mod value;
mod writer;

pub use error::{Error, Limit};
pub use options::{Options, Protocol};
pub use value::{BigInt, Dict, Exception, Set, Value};
