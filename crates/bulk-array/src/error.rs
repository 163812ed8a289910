use std::error::Error as StdError;
use std::{fmt, io};

use crate::chunked::ChunkedError;
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
    /// The stream ended inside the header.
    HeaderTruncated {
        /// The bytes of the header that came.
        received: u64,
        /// The bytes that it has, as far as that can be known.
        expected: u64,
    },
    /// The stream does not begin as numpy's format does, with `93 4e 55 4d 50 59`.
    NotNpy {
        /// The six bytes that came instead.
        found: Box<[u8]>,
    },
    /// A version of numpy's format that is not known: there are 1.0, 2.0 and 3.0.
    UnknownVersion {
        /// The number before the dot.
        major: u8,
        /// The number behind it.
        minor: u8,
    },
    /// The header is longer than the limit.
    HeaderTooLong {
        /// The length that the peer announced, in bytes.
        len: u64,
        /// The most bytes that may be.
        max_header_len: usize,
    },
    /// The header is none that numpy would write.
    InvalidHeader {
        /// The byte that is wrong, counted from the beginning of the header.
        position: u64,
        /// What should be there.
        expected: &'static str,
    },
    /// The elements are no numbers, or of a kind that is not known.
    UnknownDtype {
        /// Where the type is named, in bytes from the beginning of the header.
        position: u64,
        /// Its name, the first 32 bytes at most.
        descr: Box<str>,
    },
    /// The array has more dimensions than the limit.
    TooManyDims {
        /// The most that may be.
        max_dims: usize,
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
    /// A transfer in chunks did not go on.
    Chunked(ChunkedError),
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
            Self::HeaderTruncated { received, expected } => write!(
                f,
                "the stream ended after {received} of the {expected} bytes of the header"
            ),
            Self::NotNpy { found } => write!(
                f,
                "the stream does not begin as a numpy array, but with \"{}\"",
                found.escape_ascii()
            ),
            Self::UnknownVersion { major, minor } => {
                write!(f, "version {major}.{minor} of numpy's format is not known")
            }
            Self::HeaderTooLong {
                len,
                max_header_len,
            } => write!(
                f,
                "the peer announced a header of {len} bytes, the limit is {max_header_len}"
            ),
            Self::InvalidHeader { position, expected } => {
                write!(
                    f,
                    "the header is wrong at byte {position}: expected {expected}"
                )
            }
            Self::UnknownDtype { position, descr } => write!(
                f,
                "the elements are of the type {descr:?} (byte {position} of the header), which is no number"
            ),
            Self::TooManyDims { max_dims } => write!(
                f,
                "the peer announced an array of more than {max_dims} dimensions, which is the limit"
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
            Self::Chunked(error) => error.fmt(f),
        }
    }
}

impl StdError for ArrayError {}
