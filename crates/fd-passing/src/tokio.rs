//! The same over tokio's sockets (feature `tokio`).
//!
//! The sockets are [`UnixStream`] and [`UnixDatagram`]. A half of a split stream is one with `as_ref()`; a seqpacket
//! socket can be wrapped in a `UnixStream`, which asks for no more than a connected Unix socket.
//!
//! ```
//! use fd_passing::tokio::{receive, send};
//! use tokio::net::UnixStream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (left, right) = UnixStream::pair()?;
//! send(&left, b"x", &[std::io::stdin()]).await?;
//! let mut buffer = [0; 16];
//! let received = receive(&right, &mut buffer).await?.expect("not at its end");
//! assert_eq!((received.len, received.descriptors.len()), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! A socket that arrives does not know of the runtime: give it to `from_std`, and remember
//! [`set_nonblocking`](std::net::TcpStream::set_nonblocking) before. What that sets belongs to the open socket, so it holds
//! for the process that has sent it too.

pub mod python;
pub mod recipe;

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use ::tokio::io::Interest;
use ::tokio::net::{UnixDatagram, UnixStream};
use ::tokio::time::timeout;
use rustix::net::{RecvFlags, SendFlags};

use crate::Received;
use crate::error::{Error, MessageError};
use crate::many::{HEADER_LEN, Incoming, header, messages};
use crate::message::borrow;
use crate::socket::{check, check_connection, receive_some, send_some};

/// A socket that tokio looks after: [`UnixStream`] or [`UnixDatagram`].
pub trait Socket: sealed::Sealed {}

impl Socket for UnixStream {}
impl Socket for UnixDatagram {}

/// Sends bytes and descriptors as one message, see [`send`](crate::send); waits as long as there is no room.
///
/// Cancel safe if the bytes are few, up to some kilobytes: either all was sent, or nothing. More of them may
/// be cut on a stream.
///
/// # Errors
///
/// As [`send`](crate::send), but never `WouldBlock`.
pub async fn send(
    socket: &impl Socket,
    bytes: &[u8],
    descriptors: &[impl AsFd],
) -> Result<(), Error> {
    check(socket.as_fd(), bytes, descriptors.len())?;
    let len = bytes.len();
    let mut sent = send_part(socket, bytes, &borrow(descriptors)).await?;
    while sent < len {
        match send_part(socket, &bytes[sent..], &[]).await {
            Ok(more) => sent += more,
            Err(error) => return Err(Error::Cut { sent, len, error }),
        }
    }
    Ok(())
}

/// Receives bytes, and the descriptors that come with them, see [`receive`](crate::receive); `None` at the
/// end of the stream. Waits as long as there are none.
///
/// Cancel safe: nothing is lost.
///
/// # Errors
///
/// As [`receive`](crate::receive), but never `WouldBlock`.
pub async fn receive(socket: &impl Socket, buffer: &mut [u8]) -> Result<Option<Received>, Error> {
    if buffer.is_empty() {
        return Err(MessageError::NoBytes.into());
    }
    let work = || match receive_some(socket.as_fd(), buffer, RecvFlags::DONTWAIT) {
        // The runtime must see that it would block.
        Err(Error::Io(error)) => Err(error),
        other => Ok(other),
    };
    socket.when_ready(Interest::READABLE, work).await?
}

/// Sends any number of descriptors, see [`send_all`](crate::send_all).
///
/// Not cancel safe: if the future is dropped, close the connection.
///
/// # Errors
///
/// As [`send_all`](crate::send_all).
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn send_all(
    socket: &impl Socket,
    descriptors: &[impl AsFd],
    timeout: Duration,
) -> Result<(), Error> {
    check_connection(socket.as_fd())?;
    let header = header(descriptors.len())?;
    let descriptors = borrow(descriptors);
    within(timeout, async {
        for (bytes, descriptors) in messages(&header, &descriptors) {
            send(socket, bytes, descriptors).await?;
        }
        Ok(())
    })
    .await
}

/// Receives what [`send_all`] has sent, see [`receive_all`](crate::receive_all).
///
/// Not cancel safe once the first message is there: if the future is dropped, close the connection.
///
/// # Errors
///
/// As [`receive_all`](crate::receive_all).
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn receive_all(
    socket: &impl Socket,
    max_count: usize,
    timeout: Duration,
) -> Result<Option<Vec<OwnedFd>>, Error> {
    check_connection(socket.as_fd())?;
    let mut buffer = [0; HEADER_LEN];
    let Some(received) = receive(socket, &mut buffer).await? else {
        return Ok(None);
    };
    let mut incoming = Incoming::new(max_count);
    incoming.receive(&buffer, received)?;
    within(timeout, async {
        while incoming.wanted() > 0 {
            match receive(socket, &mut buffer[..incoming.wanted()]).await? {
                Some(received) => incoming.receive(&buffer, received)?,
                None => return Err(incoming.ended().into()),
            }
        }
        Ok(Some(incoming.descriptors))
    })
    .await
}

async fn send_part(
    socket: &impl Socket,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let work = || {
        Ok(send_some(
            socket.as_fd(),
            bytes,
            descriptors,
            SendFlags::DONTWAIT,
        )?)
    };
    socket.when_ready(Interest::WRITABLE, work).await
}

/// Fills the buffer. Descriptors that come along are closed.
async fn read_exact(socket: &impl Socket, buffer: &mut [u8]) -> Result<(), Error> {
    let mut filled = 0;
    while filled < buffer.len() {
        match receive(socket, &mut buffer[filled..]).await? {
            Some(received) => filled += received.len,
            None => {
                let missing = buffer.len() - filled;
                return Err(MessageError::Ended { missing }.into());
            }
        }
    }
    Ok(())
}

async fn within<T>(
    after: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(after, work)
        .await
        .unwrap_or_else(|_elapsed| Err(MessageError::TimedOut { after }.into()))
}

mod sealed {
    use super::{AsFd, Future, Interest, UnixDatagram, UnixStream, io};

    #[expect(unnameable_types, reason = "nobody else can implement Socket")]
    pub trait Sealed: AsFd {
        /// Does it when the socket is ready, again as long as it would block.
        fn when_ready<R>(
            &self,
            interest: Interest,
            work: impl FnMut() -> io::Result<R>,
        ) -> impl Future<Output = io::Result<R>>;
    }

    impl Sealed for UnixStream {
        fn when_ready<R>(
            &self,
            interest: Interest,
            work: impl FnMut() -> io::Result<R>,
        ) -> impl Future<Output = io::Result<R>> {
            self.async_io(interest, work)
        }
    }

    impl Sealed for UnixDatagram {
        fn when_ready<R>(
            &self,
            interest: Interest,
            work: impl FnMut() -> io::Result<R>,
        ) -> impl Future<Output = io::Result<R>> {
            self.async_io(interest, work)
        }
    }
}
