//! The wire of the recipe that passes a socket with `sendmsg` and `recvmsg` by hand.
//!
//! ```text
//! sender ── 78 ('x'), and the descriptor ──► receiver
//! sender ◄── 4f 4b ("OK") ─────────────────  receiver
//! ```
//!
//! One descriptor in each message, always answered. The end of the stream is the regular end.
//!
//! ```
//! use std::os::unix::net::UnixStream;
//!
//! use fd_passing::recipe;
//!
//! let (server, worker) = UnixStream::pair()?;
//! let worker = std::thread::spawn(move || recipe::receive(&worker));
//! recipe::send(&server, std::io::stdin(), recipe::TIMEOUT)?;
//! assert!(worker.join().expect("the worker does not panic")?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! After an error either side should close the connection.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags};

use crate::Received;
use crate::deadline::Deadline;
use crate::error::{Error, MessageError};
use crate::socket::{check_connection, receive_some, send_some};

/// How long a sender should wait for the answer: 5 seconds.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends one descriptor and waits for the answer.
///
/// The socket is a Unix stream (or seqpacket) one, blocking or not. `timeout` is for all of it, see [`TIMEOUT`]; the
/// socket's own time-outs do not count. After an error nobody knows whether the descriptor arrived.
///
/// # Errors
///
/// - [`MessageError::NotUnix`], [`MessageError::WrongSocket`]: nothing was sent.
/// - [`MessageError::TimedOut`], [`MessageError::NotAcknowledged`], [`MessageError::Ended`]: no answer, another one, or
///   the end of the stream instead.
/// - [`Error::Io`].
pub fn send(socket: impl AsFd, descriptor: impl AsFd, timeout: Duration) -> Result<(), Error> {
    let socket = socket.as_fd();
    check_connection(socket)?;
    let deadline = Deadline::after(timeout);
    deadline.send(socket, &[MARK], &[descriptor.as_fd()])?;
    let mut answer = [0; OK.len()];
    deadline.read_exact(socket, &mut answer)?;
    check_answer(answer)
}

/// Receives one descriptor and answers; `None` at the end of the stream.
///
/// Reads exactly the byte that carries the descriptor. Waits as the socket does for that, and not at all for the
/// answer, which a sender that has read the earlier ones always has room for.
///
/// # Errors
///
/// The descriptors that came are closed, and nothing is answered.
///
/// - [`MessageError::NotUnix`], [`MessageError::WrongSocket`]: nothing was received.
/// - [`MessageError::WrongCount`], [`MessageError::WrongByte`], [`MessageError::DescriptorsLost`].
/// - [`Error::Io`]; also if the sender is gone before the answer, or has no room for it.
pub fn receive(socket: impl AsFd) -> Result<Option<OwnedFd>, Error> {
    let socket = socket.as_fd();
    check_connection(socket)?;
    let mut byte = [0];
    match receive_some(socket, &mut byte, RecvFlags::empty())? {
        None => Ok(None),
        Some(received) => accept(socket, received, byte).map(Some),
    }
}

/// Checks what came, and answers.
pub(crate) fn accept(
    socket: BorrowedFd<'_>,
    received: Received,
    byte: [u8; 1],
) -> Result<OwnedFd, Error> {
    let descriptor = received.single(byte[0], MARK)?;
    send_some(socket, OK, &[], SendFlags::DONTWAIT)?;
    Ok(descriptor)
}

pub(crate) fn check_answer(answer: [u8; 2]) -> Result<(), Error> {
    match answer
        .iter()
        .zip(OK)
        .find(|(found, expected)| found != expected)
    {
        None => Ok(()),
        Some((&found, &expected)) => Err(MessageError::NotAcknowledged { expected, found }.into()),
    }
}

pub(crate) const MARK: u8 = b'x';
pub(crate) const OK: &[u8; 2] = b"OK";
