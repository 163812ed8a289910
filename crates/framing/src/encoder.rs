use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use memchr::memchr;

use crate::error::{Direction, FrameError};
use crate::limits::Limits;
use crate::pattern::{MAX_HEAD, Pattern, Prefix, Width};

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
    /// Of a plain integer prefix, which is the quick way.
    width: Option<Width>,
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
        let (writable, width) = match &pattern {
            Pattern::Prefix(prefix) => (prefix.max_len(), prefix.width()),
            Pattern::Blocks => (Prefix::U32Be.max_len(), None),
            _ => (u64::MAX, None),
        };
        Self {
            pattern,
            max_len: writable.min(max_frame_len as u64),
            width,
        }
    }

    /// Appends a frame to `out`.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLong`], [`FrameError::DelimiterInside`] or [`FrameError::WrongLength`]; `out` is
    /// then as it was.
    #[inline(always)]
    pub fn encode(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        let Some((word, bytes)) = self.word(payload.len()) else {
            return self.encode_any(payload, out);
        };
        out.reserve(word.len() + payload.len());
        let start = out.len();
        // A whole word and back: a copy of constant size is one store, no call.
        out.extend_from_slice(&word);
        out.truncate(start + bytes);
        out.extend_from_slice(payload);
        Ok(())
    }

    /// Returns the frame of `payload`, to be shared: what goes to many is encoded once.
    ///
    /// ```
    /// use framing::{Encoder, Pattern};
    ///
    /// let frame = Encoder::new(Pattern::Lines).frame(b"hello")?;
    /// assert_eq!(frame, "hello\n");
    /// # Ok::<(), framing::FrameError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn frame(&self, payload: &[u8]) -> Result<Bytes, FrameError> {
        let mut frame = Vec::new();
        self.encode(payload, &mut frame)?;
        Ok(frame.into())
    }

    /// Returns what stands in front of `payload` in its frame, for a vectored write of head, payload and
    /// [`tail`](Self::tail). For a payload that has no line end or delimiter in it, the cost does not
    /// depend on its length, except that it is searched for one.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn head(&self, payload: &[u8]) -> Result<Head, FrameError> {
        let len = payload.len() as u64;
        if len > self.max_len {
            return Err(self.too_long(len));
        }
        let (bytes, len) = match &self.pattern {
            Pattern::Prefix(prefix) => prefix.write(len),
            // A block of length zero would end the message.
            Pattern::Blocks if len > 0 => Prefix::U32Be.write(len),
            _ => {
                self.check_content(payload)?;
                ([0; MAX_HEAD], 0)
            }
        };
        Ok(Head { bytes, len })
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

    #[cfg(feature = "codec")]
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    fn encode_any(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        let head = self.head(payload)?;
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
        out.extend_from_slice(self.tail());
        Ok(())
    }

    /// The header for a payload of `len` bytes, where it is a plain integer and the length is allowed.
    #[inline]
    pub(crate) fn word(&self, len: usize) -> Option<([u8; 8], usize)> {
        let width = self.width?;
        (len as u64 <= self.max_len).then(|| (width.word(len as u64), width.bytes))
    }

    /// Checks what depends on more than the length's limit.
    fn check_content(&self, payload: &[u8]) -> Result<(), FrameError> {
        let inside = match &self.pattern {
            Pattern::Fixed(expected) if payload.len() != *expected => {
                let (expected, given) = (*expected, payload.len());
                return Err(FrameError::WrongLength { expected, given });
            }
            // A reader would take a last `\r` for a part of the line's end.
            Pattern::Lines => memchr(b'\n', payload)
                .or_else(|| payload.ends_with(b"\r").then(|| payload.len() - 1)),
            Pattern::Delimiter(delimiter) => find_early(delimiter.as_bytes(), payload),
            _ => None,
        };
        match inside {
            Some(at) => Err(FrameError::DelimiterInside { at }),
            None => Ok(()),
        }
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
    len: usize,
}

impl Deref for Head {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
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
