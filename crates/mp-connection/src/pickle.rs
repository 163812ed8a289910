//! Pickles for data: a reader and a writer that construct values and nothing else.

mod address;
mod build;
mod deserialize;
mod dict;
mod dynamic;
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
mod write_value;
mod writer;

pub use deserialize::from_pickle;
pub use dict::{Dict, Set};
pub use error::{Error, Limit};
pub use exception::Exception;
pub use int::{BigInt, IntError};
pub use items::Items;
pub use options::{Options, Protocol};
pub use serialize::to_pickle;
pub use value::Value;

#[cfg(feature = "rpc-core")]
pub(crate) use build::value;
#[cfg(feature = "rpc-core")]
pub(crate) use reader::read;
#[cfg(feature = "rpc-core")]
pub(crate) use tree::{Node, NodeId, Tree};
