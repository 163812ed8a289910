use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use framing::FrameError;

use crate::Error;
use crate::error::CodecName;

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
