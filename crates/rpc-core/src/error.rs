use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use framing::FrameError;

use crate::{Codec, DecodeError, EncodeError, Fault, Reason, Violation};

/// Why a call has no result, or a conversation can't go on.
///
/// A clone is cheap. Lengths are in bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The other end answered with a failure.
    Fault(Fault),
    /// No answer came in time. The call may have been run; the other end was told that nobody waits any more.
    Timeout {
        /// How long the answer had.
        after: Duration,
    },
    /// The conversation ended before the answer came.
    Lost {
        /// Why it ended; `None` if the peer just closed the stream.
        cause: Option<Arc<Self>>,
        /// Whether the call certainly was not run.
        not_run: bool,
    },
    /// One of the ends takes no new calls. This one was not run.
    Closing,
    /// The peer's hello has not come yet. The call was not sent.
    NotOpen,
    /// As many calls are in flight as the peer takes. This one was not sent.
    TooManyCalls {
        /// How many it takes.
        limit: usize,
    },
    /// The call is longer than the peer takes. It was not sent.
    TooLarge {
        /// Its length.
        len: usize,
        /// The longest.
        limit: usize,
    },
    /// What waits to be sent is as much as [`Options::max_queued`](crate::Options::max_queued): the peer reads
    /// slowly. This one-way call was not sent.
    QueueFull {
        /// How much it is.
        queued: usize,
        /// The limit.
        limit: usize,
    },
    /// A name or the metadata of the call is too long, or it has too many arguments. It was not sent.
    TooLong {
        /// What it is.
        what: &'static str,
        /// How long it is, or how many there are.
        len: usize,
        /// The most.
        limit: usize,
    },
    /// An argument can't be expressed in the codec. The call was not sent.
    Encode(EncodeError),
    /// The answer came, and is not of the type that was asked for.
    Decode(DecodeError),
    /// The peer's bytes can't be cut into messages.
    Frame(FrameError),
    /// A message of the peer breaks the protocol.
    Protocol(Violation),
    /// The ends speak different versions of the protocol.
    Version {
        /// This end's.
        ours: u8,
        /// The peer's.
        theirs: u8,
    },
    /// The ends use different codecs.
    CodecMismatch {
        /// This end's, as [`Codec::id`].
        ours: u8,
        /// The peer's.
        theirs: u8,
    },
    /// One of the ends has other functions than the other one expects.
    Mismatch {
        /// The fingerprint that one expects.
        expected: u64,
        /// The one that the other has.
        found: u64,
    },
    /// The peer's hello did not come in time.
    NoHello {
        /// How long it had.
        after: Duration,
    },
    /// The peer gave no sign of life.
    Silent {
        /// How long after the last one.
        after: Duration,
    },
    /// The peer ended the conversation and said why.
    Refused(Reason),
    /// The stream failed.
    Io(Arc<io::Error>),
}

impl Error {
    /// Whether the call certainly was not run, so that it can be made again without harm.
    #[must_use]
    pub fn is_safe_to_repeat(&self) -> bool {
        match self {
            Self::Fault(fault) => fault.kind.is_safe_to_repeat(),
            Self::Lost { not_run, .. } => *not_run,
            Self::Closing
            | Self::NotOpen
            | Self::TooManyCalls { .. }
            | Self::QueueFull { .. }
            | Self::TooLarge { .. }
            | Self::TooLong { .. }
            | Self::Encode(_) => true,
            _ => false,
        }
    }

    /// What a call is told when the conversation ends with this error.
    pub(crate) fn lost(&self, not_run: bool) -> Self {
        let cause = match self {
            Self::Lost { cause, .. } => cause.clone(),
            error => Some(Arc::new(error.clone())),
        };
        Self::Lost { cause, not_run }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Timeout { after } => write!(f, "no answer within {after:?}"),
            Self::Lost { cause, not_run } => {
                write!(f, "the connection was lost")?;
                if let Some(cause) = cause {
                    write!(f, " ({cause})")?;
                }
                f.write_str(if *not_run {
                    "; the call was not run"
                } else {
                    "; the call may have been run"
                })
            }
            Self::Closing => write!(f, "the connection is closing, no new calls are taken"),
            Self::NotOpen => write!(f, "the peer's hello has not come yet"),
            Self::TooManyCalls { limit } => {
                write!(f, "{limit} calls are in flight, the peer takes no more")
            }
            Self::TooLarge { len, limit } => {
                write!(f, "the call has {len} bytes, the peer takes {limit}")
            }
            Self::QueueFull { queued, limit } => {
                write!(f, "{queued} bytes wait to be sent, the limit is {limit}")
            }
            Self::TooLong { what, len, limit } => {
                write!(f, "{what} of the call: {len}, the limit is {limit}")
            }
            Self::Encode(error) => write!(f, "an argument can't be encoded: {error}"),
            Self::Decode(error) => write!(f, "the result can't be decoded: {error}"),
            Self::Frame(error) => error.fmt(f),
            Self::Protocol(violation) => write!(f, "the peer broke the protocol: {violation}"),
            Self::Version { ours, theirs } => {
                write!(
                    f,
                    "the peer speaks version {theirs} of the protocol, we speak {ours}"
                )
            }
            Self::CodecMismatch { ours, theirs } => {
                write!(
                    f,
                    "the peer uses {}, we use {}",
                    CodecName(*theirs),
                    CodecName(*ours)
                )
            }
            Self::Mismatch { expected, found } => write!(
                f,
                "the fingerprint of one end's functions is {found:016x}, the other end expects {expected:016x}: the \
                 programs were built from different interfaces"
            ),
            Self::NoHello { after } => write!(f, "the peer said no hello within {after:?}"),
            Self::Silent { after } => write!(f, "nothing came from the peer for {after:?}"),
            Self::Refused(reason) => write!(f, "the peer ended the connection: {reason}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Fault(error) => Some(error),
            Self::Lost {
                cause: Some(cause), ..
            } => Some(&**cause),
            Self::Encode(error) => Some(error),
            Self::Decode(error) => Some(error),
            Self::Frame(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::Io(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Protocol(violation)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(error) => error.kind(),
            Error::Timeout { .. } | Error::NoHello { .. } | Error::Silent { .. } => {
                io::ErrorKind::TimedOut
            }
            Error::Lost { .. } => io::ErrorKind::ConnectionAborted,
            Error::Closing | Error::NotOpen => io::ErrorKind::NotConnected,
            Error::TooManyCalls { .. } | Error::QueueFull { .. } => io::ErrorKind::WouldBlock,
            Error::Frame(FrameError::Truncated { .. }) => io::ErrorKind::UnexpectedEof,
            Error::TooLarge { .. } | Error::TooLong { .. } | Error::Encode(_) => {
                io::ErrorKind::InvalidInput
            }
            Error::Fault(_) | Error::Refused(_) => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// A codec by its number; it may be one that this program was built without.
pub(crate) struct CodecName(pub(crate) u8);

impl fmt::Display for CodecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Codec::from_id(self.0) {
            Some(codec) => write!(f, "the codec {}", codec.name()),
            None => write!(f, "codec number {}", self.0),
        }
    }
}
