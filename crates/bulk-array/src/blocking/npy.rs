//! numpy's format: a header with type, byte order and shape, then the elements.
//!
//! ```
//! use std::os::unix::net::UnixStream;
//!
//! use bulk_array::Limits;
//! use bulk_array::blocking::npy;
//!
//! let (mut here, mut there) = UnixStream::pair()?;
//! npy::send_slice(&mut here, &[1_i32, 2, 3, 4, 5, 6], [2, 3])?;
//! let matrix = npy::recv_vec::<i32>(&mut there, &Limits::default())?;
//! assert_eq!(matrix.shape().dims(), [2, 3]);
//! assert_eq!(matrix.get(&[1, 0]), Some(&4));
//!
//! npy::send_slice(&mut here, &[1_i32, 2], [2])?;
//! let error = npy::recv_vec::<f64>(&mut there, &Limits::default()).unwrap_err();
//! assert_eq!(error.to_string(), "expected an array of f8, the peer announced one of i4");
//! # Ok::<(), bulk_array::Error>(())
//! ```
//!
//! A file is such a stream: `npy::recv_vec::<f64>(&mut File::open("x.npy")?, …)`. Nothing that comes behind an array is read,
//! so several may come one after the other. After an error the stream is of no use but to be closed; a timeout of the
//! socket is such an error.

use std::io::{self, Read, Write};

use super::{fill_slice, raw};
use crate::array::{Array, check_len};
use crate::element::{Element, dtype_of};
use crate::error::Error;
use crate::limits::Limits;
use crate::npy::{Header, HeaderReceiver};
use crate::order::ByteOrder;
use crate::raw::SliceReceiver;
use crate::shape::Shape;
use crate::source::{Reader, Source};

/// Sends the elements as an array of this shape, from where they are and in the machine's byte order, and flushes the
/// stream.
///
/// # Errors
///
/// [`ArrayError::LenMismatch`](crate::ArrayError::LenMismatch) if the shape has another number of elements; those of the stream.
pub fn send_slice<T: Element>(
    stream: &mut impl Write,
    values: &[T],
    shape: impl Into<Shape>,
) -> Result<(), Error> {
    let shape = shape.into();
    check_len(values.len(), &shape)?;
    let header = Header::new(dtype_of::<T>(), ByteOrder::NATIVE, shape);
    stream.write_all(&header.encode())?;
    Ok(raw::send_slice(stream, values, ByteOrder::NATIVE)?)
}

/// Receives an array as a new vector.
///
/// Its memory grows with what arrives, and is not zeroed before. Elements in the other byte order are turned round.
///
/// # Errors
///
/// [`Error::Array`] if this is no array that the limits allow, if it has elements of another type, or if the stream ends
/// before it does; those of the stream.
pub fn recv_vec<T: Element>(stream: &mut impl Source, limits: &Limits) -> Result<Array<T>, Error> {
    let mut values = Vec::new();
    let shape = recv_reusing(stream, &mut values, limits)?;
    Ok(Array::new(values, shape)?)
}

/// Receives an array into a vector, in place of the elements that it has, and returns the shape.
///
/// Memory that the vector has had before is faster than new memory, twice on many machines: keep the vector for the
/// next array.
///
/// # Errors
///
/// As [`recv_vec`]. Once the header has come, the vector has only the elements that came.
pub fn recv_reusing<T: Element>(
    stream: &mut impl Source,
    values: &mut Vec<T>,
    limits: &Limits,
) -> Result<Shape, Error> {
    let header = recv_header(stream, limits)?;
    raw::recv_reusing(stream, values, header.len_of::<T>()?, header.order())?;
    Ok(header.into_shape())
}

/// Receives an array that has as many elements as `values`, and returns the shape.
///
/// # Errors
///
/// As [`recv_vec`]; [`ArrayError::ShapeMismatch`](crate::ArrayError::ShapeMismatch) if the array has more elements, or fewer. Some of `values` may then be
/// overwritten.
pub fn recv_into<T: Element>(
    stream: &mut impl Read,
    values: &mut [T],
    limits: &Limits,
) -> Result<Shape, Error> {
    let header = recv_header(&mut Reader(&mut *stream), limits)?;
    header.check_len::<T>(values.len())?;
    fill_slice(stream, SliceReceiver::new(values, header.order()))?;
    Ok(header.into_shape())
}

/// Receives a header: where the type of the elements shows only then. Go on with [`raw`].
///
/// ```
/// use bulk_array::blocking::{npy, raw};
/// use bulk_array::{Element, Limits};
///
/// # let mut wire = Vec::new();
/// # npy::send_slice(&mut wire, &[1_i32, 2, 3], 3)?;
/// # let stream = &mut &wire[..];
/// let header = npy::recv_header(stream, &Limits::default())?;
/// match header.dtype() {
///     f64::DTYPE => {
///         let values = raw::recv_vec::<f64>(stream, header.len_of::<f64>()?, header.order())?;
///         println!("{}", values.iter().sum::<f64>());
///     }
///     i32::DTYPE => {
///         let values = raw::recv_vec::<i32>(stream, header.len_of::<i32>()?, header.order())?;
///         println!("{}", values.iter().sum::<i32>());
///     }
///     other => println!("no sum of {other}"),
/// }
/// # Ok::<(), bulk_array::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Array`] if this is no array that the limits allow; those of the stream.
pub fn recv_header(stream: &mut impl Source, limits: &Limits) -> Result<Header, Error> {
    let mut receiver = HeaderReceiver::default();
    loop {
        match receiver.fill(limits, |spare| stream.read_spare(spare)) {
            Ok((_, Some(header))) => return Ok(header),
            Ok((0, None)) => return Err(receiver.truncated().into()),
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
