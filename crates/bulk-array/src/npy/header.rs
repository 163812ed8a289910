use std::io;
use std::mem::MaybeUninit;

use super::parse::Parser;
use crate::dtype::Dtype;
use crate::element::{Element, dtype_of};
use crate::error::{ArrayError, Error};
use crate::limits::Limits;
use crate::order::ByteOrder;
use crate::raw;
use crate::shape::{Order, Shape};

/// What numpy writes before the elements.
///
/// ```
/// use bulk_array::npy::Header;
/// use bulk_array::{ByteOrder, Element, Limits, Shape};
///
/// let header = Header::new(f64::DTYPE, ByteOrder::Little, Shape::fortran([3, 4]));
/// let bytes = header.encode();
/// assert_eq!(bytes.len() % 64, 0);
/// assert_eq!(Header::decode(&bytes[..50], &Limits::default())?, None); // more is needed
/// assert_eq!(Header::decode(&bytes, &Limits::default())?, Some((header, bytes.len())));
/// # Ok::<(), bulk_array::ArrayError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    dtype: Dtype,
    order: ByteOrder,
    shape: Shape,
}

impl Header {
    /// Describes an array.
    #[must_use]
    pub fn new(dtype: Dtype, order: ByteOrder, shape: impl Into<Shape>) -> Self {
        Self {
            dtype,
            order,
            shape: shape.into(),
        }
    }

    /// Reads a header from the beginning of `bytes`, and returns it with its length, which is where the elements begin;
    /// `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// As soon as the bytes that there are can't be the beginning of a header that numpy would write and that the limits
    /// allow: [`ArrayError::NotNpy`], [`ArrayError::UnknownVersion`], [`ArrayError::HeaderTooLong`]; when there is all of it:
    /// [`ArrayError::InvalidHeader`], [`ArrayError::UnknownDtype`], [`ArrayError::TooManyDims`], [`ArrayError::TooLarge`].
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, ArrayError> {
        let Some(prefix) = Prefix::read(bytes)? else {
            return Ok(None);
        };
        if prefix.len > limits.max_header_len as u64 {
            return Err(ArrayError::HeaderTooLong {
                len: prefix.len,
                max_header_len: limits.max_header_len,
            });
        }
        // It is at most the limit, which is a `usize`.
        let end = prefix.size + prefix.len as usize;
        let Some(header) = bytes.get(..end) else {
            return Ok(None);
        };
        let (dtype, order, shape) =
            Parser::new(header, prefix.size, prefix.major, limits).header()?;
        let bytes = shape
            .len()
            .and_then(|len| len.checked_mul(dtype.item_size() as u64));
        if bytes.is_none_or(|bytes| bytes > limits.max_bytes) {
            return Err(ArrayError::TooLarge {
                shape,
                dtype,
                max_bytes: limits.max_bytes,
            });
        }
        Ok(Some((Self::new(dtype, order, shape), end)))
    }

    /// Returns the header's bytes, as numpy writes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let order = match (self.dtype.item_size(), self.order) {
            (1, _) => '|',
            (_, ByteOrder::Little) => '<',
            (_, ByteOrder::Big) => '>',
        };
        let (fortran, growing) = match self.shape.order() {
            Order::C => ("False", self.shape.dims().first()),
            Order::Fortran => ("True", self.shape.dims().last()),
        };
        let (dtype, dims) = (self.dtype, self.shape.tuple());
        let text =
            format!("{{'descr': '{order}{dtype}', 'fortran_order': {fortran}, 'shape': {dims}, }}");
        // numpy leaves room for the dimension that can grow in place.
        let room = growing.map_or(0, |dim| GROWING_DIGITS - dim.to_string().len());
        let text_len = text.len() + room;
        let padded = |size: usize| {
            let unpadded = size + text_len + 1;
            unpadded + ALIGNMENT - unpadded % ALIGNMENT
        };
        let mut bytes = MAGIC.to_vec();
        let end = match u16::try_from(padded(10) - 10) {
            Ok(len) => {
                bytes.extend([1, 0]);
                bytes.extend(len.to_le_bytes());
                padded(10)
            }
            Err(_) => {
                bytes.extend([2, 0]);
                bytes.extend(((padded(12) - 12) as u32).to_le_bytes());
                padded(12)
            }
        };
        bytes.extend(text.as_bytes());
        bytes.resize(end - 1, b' ');
        bytes.push(b'\n');
        bytes
    }

    /// Returns the type of the elements.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Returns the byte order of the elements; that of single bytes has no meaning.
    #[must_use]
    pub fn order(&self) -> ByteOrder {
        self.order
    }

    /// Returns the shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns the shape.
    #[must_use]
    pub fn into_shape(self) -> Shape {
        self.shape
    }

    /// Returns the number of elements, if they are of type `T`; bools are `u8` as well.
    ///
    /// # Errors
    ///
    /// [`ArrayError::DtypeMismatch`] if they are not; [`ArrayError::OutOfMemory`] if no memory could have so many.
    pub fn len_of<T: Element>(&self) -> Result<usize, ArrayError> {
        let (expected, found) = (dtype_of::<T>(), self.dtype);
        if !expected.accepts(found) {
            return Err(ArrayError::DtypeMismatch { expected, found });
        }
        let len = self.shape.len().and_then(|len| usize::try_from(len).ok());
        len.ok_or(ArrayError::OutOfMemory { bytes: u64::MAX })
    }

    /// Checks that there are `len` elements of type `T`.
    pub(crate) fn check_len<T: Element>(&self, len: usize) -> Result<(), ArrayError> {
        match self.len_of::<T>()? == len {
            true => Ok(()),
            false => Err(ArrayError::ShapeMismatch {
                expected: len as u64,
                found: self.shape.clone(),
            }),
        }
    }

    /// Begins to receive the elements.
    pub(crate) fn elements<T: Element>(
        &self,
        memory: Vec<T>,
    ) -> Result<raw::Receiver<T>, ArrayError> {
        raw::Receiver::reusing(memory, self.len_of::<T>()?, self.order)
    }
}

