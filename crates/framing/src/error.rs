use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

/// Why bytes could not be cut into frames, or a payload could not be written as one.
///
/// Lengths are in bytes. A decoder that has reported one stays failed and repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame is longer than the limit: the peer announced it, or the caller wanted to send it.
    TooLong {
        /// The length announced or given.
        declared: u64,
        /// The longest that may be.
        limit: u64,
        /// Whose frame it was.
        direction: Direction,
        /// Another protocol that the stream's first bytes resemble.
        looks_like: Option<Opening>,
    },
    /// No delimiter, or no end of the stream, came within the limit.
    Undelimited {
        /// The longest a frame may be.
        limit: u64,
        /// Another protocol that the stream's first bytes resemble.
        looks_like: Option<Opening>,
    },
    /// The stream ended inside a frame or inside its prefix.
    Truncated {
        /// What the part (prefix or payload) has in all.
        expected: u64,
        /// What came of it.
        received: u64,
    },
    /// The stream ended before the delimiter.
    Unterminated {
        /// What came since the last delimiter.
        received: u64,
    },
    /// A [`Prefix::Multiprocessing`](crate::Prefix::Multiprocessing) length below -1.
    NegativeLength {
        /// The number that came.
        length: i32,
    },
    /// A [`Prefix::Varint`](crate::Prefix::Varint) that does not fit 64 bits or is not the shortest
    /// spelling of its number.
    OverlongVarint,
    /// A frame took longer than [`Limits`](crate::Limits) allow.
    TooSlow {
        /// What came of it.
        received: u64,
        /// How long that much may take.
        allowed: Duration,
        /// Another protocol that the stream's first bytes resemble.
        looks_like: Option<Opening>,
    },
    /// The payload given to an encoder contains the delimiter, or would together with it.
    DelimiterInside {
        /// Where in the payload it begins.
        at: usize,
    },
    /// The payload given to an encoder for [`Pattern::Fixed`](crate::Pattern::Fixed) frames has another
    /// length.
    WrongLength {
        /// The length of every frame.
        expected: usize,
        /// The length of the payload.
        given: usize,
    },
    /// A [`FrameQueue`](crate::FrameQueue) has no room for a frame.
    QueueFull {
        /// The bytes of the frame that was to be added.
        added: usize,
        /// The bytes in the queue.
        queued: usize,
        /// The most bytes.
        max_len: usize,
        /// The frames in the queue.
        frames: usize,
        /// The most frames.
        max_frames: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong {
                declared,
                limit,
                direction,
                looks_like,
            } => {
                match direction {
                    Direction::Receive => write!(f, "peer announced a frame of {declared} bytes")?,
                    Direction::Send => write!(f, "frame to send has {declared} bytes")?,
                }
                write!(f, ", the limit is {limit}")?;
                hint(f, *looks_like)
            }
            Self::Undelimited { limit, looks_like } => {
                write!(f, "no end of the frame within the limit of {limit} bytes")?;
                hint(f, *looks_like)
            }
            Self::Truncated { expected, received } => write!(
                f,
                "was expecting {expected} bytes but only received {received} before the stream closed"
            ),
            Self::Unterminated { received } => {
                write!(
                    f,
                    "received {received} bytes without a delimiter before the stream closed"
                )
            }
            Self::NegativeLength { length } => {
                write!(
                    f,
                    "peer announced a frame of {length} bytes, which is below -1"
                )
            }
            Self::OverlongVarint => {
                write!(
                    f,
                    "peer announced a length that is not the shortest varint of 64 bits"
                )
            }
            Self::TooSlow {
                received,
                allowed,
                looks_like,
            } => {
                write!(
                    f,
                    "only {received} bytes of a frame came in the {allowed:?} allowed"
                )?;
                hint(f, *looks_like)
            }
            Self::DelimiterInside { at } => {
                write!(f, "payload to send contains the delimiter at byte {at}")
            }
            Self::WrongLength { expected, given } => {
                write!(
                    f,
                    "payload to send has {given} bytes where every frame has {expected}"
                )
            }
            Self::QueueFull {
                added,
                queued,
                max_len,
                frames,
                max_frames,
            } => write!(
                f,
                "no room for {added} bytes in the queue, which holds {queued} of {max_len} bytes and \
                 {frames} of {max_frames} frames"
            ),
        }
    }
}

impl StdError for FrameError {}

/// Which way a frame was going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer to us.
    Receive,
    /// From us to the peer.
    Send,
}

/// Another protocol, recognised by the first bytes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening {
    /// An HTTP request line, or the preface of HTTP/2.
    Http,
    /// A TLS handshake record.
    Tls,
    /// The version line of SSH.
    Ssh,
}

impl Opening {
    /// Looks at the first bytes of a stream: four are enough, with fewer only TLS is recognised.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        const METHODS: [&[u8; 4]; 10] = [
            b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC",
            b"PRI ",
        ];
        match start {
            [0x16, 0x03, 0x00..=0x04, ..] => Some(Self::Tls),
            [b'S', b'S', b'H', b'-', ..] => Some(Self::Ssh),
            _ => {
                let first = start.first_chunk::<4>()?;
                METHODS.contains(&first).then_some(Self::Http)
            }
        }
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "an HTTP request",
            Self::Tls => "a TLS handshake",
            Self::Ssh => "an SSH greeting",
        })
    }
}

/// What the drivers return: the stream failed, or what came through it.
#[derive(Debug)]
pub enum Error {
    /// The stream below reported an error.
    Io(io::Error),
    /// The bytes are no frames, or the payload can be none.
    Frame(FrameError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Frame(error) => Some(error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

fn hint(f: &mut fmt::Formatter<'_>, looks_like: Option<Opening>) -> fmt::Result {
    match looks_like {
        Some(opening) => write!(f, "; this looks like {opening}"),
        None => Ok(()),
    }
}
