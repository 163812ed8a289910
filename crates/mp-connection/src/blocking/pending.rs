use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};

use super::connection::Connection;
use super::socket::Socket;
use crate::auth::{Auth, fresh_nonce};
use crate::error::Error;
use crate::handshake::{Generation, Handshake};

/// A peer that is logging in. Nothing here waits.
#[derive(Debug)]
pub(crate) struct Pending {
    socket: Socket,
    peer_addr: Option<SocketAddr>,
    handshake: Handshake,
    out: Vec<u8>,
    proved: Option<Generation>,
}

impl Pending {
    pub(crate) fn new(connection: Connection, auth: &Auth) -> io::Result<Self> {
        let nonce = fresh_nonce()?;
        Ok(Self {
            peer_addr: connection.peer_addr(),
            socket: connection.into_socket(),
            handshake: Handshake::listener(auth, nonce),
            out: Vec::new(),
            proved: None,
        })
    }

    /// Takes what has come, says what is to be said, and returns `true` once the peer has proved itself and knows.
    ///
    /// What came in time counts, even if it is looked at too late.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<bool, Error> {
        loop {
            let is_flushed = self.flush();
            // That the peer can't be told why it is refused is no news.
            if let Some(peer) = self.handshake.poll_event()? {
                self.proved = Some(peer);
            }
            let is_flushed = is_flushed?;
            if is_flushed && self.proved.is_some() {
                return Ok(true);
            }
            if !is_flushed || !self.receive()? {
                break;
            }
        }
        self.handshake.handle_timeout(now);
        self.handshake.poll_event()?;
        Ok(false)
    }

    /// Reads what there is, and says whether there was something.
    fn receive(&mut self) -> Result<bool, Error> {
        let mut buffer = [0; 256];
        let wanted = self.handshake.wanted();
        match self.socket.read_now(&mut buffer[..wanted]) {
            Ok(0) => self.handshake.receive_eof(),
            Ok(read) => {
                self.handshake.receive(&buffer[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Writes what there is, and says whether that was all.
    fn flush(&mut self) -> io::Result<bool> {
        self.handshake.poll_transmit(&mut self.out);
        while !self.out.is_empty() {
            match self.socket.write_now(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// Until when the peer must be done.
    pub(crate) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.handshake.poll_timeout(now)
    }

    /// What is waited for.
    pub(crate) fn interest(&self) -> PollFd<'_> {
        let interest = match self.out.is_empty() {
            true => PollFlags::IN,
            false => PollFlags::OUT,
        };
        PollFd::new(&self.socket, interest)
    }
}

/// Of a peer that has proved itself.
impl From<Pending> for Connection {
    fn from(pending: Pending) -> Self {
        let connection = Self::new(pending.socket, pending.peer_addr);
        match pending.proved {
            Some(peer) => connection.proved(peer),
            None => connection,
        }
    }
}
