//! numpy's format: a header with type, byte order and shape, then the elements.
//!
//! Nothing that comes behind an array is read, so several may come one after the other. No call here is cancel safe: if its
//! future is dropped in the middle, or after an error, the stream is of no use but to be closed. For deadlines there is
//! `tokio::time::timeout`.

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{fill_slice, raw};
use crate::array::{Array, check_len};
use crate::element::{Element, dtype_of};
use crate::error::Error;
use crate::limits::Limits;
use crate::npy::{Header, HeaderReceiver};
use crate::order::ByteOrder;
use crate::raw::SliceReceiver;
use crate::shape::Shape;

/// Sends the elements as an array of this shape, from where they are and in the machine's byte order, and flushes the
/// stream.
///
/// # Errors
///
/// [`ArrayError::LenMismatch`](crate::ArrayError::LenMismatch) if the shape has another number of elements; those of the
/// stream.
pub async fn send_slice<T: Element>(
    stream: &mut (impl AsyncWrite + Unpin),
    values: &[T],
    shape: impl Into<Shape>,
) -> Result<(), Error> {
    let shape = shape.into();
    check_len(values.len(), &shape)?;
    let header = Header::new(dtype_of::<T>(), ByteOrder::NATIVE, shape);
    stream.write_all(&header.encode()).await?;
    Ok(raw::send_slice(stream, values, ByteOrder::NATIVE).await?)
}

/// Receives an array as a new vector.
///
/// Its memory grows with what arrives, and is not zeroed before. Elements in the other byte order are turned round.
///
/// # Errors
///
/// [`Error::Array`] if this is no array that the limits allow, if it has elements of another type, or if the stream ends
/// before it does; those of the stream.
pub async fn recv_vec<T: Element>(
    stream: &mut (impl AsyncRead + Unpin),
    limits: &Limits,
) -> Result<Array<T>, Error> {
    let mut values = Vec::new();
    let shape = recv_reusing(stream, &mut values, limits).await?;
    Ok(Array::new(values, shape)?)
}

/// Receives an array into a vector, in place of the elements that it has, and returns the shape.
///
/// Memory that the vector has had before is faster than new memory, twice on many machines: keep the vector for the
/// next array.
///
/// # Errors
///
/// As [`recv_vec`]. Once the header has come, the vector has only the elements that came; none if the future is dropped.
pub async fn recv_reusing<T: Element>(
    stream: &mut (impl AsyncRead + Unpin),
    values: &mut Vec<T>,
    limits: &Limits,
) -> Result<Shape, Error> {
    let header = recv_header(stream, limits).await?;
    raw::recv_reusing(stream, values, header.len_of::<T>()?, header.order()).await?;
    Ok(header.into_shape())
}

/// Receives an array that has as many elements as `values`, and returns the shape.
///
/// # Errors
///
/// As [`recv_vec`]; [`ArrayError::ShapeMismatch`](crate::ArrayError::ShapeMismatch) if the array has more elements, or
/// fewer. Some of `values` may then be overwritten.
pub async fn recv_into<T: Element>(
    stream: &mut (impl AsyncRead + Unpin),
    values: &mut [T],
    limits: &Limits,
) -> Result<Shape, Error> {
    let header = recv_header(stream, limits).await?;
    header.check_len::<T>(values.len())?;
    fill_slice(stream, SliceReceiver::new(values, header.order())).await?;
    Ok(header.into_shape())
}

/// Receives a header: where the type of the elements shows only then. Go on with [`raw`].
///
/// # Errors
///
/// [`Error::Array`] if this is no array that the limits allow; those of the stream.
pub async fn recv_header(
    stream: &mut (impl AsyncRead + Unpin),
    limits: &Limits,
) -> Result<Header, Error> {
    let mut receiver = HeaderReceiver::default();
    let mut buffer = [0; 256];
    loop {
        let wanted = receiver.wanted().min(buffer.len());
        let read = stream.read(&mut buffer[..wanted]).await?;
        if read == 0 {
            return Err(receiver.truncated().into());
        }
        if let Some(header) = receiver.receive(&buffer[..read], limits)? {
            return Ok(header);
        }
    }
}
