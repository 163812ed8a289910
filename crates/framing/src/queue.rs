use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use bytes::Bytes;

use crate::encoder::{Encoder, Head};
use crate::error::FrameError;

/// Frames on their way out, bounded, of which no payload is copied.
///
/// Payloads are [`Bytes`], so that one message to a thousand peers is in memory once. They leave by
/// vectored writes: [`write_to`](Self::write_to) for a `Write`, [`chunks`](Self::chunks) and
/// [`advance`](Self::advance) for anything else.
///
/// ```
/// use bytes::Bytes;
/// use framing::{Encoder, FrameQueue, Pattern, Prefix};
///
/// let mut queue = FrameQueue::new(Encoder::new(Pattern::Prefix(Prefix::U32Be)));
/// queue.push(Bytes::from_static(b"hello"))?;
/// let mut wire = Vec::new();
/// queue.write_to(&mut wire).unwrap();
/// assert_eq!(wire, b"\0\0\0\x05hello");
/// assert!(queue.is_empty());
/// # Ok::<(), framing::FrameError>(())
/// ```
#[derive(Debug)]
pub struct FrameQueue {
    encoder: Encoder,
    limits: QueueLimits,
    frames: VecDeque<(Head, Bytes)>,
    /// How many bytes of the first frame are written.
    written: usize,
    len: usize,
    congested: bool,
}

/// How much a [`FrameQueue`] holds. Lengths are in bytes on the wire, with prefixes and delimiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// The most bytes. A frame that is longer alone is taken by an empty queue. Default 1 MiB.
    pub max_len: usize,
    /// The most frames, as each costs some 70 bytes of memory besides its payload. Default 16384.
    pub max_frames: usize,
    /// From this many bytes on the queue is congested. Default 256 KiB.
    pub high_water: usize,
    /// Down to this many bytes it stays so. Default 64 KiB.
    pub low_water: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            max_len: 1 << 20,
            max_frames: 16 * 1024,
            high_water: 256 * 1024,
            low_water: 64 * 1024,
        }
    }
}

impl FrameQueue {
    /// Makes a queue with the default limits.
    #[must_use]
    pub fn new(encoder: Encoder) -> Self {
        Self::with_limits(encoder, QueueLimits::default())
    }

    /// Makes a queue with these limits.
    #[must_use]
    pub fn with_limits(encoder: Encoder, limits: QueueLimits) -> Self {
        let frames = VecDeque::new();
        Self {
            encoder,
            limits,
            frames,
            written: 0,
            len: 0,
            congested: false,
        }
    }

    /// Adds a frame.
    ///
    /// # Errors
    ///
    /// [`FrameError::QueueFull`], or what the encoder says against the payload. The queue is then as it was.
    pub fn push(&mut self, payload: Bytes) -> Result<(), FrameError> {
        let head = self.encoder.head(&payload)?;
        let added = head.len() + payload.len() + self.encoder.tail().len();
        if added == 0 {
            return Ok(());
        }
        let full = self.len.saturating_add(added) > self.limits.max_len
            || self.frames.len() >= self.limits.max_frames;
        if full && !self.is_empty() {
            return Err(FrameError::QueueFull {
                added,
                queued: self.len,
                max_len: self.limits.max_len,
                frames: self.frames.len(),
                max_frames: self.limits.max_frames,
            });
        }
        self.frames.push_back((head, payload));
        self.len += added;
        self.congested |= self.len >= self.limits.high_water;
        Ok(())
    }

    /// Writes until the queue is empty or the writer takes no more, in vectored writes of up to 64
    /// pieces.
    ///
    /// # Errors
    ///
    /// What the writer reports, `WouldBlock` included, and `WriteZero` if it takes nothing; interrupted
    /// calls are repeated. What was written before is not written again.
    pub fn write_to(&mut self, writer: &mut impl Write) -> io::Result<()> {
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.chunks(&mut slices);
            match writer.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Fills `slices` with the bytes to write next and returns how many it filled. None is empty.
    pub fn chunks<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = self.encoder.tail();
        let mut written = self.written;
        let mut count = 0;
        for (head, payload) in &self.frames {
            for part in [&head[..], &payload[..], tail] {
                let rest = &part[written.min(part.len())..];
                written -= part.len() - rest.len();
                if rest.is_empty() {
                    continue;
                }
                let Some(slice) = slices.get_mut(count) else {
                    return count;
                };
                *slice = IoSlice::new(rest);
                count += 1;
            }
        }
        count
    }

    /// Takes note that the first `written` bytes of what [`chunks`](Self::chunks) showed are written.
    ///
    /// # Panics
    ///
    /// If there are fewer bytes in the queue.
    pub fn advance(&mut self, written: usize) {
        assert!(
            written <= self.len,
            "{written} bytes written of {}",
            self.len
        );
        self.len -= written;
        self.written += written;
        let tail = self.encoder.tail().len();
        while let Some((head, payload)) = self.frames.front() {
            let frame = head.len() + payload.len() + tail;
            if self.written < frame {
                break;
            }
            self.written -= frame;
            self.frames.pop_front();
        }
        self.congested &= self.len > self.limits.low_water;
    }

    /// How many bytes are to be written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether everything is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the queue rose to the high-water mark and has not come down to the low one since: the
    /// time to read no more from whoever causes the traffic.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.congested
    }
}

/// How many pieces go into one vectored write.
pub(crate) const SLICES: usize = 64;
