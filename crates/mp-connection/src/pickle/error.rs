use std::fmt;
use std::sync::Arc;

use super::Exception;

/// Why bytes are no value, or a value can't be pickled. Offsets are in bytes from the beginning of the pickle.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The pickle ends inside an instruction, or has no end.
    Truncated {
        /// Where it ends.
        len: usize,
    },
    /// Something is larger than the options allow.
    TooLarge {
        /// What is.
        what: Limit,
        /// The most.
        limit: usize,
    },
    /// The pickle asks for a class or function that is no data.
    Global {
        /// The module.
        module: String,
        /// Its name in there.
        name: String,
    },
    /// A key of a dict, or an element of a set, is something that Python can't hash.
    Unhashable {
        /// What Python calls its type.
        kind: &'static str,
    },
    /// An exception came where a value of another type was wanted.
    Raised(Arc<Exception>),
    /// A type's `Serialize` or `Deserialize` said no.
    Type {
        /// Its words.
        reason: String,
    },
}

/// A limit of [`Options`](super::Options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Options::max_depth`](super::Options::max_depth)
    Depth,
    /// [`Options::max_values`](super::Options::max_values)
    Values,
    /// [`Options::max_bytes`](super::Options::max_bytes)
    Bytes,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Error {}
