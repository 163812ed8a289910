use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use framing::FrameError;
use rpc_core::EncodeError;

use crate::pickle::{self, Exception};

/// Why a call of a [`Client`](super::Client) has no result. Lengths are in bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The function raised an exception, or the other end did in its place.
    Raised(Arc<Exception>),
    /// An argument can't be pickled. The call was not sent.
    Encode(EncodeError),
    /// The request is longer than [`Options::max_request_len`](super::Options::max_request_len). It was not sent.
    TooLong {
        /// Its length.
        len: usize,
        /// The most.
        limit: usize,
    },
    /// The answer came, and is no data, or of another type than was asked for. The client goes on.
    Decode(pickle::Error),
    /// No answer came in time. The client is broken.
    Timeout {
        /// How long it had.
        after: Duration,
        /// Whether the request did not even get out.
        not_run: bool,
    },
    /// The other end closed the connection before it answered. The client is broken.
    Closed,
    /// What came can't be cut into frames. The client is broken.
    Frame(FrameError),
    /// What came is a frame and no answer: not a pickled byte string. The client is broken.
    NotAnAnswer,
    /// The other end wants a key to be proved, and the connection was made without one. The client is broken.
    LoginWanted,
    /// The stream failed. The client is broken.
    Io {
        /// How.
        error: Arc<io::Error>,
        /// Whether the request did not even get out.
        not_run: bool,
    },
    /// An earlier call broke the client: its answer may still come, and would be taken for that of a later one.
    /// This call was not sent. Make a new client.
    Broken,
}

impl Error {
    /// Whether the function certainly was not run, so that the call can be made again without harm.
    ///
    /// An exception never says so: even a `KeyError` or `TypeError` may come out of the middle of a function.
    #[must_use]
    pub fn is_safe_to_repeat(&self) -> bool {
        match self {
            Self::Encode(_) | Self::TooLong { .. } | Self::Broken => true,
            Self::Timeout { not_run, .. } | Self::Io { not_run, .. } => *not_run,
            _ => false,
        }
    }

    /// Whether no more calls can be made after it.
    #[must_use]
    pub(super) fn breaks(&self) -> bool {
        !matches!(
            self,
            Self::Raised(_) | Self::Encode(_) | Self::TooLong { .. } | Self::Decode(_)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raised(exception) => exception.fmt(f),
            Self::Encode(error) => write!(f, "an argument can't be pickled: {error}"),
            Self::TooLong { len, limit } => {
                write!(f, "the request has {len} bytes, the limit is {limit}")
            }
            Self::Decode(error) => write!(f, "the result can't be read: {error}"),
            Self::Timeout { after, not_run } => {
                write!(f, "no answer within {after:?}{}", Outcome(*not_run))
            }
            Self::Closed => write!(f, "the connection was closed before the answer came"),
            Self::Frame(error) => error.fmt(f),
            Self::NotAnAnswer => write!(f, "what came is no pickled byte string"),
            Self::LoginWanted => write!(f, "the other end wants a login"),
            Self::Io { error, not_run } => write!(f, "{error}{}", Outcome(*not_run)),
            Self::Broken => write!(f, "an earlier call broke this client"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Encode(error) => Some(error),
            Self::Decode(error) => Some(error),
            Self::Frame(error) => Some(error),
            Self::Io { error, .. } => Some(&**error),
            _ => None,
        }
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// What became of the call when it got no answer.
struct Outcome(bool);

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self(true) => "; the function was not run",
            Self(false) => "; the function may have been run",
        })
    }
}
