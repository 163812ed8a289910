use std::fmt;

use super::TransferId;
use crate::dtype::Dtype;
use crate::order::ByteOrder;
use crate::shape::Shape;

/// What a sender tells about the array and how it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which array.
    pub id: TransferId,
    /// What its elements are.
    pub dtype: Dtype,
    /// How they come over the wire.
    pub byte_order: ByteOrder,
    /// The dimensions.
    pub shape: Shape,
    /// The bytes of the whole array.
    pub total: u64,
    /// The bytes of each chunk but the last.
    pub chunk_len: u32,
    /// The number of this stream, from 0.
    pub stream: u16,
    /// Among how many streams the chunks are divided.
    pub streams: u16,
}

impl Header {
    /// Returns how many chunks the array has.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.total.div_ceil(self.chunk_len.into())
    }

    /// Returns the bytes of the array before a chunk.
    pub(super) fn bytes_before(&self, chunk: u64) -> u64 {
        chunk.saturating_mul(self.chunk_len.into()).min(self.total)
    }

    /// Returns where a chunk begins in the array, and its length. There must be one.
    pub(super) fn place(&self, chunk: u64) -> (u64, u32) {
        let start = self.bytes_before(chunk);
        let len = (self.total - start).min(self.chunk_len.into());
        (start, len as u32)
    }

    pub(super) fn has_layout_of(&self, other: &Self) -> bool {
        let same_stream = Self {
            stream: self.stream,
            streams: self.streams,
            ..other.clone()
        };
        *self == same_stream
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.byte_order {
            ByteOrder::Little => '<',
            ByteOrder::Big => '>',
        };
        write!(
            f,
            "{order}{} of shape {}, {} bytes in chunks of {}",
            self.dtype, self.shape, self.total, self.chunk_len
        )
    }
}
