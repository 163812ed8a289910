//! The wire of Python's `multiprocessing.reduction`, see [`crate::python`].

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::error::Error;
pub use crate::python::{Acknowledge, TIMEOUT};
use crate::python::{ONE, accept, check_answer};
use crate::socket::check_connection;
use crate::tokio::{Socket, read_exact, receive, send, within};

/// Sends one descriptor and waits for the acknowledgement if there is to be one, see
/// [`send_handle`](crate::python::send_handle).
///
/// Not cancel safe: if the future is dropped, close the connection.
///
/// # Errors
///
/// As [`send_handle`](crate::python::send_handle).
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn send_handle(
    socket: &impl Socket,
    descriptor: impl AsFd,
    acknowledge: Acknowledge,
    timeout: Duration,
) -> Result<(), Error> {
    check_connection(socket.as_fd())?;
    within(timeout, async {
        send(socket, &[ONE], &[descriptor]).await?;
        match acknowledge {
            Acknowledge::Never => Ok(()),
            Acknowledge::Always => {
                let mut answer = [0];
                read_exact(socket, &mut answer).await?;
                check_answer(answer)
            }
        }
    })
    .await
}

/// Receives one descriptor and acknowledges it if it is to be, see
/// [`receive_handle`](crate::python::receive_handle); `None` at the end of the stream.
///
/// Cancel safe: nothing is lost.
///
/// # Errors
///
/// As [`receive_handle`](crate::python::receive_handle).
pub async fn receive_handle(
    socket: &impl Socket,
    acknowledge: Acknowledge,
) -> Result<Option<OwnedFd>, Error> {
    check_connection(socket.as_fd())?;
    let mut byte = [0];
    match receive(socket, &mut byte).await? {
        None => Ok(None),
        Some(received) => accept(socket.as_fd(), received, byte, acknowledge).map(Some),
    }
}
