use std::fmt;
use std::sync::Arc;

use crate::FrameError;

/// How a stream is cut into frames.
///
/// The front page of the crate draws each of them byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One frame: everything until the stream ends. A stream that ends without a byte has none.
    ToEnd,
    /// Every frame has this many bytes and nothing else around it.
    ///
    /// `Fixed(0)` gives one empty frame and then nothing, so that a body announced as empty can be
    /// read like any other; what follows is kept for [`set_pattern`](crate::Decoder::set_pattern).
    Fixed(usize),
    /// Every frame ends with `\n`. One `\r` in front of it is taken off; written is `\n` alone.
    ///
    /// A last line without `\n` is delivered when the stream ends, as it is.
    Lines,
    /// Every frame ends with this byte string. A rest without it, when the stream ends, is the error
    /// [`FrameError::Unterminated`].
    Delimiter(Delimiter),
    /// Every frame is preceded by its length.
    Prefix(Prefix),
    /// A message comes in blocks, each preceded by its length as `u32` big-endian; a block of length
    /// zero ends the message. The decoder joins the blocks.
    ///
    /// Written is one block and the end. To send a message block by block, write each block as a
    /// [`Prefix::U32Be`] frame and then an empty one: the bytes are the same.
    Blocks,
}

/// How a length is written in front of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// One byte: frames up to 255 bytes.
    U8,
    /// Two bytes, big-endian: frames up to 64 KiB - 1.
    U16Be,
    /// Two bytes, little-endian: frames up to 64 KiB - 1.
    U16Le,
    /// Three bytes, big-endian: frames up to 16 MiB - 1.
    U24Be,
    /// Three bytes, little-endian: frames up to 16 MiB - 1.
    U24Le,
    /// Four bytes, big-endian (network order): frames up to 4 GiB - 1.
    U32Be,
    /// Four bytes, little-endian: frames up to 4 GiB - 1.
    U32Le,
    /// Eight bytes, big-endian.
    U64Be,
    /// Eight bytes, little-endian.
    U64Le,
    /// Unsigned LEB128: seven bits a byte, lowest first, the high bit set on all bytes but the last.
    ///
    /// At most ten bytes, and only the shortest spelling of a length is accepted.
    Varint,
    /// What Python's `multiprocessing.connection` writes: `i32` big-endian, or -1 followed by `u64`
    /// big-endian for lengths above 2³¹ - 1. On reading the long form is accepted for any length;
    /// other negative numbers are [`FrameError::NegativeLength`].
    Multiprocessing,
}

impl Prefix {
    /// The largest length that can be written.
    pub(crate) fn max_len(self) -> u64 {
        match self.width() {
            Some(width) => u64::MAX >> (64 - 8 * width.bytes),
            None => u64::MAX,
        }
    }

    /// Of the plain integers, how they are written.
    pub(crate) fn width(self) -> Option<Width> {
        let (bytes, shift) = match self {
            Self::U8 => (1, Some(56)),
            Self::U16Be => (2, Some(48)),
            Self::U16Le => (2, None),
            Self::U24Be => (3, Some(40)),
            Self::U24Le => (3, None),
            Self::U32Be => (4, Some(32)),
            Self::U32Le => (4, None),
            Self::U64Be => (8, Some(0)),
            Self::U64Le => (8, None),
            Self::Varint | Self::Multiprocessing => return None,
        };
        Some(Width { bytes, shift })
    }

    /// Reads a header from the front of `data`: its own length and the length it announces, or `None`
    /// if there is less than a whole header.
    #[inline]
    pub(crate) fn read(self, data: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
        let header = match self {
            Self::U32Be => data
                .first_chunk()
                .map(|b| (4, u32::from_be_bytes(*b).into())),
            Self::U32Le => data
                .first_chunk()
                .map(|b| (4, u32::from_le_bytes(*b).into())),
            Self::U8 => data.first().map(|b| (1, u64::from(*b))),
            Self::U16Be => data
                .first_chunk()
                .map(|b| (2, u16::from_be_bytes(*b).into())),
            Self::U16Le => data
                .first_chunk()
                .map(|b| (2, u16::from_le_bytes(*b).into())),
            Self::U24Be => data
                .first_chunk()
                .map(|&[a, b, c]| (3, u32::from_be_bytes([0, a, b, c]).into())),
            Self::U24Le => data
                .first_chunk()
                .map(|&[a, b, c]| (3, u32::from_le_bytes([a, b, c, 0]).into())),
            Self::U64Be => data.first_chunk().map(|b| (8, u64::from_be_bytes(*b))),
            Self::U64Le => data.first_chunk().map(|b| (8, u64::from_le_bytes(*b))),
            Self::Varint => return read_varint(data),
            Self::Multiprocessing => return read_multiprocessing(data),
        };
        Ok(header)
    }

