use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use framing::FrameError;

use crate::{Codec, DecodeError, EncodeError, Fault};

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
                "the registry's fingerprint is {found:016x} where {expected:016x} is expected: the programs were \
                 built from different interfaces"
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

/// How a message breaks the native protocol. Offsets are in bytes from the message's first, its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The message is shorter or longer than one of its kind is.
    Length {
        /// The kind, by its number.
        kind: u8,
        /// The length it has, or, where it varies, has at least.
        expected: usize,
        /// The length that came.
        found: usize,
    },
    /// A part of the message is longer than what is left of it.
    Short {
        /// The part's length.
        announced: usize,
        /// What is left.
        found: usize,
    },
    /// The field there has a value that it can't have.
    Field {
        /// Where it begins.
        at: usize,
    },
    /// A name or text is no UTF-8.
    NotText {
        /// Its length.
        len: usize,
    },
    /// The metadata is too long.
    Metadata {
        /// Its length.
        len: usize,
        /// The most.
        limit: usize,
    },
    /// There is no such kind of message.
    UnknownKind {
        /// Its number.
        kind: u8,
    },
    /// The first message is no hello.
    HelloExpected,
    /// A second hello came.
    SecondHello,
    /// The call's id is that of a one-way call, 0.
    ZeroId,
    /// A call has the id of one that is still running.
    DuplicateId {
        /// The id.
        id: u32,
    },
    /// An answer or a fault has an id for which none is due.
    UnknownId {
        /// The id.
        id: u32,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length {
                kind,
                expected,
                found,
            } => write!(
                f,
                "a message of kind {kind} has {found} bytes where {expected} belong"
            ),
            Self::Short { announced, found } => write!(
                f,
                "a part of {announced} bytes is announced where {found} are left"
            ),
            Self::Field { at } => write!(f, "the field at byte {at} has no valid value"),
            Self::NotText { len } => write!(f, "a text of {len} bytes is no UTF-8"),
            Self::Metadata { len, limit } => {
                write!(f, "the metadata has {len} bytes, the limit is {limit}")
            }
            Self::UnknownKind { kind } => write!(f, "there is no message of kind {kind}"),
            Self::HelloExpected => write!(f, "the first message is no hello"),
            Self::SecondHello => write!(f, "a second hello"),
            Self::ZeroId => write!(f, "a call with the id 0"),
            Self::DuplicateId { id } => {
                write!(f, "a call with the id {id}, which is still running")
            }
            Self::UnknownId { id } => write!(f, "an answer to {id}, for which none is due"),
        }
    }
}

impl StdError for Violation {}

/// Why an end says goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It takes no more calls, and answers those that it has.
    Shutdown,
    /// It speaks another version.
    Version {
        /// Its own.
        ours: u8,
        /// That of the end it speaks to.
        theirs: u8,
    },
    /// It uses another codec.
    Codec {
        /// Its own.
        ours: u8,
        /// That of the end it speaks to.
        theirs: u8,
    },
    /// It expects other functions.
    Fingerprint {
        /// What it expects.
        expected: u64,
        /// What the end it speaks to has.
        found: u64,
    },
    /// A frame was too long.
    FrameTooLong {
        /// Its length.
        len: u64,
        /// The longest.
        limit: u64,
    },
    /// A message broke the protocol.
    Protocol,
    /// A hello, the rest of a frame or a sign of life did not come in time.
    TooSlow {
        /// How long it had, in milliseconds.
        allowed_ms: u64,
    },
}

impl Reason {
    pub(crate) fn to_wire(self) -> (u8, u64, u64) {
        match self {
            Self::Shutdown => (0, 0, 0),
            Self::Version { ours, theirs } => (1, ours.into(), theirs.into()),
            Self::Codec { ours, theirs } => (2, ours.into(), theirs.into()),
            Self::Fingerprint { expected, found } => (3, expected, found),
            Self::FrameTooLong { len, limit } => (4, len, limit),
            Self::Protocol => (5, 0, 0),
            Self::TooSlow { allowed_ms } => (6, allowed_ms, 0),
        }
    }

    pub(crate) fn from_wire(code: u8, first: u64, second: u64) -> Option<Self> {
        let reason = match code {
            0 => Self::Shutdown,
            1 => Self::Version {
                ours: first.try_into().ok()?,
                theirs: second.try_into().ok()?,
            },
            2 => Self::Codec {
                ours: first.try_into().ok()?,
                theirs: second.try_into().ok()?,
            },
            3 => Self::Fingerprint {
                expected: first,
                found: second,
            },
            4 => Self::FrameTooLong {
                len: first,
                limit: second,
            },
            5 => Self::Protocol,
            6 => Self::TooSlow { allowed_ms: first },
            _ => return None,
        };
        // A number where none belongs makes another message of it.
        (reason.to_wire() == (code, first, second)).then_some(reason)
    }

    /// What to say to a peer before an end that has failed with `error` closes the stream.
    pub(crate) fn of(error: &Error) -> Self {
        let too_slow = |allowed: Duration| Self::TooSlow {
            allowed_ms: u64::try_from(allowed.as_millis()).unwrap_or(u64::MAX),
        };
        match *error {
            Error::Version { ours, theirs } => Self::Version { ours, theirs },
            Error::CodecMismatch { ours, theirs } => Self::Codec { ours, theirs },
            Error::Mismatch { expected, found } => Self::Fingerprint { expected, found },
            Error::Frame(FrameError::TooLong {
                declared, limit, ..
            }) => Self::FrameTooLong {
                len: declared,
                limit,
            },
            Error::Frame(FrameError::TooSlow { allowed, .. }) => too_slow(allowed),
            Error::NoHello { after } | Error::Silent { after } => too_slow(after),
            _ => Self::Protocol,
        }
    }

    /// What an end that is told this has to report.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Version { ours, theirs } => Error::Version {
                ours: theirs,
                theirs: ours,
            },
            Self::Codec { ours, theirs } => Error::CodecMismatch {
                ours: theirs,
                theirs: ours,
            },
            Self::Fingerprint { expected, found } => Error::Mismatch { expected, found },
            other => Error::Refused(other),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown => write!(f, "it takes no more calls"),
            Self::Version { ours, theirs } => {
                write!(f, "it speaks version {ours} and was spoken to in {theirs}")
            }
            Self::Codec { ours, theirs } => write!(
                f,
                "it uses {} and was spoken to in {}",
                CodecName(*ours),
                CodecName(*theirs)
            ),
            Self::Fingerprint { expected, found } => {
                write!(
                    f,
                    "it expects the fingerprint {expected:016x}, not {found:016x}"
                )
            }
            Self::FrameTooLong { len, limit } => {
                write!(f, "a frame of {len} bytes came, its limit is {limit}")
            }
            Self::Protocol => write!(f, "a message broke the protocol"),
            Self::TooSlow { allowed_ms } => {
                write!(f, "what it waited for did not come within {allowed_ms} ms")
            }
        }
    }
}

/// A codec by its number; it may be one that this program was built without.
struct CodecName(u8);

impl fmt::Display for CodecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Codec::from_id(self.0) {
            Some(codec) => write!(f, "the codec {}", codec.name()),
            None => write!(f, "codec number {}", self.0),
        }
    }
}
