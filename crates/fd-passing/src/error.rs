use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

use crate::MAX_DESCRIPTORS;

/// Why a message could not be sent or received.
///
/// Whatever descriptors came before the error was noticed are closed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the system says. `WouldBlock` if the socket does not block, or its own time-out has passed; nothing
    /// was sent or received then.
    Io(io::Error),
    /// The socket took the descriptors and only some of the bytes. The rest can be sent without descriptors.
    Cut {
        /// How many bytes it took.
        sent: usize,
        /// How many there were.
        len: usize,
        /// Why no more.
        error: io::Error,
    },
    /// The other side, or this one, did not keep to what was agreed.
    Message(MessageError),
}

/// What is wrong with a message, or with the order to send one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// There is nothing to send, or no room to receive: descriptors travel with at least one byte.
    NoBytes,
    /// Too many descriptors for one message, see [`send_all`](crate::send_all), or for the limit of
    /// [`receive_all`](crate::receive_all).
    TooMany {
        /// How many there were, or were announced.
        count: u64,
        /// The most.
        max: usize,
    },
    /// The socket is no Unix socket: it would send the bytes, and lose the descriptors without a word.
    NotUnix,
    /// The socket is of a type that this can't be done on.
    WrongSocket,
    /// The system could not deliver all descriptors of the message; those that came are closed. The process
    /// has too many open, most likely.
    DescriptorsLost {
        /// How many came.
        received: usize,
    },
    /// The datagram or packet was longer than the buffer; the rest of it is lost.
    BytesLost {
        /// The length of the buffer in bytes.
        buffer: usize,
    },
    /// A message came with another number of descriptors than it must have.
    WrongCount {
        /// How many it must have.
        expected: usize,
        /// How many came.
        received: usize,
        /// The first byte of the message.
        byte: u8,
    },
    /// A message says something else than it must.
    WrongByte {
        /// The byte that had to come.
        expected: u8,
        /// The one that came.
        found: u8,
    },
    /// The receiver did not acknowledge the descriptor, but said something else.
    NotAcknowledged {
        /// The byte that had to come.
        expected: u8,
        /// The one that came.
        found: u8,
    },
    /// The stream ended inside a message, or before it was acknowledged.
    Ended {
        /// How many bytes or packets were still due.
        missing: usize,
    },
    /// The peer took too long.
    TimedOut {
        /// How long it was given.
        after: Duration,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Cut { sent, len, error } => {
                write!(
                    f,
                    "only {sent} of {len} bytes could be sent, with the descriptors: {error}"
                )
            }
            Self::Message(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) | Self::Cut { error, .. } => Some(error),
            Self::Message(error) => Some(error),
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBytes => f.write_str("descriptors travel with at least one byte"),
            Self::TooMany { count, max } => {
                write!(f, "{count} descriptors, the limit is {max}")
            }
            Self::NotUnix => f.write_str("only Unix sockets pass descriptors, this is another one"),
            Self::WrongSocket => {
                f.write_str("this takes a Unix socket of type stream or seqpacket")
            }
            Self::DescriptorsLost { received } => write!(
                f,
                "the system delivered {received} descriptors and dropped others; are too many open?"
            ),
            Self::BytesLost { buffer } => {
                write!(
                    f,
                    "the message is longer than the buffer of {buffer} bytes, the rest is lost"
                )
            }
            Self::WrongCount {
                expected,
                received,
                byte,
            } => write!(
                f,
                "a message with {expected} descriptor(s) had to come, one with {received} came, its \
                 first byte is {byte:#04x}"
            ),
            Self::WrongByte { expected, found } => {
                write!(f, "the byte {expected:#04x} had to come, not {found:#04x}")?;
                match (expected, found) {
                    (0x78, 1) => f.write_str(", which looks like Python's send_handle"),
                    (1, 0x78) => f.write_str(", which looks like the recipe's own wire"),
                    _ => Ok(()),
                }
            }
            Self::NotAcknowledged { expected, found } => write!(
                f,
                "the descriptor is not acknowledged: {expected:#04x} had to come, not {found:#04x}"
            ),
            Self::Ended { missing } => {
                write!(f, "the stream ended, {missing} more had to come")
            }
            Self::TimedOut { after } => write!(f, "the peer took more than {after:?}"),
        }
    }
}

impl StdError for MessageError {}

impl MessageError {
    /// Too many for one message.
    pub(crate) fn too_many(count: usize) -> Self {
        Self::TooMany {
            count: count as u64,
            max: MAX_DESCRIPTORS,
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

impl From<MessageError> for Error {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Cut { error, .. } => error.kind(),
            Error::Message(error) => error.kind(),
            Error::Io(error) => error.kind(),
        };
        match error {
            Error::Io(error) => error,
            other => Self::new(kind, other),
        }
    }
}

impl MessageError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::NoBytes | Self::TooMany { .. } | Self::NotUnix | Self::WrongSocket => {
                io::ErrorKind::InvalidInput
            }
            Self::Ended { .. } => io::ErrorKind::UnexpectedEof,
            Self::TimedOut { .. } => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::InvalidData,
        }
    }
}
