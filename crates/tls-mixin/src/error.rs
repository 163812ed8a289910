use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use rustls::{AlertDescription, HandshakeType};
use x509_cert::der::DateTime;

use crate::plaintext::Plaintext;

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
    /// Two identities are for the same name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// An application protocol has no bytes, or too many.
    InvalidProtocol {
        /// How many.
        len: usize,
        /// The most.
        max: usize,
    },
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

/// Why certificates or a key are of no use. Positions count from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It is not PEM, but DER.
    NotPem,
    /// Its PEM is damaged, or not complete.
    Damaged,
    /// The file is longer than it may be.
    TooLong {
        /// The most bytes.
        max: u64,
    },
    /// There is no certificate.
    NoCertificate,
    /// There is a private key where certificates belong.
    KeyForCertificate,
    /// There is no private key.
    NoKey,
    /// There is something else where the private key belongs.
    CertificateForKey,
    /// The private key is encrypted.
    EncryptedKey,
    /// The provider can't use a key of this kind or size.
    UnsupportedKey,
    /// It is not an X.509 certificate.
    NotX509,
    /// The key belongs to none of the certificates.
    WrongKey,
    /// The key belongs to a certificate that is not the first.
    WrongOrder {
        /// Its position.
        index: usize,
    },
    /// A certificate was not issued by the one that follows.
    BrokenChain {
        /// Its position.
        index: usize,
        /// Who has issued it.
        issuer: String,
        /// Who follows.
        next: String,
    },
    /// A certificate is no longer valid.
    Expired {
        /// Its position.
        index: usize,
        /// Until when it was.
        not_after: SystemTime,
    },
    /// A certificate is not yet valid.
    NotYetValid {
        /// Its position.
        index: usize,
        /// From when it will be.
        not_before: SystemTime,
    },
}

impl Flaw {
    pub(crate) fn of(self, path: Option<&Path>) -> Error {
        Error::Unusable {
            path: path.map(Into::into),
            flaw: self,
        }
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

    /// `first` are the first bytes that the peer has sent.
    pub(crate) fn of_handshake(error: rustls::Error, first: &[u8]) -> Self {
        let seen = match error {
            rustls::Error::InvalidMessage(_) => Plaintext::of(first),
            rustls::Error::InappropriateHandshakeMessage {
                got_type: HandshakeType::ClientHello,
                ..
            } => Some(Plaintext::Echo),
            _ => None,
        };
        match Self::of_rustls(error) {
            Self::Handshake { error, .. } => Self::Handshake {
                error,
                plaintext: seen,
            },
            other => other,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem => f.write_str("this is DER, PEM is needed"),
            Self::Damaged => f.write_str("the PEM is damaged, or not complete"),
            Self::TooLong { max } => write!(f, "the file has more than {max} bytes"),
            Self::NoCertificate => f.write_str("there is no certificate in it"),
            Self::KeyForCertificate => {
                f.write_str("there is a private key in it, and no certificate")
            }
            Self::NoKey => f.write_str("there is no private key in it"),
            Self::CertificateForKey => {
                f.write_str("there are certificates or the like in it, and no private key")
            }
            Self::EncryptedKey => {
                f.write_str("the private key is encrypted; keep it without a password")
            }
            Self::UnsupportedKey => f.write_str(
                "the private key is damaged, or of a kind or size that can't be used \
                 (RSA needs 2048 bits)",
            ),
            Self::NotX509 => f.write_str("not an X.509 certificate"),
            Self::WrongKey => f.write_str("the private key does not belong to the certificate"),
            Self::WrongOrder { index } => write!(
                f,
                "the private key belongs to certificate {index}, which must be the first, number 0"
            ),
            Self::BrokenChain {
                index,
                issuer,
                next,
            } => write!(
                f,
                "certificate {index} was issued by {issuer:?}, but {next:?} follows"
            ),
            Self::Expired { index, not_after } => {
                write!(f, "certificate {index} expired at {}", Utc(*not_after))
            }
            Self::NotYetValid { index, not_before } => {
                write!(f, "certificate {index} is valid from {}", Utc(*not_before))
            }
        }
    }
}

/// As standards write it: `2026-11-21T13:12:07Z`.
struct Utc(SystemTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::try_from(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => f.write_str("a time beyond the year 9999"),
        }
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
            Self::DuplicateName { name } => write!(f, "two identities are for {name:?}"),
            Self::InvalidProtocol { len, max } => write!(
                f,
                "an application protocol of {len} bytes, there must be 1 to {max}"
            ),
            Self::InvalidName { name } => {
                write!(f, "{name:?} is neither a DNS name nor an IP address")
            }
            Self::Handshake {
                error,
                plaintext: None,
            } => write!(f, "TLS: {error}"),
            Self::Handshake {
                plaintext: Some(plaintext),
                ..
            } => write!(
                f,
                "the peer does not speak TLS; this looks like {plaintext}"
            ),
            Self::Refused { alert } => write!(f, "the peer refused: {alert:?}"),
            Self::TimedOut { after } => write!(f, "the TLS handshake took more than {after:?}"),
            Self::TooManyHandshakes { pending, limit } => write!(
                f,
                "{pending} TLS handshakes are under way, the limit is {limit}"
            ),
            Self::CutOff => f.write_str("cut off: the stream ended before TLS's close_notify"),
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

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        flaw.of(None)
    }
}

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
            Error::Refused { .. } | Error::Retired { .. } | Error::TooManyHandshakes { .. } => {
                io::ErrorKind::ConnectionAborted
            }
            Error::File { ref error, .. } => error.kind(),
            Error::InvalidName { .. }
            | Error::DuplicateName { .. }
            | Error::InvalidProtocol { .. }
            | Error::Options(_) => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
