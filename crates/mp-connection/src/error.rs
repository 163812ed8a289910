use std::error::Error as StdError;
use std::net::SocketAddr;
use std::time::Duration;
use std::{fmt, io};

use framing::FrameError;

use crate::pickle;

/// Why a peer did not prove that it knows the key.
///
/// This is for the local log, and says what its operator can do. The peer learns that it was refused, or that the
/// stream is closed, and never why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// The peer's answer is of the right form, and wrong: it has another key.
    WrongKey,
    /// The peer says that our answer is wrong: it has another key, or does not take our kind of answer.
    Refused,
    /// The peer uses HMAC-MD5, as Python up to 3.11 does, and [`Auth::modern_only`](crate::Auth::modern_only) does not
    /// take that.
    LegacyPeer {
        /// What the peer sent: an answer with, or a challenge for it.
        expected: LoginMessage,
    },
    /// The peer sent something else than the message that was due.
    Unexpected {
        /// What was due.
        expected: LoginMessage,
        /// What came, without its header: at most 256 bytes.
        found: Box<[u8]>,
    },
    /// What the peer sent is no frame of at most 256 bytes.
    Frame(FrameError),
    /// The peer closed the stream.
    Closed {
        /// What was due.
        expected: LoginMessage,
        /// How many bytes of it came, those of its header included.
        received: usize,
    },
    /// The peer took too long.
    TimedOut {
        /// What was due.
        expected: LoginMessage,
        /// How long it had for all of its messages.
        allowed: Duration,
        /// How many bytes of the message came, those of its header included.
        received: usize,
    },
    /// Too many others wanted to log in meanwhile, and this peer was at it for longest.
    Displaced {
        /// How many may be at it at a time.
        max_pending: usize,
    },
}

/// A message of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMessage {
    /// `#CHALLENGE#` and random bytes.
    Challenge,
    /// The HMAC of a challenge.
    Answer,
    /// `#WELCOME#`
    Welcome,
}

impl AuthError {
    pub(crate) fn unexpected(expected: LoginMessage, found: &[u8]) -> Self {
        let found = found.into();
        Self::Unexpected { expected, found }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongKey => f.write_str("the peer's answer is wrong: it has another key"),
            Self::Refused => f.write_str(
                "the peer refused our answer: it has another key, or takes no answers of our kind",
            ),
            Self::LegacyPeer { expected } => {
                f.write_str(match expected {
                    LoginMessage::Challenge => "the peer asks for HMAC-MD5",
                    _ => "the peer answered with HMAC-MD5",
                })?;
                f.write_str(", as Python up to 3.11 does; Auth::with_legacy_md5 would take it")
            }
            Self::Unexpected { expected, found } => {
                let len = found.len();
                let start = found[..len.min(SHOWN)].escape_ascii();
                write!(
                    f,
                    "the peer sent {len} bytes that are no {expected}: \"{start}"
                )?;
                f.write_str(if len > SHOWN { "…\"" } else { "\"" })?;
                f.write_str(hint(*expected, found))
            }
            Self::Frame(error) => write!(f, "instead of a message of the login: {error}"),
            Self::Closed { expected, received } => {
                write!(
                    f,
                    "the peer closed the stream, {received} bytes into the {expected}"
                )?;
                f.write_str(match (expected, received) {
                    (LoginMessage::Answer, 0) => "; perhaps it does not know this kind of login",
                    (LoginMessage::Challenge, 0) => "; perhaps it has no room for more",
                    _ => "",
                })
            }
            Self::TimedOut {
                expected,
                allowed,
                received,
            } => {
                write!(
                    f,
                    "the peer did not finish in the {allowed:?} allowed; {received} bytes of the {expected} came"
                )?;
                f.write_str(match (expected, received) {
                    (LoginMessage::Challenge, 0) => "; perhaps it has no key, and waits for us",
                    _ => "",
                })
            }
            Self::Displaced { max_pending } => write!(
                f,
                "more than {max_pending} peers wanted to log in, and this one was at it for longest"
            ),
        }
    }
}

