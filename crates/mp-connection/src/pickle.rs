//! Pickles for data: a reader and a writer that construct values and nothing else.

mod error;
mod names;
mod opcode;
mod options;
mod reader;
mod serialize;
mod tagged;
mod tree;
mod value;
mod writer;

pub use error::{Error, Limit};
pub use options::{Options, Protocol};
pub use serialize::to_pickle;
pub use value::{BigInt, Dict, Exception, Set, Value};
