use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::{Header, TransferId};
use crate::error::ArrayError;

/// Why a transfer in chunks did not go on. What is verified stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkedError {
    /// The peer does not speak this protocol.
    OtherProtocol {
        /// What it sent first.
        start: [u8; 8],
    },
    /// The peer speaks another version of this protocol; this is version 1.
    Version {
        /// The peer's.
        version: u8,
    },
    /// A request or a header did not arrive as it was sent.
    DamagedHeader {
        /// The CRC32C that came with it.
        announced: u32,
        /// The CRC32C of what came.
        computed: u32,
    },
    /// A request or a header says what can't be.
    Malformed {
        /// The part that is wrong.
        field: &'static str,
    },
    /// A length of chunks must be a multiple of 64 from 1024 to 4,194,304.
    ChunkLen {
        /// The length in bytes.
        chunk_len: u32,
    },
    /// There is no such stream: they are counted from 0.
    NoSuchStream {
        /// Its number.
        stream: u16,
        /// Of how many.
        streams: u16,
    },
    /// This stream is being received by another [`Receiver`](super::Receiver).
    StreamBusy {
        /// Its number.
        stream: u16,
    },
    /// The peer answers for another stream.
    OtherStream {
        /// What was asked for: its number, and of how many.
        expected: (u16, u16),
        /// What the peer announced.
        found: (u16, u16),
    },
    /// The receiver has begun with another array than the one that is offered.
    OtherTransfer {
        /// What the receiver has begun with.
        expected: TransferId,
        /// What is offered.
        found: TransferId,
    },
    /// The array has the right id, but not the layout that it had before.
    OtherLayout {
        /// What it was.
        expected: Box<Header>,
        /// What the peer announced.
        found: Box<Header>,
    },
    /// A checkpoint does not fit the array.
    Checkpoint {
        /// The bytes that it says are verified.
        bytes: u64,
        /// What there is of the array, or what so many chunks have.
        expected: u64,
    },
    /// A chunk is not the one whose turn it is.
    OtherChunk {
        /// Whose turn it is; `None` for the end mark.
        expected: Option<u64>,
        /// What came.
        found: u64,
    },
    /// A chunk has another length than its place in the array.
    OtherChunkLen {
        /// Which.
        chunk: u64,
        /// What its place has, in bytes.
        expected: u32,
        /// What the peer announced.
        found: u32,
    },
    /// A chunk did not arrive as it was sent. It does not count as verified.
    DamagedChunk {
        /// Which.
        chunk: u64,
        /// The CRC32C that came with it.
        announced: u32,
        /// The CRC32C of what came.
        computed: u32,
    },
    /// No byte went over for so long.
    Stalled {
        /// How long.
        timeout: Duration,
        /// The bytes of the array that were verified, or sent, by then.
        done: u64,
        /// The bytes that it has; 0 if that is not known yet.
        total: u64,
    },
    /// The caller's function said to stop.
    Stopped {
        /// The bytes of the array that were verified, or sent, by then.
        done: u64,
        /// The bytes that it has.
        total: u64,
    },
}

impl fmt::Display for ChunkedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherProtocol { start } => write!(
                f,
                "the peer does not speak the chunked protocol, it sent \"{}\"",
                start.escape_ascii()
            ),
            Self::Version { version } => write!(
                f,
                "the peer speaks version {version} of the chunked protocol, this is version 1"
            ),
            Self::DamagedHeader {
                announced,
                computed,
            } => write!(
                f,
                "a header is damaged: its CRC32C is {computed:08x}, it says {announced:08x}"
            ),
            Self::Malformed { field } => write!(f, "a header is malformed: {field}"),
            Self::ChunkLen { chunk_len } => write!(
                f,
                "chunks of {chunk_len} bytes: they must have a multiple of 64 from 1024 to 4194304"
            ),
            Self::NoSuchStream { stream, streams } => {
                write!(f, "there is no stream {stream} of {streams}")
            }
            Self::StreamBusy { stream } => write!(f, "stream {stream} is being received already"),
            Self::OtherStream { expected, found } => write!(
                f,
                "expected stream {} of {}, the peer sends {} of {}",
                expected.0, expected.1, found.0, found.1
            ),
            Self::OtherTransfer { expected, found } => write!(
                f,
                "the transfer was begun with the array {expected}, {found} is offered"
            ),
            Self::OtherLayout { expected, found } => write!(
                f,
                "the array was {expected} when the transfer was begun, now it is {found}"
            ),
            Self::Checkpoint { bytes, expected } => write!(
                f,
                "the checkpoint is at {bytes} bytes of the array, it should be at {expected}"
            ),
            Self::OtherChunk {
                expected: Some(expected),
                found,
            } => write!(f, "expected chunk {expected}, chunk {found} came"),
            Self::OtherChunk {
                expected: None,
                found,
            } => write!(f, "expected the end mark, chunk {found} came"),
            Self::OtherChunkLen {
                chunk,
                expected,
                found,
            } => write!(
                f,
                "chunk {chunk} should have {expected} bytes, it was announced with {found}"
            ),
            Self::DamagedChunk {
                chunk,
                announced,
                computed,
            } => write!(
                f,
                "chunk {chunk} is damaged: its CRC32C is {computed:08x}, it should be {announced:08x}"
            ),
            Self::Stalled {
                timeout,
                done,
                total,
            } => write!(
                f,
                "no byte went over for {timeout:?}, after {done} of {total} bytes of the array"
            ),
            Self::Stopped { done, total } => {
                write!(f, "stopped after {done} of {total} bytes of the array")
            }
        }
    }
}

impl Error for ChunkedError {}

impl From<ChunkedError> for ArrayError {
    fn from(error: ChunkedError) -> Self {
        Self::Chunked(error)
    }
}

impl From<ChunkedError> for crate::error::Error {
    fn from(error: ChunkedError) -> Self {
        Self::Array(error.into())
    }
}
