use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use rustls::AlertDescription;

/// Why there is no TLS, or no more.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream below failed.
    Io(io::Error),
    /// A file can't be read.
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A certificate or key is of no use.
    Unusable {
        /// The file, `None` if it came from memory.
        path: Option<PathBuf>,
        /// Why.
        flaw: Flaw,
    },
    /// The options do not fit together.
    Options(rustls::Error),
    /// The text is neither a DNS name nor an IP address.
    InvalidName {
        /// The text.
        name: String,
    },
    /// What the peer sent is wrong, or not to be trusted. It was told an alert, no more.
    Handshake {
        /// What rustls says.
        error: rustls::Error,
        /// What the peer speaks instead of TLS.
        plaintext: Option<Plaintext>,
    },
    /// The peer refused this side, and said so with this alert.
    Refused {
        /// The alert.
        alert: AlertDescription,
    },
    /// The handshake took too long.
    TimedOut {
        /// How long it took.
        after: Duration,
    },
    /// There are too many handshakes at a time.
    TooManyHandshakes {
        /// As many as are under way.
        pending: usize,
        /// The limit.
        limit: usize,
    },
    /// The stream below ended without the peer having said so: something may be missing.
    CutOff,
    /// The certificates were changed so long ago that this connection ends.
    Retired {
        /// How long ago.
        after: Duration,
    },
}

/// Why a certificate or key is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It is not PEM.
    NotPem,
    /// There is no certificate.
    NoCertificate,
    /// There is no private key.
    NoKey,
    /// It is not an X.509 certificate.
    NotX509,
}

/// What a peer speaks that does not speak TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plaintext {
    /// HTTP, without TLS.
    Http,
    /// SSH.
    Ssh,
    /// Some text.
    Text,
}

impl Flaw {
    pub(crate) fn of(self, path: &Path) -> Error {
        Error::Unusable {
            path: Some(path.into()),
            flaw: self,
        }
    }
}

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        Self::Unusable { path: None, flaw }
    }
}

impl Error {
    pub(crate) fn of_rustls(error: rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::Refused { alert },
            error => Self::Handshake {
                error,
                plaintext: None,
            },
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPem => "not PEM",
            Self::NoCertificate => "there is no certificate in it",
            Self::NoKey => "there is no private key in it",
            Self::NotX509 => "not an X.509 certificate",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Unusable { path: None, flaw } => flaw.fmt(f),
            Self::Unusable {
                path: Some(path),
                flaw,
            } => write!(f, "{}: {flaw}", path.display()),
            Self::Options(error) => write!(f, "the options for TLS: {error}"),
            Self::InvalidName { name } => {
                write!(f, "{name:?} is neither a DNS name nor an IP address")
            }
            Self::Handshake { error, .. } => write!(f, "TLS: {error}"),
            Self::Refused { alert } => write!(f, "the peer refused: {alert:?}"),
            Self::TimedOut { after } => write!(f, "the TLS handshake took more than {after:?}"),
            Self::TooManyHandshakes { pending, limit } => write!(
                f,
                "{pending} TLS handshakes are under way, the limit is {limit}"
            ),
            Self::CutOff => f.write_str("cut off: the stream ended without TLS's close_notify"),
            Self::Retired { after } => write!(
                f,
                "the certificates were changed {after:?} ago, which ends this connection"
            ),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) | Self::File { error, .. } => Some(error),
            Self::Options(error) | Self::Handshake { error, .. } => Some(error),
            Self::Unusable { flaw, .. } => Some(flaw),
            _ => None,
        }
    }
}

impl StdError for Flaw {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Io(error) => return error,
            Error::TimedOut { .. } => io::ErrorKind::TimedOut,
            Error::CutOff => io::ErrorKind::UnexpectedEof,
            Error::Retired { .. } | Error::TooManyHandshakes { .. } => {
                io::ErrorKind::ConnectionAborted
            }
            Error::File { ref error, .. } => error.kind(),
            Error::InvalidName { .. } | Error::Options(_) => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
