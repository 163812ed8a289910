//! The streams that a loop reads and writes, and how they are watched.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{SendAncillaryBuffer, SendFlags};
use socket2::{SockRef, TcpKeepalive};

use crate::sim;

/// A stream to put on a loop: made from a TCP, Unix or simulated stream.
#[derive(Debug)]
pub struct Socket(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
    Stdin,
    Sim(sim::Socket),
    Nowhere,
}

impl Socket {
    /// Standard input: a terminal, a pipe or a file. Nothing can be sent on it.
    ///
    /// The descriptor's mode is left alone, since other processes may share it: the loop asks before
    /// each read whether it would wait.
    #[must_use]
    pub fn stdin() -> Self {
        Self(Kind::Stdin)
    }

    /// Takes no bytes and has none.
    pub(crate) fn nowhere() -> Self {
        Self(Kind::Nowhere)
    }

    /// Makes reads and writes return at once, and small writes leave at once.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)
            }
            Kind::Unix(stream) => stream.set_nonblocking(true),
            Kind::Stdin | Kind::Sim(_) | Kind::Nowhere => Ok(()),
        }
    }

    #[inline(always)]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Tcp(stream) => Ok(rustix::io::read(stream, buffer)?),
            Kind::Unix(stream) => Ok(rustix::io::read(stream, buffer)?),
            Kind::Stdin => read_stdin(buffer),
            Kind::Sim(socket) => socket.read(buffer),
            Kind::Nowhere => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    #[inline(always)]
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let fd = match &self.0 {
            Kind::Tcp(stream) => stream.as_fd(),
            Kind::Unix(stream) => stream.as_fd(),
            Kind::Sim(socket) => return socket.write(&[IoSlice::new(bytes)]),
            Kind::Stdin | Kind::Nowhere => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(rustix::net::send(fd, bytes, SendFlags::NOSIGNAL)?)
    }

    pub(crate) fn send_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let fd = match &self.0 {
            Kind::Tcp(stream) => stream.as_fd(),
            Kind::Unix(stream) => stream.as_fd(),
            Kind::Sim(socket) => return socket.write(slices),
            Kind::Stdin | Kind::Nowhere => return Err(io::ErrorKind::Unsupported.into()),
        };
        let mut ancillary = SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(
            fd,
            slices,
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?)
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Kind::Unix(stream) => stream.shutdown(Shutdown::Write),
            Kind::Stdin | Kind::Nowhere => Ok(()),
            Kind::Sim(socket) => {
                socket.shutdown_write();
                Ok(())
            }
        }
    }

    /// Whether a connection that was begun is made; an error when it failed.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        let Kind::Tcp(stream) = &self.0 else {
            return Ok(true);
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a read that returned less than was asked for has emptied the socket, so that the next
    /// arrival will be told (epoll(7), question 9).
    pub(crate) fn tells_new_arrivals(&self) -> bool {
        !matches!(self.0, Kind::Stdin)
    }

    pub(crate) fn raw_fd(&self) -> Option<RawFd> {
        match &self.0 {
            Kind::Tcp(stream) => Some(stream.as_raw_fd()),
            Kind::Unix(stream) => Some(stream.as_raw_fd()),
            Kind::Stdin => Some(rustix::stdio::stdin().as_raw_fd()),
            Kind::Sim(_) | Kind::Nowhere => None,
        }
    }
}

/// Asks first whether the read would wait: the descriptor may be in blocking mode, and is left so.
fn read_stdin(buffer: &mut [u8]) -> io::Result<usize> {
    let stdin = rustix::stdio::stdin();
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    if rustix::event::poll(&mut watched, Some(&at_once))? == 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(rustix::io::read(stdin, buffer)?)
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Tcp(stream))
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self(Kind::Unix(stream))
    }
}

impl From<sim::Socket> for Socket {
    fn from(socket: sim::Socket) -> Self {
        Self(Kind::Sim(socket))
    }
}

/// Begins a TCP connection without waiting for it.
pub(crate) fn begin_connect(address: SocketAddr) -> io::Result<Socket> {
    let stream = mio::net::TcpStream::connect(address)?;
    let stream = TcpStream::from(OwnedFd::from(stream));
    keep_alive(&stream)?;
    Ok(stream.into())
}

/// Lets the system ask a peer that is silent for a minute whether it is still there, so that a
/// connection to a machine that vanished does not stay for ever.
pub(crate) fn keep_alive(socket: &impl AsFd) -> io::Result<()> {
    let after = TcpKeepalive::new().with_time(Duration::from_secs(60));
    SockRef::from(socket).set_tcp_keepalive(&after)
}
