use std::fmt;
use std::sync::Arc;

use super::Exception;

/// Why bytes are no value, or a value can't be pickled. Offsets are in bytes from the beginning of the pickle to that
/// of the instruction.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The pickle ends inside an instruction, or has no end.
    Truncated {
        /// The instruction.
        offset: usize,
        /// How many bytes it needs that aren't there.
        missing: u64,
    },
    /// A frame is longer than the pickle, begins inside another, or ends inside an instruction.
    Frame {
        /// The instruction.
        offset: usize,
    },
    /// Bytes follow the end.
    Trailing {
        /// The first of them.
        offset: usize,
        /// How many there are.
        len: usize,
    },
    /// The pickle is of a protocol that doesn't exist yet.
    Protocol {
        /// Its number.
        version: u8,
    },
    /// The instruction is none, or none that data needs: it would run code, or asks for what is outside the pickle.
    Opcode {
        /// The instruction.
        offset: usize,
        /// Its byte.
        opcode: u8,
    },
    /// The pickle asks for a class or function that is no data, or has a class where a value should be.
    Global {
        /// The module, at most its first 100 bytes.
        module: String,
        /// The name in there, at most its first 100 bytes.
        name: String,
    },
    /// The instruction takes values, or a mark, from a stack that has too few.
    Underflow {
        /// The instruction.
        offset: usize,
    },
    /// There are more values at the end than the one that the pickle is of, or marks.
    LeftOver {
        /// How many values and marks there are too many.
        count: usize,
    },
    /// The instruction refers to a memo entry that isn't there, or sets one so far off that no program would.
    Memo {
        /// The instruction.
        offset: usize,
        /// The number of the entry.
        index: u64,
    },
    /// The instruction can't be applied to what it is applied to: an append to a tuple, a call with other arguments
    /// than Python writes, attributes for what has none, a key without a value.
    Misuse {
        /// The instruction.
        offset: usize,
        /// Its byte.
        opcode: u8,
    },
    /// A number or text isn't spelled as Python spells it, or a length is negative.
    Spelling {
        /// The instruction.
        offset: usize,
    },
    /// A text isn't UTF-8, or one of Python 2's byte strings not ASCII.
    Text {
        /// The instruction.
        offset: usize,
    },
    /// A text has half of a surrogate pair, which Python's texts may have and Rust's can't.
    Surrogate {
        /// The instruction.
        offset: usize,
    },
    /// A value contains itself.
    Cycle,
    /// An attribute of an exception has a name that is no text.
    Attribute,
    /// A list, dict, set, bytearray or exception is a key or in a set.
    Unhashable {
        /// What Python calls its type.
        kind: &'static str,
    },
    /// Something is larger than the options allow.
    TooLarge {
        /// What is.
        what: Limit,
        /// The most.
        limit: usize,
    },
    /// An exception came where a value of another type was wanted.
    Raised(Arc<Exception>),
    /// A type's `Serialize` or `Deserialize` said no.
    Type {
        /// Its words.
        reason: String,
    },
}

/// A limit on pickles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Options::max_depth`](super::Options::max_depth)
    Depth,
    /// [`Options::max_values`](super::Options::max_values)
    Values,
    /// [`Options::max_bytes`](super::Options::max_bytes)
    Bytes,
    /// [`Options::max_memory`](super::Options::max_memory)
    Memory,
    /// The digits of an integer in decimal: 4300, as in Python.
    Digits,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { offset, missing } => {
                write!(
                    f,
                    "the pickle ends {missing} bytes before the end of the instruction at byte {offset}"
                )
            }
            Self::Frame { offset } => {
                write!(f, "the instruction at byte {offset} does not fit its frame")
            }
            Self::Trailing { offset, len } => {
                write!(
                    f,
                    "{len} bytes follow the end of the pickle at byte {offset}"
                )
            }
            Self::Protocol { version } => {
                write!(
                    f,
                    "the pickle has protocol {version}, only 0 to 5 are known"
                )
            }
            Self::Opcode { offset, opcode } => {
                write!(
                    f,
                    "the instruction 0x{opcode:02x} at byte {offset} is not for data"
                )
            }
            Self::Global { module, name } => {
                write!(f, "the pickle asks for {module}.{name}, which is not data")
            }
            Self::Underflow { offset } => {
                write!(
                    f,
                    "the instruction at byte {offset} takes more values than there are"
                )
            }
            Self::LeftOver { count } => {
                write!(
                    f,
                    "{count} more values or marks than one are there at the end"
                )
            }
            Self::Memo { offset, index } => {
                write!(
                    f,
                    "the instruction at byte {offset} can't use memo entry {index}"
                )
            }
            Self::Misuse { offset, opcode } => {
                write!(
                    f,
                    "the instruction 0x{opcode:02x} at byte {offset} can't be applied to its values"
                )
            }
            Self::Spelling { offset } => {
                write!(
                    f,
                    "what is written at byte {offset} is not spelled as Python spells it"
                )
            }
            Self::Text { offset } => {
                write!(
                    f,
                    "the text at byte {offset} is not UTF-8, or for Python 2 not ASCII"
                )
            }
            Self::Surrogate { offset } => {
                write!(f, "the text at byte {offset} has half of a surrogate pair")
            }
            Self::Cycle => f.write_str("a value contains itself"),
            Self::Attribute => {
                f.write_str("an attribute of an exception has a name that is no text")
            }
            Self::Unhashable { kind } => write!(f, "a value of type {kind} can't be a key"),
            Self::Raised(exception) => write!(f, "the peer raised {exception}"),
            Self::Type { reason } => f.write_str(reason),
            Self::TooLarge { what, limit } => match what {
                Limit::Depth => write!(f, "values are nested more than {limit} deep"),
                Limit::Values => write!(f, "there are more than {limit} values"),
                Limit::Bytes => write!(f, "texts and bytes have together more than {limit} bytes"),
                Limit::Memory => {
                    write!(f, "the values would take more than {limit} bytes of memory")
                }
                Limit::Digits => write!(f, "an integer has more than {limit} digits"),
            },
        }
    }
}

impl std::error::Error for Error {}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Type {
            reason: reason.to_string(),
        }
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Type {
            reason: reason.to_string(),
        }
    }
}
