//! The wires over tokio's `AsyncRead` and `AsyncWrite` (feature `tokio`).

use std::future::poll_fn;
use std::pin::Pin;

use ::tokio::io::{AsyncRead, AsyncReadExt};

use crate::element::Element;
use crate::error::Error;
use crate::raw::{Receiver, SliceReceiver};

pub mod chunked;
pub mod npy;
pub mod raw;

async fn fill_vec<T: Element>(
    stream: &mut (impl AsyncRead + Unpin),
    receiver: &mut Receiver<T>,
) -> Result<(), Error> {
    while !receiver.is_complete() {
        let read = poll_fn(|context| receiver.poll_fill(Pin::new(stream), context));
        if read.await? == 0 {
            return Err(receiver.truncated().into());
        }
    }
    Ok(())
}

async fn fill_slice(
    stream: &mut (impl AsyncRead + Unpin),
    mut receiver: SliceReceiver<'_>,
) -> Result<(), Error> {
    while let spare @ [_, ..] = receiver.spare() {
        match stream.read(spare).await? {
            0 => return Err(receiver.truncated().into()),
            read => receiver.advance(read),
        }
    }
    Ok(())
}
