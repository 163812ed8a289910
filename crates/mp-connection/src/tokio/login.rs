use std::io::{self, IoSlice};

use ::tokio::time::{Instant, timeout_at};

use super::socket::Socket;
use crate::error::Error;
use crate::handshake::{Generation, Handshake};

/// Carries the bytes of a login, and not one more.
pub(super) async fn log_in(socket: &Socket, mut handshake: Handshake) -> Result<Generation, Error> {
    let mut out = Vec::new();
    let mut buffer = [0; 256];
    loop {
        let now = Instant::now();
        handshake.handle_timeout(now.into_std());
        let deadline = handshake
            .poll_timeout(now.into_std())
            .map(Instant::from_std);
        let written = match handshake.poll_transmit(&mut out) {
            true => until(deadline, write_all(socket, &out)).await,
            false => Ok(()),
        };
        out.clear();
        // That the peer can't be told why it is refused is no news.
        let peer = handshake.poll_event()?;
        match written {
            Err(error) if !is_late(&error) => return Err(error.into()),
            _ => {}
        }
        if let Some(peer) = peer {
            return Ok(peer);
        }
        let room = handshake.wanted();
        match until(deadline, socket.read(&mut buffer[..room])).await {
            Ok(0) => handshake.receive_eof(),
            Ok(read) => {
                handshake.receive(&buffer[..read]);
            }
            Err(error) if is_late(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn write_all(socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = socket.write(&[IoSlice::new(bytes)]).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

async fn until<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match deadline {
        Some(deadline) => (timeout_at(deadline, work).await)
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into())),
        None => work.await,
    }
}

/// The handshake then looks at the clock itself.
fn is_late(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}
