use super::Header;
use crate::element::Element;
use crate::memory::Landing;

/// Memory for a whole array, as the caller gave it.
#[derive(Debug)]
pub(super) enum Memory<'a, T> {
    Slice(&'a mut [T]),
    Vec(Vec<T>),
}

/// Memory for the chunks of one stream.
#[derive(Debug)]
pub(super) enum Part<'a, T> {
    /// For all chunks.
    Slice(&'a mut [T]),
    /// For all chunks, as they arrive.
    Vec(Landing<T>),
    /// For every so many-th chunk, and by how many.
    Chunks(Vec<&'a mut [T]>, u64),
}

impl<'a, T: Element> Memory<'a, T> {
    /// Returns the bytes that there are; a vector has those that were received before.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Slice(values) => size_of_val(&**values) as u64,
            Self::Vec(values) => size_of_val(&values[..]) as u64,
        }
    }

    /// Divides the memory among the streams. A vector is for one stream, and grows behind its first `kept` bytes.
    ///
    /// The array must be one that a memory can have.
    pub(super) fn divide(self, streams: u16, header: &Header, kept: u64) -> Vec<Part<'a, T>> {
        match self {
            Self::Vec(values) => vec![Part::Vec(Landing::resuming(
                values,
                kept as usize,
                header.total as usize,
            ))],
            Self::Slice(values) if streams == 1 => vec![Part::Slice(values)],
            Self::Slice(values) => {
                let mut parts: Vec<_> = (0..streams).map(|_| Vec::new()).collect();
                let chunks = values.chunks_mut(header.chunk_len as usize / size_of::<T>());
                for (index, chunk) in chunks.enumerate() {
                    parts[index % usize::from(streams)].push(chunk);
                }
                let part = |chunks| Part::Chunks(chunks, streams.into());
                parts.into_iter().map(part).collect()
            }
        }
    }
}

impl<T: Element> Part<'_, T> {
    /// Returns the memory of the chunk `index`, which begins at the byte `start` of the array, as far as it is there.
    pub(super) fn chunk(&mut self, index: u64, start: u64, len: u32) -> &mut [u8] {
        let (start, len) = (start as usize, len as usize);
        match self {
            Self::Slice(values) => &mut bytemuck::cast_slice_mut(values)[start..start + len],
            Self::Vec(landing) => {
                let end = landing.received().min(start + len);
                &mut landing.bytes_mut()[start..end]
            }
            Self::Chunks(chunks, streams) => {
                bytemuck::cast_slice_mut(chunks[(index / *streams) as usize])
            }
        }
    }

    /// Forgets what came behind the first `verified` bytes.
    pub(super) fn rewind(&mut self, verified: u64) {
        if let Self::Vec(landing) = self {
            landing.truncate(verified as usize);
        }
    }
}
