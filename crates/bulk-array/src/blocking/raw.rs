//! The elements and nothing else: both ends know the length, the type and the byte order.
//!
//! ```
//! use std::os::unix::net::UnixStream;
//!
//! use bulk_array::ByteOrder;
//! use bulk_array::blocking::raw;
//!
//! let (mut here, mut there) = UnixStream::pair()?;
//! raw::send_slice(&mut here, &[0.0, 1.0, 2.0], ByteOrder::Little)?;
//! assert_eq!(raw::recv_vec::<f64>(&mut there, 3, ByteOrder::Little)?, [0.0, 1.0, 2.0]);
//! # Ok::<(), bulk_array::Error>(())
//! ```
//!
//! Nothing that comes behind an array is read. After an error the stream is of no use but to be closed; a timeout of the
//! socket is such an error.

use std::io::{self, Read, Write};
use std::mem;

use super::{fill_slice, fill_vec, write_rest};
use crate::element::Element;
use crate::error::Error;
use crate::order::ByteOrder;
use crate::raw::{Receiver, Sender, SliceReceiver};
use crate::source::Source;

/// Sends the elements, from where they are, and flushes the stream.
///
/// # Errors
///
/// Those of the stream.
pub fn send_slice<T: Element>(
    stream: &mut impl Write,
    values: &[T],
    order: ByteOrder,
) -> io::Result<()> {
    let mut sender = Sender::new(values, order);
    while let bytes @ [_, ..] = sender.poll_transmit() {
        let written = write_rest(stream, bytes)?;
        sender.advance(written);
    }
    stream.flush()
}

/// Receives as many elements as `values` has.
///
/// # Errors
///
/// [`ArrayError::Truncated`](crate::ArrayError::Truncated) if the stream ends before, and those of the stream. Some of
/// `values` may then be overwritten.
pub fn recv_into<T: Element>(
    stream: &mut impl Read,
    values: &mut [T],
    order: ByteOrder,
) -> Result<(), Error> {
    fill_slice(stream, SliceReceiver::new(values, order))
}

/// Receives a new vector of `len` elements.
///
/// Its memory grows with what arrives, and is not zeroed before.
///
/// # Errors
///
/// [`ArrayError::Truncated`](crate::ArrayError::Truncated) if the stream ends before,
/// [`ArrayError::OutOfMemory`](crate::ArrayError::OutOfMemory), and those of the stream.
pub fn recv_vec<T: Element>(
    stream: &mut impl Source,
    len: usize,
    order: ByteOrder,
) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    recv_reusing(stream, &mut values, len, order)?;
    Ok(values)
}

/// Receives `len` elements into a vector, in place of those that it has.
///
/// Memory that the vector has had before is faster than new memory, twice on many machines: keep the vector for the
/// next array.
///
/// # Errors
///
/// As [`recv_vec`]. The vector then has the elements that came.
pub fn recv_reusing<T: Element>(
    stream: &mut impl Source,
    values: &mut Vec<T>,
    len: usize,
    order: ByteOrder,
) -> Result<(), Error> {
    let mut receiver = Receiver::reusing(mem::take(values), len, order)?;
    let result = fill_vec(stream, &mut receiver);
    *values = receiver.into_received();
    result
}
