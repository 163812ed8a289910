use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::{Timeout, socket_timeout};
use rustix::net::{SendFlags, send};

/// Waits for a socket, as long as its write timeout allows.
pub(crate) struct Patience<'a> {
    socket: BorrowedFd<'a>,
    timeout: Option<Duration>,
    /// When the socket last took something.
    since: Instant,
}

impl<'a> Patience<'a> {
    pub(crate) fn of(socket: BorrowedFd<'a>) -> io::Result<Self> {
        Ok(Self {
            socket,
            timeout: socket_timeout(socket, Timeout::Send)?,
            since: Instant::now(),
        })
    }

    /// The socket took something, or gave something back.
    pub(crate) fn renew(&mut self) {
        self.since = Instant::now();
    }

    /// Waits for these events, or for an error or hang-up; returns what there is.
    pub(crate) fn wait(&self, wanted: PollFlags) -> io::Result<PollFlags> {
        loop {
            let left = self
                .timeout
                .map(|timeout| timeout.saturating_sub(self.since.elapsed()));
            let until = left.map(Timespec::try_from).transpose();
            let until = until.map_err(|_| Errno::INVAL)?;
            let mut sockets = [PollFd::new(&self.socket, wanted)];
            match poll(&mut sockets, until.as_ref()) {
                Ok(0) => {
                    let waited = self.timeout.unwrap_or_default();
                    let why = format!("the peer took no byte for {waited:?}");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
                Ok(_) => return Ok(sockets[0].revents()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends all of the bytes by copying them. `sent` counts them.
    pub(crate) fn send(&mut self, mut bytes: &[u8], sent: &mut u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match retry_on_intr(|| send(self.socket, bytes, SendFlags::NOSIGNAL)) {
                Ok(taken) => {
                    bytes = &bytes[taken..];
                    *sent += taken as u64;
                    self.renew();
                }
                Err(Errno::AGAIN) => drop(self.wait(PollFlags::OUT)?),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
