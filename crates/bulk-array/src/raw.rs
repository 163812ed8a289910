//! The elements and nothing else: what `sendall(memoryview(array).cast("B"))` sends. Both ends know the length, the
//! type and the byte order.

use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use crate::element::{Element, dtype_of};
use crate::error::{ArrayError, Error};
use crate::memory::Landing;
use crate::order::{ByteOrder, STEP, Swap};

/// Sends an array, without I/O.
///
/// It holds the elements as anything that lends them: `&[T]`, `Vec<T>`, `Arc<[T]>`. They are sent from where they are; in a
/// byte order that is not the machine's, from a copy of 64 KiB at a time.
///
/// ```
/// use bulk_array::ByteOrder;
/// use bulk_array::raw::Sender;
///
/// let mut sender = Sender::new(&[1_u16, 2], ByteOrder::Big);
/// let mut wire = Vec::new();
/// while let bytes @ [_, ..] = sender.poll_transmit() {
///     wire.push(bytes[0]); // a socket that takes one byte at a time
///     sender.advance(1);
/// }
/// assert_eq!(wire, [0, 1, 0, 2]);
/// ```
#[derive(Debug)]
pub struct Sender<T, B> {
    values: B,
    /// The bytes that are sent.
    sent: usize,
    swap: Swap,
    /// The bytes from `turned_at` on in the other order.
    turned: Vec<u8>,
    turned_at: usize,
    element: PhantomData<T>,
}

impl<T: Element, B: AsRef<[T]>> Sender<T, B> {
    /// Prepares to send `values` in this byte order.
    #[must_use]
    pub fn new(values: B, order: ByteOrder) -> Self {
        Self {
            values,
            sent: 0,
            swap: Swap::new(dtype_of::<T>().component_size(), order),
            turned: Vec::new(),
            turned_at: 0,
            element: PhantomData,
        }
    }

    /// Returns bytes to be sent now, none if all are sent. They are the same until [`advance`](Self::advance).
    pub fn poll_transmit(&mut self) -> &[u8] {
        let bytes = bytemuck::cast_slice(self.values.as_ref());
        let rest = bytes.get(self.sent..).unwrap_or_default();
        if !self.swap.is_needed() {
            return rest;
        }
        if self.sent == self.turned_at + self.turned.len() {
            self.turned.clear();
            self.turned.extend_from_slice(&rest[..rest.len().min(STEP)]);
            self.turned_at = self.sent;
            self.swap.apply(&mut self.turned);
        }
        &self.turned[self.sent - self.turned_at..]
    }

    /// Says that so many of the bytes are sent.
    ///
    /// # Panics
    ///
    /// If [`poll_transmit`](Self::poll_transmit) did not return so many.
    pub fn advance(&mut self, sent: usize) {
        assert!(
            sent <= self.poll_transmit().len(),
            "no more can be sent than there is"
        );
        self.sent += sent;
    }
}

/// Receives a new vector, without I/O.
///
/// ```
/// use bulk_array::ByteOrder;
/// use bulk_array::raw::Receiver;
///
/// let mut receiver = Receiver::<u16>::new(2, ByteOrder::Big)?;
/// assert_eq!(receiver.receive(&[0, 1, 0])?, 3);
/// assert_eq!(receiver.receive(&[2, b'?', b'!'])?, 1); // the rest belongs to what comes next
/// assert_eq!(receiver.finish()?, [1, 2]);
/// # Ok::<(), bulk_array::Error>(())
/// ```
#[derive(Debug)]
pub struct Receiver<T> {
    landing: Landing<T>,
    swap: Swap,
    /// The bytes that are in the machine's order.
    turned: usize,
}

impl<T: Element> Receiver<T> {
    /// Prepares to receive `len` elements in this byte order.
    ///
    /// Memory grows with what arrives: `len` costs nothing by itself.
    ///
    /// # Errors
    ///
    /// [`ArrayError::OutOfMemory`] if no memory could have so many.
    pub fn new(len: usize, order: ByteOrder) -> Result<Self, ArrayError> {
        Self::reusing(Vec::new(), len, order)
    }

