//! The elements and nothing else: both ends know the length, the type and the byte order.
//!
//! Nothing that comes behind an array is read. No call here is cancel safe: if its future is dropped in the middle, or
//! after an error, the stream is of no use but to be closed. For deadlines there is `tokio::time::timeout`.

use std::io;
use std::mem;

use ::tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{fill_slice, fill_vec};
use crate::element::Element;
use crate::error::Error;
use crate::order::ByteOrder;
use crate::raw::{Receiver, Sender, SliceReceiver};

/// Sends the elements, from where they are, and flushes the stream.
///
/// # Errors
///
/// Those of the stream.
pub async fn send_slice<T: Element>(
    stream: &mut (impl AsyncWrite + Unpin),
    values: &[T],
    order: ByteOrder,
) -> io::Result<()> {
    let mut sender = Sender::new(values, order);
    while let bytes @ [_, ..] = sender.poll_transmit() {
        match stream.write(bytes).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => sender.advance(written),
        }
    }
    stream.flush().await
}

/// Receives as many elements as `values` has.
///
/// # Errors
///
/// [`ArrayError::Truncated`](crate::ArrayError::Truncated) if the stream ends before, and those of the stream. Some of
/// `values` may then be overwritten.
pub async fn recv_into<T: Element>(
    stream: &mut (impl AsyncRead + Unpin),
    values: &mut [T],
    order: ByteOrder,
) -> Result<(), Error> {
    fill_slice(stream, SliceReceiver::new(values, order)).await
}

/// Receives a new vector of `len` elements.
///
/// Its memory grows with what arrives, and is not zeroed before.
///
/// # Errors
///
/// [`ArrayError::Truncated`](crate::ArrayError::Truncated) if the stream ends before,
/// [`ArrayError::OutOfMemory`](crate::ArrayError::OutOfMemory), and those of the stream.
pub async fn recv_vec<T: Element>(
    stream: &mut (impl AsyncRead + Unpin),
    len: usize,
    order: ByteOrder,
) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    recv_reusing(stream, &mut values, len, order).await?;
    Ok(values)
}

/// Receives `len` elements into a vector, in place of those that it has.
///
/// Memory that the vector has had before is faster than new memory, twice on many machines: keep the vector for the
/// next array.
///
/// # Errors
///
/// As [`recv_vec`]. The vector then has the elements that came; if the future is dropped, it is empty.
pub async fn recv_reusing<T: Element>(
    stream: &mut (impl AsyncRead + Unpin),
    values: &mut Vec<T>,
    len: usize,
    order: ByteOrder,
) -> Result<(), Error> {
    let mut receiver = Receiver::reusing(mem::take(values), len, order)?;
    let result = fill_vec(stream, &mut receiver).await;
    *values = receiver.into_received();
    result
}
