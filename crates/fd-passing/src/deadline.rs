use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use crate::Received;
use crate::error::{Error, MessageError};
use crate::socket::{receive_some, send_some};

/// Until when several steps must be done. The socket may be in either mode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    after: Duration,
    /// `None` if that is further away than the clock goes.
    at: Option<Instant>,
}

impl Deadline {
    pub(crate) fn after(after: Duration) -> Self {
        Self {
            after,
            at: Instant::now().checked_add(after),
        }
    }

    pub(crate) fn never() -> Self {
        Self {
            after: Duration::MAX,
            at: None,
        }
    }

    /// Gives up rather than wait.
    pub(crate) fn now() -> Self {
        Self::after(Duration::ZERO)
    }

    /// Sends one short message, in one piece.
    pub(crate) fn send(
        &self,
        socket: BorrowedFd<'_>,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Error> {
        let mut sent = self.retry(socket, PollFlags::OUT, || {
            Ok(send_some(socket, bytes, descriptors, SendFlags::DONTWAIT)?)
        })?;
        while sent < bytes.len() {
            sent += self.retry(socket, PollFlags::OUT, || {
                Ok(send_some(socket, &bytes[sent..], &[], SendFlags::DONTWAIT)?)
            })?;
        }
        Ok(())
    }

    pub(crate) fn receive(
        &self,
        socket: BorrowedFd<'_>,
        buffer: &mut [u8],
    ) -> Result<Option<Received>, Error> {
        self.retry(socket, PollFlags::IN, || {
            receive_some(socket, buffer, RecvFlags::DONTWAIT)
        })
    }

    /// Fills the buffer. Descriptors that come along are closed.
    pub(crate) fn read_exact(
        &self,
        socket: BorrowedFd<'_>,
        buffer: &mut [u8],
    ) -> Result<(), Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.receive(socket, &mut buffer[filled..])? {
                Some(received) => filled += received.len,
                None => {
                    let missing = buffer.len() - filled;
                    return Err(MessageError::Ended { missing }.into());
                }
            }
        }
        Ok(())
    }

    /// Waits until one of the descriptors is ready.
    pub(crate) fn wait(&self, descriptors: &mut [PollFd<'_>]) -> Result<(), Error> {
        loop {
            let timeout = self.at.map(|at| {
                let left = at.saturating_duration_since(Instant::now());
                Timespec::try_from(left).unwrap_or(FOR_EVER)
            });
            match poll(descriptors, timeout.as_ref()) {
                Ok(0) => return Err(MessageError::TimedOut { after: self.after }.into()),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn retry<T>(
        &self,
        socket: BorrowedFd<'_>,
        interest: PollFlags,
        mut attempt: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            match attempt() {
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.wait(&mut [PollFd::from_borrowed_fd(socket, interest)])?;
                }
                other => return other,
            }
        }
    }
}

const FOR_EVER: Timespec = Timespec {
    tv_sec: i64::MAX,
    tv_nsec: 0,
};
