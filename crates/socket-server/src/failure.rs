use std::error::Error;
use std::process::ExitStatus;
use std::time::Duration;
use std::{fmt, io};

/// How a connection went wrong; what [`Server::on_error`](crate::Server::on_error) is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The handler returned this error.
    Handler(Box<dyn Error + Send + Sync>),
    /// The handler panicked, with this message.
    Panicked(String),
    /// A deadline passed.
    TimedOut(Timeout),
    /// The connection was turned away.
    Refused(Refused),
    /// The header that a proxy must send was missing or wrong.
    Proxy(io::Error),
    /// The grace period of a shutdown was over.
    CutOff,
    /// The process of the connection ended in its own way: it was killed, it aborted, or the program
    /// ended without serving.
    Process(ExitStatus),
}

/// Which deadline of [`Limits`](crate::Limits) passed, and how long it was.
///
/// It is inside the `io::Error` (of kind `TimedOut`) that reads and writes give after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timeout {
    /// No byte came.
    FirstByte(Duration),
    /// After the first byte, none came for so long.
    Idle(Duration),
    /// The peer took no byte for so long.
    Write(Duration),
    /// The handshake took longer.
    Handshake(Duration),
    /// The connection was open for longer.
    Total(Duration),
}

/// Which limit of [`Limits`](crate::Limits) a connection was over, or who did not want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// So many connections were open already.
    TooManyConnections {
        /// [`Limits::max_connections`](crate::Limits::max_connections).
        limit: usize,
    },
    /// So many connections from that address were open already.
    TooManyFromAddress {
        /// [`Limits::max_per_address`](crate::Limits::max_per_address).
        limit: usize,
    },
    /// So many handshakes were going on already.
    TooManyHandshakes {
        /// [`Limits::max_handshakes`](crate::Limits::max_handshakes).
        limit: usize,
    },
    /// [`Server::verify`](crate::Server::verify) said no.
    NotVerified,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(error) => error.fmt(f),
            Self::Panicked(message) => write!(f, "the handler panicked: {message}"),
            Self::TimedOut(timeout) => timeout.fmt(f),
            Self::Refused(refused) => refused.fmt(f),
            Self::Proxy(error) => write!(f, "no good header of a proxy: {error}"),
            Self::CutOff => f.write_str(CUT_OFF),
            Self::Process(status) => write!(f, "its process ended with {status}"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Handler(error) => error.source(),
            Self::Proxy(error) => Some(error),
            _ => None,
        }
    }
}

impl Timeout {
    /// Returns how long it was.
    #[must_use]
    pub fn limit(self) -> Duration {
        match self {
            Self::FirstByte(limit)
            | Self::Idle(limit)
            | Self::Write(limit)
            | Self::Handshake(limit)
            | Self::Total(limit) => limit,
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstByte(limit) => write!(f, "no byte came for {limit:?}, the limit"),
            Self::Idle(limit) => write!(f, "idle for {limit:?}, the limit"),
            Self::Write(limit) => write!(f, "the peer took no byte for {limit:?}, the limit"),
            Self::Handshake(limit) => write!(f, "handshake not over after {limit:?}, the limit"),
            Self::Total(limit) => write!(f, "open for {limit:?}, the limit"),
        }
    }
}

impl Error for Timeout {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyConnections { limit } => write!(f, "{limit} connections, the limit"),
            Self::TooManyFromAddress { limit } => {
                write!(f, "{limit} connections from that address, the limit")
            }
            Self::TooManyHandshakes { limit } => write!(f, "{limit} handshakes, the limit"),
            Self::NotVerified => f.write_str("not wanted"),
        }
    }
}

impl Error for Refused {}

/// Why the server took a connection away from its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    TimedOut(Timeout),
    Refused(Refused),
    Stopped,
}

impl Cut {
    /// Whether the handler may still write: to say why, as HTTP's 408 does.
    pub(crate) fn leaves_writing(self) -> bool {
        matches!(
            self,
            Self::TimedOut(Timeout::FirstByte(_) | Timeout::Idle(_))
        )
    }

    /// What reads and writes of the connection give from now on.
    pub(crate) fn to_error(self) -> io::Error {
        match self {
            Self::TimedOut(timeout) => io::Error::new(io::ErrorKind::TimedOut, timeout),
            Self::Refused(refused) => io::Error::new(io::ErrorKind::ConnectionAborted, refused),
            Self::Stopped => io::Error::new(io::ErrorKind::ConnectionAborted, CUT_OFF),
        }
    }
}

impl From<Cut> for Failure {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::TimedOut(timeout) => Self::TimedOut(timeout),
            Cut::Refused(refused) => Self::Refused(refused),
            Cut::Stopped => Self::CutOff,
        }
    }
}

const CUT_OFF: &str = "the server stops, and the grace period is over";
