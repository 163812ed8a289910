//! An array in chunks, each with a checksum: see [`chunked`](crate::chunked) for what it gives, and for its wire.
//!
//! Nothing behind a transfer is read. No call here is cancel safe in the sense that the stream could be used again: if its
//! future is dropped, or after an error, close the stream. What a [`Transfer`] has verified stays so.
//!
//! The runtime must have its timers enabled.

use std::future::poll_fn;
use std::io;
use std::ops::{ControlFlow, Deref};
use std::pin::Pin;
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::array::Array;
use crate::chunked::{Offer, Progress, Sender, Transfer};
use crate::element::Element;
use crate::error::Error;
use crate::limits::Limits;
use crate::shape::Shape;

/// Answers one request for an offered array.
///
/// `progress` is called after every write, and says whether to go on. To serve a receiver that comes back, call it again with
/// the next connection; several at the same time can share the offer.
///
/// # Errors
///
/// [`ArrayError::Chunked`](crate::ArrayError::Chunked): the request is none, or for another array; the peer takes
/// nothing for [too long](Offer::with_stall_timeout); `progress` said to stop. [`Error::Io`].
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn send<T: Element, D: Deref<Target = [T]>>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    offer: &Offer<D>,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut sender = offer.sender();
    answer(stream, &mut sender, offer.stall_timeout(), progress).await
}

/// Receives one stream of a transfer, from its first chunk that is not verified on.
///
/// `progress` is called after every read, and says whether to go on. After an error, call it again with another
/// connection; what is verified stays so. Several streams of a transfer can be received by one task (`join!`), or, if
/// the memory is `'static`, by several.
///
/// # Errors
///
/// [`Error::Array`]: the sender offers another array than the memory is for, or than before; what comes is damaged or cut;
/// it sends nothing for [too long](Transfer::with_stall_timeout); `progress` said to stop. [`Error::Io`].
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn recv<T: Element>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    transfer: &Transfer<'_, T>,
    number: u16,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut receiver = transfer.receiver(number)?;
    let timeout = transfer.stall_timeout();
    while let bytes @ [_, ..] = receiver.poll_transmit() {
        let write = async { written(stream.write(bytes).await?) };
        let written = patient(timeout, transfer.progress(), write).await?;
        receiver.advance(written);
    }
    let flush = async { Ok(stream.flush().await?) };
    patient(timeout, transfer.progress(), flush).await?;
    while !receiver.is_complete() {
        let before = transfer.progress();
        let read = poll_fn(|context| receiver.poll_fill(Pin::new(stream), context));
        patient(timeout, before, read).await?;
        if receiver.has_header() && progress(receiver.progress()).is_break() {
            return Err(receiver.progress().stopped());
        }
    }
    Ok(())
}

/// Waits for a request and answers it with `values`.
///
/// # Errors
///
/// As [`send`]; [`ArrayError::LenMismatch`](crate::ArrayError::LenMismatch) if the shape has another number of elements.
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn send_slice<T: Element>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    values: &[T],
    shape: impl Into<Shape>,
) -> Result<(), Error> {
    send(stream, &Offer::new(values, shape)?, go_on).await
}

/// Asks for an array, which must have as many elements as `values`.
///
/// # Errors
///
/// As [`recv`].
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn recv_into<T: Element>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    values: &mut [T],
) -> Result<(), Error> {
    recv(stream, &Transfer::slice(values), 0, go_on).await
}

/// Asks for an array and returns it. Memory grows with what arrives.
///
/// # Errors
///
/// As [`recv`]; [`ArrayError::TooLarge`](crate::ArrayError::TooLarge).
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn recv_vec<T: Element>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    limits: &Limits,
) -> Result<Array<T>, Error> {
    let transfer = Transfer::vec(Vec::new(), limits);
    recv(stream, &transfer, 0, go_on).await?;
    Ok(transfer.into_array()?)
}

async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    sender: &mut Sender<'_>,
    timeout: Option<Duration>,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut request = [0; 64];
    while let wanted @ 1.. = sender.wanted() {
        let read = async { Ok(stream.read(&mut request[..wanted]).await?) };
        match patient(timeout, sender.progress(), read).await? {
            0 => sender.receive_eof()?,
            read => drop(sender.receive(&request[..read])?),
        }
    }
    let refused = loop {
        if sender.is_complete() {
            break None;
        }
        let bytes = match sender.poll_transmit() {
            Ok(bytes) => bytes,
            Err(error) => break Some(error),
        };
        let write = async { written(stream.write(bytes).await?) };
        let written = patient(timeout, sender.progress(), write).await?;
        sender.advance(written);
        if progress(sender.progress()).is_break() {
            return Err(sender.progress().stopped());
        }
    };
    // When it is refused, too: the peer shall see the header that tells it why.
    let flush = async { Ok(stream.flush().await?) };
    patient(timeout, sender.progress(), flush).await?;
    refused.map_or(Ok(()), |error| Err(error.into()))
}

fn written(written: usize) -> Result<usize, Error> {
    match written {
        0 => Err(Error::Io(io::ErrorKind::WriteZero.into())),
        written => Ok(written),
    }
}

async fn patient<T>(
    timeout: Option<Duration>,
    progress: Progress,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match timeout {
        None => work.await,
        Some(timeout) => match ::tokio::time::timeout(timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(progress.stalled(timeout)),
        },
    }
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
