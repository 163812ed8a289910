use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::part::{Memory, Part};
use super::wire::{check_stream, first_of_stream};
use super::{Checkpoint, ChunkedError, Header, Progress, Receiver, STALL_TIMEOUT};
use crate::array::Array;
use crate::element::{Element, dtype_of};
use crate::error::ArrayError;
use crate::limits::Limits;

/// The receiving side of an array: its memory, and what of it is verified. It outlives the connections.
///
/// For a connection, and for the next one after that broke, it gives out a [`Receiver`]; the drivers do that. It can be shared
/// among threads, one for each of its streams.
///
/// ```
/// use std::net::{TcpListener, TcpStream};
/// use std::ops::ControlFlow;
///
/// use bulk_array::blocking::chunked;
/// use bulk_array::chunked::{Offer, Transfer};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let offer = Offer::new((0..300_000).map(f64::from).collect::<Vec<_>>(), 300_000)?;
/// let mut received = vec![0.0; 300_000];
/// let transfer = Transfer::parallel(&mut received, 2);
/// std::thread::scope(|scope| {
///     for stream in 0..2 {
///         let (offer, listener, transfer) = (&offer, &listener, &transfer);
///         scope.spawn(move || {
///             let (mut connection, _) = listener.accept()?;
///             chunked::send(&mut connection, offer, |_| ControlFlow::Continue(()))
///         });
///         scope.spawn(move || {
///             let mut connection = TcpStream::connect(address)?;
///             chunked::recv(&mut connection, transfer, stream, |_| ControlFlow::Continue(()))
///         });
///     }
/// });
/// assert!(transfer.is_complete());
/// assert_eq!(received[299_999], 299_999.0);
/// # Ok::<(), bulk_array::Error>(())
/// ```
#[derive(Debug)]
pub struct Transfer<'a, T> {
    shared: Arc<Mutex<Shared<'a, T>>>,
    stall_timeout: Option<Duration>,
}

/// What the receivers of a transfer have in common.
#[derive(Debug)]
pub(super) struct Shared<'a, T> {
    limits: Limits,
    /// Until the first header is there.
    memory: Option<Memory<'a, T>>,
    header: Option<Header>,
    checkpoint: Option<Checkpoint>,
    slots: Vec<Slot<'a, T>>,
    verified: u64,
}

/// What belongs to one stream.
#[derive(Debug)]
struct Slot<'a, T> {
    /// The first chunk that is not verified.
    next: u64,
    is_busy: bool,
    part: Option<Part<'a, T>>,
}

impl<'a, T: Element> Transfer<'a, T> {
    /// Receives into elements that are there. The array must have as many.
    #[must_use]
    pub fn slice(values: &'a mut [T]) -> Self {
        Self::parallel(values, 1)
    }

    /// Receives into elements that are there, over so many connections at a time: stream `i` of `n` carries the chunks
    /// `i`, `i + n` and so on. To know them apart costs 16 bytes a chunk.
    ///
    /// # Panics
    ///
    /// If `streams` is 0.
    #[must_use]
    pub fn parallel(values: &'a mut [T], streams: u16) -> Self {
        assert!(streams > 0, "a transfer needs a stream");
        Self::new(Memory::Slice(values), streams, Limits::default())
    }

    /// Receives into a vector, whose memory grows with what arrives.
    ///
    /// What it has is what an earlier program verified, if there is a [checkpoint](Self::with_checkpoint), and else
    /// nothing but memory to be used again. Of the limits, those of bytes and of dimensions count here.
    #[must_use]
    pub fn vec(values: Vec<T>, limits: &Limits) -> Self {
        Self::new(Memory::Vec(values), 1, *limits)
    }

