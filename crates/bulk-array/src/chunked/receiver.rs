//! One connection of a transfer.
//!
//! ```text
//! header ──► chunk head ◄──► chunk
//!                └── end mark ──► complete            anything wrong, at any time: failed
//! ```

use std::io::Read;
use std::sync::{Arc, Mutex};

use crc32c::crc32c_append;

use super::part::Part;
use super::transfer::{Shared, lock};
use super::wire::{HEADER_STEP, Head, Request};
use super::{ChunkedError, Header, Progress, TransferId};
use crate::element::{Element, dtype_of};
use crate::error::{ArrayError, Error};
use crate::memory::Landing;
use crate::order::Swap;
use crate::source::Source;

/// Receives one stream of a [`Transfer`](super::Transfer) over one connection, without I/O.
///
/// When it is dropped, what is verified stays so, and the transfer can give out the next one for this stream. Nothing
/// behind the end mark is taken.
///
/// ```
/// use bulk_array::chunked::{Offer, Transfer};
///
/// let offer = Offer::new(&[1_u16, 2, 3][..], 3)?;
/// let mut received = [0_u16; 3];
/// let transfer = Transfer::slice(&mut received);
///
/// let (mut sender, mut receiver) = (offer.sender(), transfer.receiver(0)?);
/// let asked = sender.receive(receiver.poll_transmit())?;
/// receiver.advance(asked);
/// while !receiver.is_complete() {
///     let taken = receiver.receive(sender.poll_transmit()?)?;
///     sender.advance(taken);
/// }
/// drop((receiver, transfer));
/// assert_eq!(received, [1, 2, 3]);
/// # Ok::<(), bulk_array::ArrayError>(())
/// ```
#[derive(Debug)]
pub struct Receiver<'a, T> {
    shared: Arc<Mutex<Shared<'a, T>>>,
    stream: u16,
    streams: u16,
    request: [u8; Request::LEN],
    requested: usize,
    phase: Phase,
    /// A header or a chunk's head, and how much of it is there.
    small: Vec<u8>,
    filled: usize,
    begun: Option<Begun<'a, T>>,
    /// The next chunk of the stream.
    next: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    Header,
    Head,
    Chunk(Chunk),
    Complete,
    Failed(ArrayError),
}

/// What is there once the header is.
#[derive(Debug)]
struct Begun<'a, T> {
    header: Header,
    swap: Swap,
    part: Part<'a, T>,
}

#[derive(Clone, Copy, Debug)]
struct Chunk {
    head: Head,
    /// Where it begins in the array.
    start: u64,
    /// The bytes that are there, and their CRC.
    received: u32,
    crc: u32,
}

