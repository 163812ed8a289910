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
        match self {
            Self::U8 => 0xff,
            Self::U16Be | Self::U16Le => 0xffff,
            Self::U24Be | Self::U24Le => 0xff_ffff,
            Self::U32Be | Self::U32Le => 0xffff_ffff,
            Self::U64Be | Self::U64Le | Self::Varint | Self::Multiprocessing => u64::MAX,
        }
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
        match self {
            Self::U8 => 1,
            Self::U16Be | Self::U16Le => 2,
            Self::U24Be | Self::U24Le => 3,
            Self::U32Be | Self::U32Le => 4,
            Self::U64Be | Self::U64Le => 8,
            Self::Varint => data.len() + 1,
            Self::Multiprocessing if data.starts_with(&LONG_FORM) => 12,
            Self::Multiprocessing => 4,
        }
    }

    /// Writes the header of a frame of `len` bytes; `len` is at most [`Prefix::max_len`].
    ///
    /// `put` gets arrays, so that the copy has a constant size where this is inlined.
    #[inline]
    pub(crate) fn write(self, len: u64, mut put: impl FnMut(&[u8])) {
        let be = len.to_be_bytes();
        let le = len.to_le_bytes();
        match self {
            Self::U32Be => put(&[be[4], be[5], be[6], be[7]]),
            Self::U32Le => put(&[le[0], le[1], le[2], le[3]]),
            Self::U8 => put(&[le[0]]),
            Self::U16Be => put(&[be[6], be[7]]),
            Self::U16Le => put(&[le[0], le[1]]),
            Self::U24Be => put(&[be[5], be[6], be[7]]),
            Self::U24Le => put(&[le[0], le[1], le[2]]),
            Self::U64Be => put(&be),
            Self::U64Le => put(&le),
            Self::Varint => {
                let mut rest = len;
                while rest >= 0x80 {
                    put(&[rest.to_le_bytes()[0] | 0x80]);
                    rest >>= 7;
                }
                put(&[rest.to_le_bytes()[0]]);
            }
            Self::Multiprocessing if len <= 0x7fff_ffff => put(&[be[4], be[5], be[6], be[7]]),
            Self::Multiprocessing => {
                put(&LONG_FORM);
                put(&be);
            }
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

/// -1, which says that a `u64` follows.
const LONG_FORM: [u8; 4] = [0xff; 4];
