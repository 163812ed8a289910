//! Pickles for data: a reader and a writer that construct values and nothing else.

mod build;
mod dict;
mod equal;
mod error;
mod exception;
mod int;
mod items;
mod key;
mod names;
mod opcode;
mod options;
mod reader;
mod serialize;
mod show;
mod tagged;
mod tree;
mod value;
mod writer;

pub use dict::{Dict, Set};
pub use error::{Error, Limit};
pub use exception::Exception;
pub use int::{BigInt, IntError};
pub use items::Items;
pub use options::{Options, Protocol};
pub use serialize::to_pickle;
pub use value::Value;
