use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use crate::handover::DecodeError;
use crate::handover::message::Message;
use crate::{Credentials, MessageError};

/// Why sockets could not be handed over. The process that had them has them still, unless noted.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the system says.
    Io(io::Error),
    /// The path is too long for a Unix socket.
    PathTooLong {
        /// Its length in bytes.
        len: usize,
        /// The most.
        max: usize,
    },
    /// Another process offers its sockets at this path, or there is something else than a socket.
    InUse(PathBuf),
    /// The other process is another user's.
    Stranger(Credentials),
    /// The other process sent something that is no message, or the names to send can't be.
    Decode(DecodeError),
    /// The other process sent a message that may not come now.
    Unexpected(Message),
    /// As many sockets as names had to come.
    WrongCount {
        /// How many names came.
        names: usize,
        /// How many sockets.
        descriptors: usize,
    },
    /// The kernel could not deliver all sockets: too many descriptors are open here, most likely.
    DescriptorsLost,
    /// The other process took too long.
    TimedOut {
        /// How long it was given.
        after: Duration,
    },
    /// The new process has given up, and said so.
    Aborted,
    /// The other process is gone, or has closed the connection.
    Gone,
    /// The old process gives nothing.
    Refused(Refusal),
}

/// Why an old process gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is handing over to another process.
    Busy,
    /// It speaks another version.
    Version {
        /// That version.
        theirs: u8,
    },
    /// It belongs to another user.
    Stranger,
    /// The new process was not ready in time; the old one goes on.
    Late,
    /// It is about to end, or has handed over to another process already.
    Closed,
    /// It did not understand what the new one said.
    Unexpected,
}

impl Refusal {
    pub(super) fn from_byte(byte: u8, version: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Busy,
            2 => Self::Version { theirs: version },
            3 => Self::Stranger,
            4 => Self::Late,
            5 => Self::Closed,
            6 => Self::Unexpected,
            _ => return None,
        })
    }

    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Busy => 1,
            Self::Version { .. } => 2,
            Self::Stranger => 3,
            Self::Late => 4,
            Self::Closed => 5,
            Self::Unexpected => 6,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("it is handing over to another process"),
            Self::Version { theirs } => write!(f, "it speaks version {theirs} of the handover"),
            Self::Stranger => f.write_str("it belongs to another user"),
            Self::Late => f.write_str("this one was not ready in time"),
            Self::Closed => f.write_str("it is about to end, or has handed over already"),
            Self::Unexpected => f.write_str("it did not understand this one"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::PathTooLong { len, max } => {
                write!(f, "the path has {len} bytes, the limit is {max}")
            }
            Self::InUse(path) => write!(
                f,
                "{} is in use: another process offers its sockets there, or it is no socket",
                path.display()
            ),
            Self::Stranger(Credentials { pid, uid, .. }) => match pid {
                Some(pid) => write!(f, "process {pid} belongs to user {uid}, not to this one"),
                None => write!(f, "a process belongs to user {uid}, not to this one"),
            },
            Self::Decode(error) => error.fmt(f),
            Self::Unexpected(message) => write!(f, "{message:?} may not come now"),
            Self::WrongCount { names, descriptors } => {
                write!(f, "{names} names came with {descriptors} sockets")
            }
            Self::DescriptorsLost => f.write_str(
                "the system could not deliver all sockets; are too many descriptors open?",
            ),
            Self::TimedOut { after } => write!(f, "the other process took more than {after:?}"),
            Self::Aborted => f.write_str("the new process has given up"),
            Self::Gone => f.write_str("the other process is gone"),
            Self::Refused(refusal) => write!(f, "the old process gives nothing: {refusal}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Decode(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Message(MessageError::TimedOut { after }) => Self::TimedOut { after },
            crate::Error::Message(MessageError::DescriptorsLost { .. }) => Self::DescriptorsLost,
            // A message that does not fit the buffer is longer than any can be.
            crate::Error::Message(MessageError::BytesLost { buffer }) => {
                Self::Decode(DecodeError::WrongLength { len: buffer + 1 })
            }
            other => Self::Io(other.into()),
        }
    }
}
