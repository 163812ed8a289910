use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use super::connection::{Connection, within};

/// Waits until something has come on one of the connections, or one has ended, and returns which: their places in the
/// slice, in its order. None if `timeout` passes first; `None` is for ever. Of no connections none is returned at once.
///
/// What is ready may turn out to be part of a message, so that receiving it waits for the rest. Whenever something
/// happens all connections are looked at: programs with many of them give each a task instead. Cancel safe.
///
/// # Errors
///
/// What the system says.
///
/// # Panics
///
/// If there is a timeout, and the runtime has no timers.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mp_connection::tokio::{Connection, wait};
/// use tokio::net::UnixStream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (one, _peer) = UnixStream::pair()?;
/// let (two, peer) = UnixStream::pair()?;
/// let (one, two, peer) = (Connection::from(one), Connection::from(two), Connection::from(peer));
/// assert!(wait(&[&one, &two], Some(Duration::ZERO)).await?.is_empty());
/// peer.send_bytes(b"hello").await?;
/// assert_eq!(wait(&[&one, &two], None).await?, [1]);
/// # Ok(())
/// # }
/// ```
pub async fn wait(
    connections: &[&Connection],
    timeout: Option<Duration>,
) -> io::Result<Vec<usize>> {
    if connections.is_empty() {
        return Ok(Vec::new());
    }
    let sockets = connections.iter().map(|connection| connection.socket());
    let mut waits: Vec<_> = sockets.map(|socket| Box::pin(socket.readable())).collect();
    let some = poll_fn(|cx| {
        let mut ready = Vec::new();
        for (place, wait) in waits.iter_mut().enumerate() {
            if let Poll::Ready(outcome) = wait.as_mut().poll(cx) {
                outcome?;
                ready.push(place);
            }
        }
        match ready.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(Ok(ready)),
        }
    });
    within(timeout, some).await.map(Option::unwrap_or_default)
}
