use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

/// Why some bytes can't be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret is shorter than this kind of key may be.
    TooShort {
        /// Its length in bytes.
        len: usize,
        /// The fewest bytes.
        min: usize,
    },
    /// The id is too long.
    IdTooLong {
        /// Its length in bytes.
        len: usize,
        /// The most bytes.
        max: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len, min } => {
                write!(f, "the key has {len} bytes, it must have at least {min}")
            }
            Self::IdTooLong { len, max } => {
                write!(f, "the id of the key has {len} bytes, the limit is {max}")
            }
        }
    }
}

impl StdError for KeyError {}

/// Why a peer did not prove that it knows the key.
///
/// This is for the local log. The peer learns from the machine that something was wrong, or that the
/// stream is closed, and never what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// The tag is not the one expected. In the challenge: another key. In the handshake: another key,
    /// context or channel binding, or a message that was changed on the way.
    WrongTag,
    /// An initiator named a key that is not in the ring.
    UnknownKey {
        /// The id that it gave.
        id: Box<[u8]>,
    },
    /// The responder refused us, and does not say why.
    Refused,
    /// The first byte of a message is that of no message, or of none that may come now.
    UnexpectedMessage {
        /// The first byte that may come.
        expected: u8,
        /// The one that came.
        found: u8,
    },
    /// The peer speaks another version of the handshake.
    OtherVersion {
        /// The version of this crate.
        ours: u8,
        /// The version in the peer's message.
        theirs: u8,
    },
    /// A message announces a length that it can't have.
    WrongLength {
        /// What was announced, in bytes.
        announced: usize,
        /// The shortest.
        min: usize,
        /// The longest.
        max: usize,
    },
    /// The stream ended before the peer had sent what was due.
    Truncated {
        /// The bytes of the message under way, as far as is known.
        expected: usize,
        /// What came of it.
        received: usize,
    },
    /// The peer took too long.
    TimedOut {
        /// How long it had for all of its messages.
        allowed: Duration,
        /// What came of the message under way, in bytes.
        received: usize,
    },
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongTag => f.write_str(
                "the peer's tag is wrong: it has another key, context or channel binding",
            ),
            Self::UnknownKey { id } => {
                write!(
                    f,
                    "the peer named the key \"{}\", which is not known",
                    id.escape_ascii()
                )
            }
            Self::Refused => {
                f.write_str("the peer refused us: it has another key, context or channel binding")
            }
            Self::UnexpectedMessage { expected, found } => {
                write!(
                    f,
                    "expected a message that begins with {expected:#04x}, got {found:#04x}"
                )?;
                f.write_str(match found {
                    b'A'..=b'Z' => "; this looks like text, such as an HTTP request",
                    0x16 => "; this looks like a TLS handshake",
                    _ => "",
                })
            }
            Self::OtherVersion { ours, theirs } => {
                write!(
                    f,
                    "the peer speaks version {theirs} of the handshake, we speak {ours}"
                )
            }
            Self::WrongLength {
                announced,
                min,
                max,
            } => write!(
                f,
                "the peer announced a message of {announced} bytes, the limits are {min} and {max}"
            ),
            Self::Truncated { expected, received } => write!(
                f,
                "was expecting {expected} bytes but only received {received} before the stream closed"
            ),
            Self::TimedOut { allowed, received } => write!(
                f,
                "the peer did not finish in the {allowed:?} allowed; {received} bytes of its message came"
            ),
        }
    }
}

impl StdError for AuthError {}

/// Why a message can't be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// The message is longer than the limit: one to be sealed, or one that the peer announced.
    TooLong {
        /// Its length in bytes.
        len: u64,
        /// The most bytes.
        max: usize,
    },
    /// The tag is wrong: the message was changed, or was not sealed by the peer of this session for us.
    WrongTag,
    /// The message is from the peer and in one piece, but was seen before, or others should have come
    /// before it.
    OutOfOrder {
        /// The number of the message that is due.
        expected: u64,
        /// The number of the message that came.
        found: u64,
    },
    /// The byte that tells a last message from others is neither 0 nor 1.
    UnknownKind {
        /// The byte.
        found: u8,
    },
    /// The stream ended before the peer's last message.
    Truncated {
        /// The bytes that came of a message.
        received: usize,
    },
    /// A message after the last one: one to be sealed, or one that came.
    Ended,
    /// There are no more numbers for messages, after 2⁶⁴ of them.
    Exhausted,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => {
                write!(f, "a sealed message of {len} bytes, the limit is {max}")
            }
            Self::WrongTag => f.write_str("a sealed message has a wrong tag"),
            Self::OutOfOrder { expected, found } => {
                write!(f, "sealed message {found} came when {expected} was due")
            }
            Self::UnknownKind { found } => {
                write!(f, "a sealed message of kind {found}, there are 0 and 1")
            }
            Self::Truncated { received } => write!(
                f,
                "the stream closed without a last message, {received} bytes into the next"
            ),
            Self::Ended => f.write_str("a sealed message after the last one"),
            Self::Exhausted => f.write_str("no more numbers for sealed messages"),
        }
    }
}

impl StdError for SessionError {}

/// What the drivers return: the stream failed, or what came through it.
#[derive(Debug)]
pub enum Error {
    /// The stream below, or the system's source of random bytes, reported an error.
    Io(io::Error),
    /// The peer did not prove itself.
    Auth(AuthError),
    /// A message could not be sealed or opened.
    Session(SessionError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Auth(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Auth(error) => Some(error),
            Self::Session(error) => Some(error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