/// Where the next bytes go.
enum Room<'r, T> {
    Bytes(&'r mut [u8]),
    Landing(&'r mut Landing<T>, usize),
}

impl<'a, T: Element> Receiver<'a, T> {
    pub(super) fn new(
        shared: Arc<Mutex<Shared<'a, T>>>,
        id: Option<TransferId>,
        stream: u16,
        streams: u16,
        next: u64,
    ) -> Self {
        let request = Request {
            id,
            stream,
            streams,
            first_chunk: next,
        };
        Self {
            shared,
            stream,
            streams,
            request: request.encode(),
            requested: 0,
            phase: Phase::Header,
            small: vec![0; HEADER_STEP],
            filled: 0,
            begun: None,
            next,
        }
    }

    /// Returns the bytes of the request that are to be sent.
    #[must_use]
    pub fn poll_transmit(&self) -> &[u8] {
        &self.request[self.requested..]
    }

    /// Says that so many of them are sent.
    ///
    /// # Panics
    ///
    /// If there were not so many.
    pub fn advance(&mut self, sent: usize) {
        assert!(
            sent <= self.poll_transmit().len(),
            "no more can be sent than there is"
        );
        self.requested += sent;
    }

    /// Takes bytes that arrived, and returns how many of them belong to the stream. They are copied;
    /// [`fill`](Self::fill) does without.
    ///
    /// # Errors
    ///
    /// [`ArrayError`], if they are not what they should be; then this receiver is of no more use.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, ArrayError> {
        let mut rest = bytes;
        self.check()?;
        while !rest.is_empty() && !self.is_complete() {
            match self.fill(&mut rest) {
                Ok(_) => {}
                Err(Error::Array(error)) => return Err(error),
                Err(Error::Io(error)) => unreachable!("bytes can be read: {error}"),
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Says that the peer sends no more.
    ///
    /// # Errors
    ///
    /// [`ArrayError::Truncated`] or [`ArrayError::HeaderTruncated`] if the end mark has not come.
    pub fn receive_eof(&mut self) -> Result<(), ArrayError> {
        self.check()?;
        let error = match (&self.phase, self.progress()) {
            (Phase::Complete, _) => return Ok(()),
            (Phase::Header, _) => ArrayError::HeaderTruncated {
                received: self.filled as u64,
                expected: self.small.len() as u64,
            },
            (_, Progress { done, total }) => ArrayError::Truncated {
                received: done,
                expected: total,
            },
        };
        Err(self.fail(error))
    }

    /// Reads once from `stream` to where the bytes belong, and returns how many that were; 0 if all has been received.
    ///
    /// It never reads beyond the end mark, and at most 256 KiB, so that they are verified while they are in the cache.
    ///
    /// # Errors
    ///
    /// Those of the stream, after which receiving can go on if the stream can: [`WouldBlock`](std::io::ErrorKind::WouldBlock), say. Those of
    /// [`receive`](Self::receive), and at the end of the stream those of [`receive_eof`](Self::receive_eof).
    pub fn fill(&mut self, stream: &mut (impl Read + Source)) -> Result<usize, Error> {
        self.check()?;
        let read = match self.room() {
            None => return Ok(0),
            Some(Room::Bytes(bytes)) => stream.read(bytes)?,
            Some(Room::Landing(landing, max)) => {
                landing.fill(max, |spare| stream.read_spare(spare))?
            }
        };
        self.took(read)
    }

    /// As `fill`, from a stream of tokio's.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll_fill<S: ::tokio::io::AsyncRead>(
        &mut self,
        stream: std::pin::Pin<&mut S>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<usize, Error>> {
        self.check()?;
        let read = match self.room() {
            None => 0,
            Some(Room::Bytes(bytes)) => {
                let mut buffer = ::tokio::io::ReadBuf::new(bytes);
                std::task::ready!(stream.poll_read(context, &mut buffer))?;
                buffer.filled().len()
            }
            Some(Room::Landing(landing, max)) => {
                std::task::ready!(landing.poll_fill(max, stream, context))?
            }
        };
        std::task::Poll::Ready(self.took(read))
    }

    /// Whether the end mark has come, and so all chunks of this stream are verified.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Complete)
    }

    /// As [`Transfer::progress`](super::Transfer::progress).
    #[must_use]
    pub fn progress(&self) -> Progress {
        lock(&self.shared).progress()
    }

    pub(crate) fn has_header(&self) -> bool {
        self.begun.is_some()
    }

    fn room(&mut self) -> Option<Room<'_, T>> {
        match &self.phase {
            Phase::Header | Phase::Head => Some(Room::Bytes(&mut self.small[self.filled..])),
            Phase::Chunk(chunk) => {
                let rest = (chunk.head.len - chunk.received) as usize;
                let part = &mut self.begun.as_mut()?.part;
                if let Part::Vec(landing) = part {
                    return Some(Room::Landing(landing, rest.min(STEP)));
                }
                let bytes = part.chunk(chunk.head.index, chunk.start, chunk.head.len);
                let bytes = &mut bytes[chunk.received as usize..];
                Some(Room::Bytes(&mut bytes[..rest.min(STEP)]))
            }
            Phase::Complete | Phase::Failed(_) => None,
        }
    }

    /// So many bytes are where they belong.
    fn took(&mut self, read: usize) -> Result<usize, Error> {
        if read == 0 {
            self.receive_eof()?;
        }
        match self.phase {
            Phase::Header | Phase::Head => self.filled += read,
            Phase::Chunk(_) | Phase::Complete | Phase::Failed(_) => {}
        }
        let next = match self.phase {
            Phase::Header if self.filled == self.small.len() => self.take_header(),
            Phase::Head if self.filled == self.small.len() => self.take_head(),
            Phase::Chunk(chunk) => self.take_bytes(chunk, read as u32),
            _ => return Ok(read),
        };
        self.phase = next.map_err(|error| self.fail(error))?;
        Ok(read)
    }

    fn take_header(&mut self) -> Result<Phase, ArrayError> {
        let mut shared = lock(&self.shared);
        if let Ok(start) = self.small[..].try_into() {
            let len = Header::announced_len(start, shared.max_dims())?;
            if len > HEADER_STEP {
                self.small.resize(len, 0);
                return Ok(Phase::Header);
            }
        }
        let header = Header::decode(&self.small)?;
        if (header.stream, header.streams) != (self.stream, self.streams) {
            return Err(ChunkedError::OtherStream {
                expected: (self.stream, self.streams),
                found: (header.stream, header.streams),
            }
            .into());
        }
        self.begun = Some(Begun {
            swap: Swap::new(dtype_of::<T>().component_size(), header.byte_order),
            part: shared.accept(&header)?,
            header,
        });
        drop(shared);
        Ok(self.next_head())
    }

    fn next_head(&mut self) -> Phase {
        self.small.clear();
        self.small.resize(Head::LEN, 0);
        self.filled = 0;
        Phase::Head
    }

    fn take_head(&self) -> Result<Phase, ArrayError> {
        let head = Head::decode(
            self.small[..]
                .try_into()
                .expect("it has the length of a head"),
        );
        let header = &self.begun.as_ref().expect("the header is there").header;
        if self.next >= header.chunks() {
            return match head {
                Head::END => Ok(Phase::Complete),
                Head { index, .. } => Err(ChunkedError::OtherChunk {
                    expected: None,
                    found: index,
                }
                .into()),
            };
        }
        let (start, len) = header.place(self.next);
        if head.index != self.next {
            return Err(ChunkedError::OtherChunk {
                expected: Some(self.next),
                found: head.index,
            }
            .into());
        }
        if head.len != len {
            return Err(ChunkedError::OtherChunkLen {
                chunk: self.next,
                expected: len,
                found: head.len,
            }
            .into());
        }
        Ok(Phase::Chunk(Chunk {
            head,
            start,
            received: 0,
            crc: 0,
        }))
    }

    fn take_bytes(&mut self, mut chunk: Chunk, read: u32) -> Result<Phase, ArrayError> {
        let begun = self.begun.as_mut().expect("the header is there");
        let bytes = begun
            .part
            .chunk(chunk.head.index, chunk.start, chunk.head.len);
        let end = chunk.received + read;
        chunk.crc = crc32c_append(chunk.crc, &bytes[chunk.received as usize..end as usize]);
        chunk.received = end;
        if chunk.received < chunk.head.len {
            return Ok(Phase::Chunk(chunk));
        }
        if chunk.crc != chunk.head.crc {
            return Err(ChunkedError::DamagedChunk {
                chunk: chunk.head.index,
                announced: chunk.head.crc,
                computed: chunk.crc,
            }
            .into());
        }
        begun.swap.apply(bytes);
        lock(&self.shared).verified(self.stream, chunk.head.index, chunk.head.len);
        self.next = chunk.head.index + u64::from(self.streams);
        Ok(self.next_head())
    }

    fn check(&self) -> Result<(), ArrayError> {
        match &self.phase {
            Phase::Failed(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn fail(&mut self, error: ArrayError) -> ArrayError {
        self.phase = Phase::Failed(error.clone());
        error
    }
}

impl<T> Drop for Receiver<'_, T> {
    fn drop(&mut self) {
        let part = self.begun.take().map(|begun| begun.part);
        lock(&self.shared).release(self.stream, part);
    }
}

/// Bytes: what is read at a time, and still in the cache when its CRC is computed.
const STEP: usize = 256 * 1024;
