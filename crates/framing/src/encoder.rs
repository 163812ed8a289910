use std::fmt;
use std::ops::Deref;

use memchr::memchr;

use crate::error::{Direction, FrameError};
use crate::limits::Limits;
use crate::pattern::{Pattern, Prefix};

/// Writes payloads as frames.
///
/// ```
/// use framing::{Encoder, Pattern, Prefix};
///
/// let encoder = Encoder::new(Pattern::Prefix(Prefix::U32Be));
/// let mut out = Vec::new();
/// encoder.encode(b"hello", &mut out)?;
/// assert_eq!(out, b"\0\0\0\x05hello");
/// # Ok::<(), framing::FrameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Encoder {
    pattern: Pattern,
    /// The longest payload: what is allowed and what the header has room for.
    max_len: u64,
}

impl Encoder {
    /// Makes an encoder for frames as long as [`Limits::for_pattern`] says.
    #[must_use]
    pub fn new(pattern: Pattern) -> Self {
        let max_frame_len = Limits::for_pattern(&pattern).max_frame_len;
        Self::with_max_frame_len(pattern, max_frame_len)
    }

    /// Makes an encoder for payloads up to `max_frame_len` bytes, or as many as the prefix can say.
    #[must_use]
    pub fn with_max_frame_len(pattern: Pattern, max_frame_len: usize) -> Self {
        let writable = match &pattern {
            Pattern::Prefix(prefix) => prefix.max_len(),
            Pattern::Blocks => Prefix::U32Be.max_len(),
            _ => u64::MAX,
        };
        Self {
            pattern,
            max_len: writable.min(max_frame_len as u64),
        }
    }

    /// Appends a frame to `out`.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLong`], [`FrameError::DelimiterInside`] or [`FrameError::WrongLength`]; `out` is
    /// then as it was.
    #[inline]
    pub fn encode(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if let Pattern::Prefix(prefix) = &self.pattern {
            self.check_len(payload)?;
            out.reserve(payload.len() + MAX_HEAD);
            prefix.write(payload.len() as u64, |bytes| out.extend_from_slice(bytes));
            out.extend_from_slice(payload);
            return Ok(());
        }
        let head = self.head(payload)?;
        let tail = self.tail();
        out.reserve(head.len() + payload.len() + tail.len());
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
        out.extend_from_slice(tail);
        Ok(())
    }

    /// Returns what stands in front of `payload` in its frame, for a vectored write of head, payload and
    /// [`tail`](Self::tail). For a payload that has no line end or delimiter in it, the cost does not
    /// depend on its length, except that it is searched for one.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn head(&self, payload: &[u8]) -> Result<Head, FrameError> {
        self.check_len(payload)?;
        let mut head = Head {
            bytes: [0; MAX_HEAD],
            len: 0,
        };
        let len = payload.len() as u64;
        match &self.pattern {
            Pattern::Prefix(prefix) => prefix.write(len, |bytes| head.push(bytes)),
            // A block of length zero would end the message.
            Pattern::Blocks if payload.is_empty() => {}
            Pattern::Blocks => Prefix::U32Be.write(len, |bytes| head.push(bytes)),
            Pattern::ToEnd => {}
            Pattern::Fixed(expected) => {
                if payload.len() != *expected {
                    let (expected, given) = (*expected, payload.len());
                    return Err(FrameError::WrongLength { expected, given });
                }
            }
            Pattern::Lines => {
                if let Some(at) = memchr(b'\n', payload) {
                    return Err(FrameError::DelimiterInside { at });
                }
                // The reader would take it for a part of the line's end.
                if let Some((b'\r', rest)) = payload.split_last() {
                    return Err(FrameError::DelimiterInside { at: rest.len() });
                }
            }
            Pattern::Delimiter(delimiter) => {
                if let Some(at) = find_early(delimiter.as_bytes(), payload) {
                    return Err(FrameError::DelimiterInside { at });
                }
            }
        }
        Ok(head)
    }

    /// What stands behind every payload: the delimiter, or the empty block, or nothing.
    #[must_use]
    pub fn tail(&self) -> &[u8] {
        match &self.pattern {
            Pattern::Lines => b"\n",
            Pattern::Delimiter(delimiter) => delimiter.as_bytes(),
            Pattern::Blocks => &[0; 4],
            Pattern::ToEnd | Pattern::Fixed(_) | Pattern::Prefix(_) => &[],
        }
    }

    #[inline]
    fn check_len(&self, payload: &[u8]) -> Result<(), FrameError> {
        if payload.len() as u64 > self.max_len {
            return Err(self.too_long(payload.len() as u64));
        }
        Ok(())
    }

    #[cold]
    fn too_long(&self, declared: u64) -> FrameError {
        let limit = self.max_len;
        FrameError::TooLong {
            declared,
            limit,
            direction: Direction::Send,
            looks_like: None,
        }
    }
}

/// What stands in front of a payload: a few bytes, kept without an allocation.
#[derive(Clone, Copy)]
pub struct Head {
    bytes: [u8; MAX_HEAD],
    len: u8,
}

impl Head {
    fn push(&mut self, bytes: &[u8]) {
        let len = usize::from(self.len);
        self.bytes[len..len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }
}

impl Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head(\"{}\")", self.escape_ascii())
    }
}

/// Where a reader would find the delimiter before the end of `payload` and delimiter.
fn find_early(delimiter: &[u8], payload: &[u8]) -> Option<usize> {
    let first = delimiter[0];
    let mut from = 0;
    while let Some(index) = memchr(first, &payload[from..]) {
        let at = from + index;
        let inside = payload.len() - at;
        let matches = match delimiter.split_at_checked(inside) {
            // It would begin in the payload and end in the delimiter behind it.
            Some((before, behind)) => payload[at..] == *before && delimiter.starts_with(behind),
            None => payload[at..].starts_with(delimiter),
        };
        if matches {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The long form of [`Prefix::Multiprocessing`].
const MAX_HEAD: usize = 12;
