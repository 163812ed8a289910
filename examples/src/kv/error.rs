use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why the store did not do what it was asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The key has no bytes or too many.
    KeyLength {
        /// The length of the key in bytes.
        len: usize,
        /// The most that [`Limits`](super::Limits) allow.
        max_key_len: usize,
    },
    /// The value is too long.
    ValueTooLong {
        /// The length of the value in bytes.
        len: usize,
        /// The most that [`Limits`](super::Limits) allow.
        max_value_len: usize,
    },
    /// A time to live of nothing, or one that ends after all time.
    TimeToLive(Duration),
    /// So many writes wait for the disk that this one was refused; nothing has changed.
    Busy {
        /// The writes that wait.
        waiting: usize,
        /// The bytes of their keys and values.
        bytes: usize,
    },
    /// A write failed, this one or one before it, and no more are taken. Whether this one will be
    /// found after a restart is not known if it was the one that failed.
    Stopped(Arc<Self>),
    /// The store is closed.
    Closed,
    /// The file is damaged, or what was read from it is.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file is none of ours.
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        what: String,
    },
    /// Another process has the file open, or this one has it open already.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// There is such a file, and it won't be overwritten.
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system refused something.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl Error {
    pub(super) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source: Arc::new(source),
        }
    }

    pub(super) fn damaged(path: impl Into<PathBuf>, what: impl fmt::Display) -> Self {
        Self::Damaged {
            path: path.into(),
            what: what.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyLength { len, max_key_len } => {
                write!(f, "a key of {len} bytes, must have 1 to {max_key_len}")
            }
            Self::ValueTooLong { len, max_value_len } => {
                write!(f, "a value of {len} bytes, may have {max_value_len}")
            }
            Self::TimeToLive(ttl) => write!(f, "a time to live of {} s", ttl.as_secs_f64()),
            Self::Busy { waiting, bytes } => {
                write!(f, "{waiting} writes of {bytes} bytes wait for the disk")
            }
            Self::Stopped(why) => write!(f, "no more writes are taken since one failed: {why}"),
            Self::Closed => f.write_str("the store is closed"),
            Self::Damaged { path, what } => write!(f, "{} is damaged: {what}", path.display()),
            Self::Foreign { path, what } => {
                write!(f, "{} is not a file of this store: {what}", path.display())
            }
            Self::InUse { path } => write!(f, "{} is in use", path.display()),
            Self::Exists { path } => write!(f, "{} exists", path.display()),
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Stopped(why) => Some(&**why),
            Self::Io { source, .. } => Some(&**source),
            _ => None,
        }
    }
}
