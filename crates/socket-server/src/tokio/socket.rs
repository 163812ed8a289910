use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::tokio::io::Interest;
use ::tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::acceptor::Listener;
use crate::{Address, Peer};

/// A listener of the runtime.
pub(super) enum Ear {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Ear {
    /// Makes one of the runtime's listeners of another one.
    pub(super) fn new(listener: &Arc<Listener>, address: &Address) -> io::Result<Self> {
        let socket = listener.socket.try_clone()?;
        Ok(match address {
            Address::Tcp(_) | Address::Udp(_) => {
                let listener = std::net::TcpListener::from(socket);
                Self::Tcp(TcpListener::from_std(listener)?)
            }
            Address::Unix(_) | Address::UnixAbstract(_) => {
                let listener = net::UnixListener::from(socket);
                Self::Unix(UnixListener::from_std(listener)?)
            }
        })
    }

    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Peer)>> {
        match self {
            Self::Tcp(listener) => listener
                .poll_accept(cx)
                .map_ok(|(stream, address)| (Stream::Tcp(stream), Peer::of(address))),
            Self::Unix(listener) => listener
                .poll_accept(cx)
                .map_ok(|(stream, _)| (Stream::Unix(stream), Peer::new(None))),
        }
    }
}

/// A connection of the runtime.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Which way bytes go.
#[derive(Clone, Copy)]
pub(super) enum Way {
    In,
    Out,
}

impl Stream {
    /// Waits until bytes can go that way, perhaps.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>, way: Way) -> Poll<io::Result<()>> {
        match (self, way) {
            (Self::Tcp(stream), Way::In) => stream.poll_read_ready(cx),
            (Self::Tcp(stream), Way::Out) => stream.poll_write_ready(cx),
            (Self::Unix(stream), Way::In) => stream.poll_read_ready(cx),
            (Self::Unix(stream), Way::Out) => stream.poll_write_ready(cx),
        }
    }

    /// Has `transfer` take or give bytes, of which there is room for `max_len`; `WouldBlock` when none
    /// can go after all.
    pub(super) fn transfer(
        &self,
        way: Way,
        max_len: usize,
        transfer: impl FnOnce() -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        let mut partly = None;
        let transfer = || {
            let len = transfer()?;
            if 0 < len && len < max_len {
                // It was all that could go. The runtime is told so, which saves the call that finds
                // it out; when more can go there is a new event.
                partly = Some(len);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(len)
        };
        let interest = match way {
            Way::In => Interest::READABLE,
            Way::Out => Interest::WRITABLE,
        };
        let outcome = match self {
            Self::Tcp(stream) => stream.try_io(interest, transfer),
            Self::Unix(stream) => stream.try_io(interest, transfer),
        };
        partly.map_or(outcome, Ok)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
