//! An array in chunks, each with a checksum: see [`chunked`](crate::chunked) for what it gives, and for its wire.
//!
//! ```
//! use std::os::unix::net::UnixStream;
//!
//! use bulk_array::Limits;
//! use bulk_array::blocking::chunked;
//!
//! let (mut here, mut there) = UnixStream::pair()?;
//! let sender = std::thread::spawn(move || chunked::send_slice(&mut here, &[0.5, 1.5, 2.5, 3.5], [2, 2]));
//! let array = chunked::recv_vec::<f64>(&mut there, &Limits::default())?;
//! assert_eq!(array.get(&[1, 0]), Some(&2.5));
//! sender.join().expect("the sender does not panic")?;
//! # Ok::<(), bulk_array::Error>(())
//! ```
//!
//! Nothing behind a transfer is read. After an error the stream is of no use but to be closed.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::ops::{ControlFlow, Deref};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::array::Array;
use crate::chunked::{Offer, Progress, Sender, Transfer};
use crate::element::Element;
use crate::error::Error;
use crate::limits::Limits;
use crate::shape::Shape;
use crate::source::{Reader, Source};

/// A stream for both directions whose reads and writes can be made to give up.
///
/// Without that, a peer that says nothing would hold the thread for ever. Sockets must be in blocking mode. Other streams
/// go into a [`Reader`], and have the timeouts that they have themselves.
#[diagnostic::on_unimplemented(
    note = "wrap other streams that are `Read + Write`: `&mut bulk_array::Reader(stream)`"
)]
pub trait Connection: Read + Write + Source {
    /// Makes later reads and writes fail as [`io::ErrorKind::TimedOut`] or [`io::ErrorKind::WouldBlock`] if they can
    /// move no byte for so long. It stays so when the transfer is over.
    ///
    /// # Errors
    ///
    /// What the system says; that a timeout of zero is none.
    fn set_timeouts(&self, timeout: Option<Duration>) -> io::Result<()>;
}

macro_rules! connections {
    ($($type:ty,)*) => {
        $(impl Connection for $type {
            fn set_timeouts(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(timeout)?;
                self.set_write_timeout(timeout)
            }
        })*
    };
}

connections! {
    TcpStream,
    &TcpStream,
}

#[cfg(unix)]
connections! {
    UnixStream,
    &UnixStream,
}

impl<S: Read + Write> Connection for Reader<S> {
    /// Does nothing.
    fn set_timeouts(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

/// Answers one request for an offered array.
///
/// `progress` is called after every write, and says whether to go on. To serve a receiver that comes back, call it again with
/// the next connection; several at the same time can share the offer.
///
/// # Errors
///
/// [`ArrayError::Chunked`](crate::ArrayError::Chunked): the request is none, or for another array; the peer takes
/// nothing for [too long](Offer::with_stall_timeout); `progress` said to stop. [`Error::Io`].
pub fn send<T: Element, D: Deref<Target = [T]>>(
    stream: &mut impl Connection,
    offer: &Offer<D>,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<(), Error> {
    stream.set_timeouts(offer.stall_timeout())?;
    let mut sender = offer.sender();
    let result = answer(stream, &mut sender, progress);
    let result = result.and_then(|()| Ok(stream.flush()?));
    result.map_err(|error| patient(error, offer.stall_timeout(), sender.progress()))
}

/// Receives one stream of a transfer, from its first chunk that is not verified on.
///
/// `progress` is called after every read, and says whether to go on. After an error, call it again with another
/// connection; what is verified stays so. With several streams, each has a thread of its own.
///
/// # Errors
///
/// [`Error::Array`]: the sender offers another array than the memory is for, or than before; what comes is damaged or cut;
/// it sends nothing for [too long](Transfer::with_stall_timeout); `progress` said to stop. [`Error::Io`].
pub fn recv<T: Element>(
    stream: &mut impl Connection,
    transfer: &Transfer<'_, T>,
    number: u16,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut receiver = transfer.receiver(number)?;
    stream.set_timeouts(transfer.stall_timeout())?;
    let mut run = || {
        while let bytes @ [_, ..] = receiver.poll_transmit() {
            let written = super::write_rest(stream, bytes)?;
            receiver.advance(written);
        }
        stream.flush()?;
        while !receiver.is_complete() {
            match receiver.fill(stream) {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            if receiver.has_header() && progress(receiver.progress()).is_break() {
                return Err(receiver.progress().stopped());
            }
        }
        Ok(())
    };
    run().map_err(|error| patient(error, transfer.stall_timeout(), transfer.progress()))
}

/// Waits for a request and answers it with `values`.
///
/// # Errors
///
/// As [`send`]; [`ArrayError::LenMismatch`](crate::ArrayError::LenMismatch) if the shape has another number of elements.
pub fn send_slice<T: Element>(
    stream: &mut impl Connection,
    values: &[T],
    shape: impl Into<Shape>,
) -> Result<(), Error> {
    send(stream, &Offer::new(values, shape)?, go_on)
}

/// Asks for an array, which must have as many elements as `values`.
///
/// # Errors
///
/// As [`recv`].
pub fn recv_into<T: Element>(stream: &mut impl Connection, values: &mut [T]) -> Result<(), Error> {
    recv(stream, &Transfer::slice(values), 0, go_on)
}

/// Asks for an array and returns it. Memory grows with what arrives.
///
/// # Errors
///
/// As [`recv`]; [`ArrayError::TooLarge`](crate::ArrayError::TooLarge).
pub fn recv_vec<T: Element>(
    stream: &mut impl Connection,
    limits: &Limits,
) -> Result<Array<T>, Error> {
    let transfer = Transfer::vec(Vec::new(), limits);
    recv(stream, &transfer, 0, go_on)?;
    Ok(transfer.into_array()?)
}

fn answer(
    stream: &mut impl Connection,
    sender: &mut Sender<'_>,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut request = [0; 64];
    while let wanted @ 1.. = sender.wanted() {
        match stream.read(&mut request[..wanted]) {
            Ok(0) => sender.receive_eof()?,
            Ok(read) => drop(sender.receive(&request[..read])?),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    while !sender.is_complete() {
        let bytes = match sender.poll_transmit_both() {
            Ok(bytes) => bytes.map(IoSlice::new),
            Err(error) => {
                // The peer shall see the header that tells it why.
                stream.flush()?;
                return Err(error.into());
            }
        };
        match stream.write_vectored(&bytes) {
            Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
            Ok(written) => sender.advance(written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        if progress(sender.progress()).is_break() {
            return Err(sender.progress().stopped());
        }
    }
    Ok(())
}

/// Tells what it means that the system's patience is over.
fn patient(error: Error, timeout: Option<Duration>, progress: Progress) -> Error {
    match (error, timeout) {
        (Error::Io(error), Some(timeout))
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ) =>
        {
            progress.stalled(timeout)
        }
        (error, _) => error,
    }
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
