//! numpy's format: a header with type, byte order and shape, then the elements. It is that of `.npy` files, and what
//! `numpy.lib.format.write_array` and `read_array` speak on the file of a socket.
//!
//! ```text
//! ┌───────────┬─────────┬────────┬──────────────────────────────────────────────────────────────┬──────────┐
//! │ 93 NUMPY  │ 1 │ 0   │ length │ {'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }⎵⎵\n │ elements │
//! └───────────┴─────────┴────────┴──────────────────────────────────────────────────────────────┴──────────┘
//!  magic       version   u16 (1)   padded so that the elements begin at a multiple of 64 bytes
//!                        u32 (2, 3), little-endian
//! ```
//!
//! What is written is what numpy writes, byte for byte, in version 1 where the header fits. What is read is what any
//! numpy has written: versions 1 to 3, either byte order, either order of the elements, the integers of Python 2 (`10L`).
//! Elements that are no numbers (text, objects, structures) are refused, and so is anything else.

mod header;
mod parse;

use std::io;
use std::mem::{self, MaybeUninit};

use crate::array::{Array, check_len};
use crate::element::{Element, dtype_of};
use crate::error::{ArrayError, Error};
use crate::limits::Limits;
use crate::order::ByteOrder;
use crate::raw;
use crate::shape::Shape;

pub use header::Header;
pub(crate) use header::HeaderReceiver;

/// Sends an array, without I/O.
///
/// It holds the elements as anything that lends them: `&[T]`, `Vec<T>`, `Arc<[T]>`. They are sent from where they are, in the
/// machine's byte order.
///
/// ```
/// use bulk_array::npy::Sender;
///
/// let mut sender = Sender::new(&[1_u16, 2, 3, 4, 5, 6], [2, 3])?;
/// let mut wire = Vec::new();
/// while let bytes @ [_, ..] = sender.poll_transmit() {
///     wire.push(bytes[0]); // a socket that takes one byte at a time
///     sender.advance(1);
/// }
/// assert!(wire.starts_with(b"\x93NUMPY\x01\x00\x76\x00{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }"));
/// assert_eq!(wire.len(), 128 + 12);
/// # Ok::<(), bulk_array::ArrayError>(())
/// ```
#[derive(Debug)]
pub struct Sender<T, B> {
    header: Vec<u8>,
    /// The bytes of the header that are sent.
    sent: usize,
    elements: raw::Sender<T, B>,
}

impl<T: Element, B: AsRef<[T]>> Sender<T, B> {
    /// Prepares to send `values` as an array of this shape.
    ///
    /// # Errors
    ///
    /// [`ArrayError::LenMismatch`] if the shape has another number of elements.
    pub fn new(values: B, shape: impl Into<Shape>) -> Result<Self, ArrayError> {
        let shape = shape.into();
        check_len(values.as_ref().len(), &shape)?;
        Ok(Self {
            header: Header::new(dtype_of::<T>(), ByteOrder::NATIVE, shape).encode(),
            sent: 0,
            elements: raw::Sender::new(values, ByteOrder::NATIVE),
        })
    }

    /// Returns bytes to be sent now, none if all are sent. They are the same until [`advance`](Self::advance).
    pub fn poll_transmit(&mut self) -> &[u8] {
        match &self.header[self.sent..] {
            [] => self.elements.poll_transmit(),
            rest => rest,
        }
    }

    /// Says that so many of the bytes are sent.
    ///
    /// # Panics
    ///
    /// If [`poll_transmit`](Self::poll_transmit) did not return so many.
    pub fn advance(&mut self, sent: usize) {
        match self.header.len() - self.sent {
            0 => self.elements.advance(sent),
            rest => {
                assert!(sent <= rest, "no more can be sent than there is");
                self.sent += sent;
            }
        }
    }
}

/// Receives an array, without I/O.
///
/// ```
/// use bulk_array::Limits;
/// use bulk_array::npy::{Header, Receiver};
/// # use bulk_array::{ByteOrder, Element};
///
/// # let mut wire = Header::new(u16::DTYPE, ByteOrder::Little, [2, 1]).encode();
/// # wire.extend([1, 0, 2, 0]);
/// let mut receiver = Receiver::<u16>::new(&Limits::default());
/// for piece in wire.chunks(7) {
///     assert_eq!(receiver.receive(piece)?, piece.len());
/// }
/// let array = receiver.finish()?;
/// assert_eq!(array.shape().dims(), [2, 1]);
/// assert_eq!(array.values(), [1, 2]);
/// # Ok::<(), bulk_array::Error>(())
/// ```
#[derive(Debug)]
pub struct Receiver<T> {
    limits: Limits,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    /// With memory for the elements.
    Header(HeaderReceiver, Vec<T>),
    Elements(Shape, raw::Receiver<T>),
    Failed(ArrayError),
}

impl<T: Element> Receiver<T> {
    /// Prepares to receive an array.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self::reusing(Vec::new(), limits)
    }

    /// As [`new`](Self::new), with the memory of a vector that is not needed any more: to write to memory that has been
    /// used takes half the time.
    #[must_use]
    pub fn reusing(values: Vec<T>, limits: &Limits) -> Self {
        Self {
            limits: *limits,
            state: State::Header(HeaderReceiver::default(), values),
        }
    }

    /// Takes bytes that arrived, and returns how many of them belong to the array. They are copied;
    /// [`fill`](Self::fill) does without.
    ///
    /// # Errors
    ///
    /// [`Error::Array`] if this is no array, or another one than it should be. It is the same then for ever.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_complete() {
            self.fill(|spare| crate::Source::read_spare(&mut rest, spare))?;
        }
        Ok(bytes.len() - rest.len())
    }

    /// Lends memory to `read`, which writes to the beginning of it and returns that beginning. Returns how many bytes that
    /// were; zero if all have been received, or if `read` says so, which is the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of `read`, after which receiving can go on; [`Error::Array`] as [`receive`](Self::receive).
    ///
    /// # Panics
    ///
    /// If `read` returns another slice.
    pub fn fill(
        &mut self,
        read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]>,
    ) -> Result<usize, Error> {
        let result = self.step(read);
        if let Err(Error::Array(error)) = &result {
            self.state = State::Failed(error.clone());
        }
        result
    }

    /// Whether the whole array has been received.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match &self.state {
            State::Elements(_, elements) => elements.is_complete(),
            _ => false,
        }
    }

    /// Returns the array.
    ///
    /// # Errors
    ///
    /// [`ArrayError::HeaderTruncated`] or [`ArrayError::Truncated`] if it has not been received to its end; what
    /// [`receive`](Self::receive) has failed with.
    pub fn finish(self) -> Result<Array<T>, ArrayError> {
        match self.state {
            State::Header(header, _) => Err(header.truncated()),
            State::Elements(shape, elements) => Array::new(elements.finish()?, shape),
            State::Failed(error) => Err(error),
        }
    }

    fn step(
        &mut self,
        read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]>,
    ) -> Result<usize, Error> {
        match &mut self.state {
            State::Header(header, values) => {
                let (received, header) = header.fill(&self.limits, read)?;
                if let Some(header) = header {
                    let elements = header.elements(mem::take(values))?;
                    self.state = State::Elements(header.into_shape(), elements);
                }
                Ok(received)
            }
            State::Elements(_, elements) => elements.fill(read),
            State::Failed(error) => Err(error.clone().into()),
        }
    }
}