/// Receives a header, and nothing that comes behind it.
#[derive(Debug, Default)]
pub(crate) struct HeaderReceiver {
    bytes: Vec<u8>,
}

impl HeaderReceiver {
    /// Takes bytes of the header, not more than are [wanted](Self::wanted).
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Option<Header>, ArrayError> {
        self.bytes.extend_from_slice(bytes);
        Ok(Header::decode(&self.bytes, limits)?.map(|(header, _)| header))
    }

    /// Lends memory to `read`, and returns how many bytes that brought, and the header if it is complete.
    pub(crate) fn fill(
        &mut self,
        limits: &Limits,
        read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]>,
    ) -> Result<(usize, Option<Header>), Error> {
        let mut memory = [MaybeUninit::uninit(); STEP];
        let wanted = self.wanted().min(STEP);
        let read = read(&mut memory[..wanted])?;
        assert!(
            read.len() <= wanted,
            "a reader must return the beginning of the memory that it was lent"
        );
        Ok((read.len(), self.receive(read, limits)?))
    }

    /// Returns how many bytes more are the header's for certain, at least one.
    pub(crate) fn wanted(&self) -> usize {
        (self.known_len() - self.bytes.len() as u64) as usize
    }

    /// Says that no more will come.
    pub(crate) fn truncated(&self) -> ArrayError {
        ArrayError::HeaderTruncated {
            received: self.bytes.len() as u64,
            expected: self.known_len(),
        }
    }

    /// Returns the length of the header as far as it is known: at least that of its beginning.
    fn known_len(&self) -> u64 {
        match Prefix::read(&self.bytes) {
            Ok(Some(prefix)) => prefix.size as u64 + prefix.len,
            _ if self.bytes.get(6).is_some_and(|&major| major > 1) => 12,
            _ => 10,
        }
    }
}

/// What stands before the text of a header.
struct Prefix {
    major: u8,
    /// Its own length.
    size: usize,
    /// That of the text.
    len: u64,
}

impl Prefix {
    fn read(bytes: &[u8]) -> Result<Option<Self>, ArrayError> {
        let Some((magic, rest)) = bytes.split_at_checked(MAGIC.len()) else {
            return Ok(None);
        };
        if magic != MAGIC {
            return Err(ArrayError::NotNpy {
                found: magic.into(),
            });
        }
        match *rest {
            [major @ 1, 0, a, b, ..] => Ok(Some(Self {
                major,
                size: 10,
                len: u16::from_le_bytes([a, b]).into(),
            })),
            [major @ (2 | 3), 0, a, b, c, d, ..] => Ok(Some(Self {
                major,
                size: 12,
                len: u32::from_le_bytes([a, b, c, d]).into(),
            })),
            [] | [_] | [1..=3, 0, ..] => Ok(None),
            [major, minor, ..] => Err(ArrayError::UnknownVersion { major, minor }),
        }
    }
}

const MAGIC: &[u8] = b"\x93NUMPY";
/// The elements begin at a multiple of so many bytes.
const ALIGNMENT: usize = 64;
/// The digits that numpy leaves room for in the dimension that can grow.
const GROWING_DIGITS: usize = 21;
/// The most bytes of a header that are read at a time.
const STEP: usize = 256;
