use std::error::Error as StdError;
use std::{fmt, io};

use crate::dtype::Dtype;
use crate::shape::Shape;

/// Why an array could not be sent or received.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed.
    Io(io::Error),
    /// What came, or what was to be sent, is not the array that it should be.
    Array(ArrayError),
}

/// Why something is not the array that it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArrayError {
    /// The stream ended before the last element.
    Truncated {
        /// The bytes of the array that came.
        received: u64,
        /// The bytes that it has.
        expected: u64,
    },
    /// The peer's array has elements of another type than those asked for.
    DtypeMismatch {
        /// What was asked for.
        expected: Dtype,
        /// What the peer announced.
        found: Dtype,
    },
    /// The peer's array has another number of elements than there is room for.
    ShapeMismatch {
        /// The elements that there is room for.
        expected: u64,
        /// What the peer announced.
        found: Shape,
    },
    /// Elements were given a shape that has another number of them.
    LenMismatch {
        /// The number of elements.
        len: u64,
        /// The shape.
        shape: Shape,
    },
    /// The array has more bytes than the limit.
    TooLarge {
        /// What the peer announced.
        shape: Shape,
        /// Of what.
        dtype: Dtype,
        /// The most bytes that may be.
        max_bytes: u64,
    },
    /// The system has no memory for what came.
    OutOfMemory {
        /// The bytes that were asked for.
        bytes: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Array(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Array(error) => error.source(),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ArrayError> for Error {
    fn from(error: ArrayError) -> Self {
        Self::Array(error)
    }
}

impl fmt::Display for ArrayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { received, expected } => write!(
                f,
                "the stream ended after {received} of the {expected} bytes of the array"
            ),
            Self::DtypeMismatch { expected, found } => write!(
                f,
                "expected an array of {expected}, the peer announced one of {found}"
            ),
            Self::ShapeMismatch { expected, found } => write!(
                f,
                "expected an array of {expected} elements, the peer announced the shape {found}"
            ),
            Self::LenMismatch { len, shape } => {
                write!(
                    f,
                    "there are {len} elements, they do not have the shape {shape}"
                )
            }
            Self::TooLarge {
                shape,
                dtype,
                max_bytes,
            } => write!(
                f,
                "the peer announced an array of {dtype} with the shape {shape}, the limit is {max_bytes} bytes"
            ),
            Self::OutOfMemory { bytes } => {
                write!(f, "there is no memory for {bytes} bytes of the array")
            }
        }
    }
}

impl StdError for ArrayError {}