    /// Goes on where an earlier program stopped, with the same or another number of streams.
    ///
    /// # Errors
    ///
    /// [`ChunkedError::Checkpoint`] if there are less bytes than are said to be verified.
    pub fn with_checkpoint(self, checkpoint: &Checkpoint) -> Result<Self, ArrayError> {
        let mut shared = lock(&self.shared);
        let there = shared.memory.as_ref().map_or(0, Memory::bytes);
        if checkpoint.bytes > there {
            return Err(ChunkedError::Checkpoint {
                bytes: checkpoint.bytes,
                expected: there,
            }
            .into());
        }
        let streams = shared.slots.len() as u16;
        for (stream, slot) in (0..streams).zip(&mut shared.slots) {
            slot.next = first_of_stream(checkpoint.chunk, stream, streams);
        }
        shared.verified = checkpoint.bytes;
        shared.checkpoint = Some(*checkpoint);
        drop(shared);
        Ok(self)
    }

    /// Sets for how long a sender may send no byte, or not take the request: 30 s by default, `None` for ever.
    #[must_use]
    pub fn with_stall_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// Begins to receive a stream on a connection, at its first chunk that is not verified. Streams are counted from 0.
    ///
    /// # Errors
    ///
    /// [`ChunkedError::NoSuchStream`], [`ChunkedError::StreamBusy`].
    pub fn receiver(&self, stream: u16) -> Result<Receiver<'a, T>, ArrayError> {
        let mut shared = lock(&self.shared);
        let streams = shared.slots.len() as u16;
        check_stream(stream, streams)?;
        let id = shared.id();
        let slot = &mut shared.slots[usize::from(stream)];
        if slot.is_busy {
            return Err(ChunkedError::StreamBusy { stream }.into());
        }
        slot.is_busy = true;
        let next = slot.next;
        drop(shared);
        let shared = Arc::clone(&self.shared);
        Ok(Receiver::new(shared, id, stream, streams, next))
    }

    /// Returns what the sender told, once it did.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        lock(&self.shared).header.clone()
    }

    /// Returns the bytes of the array that are verified, over all streams, and those that it has.
    #[must_use]
    pub fn progress(&self) -> Progress {
        lock(&self.shared).progress()
    }

    /// Whether every chunk is verified.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let progress = self.progress();
        self.header().is_some() && progress.done == progress.total
    }

    /// Returns how far the transfer has come, to be kept with the beginning of the array; `None` if no sender has
    /// answered yet.
    ///
    /// With several streams it is where the slowest one is, and what others have behind that will be sent again.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        lock(&self.shared).checkpoint()
    }

    /// Returns how long no byte may come.
    #[must_use]
    pub fn stall_timeout(&self) -> Option<Duration> {
        self.stall_timeout
    }

    /// Returns the elements at the beginning of the array that are verified. Empty if the transfer is one into a
    /// slice, or if its receiver is still there.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        let mut shared = lock(&self.shared);
        let verified = shared.verified;
        let part = shared.slots[0].part.take();
        match (shared.memory.take(), part) {
            (Some(Memory::Vec(mut values)), _) => {
                values.truncate(verified as usize / size_of::<T>());
                values
            }
            (_, Some(Part::Vec(mut landing))) => {
                landing.truncate(verified as usize);
                landing.into_values()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the array that was received into a vector.
    ///
    /// # Errors
    ///
    /// [`ArrayError::Truncated`] if not all of it is verified; [`ArrayError::LenMismatch`] if it was received into a
    /// slice.
    pub fn into_array(self) -> Result<Array<T>, ArrayError> {
        let Progress { done, total } = self.progress();
        match self.header().filter(|_| done == total) {
            Some(header) => Array::new(self.into_vec(), header.shape),
            None => Err(ArrayError::Truncated {
                received: done,
                expected: total,
            }),
        }
    }

    fn new(memory: Memory<'a, T>, streams: u16, limits: Limits) -> Self {
        let slot = |stream: u16| Slot {
            next: stream.into(),
            is_busy: false,
            part: None,
        };
        let shared = Shared {
            limits,
            memory: Some(memory),
            header: None,
            checkpoint: None,
            slots: (0..streams).map(slot).collect(),
            verified: 0,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            stall_timeout: Some(STALL_TIMEOUT),
        }
    }
}

impl<'a, T: Element> Shared<'a, T> {
    pub(super) fn max_dims(&self) -> usize {
        self.limits.max_dims
    }

    /// Holds a header against what is known and gives out the memory of its stream.
    pub(super) fn accept(&mut self, header: &Header) -> Result<Part<'a, T>, ArrayError> {
        if let Some(expected) = self.id().filter(|id| *id != header.id) {
            return Err(ChunkedError::OtherTransfer {
                expected,
                found: header.id,
            }
            .into());
        }
        match &self.header {
            Some(known) if !known.has_layout_of(header) => {
                return Err(ChunkedError::OtherLayout {
                    expected: known.clone().into(),
                    found: header.clone().into(),
                }
                .into());
            }
            Some(_) => {}
            None => self.begin(header)?,
        }
        let verified = self.verified;
        let part = self.slots[usize::from(header.stream)].part.take();
        let mut part = part.expect("a stream that was not busy has its memory");
        part.rewind(verified);
        Ok(part)
    }

    /// Counts a chunk that is verified.
    pub(super) fn verified(&mut self, stream: u16, chunk: u64, len: u32) {
        self.slots[usize::from(stream)].next = chunk + self.slots.len() as u64;
        self.verified += u64::from(len);
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            done: self.verified,
            total: self.header.as_ref().map_or(0, |header| header.total),
        }
    }

    fn id(&self) -> Option<super::TransferId> {
        let from_header = self.header.as_ref().map(|header| header.id);
        from_header.or_else(|| self.checkpoint.map(|checkpoint| checkpoint.id))
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        let Some(header) = &self.header else {
            return self.checkpoint;
        };
        let next = self.slots.iter().map(|slot| slot.next).min();
        let chunk = next.unwrap_or(0).min(header.chunks());
        Some(Checkpoint {
            id: header.id,
            chunk,
            bytes: header.bytes_before(chunk),
        })
    }

    /// Takes the first header: it must be one that the memory is for.
    fn begin(&mut self, header: &Header) -> Result<(), ArrayError> {
        if !dtype_of::<T>().accepts(header.dtype) {
            return Err(ArrayError::DtypeMismatch {
                expected: dtype_of::<T>(),
                found: header.dtype,
            });
        }
        match &self.memory {
            Some(memory @ Memory::Slice(_)) if memory.bytes() != header.total => {
                return Err(ArrayError::ShapeMismatch {
                    expected: memory.bytes() / size_of::<T>() as u64,
                    found: header.shape.clone(),
                });
            }
            Some(Memory::Vec(_)) if header.total > self.limits.max_bytes => {
                return Err(ArrayError::TooLarge {
                    shape: header.shape.clone(),
                    dtype: header.dtype,
                    max_bytes: self.limits.max_bytes,
                });
            }
            _ => {}
        }
        let expected = self
            .checkpoint
            .map_or(0, |checkpoint| header.bytes_before(checkpoint.chunk));
        if self.verified != expected {
            return Err(ChunkedError::Checkpoint {
                bytes: self.verified,
                expected,
            }
            .into());
        }
        if usize::try_from(header.total).is_err() {
            return Err(ArrayError::OutOfMemory {
                bytes: header.total,
            });
        }
        let memory = self
            .memory
            .take()
            .expect("it is there until the first header");
        let streams = self.slots.len() as u16;
        let parts = memory.divide(streams, header, self.verified);
        for (slot, part) in self.slots.iter_mut().zip(parts) {
            slot.part = Some(part);
        }
        self.header = Some(header.clone());
        Ok(())
    }
}

impl<'a, T> Shared<'a, T> {
    /// Takes back what a receiver had.
    pub(super) fn release(&mut self, stream: u16, part: Option<Part<'a, T>>) {
        let slot = &mut self.slots[usize::from(stream)];
        slot.is_busy = false;
        slot.part = slot.part.take().or(part);
    }
}

pub(super) fn lock<'s, 'a, T>(shared: &'s Mutex<Shared<'a, T>>) -> MutexGuard<'s, Shared<'a, T>> {
    // Nothing of the caller's runs while it is locked.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
