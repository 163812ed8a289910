use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crc32c::crc32c;

use super::wire::check_chunk_len;
use super::{Header, STALL_TIMEOUT, Sender, TransferId};
use crate::array::check_len;
use crate::element::{Element, dtype_of};
use crate::error::ArrayError;
use crate::order::ByteOrder;
use crate::shape::Shape;

/// An array that is offered to any number of receivers, at the same time or one after the other.
///
/// It holds the elements as anything that lends them: `Vec<f64>`, `&[f64]`, `Arc<[f64]>`. The CRC of a chunk is computed
/// when it is sent for the first time, and kept: the elements must stay as they are.
///
/// ```
/// use bulk_array::chunked::{Offer, TransferId};
///
/// let offer = Offer::new(vec![0.5_f64; 600], [20, 30])?
///     .with_id(TransferId([7; 16])) // to be known again after a restart
///     .with_chunk_len(2 << 20)?;
/// assert_eq!(offer.header().total, 4800);
/// # Ok::<(), bulk_array::ArrayError>(())
/// ```
#[derive(Debug)]
pub struct Offer<D> {
    values: D,
    header: Header,
    /// The CRC of each chunk, with a bit above it that says that it is known.
    crcs: Box<[AtomicU64]>,
    stall_timeout: Option<Duration>,
}

impl<T: Element, D: Deref<Target = [T]>> Offer<D> {
    /// Offers `values` under a fresh id, in chunks of 1 MiB.
    ///
    /// # Errors
    ///
    /// [`ArrayError::LenMismatch`] if the shape has another number of elements.
    pub fn new(values: D, shape: impl Into<Shape>) -> Result<Self, ArrayError> {
        let shape = shape.into();
        check_len(values.len(), &shape)?;
        let header = Header {
            id: TransferId::fresh(),
            dtype: dtype_of::<T>(),
            byte_order: ByteOrder::NATIVE,
            total: size_of_val(&*values) as u64,
            shape,
            chunk_len: CHUNK_LEN,
            stream: 0,
            streams: 1,
        };
        Ok(Self {
            values,
            crcs: unknown(&header),
            header,
            stall_timeout: Some(STALL_TIMEOUT),
        })
    }

    /// Begins to answer on one connection.
    pub fn sender(&self) -> Sender<'_> {
        Sender::new(bytemuck::cast_slice(&self.values), &self.header, &self.crcs)
    }
}

impl<D> Offer<D> {
    /// Gives the array an id. The same id must mean the same elements, in all programs that offer it.
    #[must_use]
    pub fn with_id(mut self, id: TransferId) -> Self {
        self.header.id = id;
        self
    }

    /// Sets the bytes of a chunk: a multiple of 64 from 1 KiB to 4 MiB. From 1 MiB on it makes no difference to the
    /// speed. On a slow line shorter ones lose less when it breaks.
    ///
    /// # Errors
    ///
    /// [`ChunkedError::ChunkLen`](super::ChunkedError::ChunkLen).
    pub fn with_chunk_len(mut self, chunk_len: u32) -> Result<Self, ArrayError> {
        check_chunk_len(chunk_len)?;
        self.header.chunk_len = chunk_len;
        self.crcs = unknown(&self.header);
        Ok(self)
    }

    /// Sets for how long a receiver may take no byte, or send none of its request: 30 s by default, `None` for ever.
    #[must_use]
    pub fn with_stall_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// Returns for how long a receiver may take no byte.
    #[must_use]
    pub fn stall_timeout(&self) -> Option<Duration> {
        self.stall_timeout
    }

    /// Returns what receivers are told, as the first of one stream.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }
}

/// Returns the CRC of a chunk, and computes it if it is not known. Two threads that do so at the same time
/// find the same.
pub(super) fn crc(known: &AtomicU64, chunk: &[u8]) -> u32 {
    match known.load(Ordering::Relaxed) {
        0 => {
            let crc = crc32c(chunk);
            known.store(KNOWN | u64::from(crc), Ordering::Relaxed);
            crc
        }
        crc => crc as u32,
    }
}

fn unknown(header: &Header) -> Box<[AtomicU64]> {
    (0..header.chunks()).map(|_| AtomicU64::new(0)).collect()
}

const KNOWN: u64 = 1 << 32;
const CHUNK_LEN: u32 = 1 << 20;
