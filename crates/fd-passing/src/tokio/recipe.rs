//! The wire of the recipe, see [`crate::recipe`].

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::error::Error;
pub use crate::recipe::TIMEOUT;
use crate::recipe::{MARK, OK, accept, check_answer};
use crate::socket::check_connection;
use crate::tokio::{Socket, read_exact, within};

/// Sends one descriptor and waits for the answer, see [`send`](crate::recipe::send).
///
/// Not cancel safe: if the future is dropped, close the connection.
///
/// # Errors
///
/// As [`send`](crate::recipe::send).
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn send(
    socket: &impl Socket,
    descriptor: impl AsFd,
    timeout: Duration,
) -> Result<(), Error> {
    check_connection(socket.as_fd())?;
    within(timeout, async {
        super::send(socket, &[MARK], &[descriptor]).await?;
        let mut answer = [0; OK.len()];
        read_exact(socket, &mut answer).await?;
        check_answer(answer)
    })
    .await
}

/// Receives one descriptor and answers, see [`receive`](crate::recipe::receive); `None` at the end of the stream.
///
/// Cancel safe: nothing is lost.
///
/// # Errors
///
/// As [`receive`](crate::recipe::receive).
pub async fn receive(socket: &impl Socket) -> Result<Option<OwnedFd>, Error> {
    check_connection(socket.as_fd())?;
    let mut byte = [0];
    match super::receive(socket, &mut byte).await? {
        None => Ok(None),
        Some(received) => accept(socket.as_fd(), received, byte).map(Some),
    }
}
