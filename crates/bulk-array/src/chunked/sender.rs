//! One answer: what is to be sent lies in `head`, and then in a part of the array.
//!
//! ```text
//! request ──► header ──► (chunk head ► chunk)* ──► end mark ──► complete
//!                └── another id: fails
//! ```

use std::ops::Range;
use std::sync::atomic::AtomicU64;

use super::offer::crc;
use super::wire::{Head, Request, first_of_stream};
use super::{ChunkedError, Header, Progress};
use crate::error::ArrayError;

/// Sends an offered array over one connection, without I/O.
///
/// It takes the receiver's request, and sends the header and the chunks of the stream that was asked for. Nothing behind
/// the request is taken: another one may follow, which is for another `Sender`.
#[derive(Debug)]
pub struct Sender<'o> {
    array: &'o [u8],
    header: &'o Header,
    crcs: &'o [AtomicU64],
    request: Vec<u8>,
    streams: u16,
    /// The next chunk of the stream.
    next: u64,
    phase: Phase,
    head: Vec<u8>,
    chunk: Range<usize>,
    done: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    Request,
    Chunks,
    End,
    Complete,
    Failed(ArrayError),
}

impl<'o> Sender<'o> {
    pub(super) fn new(array: &'o [u8], header: &'o Header, crcs: &'o [AtomicU64]) -> Self {
        Self {
            array,
            header,
            crcs,
            request: Vec::with_capacity(Request::LEN),
            streams: 1,
            next: 0,
            phase: Phase::Request,
            head: Vec::new(),
            chunk: 0..0,
            done: 0,
        }
    }

    /// Takes bytes that arrived, and returns how many of them belong to the request.
    ///
    /// # Errors
    ///
    /// [`ChunkedError`], if it is no request.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, ArrayError> {
        self.check()?;
        let taken = self.wanted().min(bytes.len());
        self.request.extend_from_slice(&bytes[..taken]);
        if matches!(self.phase, Phase::Request)
            && let Ok(request) = self.request[..].try_into()
        {
            let answer = Request::decode(request).map(|request| self.answer(&request));
            answer.map_err(|error| self.fail(error.into()))?;
        }
        Ok(taken)
    }

    /// Says that the peer sends no more.
    ///
    /// # Errors
    ///
    /// [`ArrayError::HeaderTruncated`], if the request has not come.
    pub fn receive_eof(&mut self) -> Result<(), ArrayError> {
        self.check()?;
        match self.wanted() {
            0 => Ok(()),
            wanted => Err(self.fail(ArrayError::HeaderTruncated {
                received: (Request::LEN - wanted) as u64,
                expected: Request::LEN as u64,
            })),
        }
    }

    /// Returns how many bytes of the request are still to come.
    #[must_use]
    pub fn wanted(&self) -> usize {
        Request::LEN - self.request.len()
    }

    /// Returns bytes to be sent now; none if the request has not come, or all is sent. They are the same until
    /// [`advance`](Self::advance).
    ///
    /// # Errors
    ///
    /// [`ChunkedError::OtherTransfer`], once the header that tells the peer so is sent: it asked for another array.
    pub fn poll_transmit(&self) -> Result<&[u8], ArrayError> {
        let [head, chunk] = self.poll_transmit_both()?;
        Ok(if head.is_empty() { chunk } else { head })
    }

    /// As `poll_transmit`, with what comes next.
    pub(crate) fn poll_transmit_both(&self) -> Result<[&[u8]; 2], ArrayError> {
        match self.head.is_empty() && self.chunk.is_empty() {
            true => self.check().map(|()| [&[][..]; 2]),
            false => Ok([&self.head, &self.array[self.chunk.clone()]]),
        }
    }

    /// Says that so many of the bytes are sent.
    ///
    /// # Panics
    ///
    /// If there were not so many.
    pub fn advance(&mut self, sent: usize) {
        let head = sent.min(self.head.len());
        self.head.drain(..head);
        let chunk = sent - head;
        assert!(
            chunk <= self.chunk.len(),
            "no more can be sent than there is"
        );
        self.chunk.start += chunk;
        self.done += chunk as u64;
        if self.head.is_empty() && self.chunk.is_empty() {
            self.prepare();
        }
    }

    /// Whether all has been sent.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Complete)
    }

    /// Returns the bytes of the array that have been sent over this connection, and those that the array has.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            done: self.done,
            total: self.header.total,
        }
    }

    fn answer(&mut self, request: &Request) {
        let header = Header {
            stream: request.stream,
            streams: request.streams,
            ..self.header.clone()
        };
        self.head = header.encode();
        self.streams = request.streams;
        self.next = first_of_stream(request.first_chunk, request.stream, request.streams);
        self.phase = match request.id {
            Some(expected) if expected != header.id => Phase::Failed(
                ChunkedError::OtherTransfer {
                    expected,
                    found: header.id,
                }
                .into(),
            ),
            _ => Phase::Chunks,
        };
    }

    /// All is sent: looks for more.
    fn prepare(&mut self) {
        match self.phase {
            Phase::Chunks if self.next < self.header.chunks() => {
                let (start, len) = self.header.place(self.next);
                self.chunk = start as usize..start as usize + len as usize;
                let index = self.next;
                let crc = crc(&self.crcs[index as usize], &self.array[self.chunk.clone()]);
                self.head.extend(Head { index, len, crc }.encode());
                self.next += u64::from(self.streams);
            }
            Phase::Chunks => {
                self.head.extend(Head::END.encode());
                self.phase = Phase::End;
            }
            Phase::End => self.phase = Phase::Complete,
            Phase::Request | Phase::Complete | Phase::Failed(_) => {}
        }
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
