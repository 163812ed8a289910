use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ::tokio::io::Interest;
use ::tokio::net::{TcpStream, UnixStream};
use ::tokio::time::{sleep, timeout};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{read, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendFlags, SocketFlags, sendmsg};

use crate::address::Address;
use crate::place;

/// What is below a connection.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to a listener; one that is reached by TCP must take the connection in that time. For room in the queue
    /// of one at a Unix socket it waits, too.
    pub(super) async fn connect(address: &Address, patience: Option<Duration>) -> io::Result<Self> {
        let connecting = async {
            match address {
                Address::Tcp(address) => TcpStream::connect(address).await.map(Self::from),
                Address::Unix(_) | Address::Abstract(_) => Self::connect_unix(address).await,
            }
        };
        let connected = match patience {
            Some(patience) => (timeout(patience, connecting).await)
                .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into())),
            None => connecting.await,
        };
        connected.map_err(|error| place::not_connected(address, error))
    }

    async fn connect_unix(address: &Address) -> io::Result<Self> {
        loop {
            match place::connect_unix(address, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                // Nothing tells when there is room again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(PAUSE).await,
                connected => return UnixStream::from_std(connected?.into()).map(Self::Unix),
            }
        }
    }

    /// Reads some bytes; zero is the end.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.when(Interest::READABLE, || {
            Ok(retry_on_intr(|| read(self, &mut *buffer))?)
        })
        .await
    }

    /// Reads some bytes, at most `most`, to the end of the vector, which has room; zero is the end.
    pub(super) async fn read_to(&self, bytes: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        self.when(Interest::READABLE, || {
            // Allocators may give more room than was asked for, and it must not be filled.
            if bytes.capacity() - bytes.len() <= most {
                return Ok(retry_on_intr(|| read(self, spare_capacity(bytes)))?);
            }
            let len = bytes.len();
            bytes.resize(len + most, 0);
            let read = retry_on_intr(|| read(self, &mut bytes[len..]));
            bytes.truncate(len + *read.as_ref().unwrap_or(&0));
            Ok(read?)
        })
        .await
    }

    /// Writes some bytes of the parts.
    pub(super) async fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.when(Interest::WRITABLE, || {
            // No signal if the peer has gone.
            let (flags, none) = (SendFlags::NOSIGNAL, &mut SendAncillaryBuffer::default());
            Ok(retry_on_intr(|| sendmsg(self, parts, none, flags))?)
        })
        .await
    }

    /// Waits until there is something to read, be it the end.
    pub(super) async fn readable(&self) -> io::Result<()> {
        // What the runtime knows is from before the last byte was read: the system must be asked.
        self.when(Interest::READABLE, || match has_input(self)? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        })
        .await
    }

    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    async fn when<T>(
        &self,
        interest: Interest,
        work: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        match self {
            Self::Tcp(stream) => stream.async_io(interest, work).await,
            Self::Unix(stream) => stream.async_io(interest, work).await,
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        // Without it a message may wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

fn has_input(socket: &Socket) -> io::Result<bool> {
    let mut asked = [PollFd::new(socket, PollFlags::IN)];
    let at_once = Timespec::default();
    let ready = retry_on_intr(|| poll(&mut asked, Some(&at_once)))?;
    Ok(ready > 0)
}

/// Between two attempts to connect to a Unix socket whose queue is full.
const PAUSE: Duration = Duration::from_millis(10);