    /// How many bytes the header has that begins with `data`, as far as can be told.
    pub(crate) fn header_len(self, data: &[u8]) -> usize {
        match self.width() {
            Some(width) => width.bytes,
            None if self == Self::Varint => data.len() + 1,
            None if data.starts_with(&LONG_FORM) => 12,
            None => 4,
        }
    }

    /// The header of a frame of `len` bytes, at most [`Prefix::max_len`]: the first bytes of an array, and
    /// how many they are.
    pub(crate) fn write(self, len: u64) -> ([u8; MAX_HEAD], usize) {
        let mut head = [0; MAX_HEAD];
        if let Some(width) = self.width() {
            head[..8].copy_from_slice(&width.word(len));
            (head, width.bytes)
        } else if self == Self::Varint {
            let mut rest = len;
            let mut at = 0;
            while rest >= 0x80 {
                head[at] = rest.to_le_bytes()[0] | 0x80;
                rest >>= 7;
                at += 1;
            }
            head[at] = rest.to_le_bytes()[0];
            (head, at + 1)
        } else if len <= 0x7fff_ffff {
            Self::U32Be.write(len)
        } else {
            head[..4].copy_from_slice(&LONG_FORM);
            head[4..].copy_from_slice(&len.to_be_bytes());
            (head, 12)
        }
    }
}

/// How a plain integer is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    pub(crate) bytes: usize,
    /// By how much a big-endian integer is moved to the front of a word; none for little-endian.
    shift: Option<u32>,
}

impl Width {
    /// The integer, in the first `bytes` bytes of a word.
    #[inline]
    pub(crate) fn word(self, len: u64) -> [u8; 8] {
        match self.shift {
            Some(shift) => len.wrapping_shl(shift).to_be_bytes(),
            None => len.to_le_bytes(),
        }
    }
}

/// The byte string that ends a frame: 1 to 64 bytes. Cloning it shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Delimiter(Arc<[u8]>);

impl Delimiter {
    /// Takes a byte string as a delimiter, or returns `None` if it is empty or longer than 64 bytes.
    ///
    /// ```
    /// use framing::Delimiter;
    ///
    /// assert!(Delimiter::new(b"\r\n").is_some());
    /// assert!(Delimiter::new(b"").is_none());
    /// ```
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=64).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// The delimiter's bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    pub(crate) fn last_byte(&self) -> u8 {
        self.0[self.0.len() - 1]
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delimiter(\"{}\")", self.0.escape_ascii())
    }
}

fn read_varint(data: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
    let mut value = 0_u64;
    for (index, &byte) in data.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit, and a last byte of zero adds nothing.
        if index == 9 && byte > 1 || index > 0 && byte == 0 {
            return Err(FrameError::OverlongVarint);
        }
        value |= bits << (7 * index);
        if byte < 0x80 {
            return Ok(Some((index + 1, value)));
        }
    }
    Ok(None)
}

fn read_multiprocessing(data: &[u8]) -> Result<Option<(usize, u64)>, FrameError> {
    let Some((short, rest)) = data.split_first_chunk() else {
        return Ok(None);
    };
    match i32::from_be_bytes(*short) {
        -1 => Ok(rest.first_chunk().map(|b| (12, u64::from_be_bytes(*b)))),
        length => match u64::try_from(length) {
            Ok(length) => Ok(Some((4, length))),
            Err(_) => Err(FrameError::NegativeLength { length }),
        },
    }
}

/// The longest header: the long form of [`Prefix::Multiprocessing`].
pub(crate) const MAX_HEAD: usize = 12;

/// -1, which says that a `u64` follows.
const LONG_FORM: [u8; 4] = [0xff; 4];