    /// As [`new`](Self::new), with the memory of a vector that is not needed any more: to write to memory that has been
    /// used takes half the time.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn reusing(values: Vec<T>, len: usize, order: ByteOrder) -> Result<Self, ArrayError> {
        Ok(Self {
            landing: Landing::new(values, len)?,
            swap: Swap::new(dtype_of::<T>().component_size(), order),
            turned: 0,
        })
    }

    /// Takes bytes that arrived, and returns how many of them belong to the array. They are copied;
    /// [`fill`](Self::fill) does without.
    ///
    /// # Errors
    ///
    /// [`Error::Array`] if there is no memory.
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
    /// ```
    /// # use bulk_array::{ByteOrder, raw::Receiver};
    /// # let socket = std::fs::File::open("/dev/zero")?;
    /// # let mut receiver = Receiver::<f64>::new(100, ByteOrder::NATIVE)?;
    /// receiver.fill(|spare| {
    ///     let (read, _) = rustix::io::read(&socket, spare)?;
    ///     Ok(read)
    /// })?;
    /// # assert!(receiver.is_complete());
    /// # Ok::<(), bulk_array::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `read`, after which receiving can go on; [`Error::Array`] if there is no memory.
    ///
    /// # Panics
    ///
    /// If `read` returns another slice.
    pub fn fill(
        &mut self,
        read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]>,
    ) -> Result<usize, Error> {
        if self.is_complete() {
            return Ok(0);
        }
        let read = self.landing.fill(self.swap.step(), read)?;
        self.turn();
        Ok(read)
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn poll_fill<S: ::tokio::io::AsyncRead>(
        &mut self,
        stream: std::pin::Pin<&mut S>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<usize, Error>> {
        let read = self.landing.poll_fill(self.swap.step(), stream, context);
        if read.is_ready() {
            self.turn();
        }
        read
    }

    /// Whether all elements have been received.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.landing.received() == self.landing.expected()
    }

    /// Returns the elements.
    ///
    /// # Errors
    ///
    /// [`ArrayError::Truncated`] if they have not all been received.
    pub fn finish(self) -> Result<Vec<T>, ArrayError> {
        match self.is_complete() {
            true => Ok(self.into_received()),
            false => Err(self.truncated()),
        }
    }

    /// Returns the elements that have been received so far.
    #[must_use]
    pub fn into_received(self) -> Vec<T> {
        self.landing.into_values()
    }

    pub(crate) fn truncated(&self) -> ArrayError {
        ArrayError::Truncated {
            received: self.landing.received() as u64,
            expected: self.landing.expected() as u64,
        }
    }

    fn turn(&mut self) {
        if self.swap.is_needed() {
            let whole = self.swap.whole(self.landing.received());
            self.swap
                .apply(&mut self.landing.bytes_mut()[self.turned..whole]);
            self.turned = whole;
        }
    }
}

/// Receives into elements that are there.
#[derive(Debug)]
pub(crate) struct SliceReceiver<'a> {
    bytes: &'a mut [u8],
    received: usize,
    swap: Swap,
    turned: usize,
}

impl<'a> SliceReceiver<'a> {
    pub(crate) fn new<T: Element>(values: &'a mut [T], order: ByteOrder) -> Self {
        Self {
            bytes: bytemuck::cast_slice_mut(values),
            received: 0,
            swap: Swap::new(dtype_of::<T>().component_size(), order),
            turned: 0,
        }
    }

    /// Returns where the next bytes go; nowhere if all have been received.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        let rest = &mut self.bytes[self.received..];
        let len = rest.len().min(self.swap.step());
        &mut rest[..len]
    }

    /// Says that the next bytes are where they belong.
    pub(crate) fn advance(&mut self, received: usize) {
        self.received += received;
        let whole = self.swap.whole(self.received);
        self.swap.apply(&mut self.bytes[self.turned..whole]);
        self.turned = whole;
    }

    pub(crate) fn truncated(&self) -> ArrayError {
        ArrayError::Truncated {
            received: self.received as u64,
            expected: self.bytes.len() as u64,
        }
    }
}