impl StdError for AuthError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Frame(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for LoginMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Challenge => "challenge",
            Self::Answer => "answer",
            Self::Welcome => "welcome",
        })
    }
}

/// Why nothing was sent or received.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the system says. `TimedOut` if the connection's own time-out has passed, which loses nothing.
    Io(io::Error),
    /// The peer did not prove that it knows the key.
    Auth(AuthError),
    /// What came is no message, or is too long, or was cut short. Nothing more can be received: it repeats. Sending goes
    /// on.
    Frame(FrameError),
    /// An earlier message could be sent in part only. Nothing more can be sent: it repeats. Receiving goes on.
    Cut {
        /// How many bytes of it were sent, those of its header included.
        sent: usize,
        /// How many it had.
        len: usize,
    },
    /// The message does not fit the buffer. It is still there for the next call.
    BufferTooShort {
        /// Its length in bytes.
        len: usize,
        /// The length of the buffer.
        room: usize,
    },
    /// The message is no value of that type, or the value can't be sent. The connection is as it was.
    Pickle(pickle::Error),
    /// The peer wants a key to be proved, and this connection was made without one.
    LoginWanted,
    /// Part of a message has come, and was left there by a time-out or a buffer that was too short. No descriptor can
    /// come before its end.
    #[cfg(feature = "fd-passing")]
    MessageUnderWay,
    /// A descriptor could not be sent or received. Where the next message begins can't be known.
    #[cfg(feature = "fd-passing")]
    Descriptor(fd_passing::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Auth(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
            Self::Cut { sent, len } => write!(
                f,
                "an earlier message was cut after {sent} of {len} bytes, so nothing can follow it"
            ),
            Self::BufferTooShort { len, room } => {
                write!(f, "a message of {len} bytes for a buffer of {room}")
            }
            Self::Pickle(error) => error.fmt(f),
            Self::LoginWanted => f.write_str(
                "the peer sent a challenge: it wants a login, and this connection has no key",
            ),
            #[cfg(feature = "fd-passing")]
            Self::MessageUnderWay => {
                f.write_str("part of a message has come, and no descriptor can come before its end")
            }
            #[cfg(feature = "fd-passing")]
            Self::Descriptor(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Auth(error) => Some(error),
            Self::Frame(error) => Some(error),
            Self::Pickle(error) => Some(error),
            Self::Cut { .. } | Self::BufferTooShort { .. } | Self::LoginWanted => None,
            #[cfg(feature = "fd-passing")]
            Self::MessageUnderWay => None,
            #[cfg(feature = "fd-passing")]
            Self::Descriptor(error) => Some(error),
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

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<pickle::Error> for Error {
    fn from(error: pickle::Error) -> Self {
        Self::Pickle(error)
    }
}

#[cfg(feature = "fd-passing")]
impl From<fd_passing::Error> for Error {
    fn from(error: fd_passing::Error) -> Self {
        Self::Descriptor(error)
    }
}

/// Why a listener has no connection to give.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// A peer did not log in. The listener is as good as before: log this, and go on.
    Refused {
        /// Where it called from, if not over a Unix socket.
        peer: Option<SocketAddr>,
        /// Why.
        error: Error,
    },
    /// The listener can't go on.
    Io(io::Error),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused {
                peer: Some(peer),
                error,
            } => write!(f, "{peer} did not log in: {error}"),
            Self::Refused { peer: None, error } => {
                write!(f, "a local peer did not log in: {error}")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl StdError for AcceptError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Refused { error, .. } => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn hint(expected: LoginMessage, found: &[u8]) -> &'static str {
    match expected {
        LoginMessage::Answer if found.starts_with(b"#CHALLENGE#") => {
            "; perhaps both ends are listeners"
        }
        LoginMessage::Answer => "; perhaps it has no key",
        LoginMessage::Challenge if found.starts_with(b"#") => "; perhaps it is of another version",
        LoginMessage::Challenge => "; perhaps it has no key",
        LoginMessage::Welcome => "",
    }
}

/// How many bytes of a message an error shows.
const SHOWN: usize = 32;
