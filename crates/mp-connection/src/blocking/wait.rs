use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use super::connection::Connection;
use super::readiness::{after, poll};

/// Waits until something has come on one of the connections, or one has ended, and returns which: their places in the
/// slice, in its order. None if `timeout` passes first; `None` is for ever. Of no connections none is returned at once.
///
/// What is ready may turn out to be part of a message, so that receiving it waits for the rest.
///
/// # Errors
///
/// What the system says, such as `InvalidInput` for more connections than the process may have open.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
/// use mp_connection::blocking::{Connection, wait};
///
/// let (one, _peer) = UnixStream::pair()?;
/// let (two, peer) = UnixStream::pair()?;
/// let (one, two, peer) = (Connection::from(one), Connection::from(two), Connection::from(peer));
/// assert!(wait(&[&one, &two], Some(Duration::ZERO))?.is_empty());
/// peer.send_bytes(b"hello")?;
/// assert_eq!(wait(&[&one, &two], None)?, [1]);
/// # Ok::<(), mp_connection::Error>(())
/// ```
pub fn wait(connections: &[&Connection], timeout: Option<Duration>) -> io::Result<Vec<usize>> {
    if connections.is_empty() {
        return Ok(Vec::new());
    }
    let sockets = connections.iter().map(|connection| connection.socket());
    let mut sockets: Vec<_> = sockets
        .map(|socket| PollFd::new(socket, PollFlags::IN))
        .collect();
    poll(&mut sockets, after(timeout))?;
    let sockets = sockets.iter().enumerate();
    Ok(sockets
        .filter(|(_, socket)| !socket.revents().is_empty())
        .map(|(place, _)| place)
        .collect())
}
