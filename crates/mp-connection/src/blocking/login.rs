use std::io::{self, IoSlice};
use std::time::Instant;

use super::socket::Socket;
use crate::error::Error;
use crate::handshake::{Generation, Handshake};

/// Carries the bytes of a login.
pub(crate) fn log_in(socket: &Socket, mut handshake: Handshake) -> Result<Generation, Error> {
    let mut out = Vec::new();
    let mut buffer = [0; 256];
    loop {
        let now = Instant::now();
        handshake.handle_timeout(now);
        let deadline = handshake.poll_timeout(now);
        let written = match handshake.poll_transmit(&mut out) {
            true => socket.write_all(&mut [IoSlice::new(&out)], deadline, &mut 0),
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
        match socket.read(&mut buffer[..room], deadline) {
            Ok(0) => handshake.receive_eof(),
            Ok(read) => {
                handshake.receive(&buffer[..read]);
            }
            Err(error) if is_late(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The handshake then looks at the clock itself.
fn is_late(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}
