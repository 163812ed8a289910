use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::{Buffer, spare_capacity};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{set_tcp_nodelay, socket_domain};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, getpeername, recv, sendmsg,
};

use super::readiness::{Deadline, poll};

/// What is below a connection: a socket, or one end of a pipe. It may be in either mode.
#[derive(Debug)]
pub(crate) struct Socket {
    descriptor: OwnedFd,
    is_socket: bool,
}

impl Socket {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        let family = socket_domain(&descriptor);
        if matches!(family, Ok(AddressFamily::INET | AddressFamily::INET6)) {
            // Without it a message may wait for the acknowledgement of the one before.
            let _ = set_tcp_nodelay(&descriptor, true);
        }
        Self {
            descriptor,
            is_socket: family.is_ok(),
        }
    }

    /// Where the other end is, if that is at a TCP port.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        getpeername(&self.descriptor).ok()??.try_into().ok()
    }

    /// Reads some bytes; zero is the end.
    pub(crate) fn read(&self, buffer: &mut [u8], deadline: Deadline) -> io::Result<usize> {
        self.retry(PollFlags::IN, deadline, || self.read_once(&mut *buffer))
    }

    /// Reads some bytes, at most `most`, to the end of the vector, which has room; zero is the end.
    pub(crate) fn read_to(
        &self,
        bytes: &mut Vec<u8>,
        most: usize,
        deadline: Deadline,
    ) -> io::Result<usize> {
        let len = bytes.len();
        if bytes.capacity() - len <= most {
            return self.retry(PollFlags::IN, deadline, || {
                self.read_once(spare_capacity(bytes))
            });
        }
        // Allocators may give more room than was asked for, and it must not be filled.
        bytes.resize(len + most, 0);
        let read = self.read(&mut bytes[len..], deadline);
        bytes.truncate(len + read.as_ref().unwrap_or(&0));
        read
    }

    /// Writes all, in one piece if there is room, and counts what was written.
    pub(crate) fn write_all(
        &self,
        mut parts: &mut [IoSlice<'_>],
        deadline: Deadline,
        written: &mut usize,
    ) -> io::Result<()> {
        while !parts.is_empty() {
            let count = self.retry(PollFlags::OUT, deadline, || {
                self.write_once(parts, deadline.is_some())
            })?;
            *written += count;
            IoSlice::advance_slices(&mut parts, count);
        }
        Ok(())
    }

    /// Reads what is there, `WouldBlock` if nothing is.
    pub(crate) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(&self.descriptor, &mut *buffer, RecvFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                read => return Ok(read?.0),
            }
        }
    }

    /// Writes what there is room for, `WouldBlock` if there is none.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.write_once(&[IoSlice::new(bytes)], true) {
                Err(Errno::INTR) => {}
                written => return Ok(written?),
            }
        }
    }

    fn read_once(&self, buffer: impl Buffer<u8, Output = usize>) -> Result<usize, Errno> {
        rustix::io::read(&self.descriptor, buffer)
    }

    /// No signal if the peer has gone. Pipes have no call for that, nor for one without waiting.
    fn write_once(&self, parts: &[IoSlice<'_>], is_quick: bool) -> Result<usize, Errno> {
        if !self.is_socket {
            return rustix::io::writev(&self.descriptor, parts);
        }
        let flags = match is_quick {
            true => SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            false => SendFlags::NOSIGNAL,
        };
        sendmsg(
            &self.descriptor,
            parts,
            &mut SendAncillaryBuffer::default(),
            flags,
        )
    }

    /// What may be done until the deadline is done once the socket is ready, so that it does not wait by itself.
    fn retry(
        &self,
        interest: PollFlags,
        deadline: Deadline,
        mut attempt: impl FnMut() -> Result<usize, Errno>,
    ) -> io::Result<usize> {
        if deadline.is_some() {
            self.wait(interest, deadline)?;
        }
        loop {
            match attempt() {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(interest, deadline)?,
                count => return Ok(count?),
            }
        }
    }

    pub(crate) fn wait(&self, interest: PollFlags, deadline: Deadline) -> io::Result<()> {
        match poll(&mut [PollFd::new(self, interest)], deadline)? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        socket.descriptor
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A descriptor may come behind the frame: not a byte more is read, however much room there is.
    #[test]
    fn room_is_not_filled_for_its_own_sake() {
        let (left, mut right) = UnixStream::pair().unwrap();
        let socket = Socket::new(left.into());
        right.write_all(b"hello world").unwrap();
        let mut bytes = Vec::with_capacity(1000);
        assert_eq!(socket.read_to(&mut bytes, 5, None).unwrap(), 5);
        assert_eq!(bytes, b"hello");
        assert_eq!(socket.read_to(&mut bytes, 1, None).unwrap(), 1);
        assert_eq!(bytes, b"hello ");
        let mut rest = Vec::with_capacity(3);
        assert_eq!(socket.read_to(&mut rest, 5, None).unwrap(), 3);
        assert_eq!(rest, b"wor");
    }
}
