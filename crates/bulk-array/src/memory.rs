//! Bytes from a stream become numbers where they land. The only unsafe code of the crate.
#![allow(unsafe_code, reason = "vectors fill without being zeroed before")]

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::slice;

use bytemuck::Pod;

use crate::error::{ArrayError, Error};

/// A vector whose elements arrive as bytes.
///
/// It has memory for a half, a quarter … of what is expected, at least for what arrived, and doubles it when it is full:
/// so a peer that announces much and sends little costs little, and nothing is asked for that will not be used. Large
/// vectors grow by moving pages, not bytes.
pub(crate) struct Landing<T> {
    /// Has no elements before all is over: what is lent to readers may come back uninitialised.
    values: Vec<T>,
    /// The bytes that have been written, from the start of the vector's memory on.
    received: usize,
    /// The bytes that shall be.
    expected: usize,
}

impl<T: Pod> Landing<T> {
    /// `values` is only memory.
    pub(crate) fn new(mut values: Vec<T>, len: usize) -> Result<Self, ArrayError> {
        values.clear();
        let expected = len.checked_mul(size_of::<T>());
        Ok(Self {
            values,
            received: 0,
            expected: expected.ok_or(ArrayError::OutOfMemory { bytes: u64::MAX })?,
        })
    }

    /// As `new`, but `values` begins with `received` of the `expected` bytes.
    pub(crate) fn resuming(mut values: Vec<T>, received: usize, expected: usize) -> Self {
        assert!(
            received <= expected && received <= size_of_val(&values[..]),
            "what was received is there"
        );
        values.clear();
        Self {
            values,
            received,
            expected,
        }
    }

    /// Forgets what was received behind the first `received` bytes.
    pub(crate) fn truncate(&mut self, received: usize) {
        self.received = self.received.min(received);
    }

    pub(crate) fn received(&self) -> usize {
        self.received
    }

    pub(crate) fn expected(&self) -> usize {
        self.expected
    }

    /// Lends memory for at most `max` bytes to `read`, and returns how many it wrote to the start of it. There is some
    /// unless all has been received.
    pub(crate) fn fill(
        &mut self,
        max: usize,
        read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]>,
    ) -> Result<usize, Error> {
        let spare = self.spare(max)?;
        let (start, room) = (spare.as_ptr().cast::<u8>(), spare.len());
        let written = read(spare)?;
        let (written_at, written) = (written.as_ptr(), written.len());
        self.advance(written_at, written, start, room);
        Ok(written)
    }

    /// As `fill`, from a stream of tokio's.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll_fill<S: ::tokio::io::AsyncRead>(
        &mut self,
        max: usize,
        stream: std::pin::Pin<&mut S>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<usize, Error>> {
        let spare = self.spare(max)?;
        let (start, room) = (spare.as_ptr().cast::<u8>(), spare.len());
        let mut buffer = ::tokio::io::ReadBuf::uninit(spare);
        std::task::ready!(stream.poll_read(context, &mut buffer))?;
        let (written_at, written) = (buffer.filled().as_ptr(), buffer.filled().len());
        self.advance(written_at, written, start, room);
        std::task::Poll::Ready(Ok(written))
    }

    /// Returns what was received.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the vector's memory begins with so many bytes that have been written. They are borrowed as the vector is.
        unsafe { slice::from_raw_parts_mut(self.values.as_mut_ptr().cast(), self.received) }
    }

    /// Returns the elements of which all bytes were received.
    pub(crate) fn into_values(mut self) -> Vec<T> {
        let len = self.received / size_of::<T>();
        // SAFETY: so many elements fit into the memory and all of their bytes have been written; any bytes are a `T`.
        unsafe { self.values.set_len(len) };
        self.values
    }

    /// Returns the memory behind what was received, `max` bytes of it at most.
    fn spare(&mut self, max: usize) -> Result<&mut [MaybeUninit<u8>], ArrayError> {
        let mut room = self.values.capacity().saturating_mul(size_of::<T>());
        if self.received == room && room < self.expected {
            self.grow()?;
            room = self.values.capacity().saturating_mul(size_of::<T>());
        }
        let end = room
            .min(self.expected)
            .min(self.received.saturating_add(max));
        let memory = self.values.spare_capacity_mut();
        // SAFETY: the same memory, borrowed for as long, as bytes that may be anything.
        let memory =
            unsafe { slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), size_of_val(memory)) };
        Ok(&mut memory[self.received..end])
    }

    fn grow(&mut self) -> Result<(), ArrayError> {
        let mut room = self.expected;
        while room > FIRST && room / 2 > self.received {
            room = room.div_ceil(2);
        }
        // The elements received do not count as such yet, and would not be moved.
        let len = self.received / size_of::<T>();
        let wanted = room.div_ceil(size_of::<T>());
        // SAFETY: as in `into_values`.
        unsafe { self.values.set_len(len) };
        let grown = self.values.try_reserve_exact(wanted - len);
        self.values.clear();
        grown.map_err(|_| ArrayError::OutOfMemory { bytes: room as u64 })
    }

    /// Counts what a reader says to have written to the memory of `room` bytes at `start`, which it was lent.
    fn advance(&mut self, written_at: *const u8, written: usize, start: *const u8, room: usize) {
        assert!(
            written == 0 || (written_at == start && written <= room),
            "a reader must return the beginning of the memory that it was lent"
        );
        self.received += written;
    }
}

impl<T> fmt::Debug for Landing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Landing")
            .field("received", &self.received)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// Writes zeros to `spare`, which then is initialised.
pub(crate) fn zeroed(spare: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    spare.fill(MaybeUninit::new(0));
    // SAFETY: every byte has just been written.
    unsafe { assume_init(spare) }
}

/// Copies `bytes` to the beginning of `spare`, as many as fit, and returns the copy.
pub(crate) fn copied<'a>(spare: &'a mut [MaybeUninit<u8>], bytes: &[u8]) -> &'a mut [u8] {
    let len = spare.len().min(bytes.len());
    let (spare, bytes) = (&mut spare[..len], &bytes[..len]);
    // SAFETY: initialised bytes are a valid value of bytes that need not be.
    let source = unsafe { slice::from_raw_parts(bytes.as_ptr().cast::<MaybeUninit<u8>>(), len) };
    spare.copy_from_slice(source);
    // SAFETY: every byte has just been written.
    unsafe { assume_init(spare) }
}

/// # Safety
///
/// Every byte has been written.
unsafe fn assume_init(bytes: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    // SAFETY: the same memory, borrowed for as long; the caller knows that it is initialised.
    unsafe { slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) }
}

/// The bytes that a vector has room for at first, if not less are expected: few enough to be given to anybody.
const FIRST: usize = 1024 * 1024;
