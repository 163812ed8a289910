//! What waits for readiness: the operating system, or a script.

use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::socket::{Kind, Socket};
use crate::{Key, sim};

#[derive(Debug)]
pub(crate) enum Poller {
    Os { poll: Poll, events: Events },
    Sim(sim::Sim),
}

/// What the poller learned about one source. Readiness is told once, when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) key: Key,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has ended its side or the connection is broken: a read will say which.
    pub(crate) read_closed: bool,
}

/// How a source is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// The poller tells of readiness.
    Told,
    /// The poller can't watch it (a regular file): it is always ready.
    AlwaysReady,
}

/// How many events one turn takes from the operating system.
const EVENTS: usize = 1024;

impl Poller {
    pub(crate) fn os() -> io::Result<Self> {
        Ok(Self::Os {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
        })
    }

    #[inline(always)]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Os { .. } => Instant::now(),
            Self::Sim(sim) => sim.now(),
        }
    }

    /// Waits for readiness until `timeout` and adds what it learned to `ready`. A script never waits.
    #[inline(always)]
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
        ready: &mut Vec<Ready>,
    ) -> io::Result<()> {
        match self {
            Self::Os { poll, events } => {
                match poll.poll(events, timeout) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
                    result => result?,
                }
                ready.extend(events.iter().map(|event| Ready {
                    key: Key::from_bits(event.token().0 as u64),
                    readable: event.is_readable() || event.is_error(),
                    writable: event.is_writable() || event.is_error(),
                    read_closed: event.is_read_closed() || event.is_error(),
                }));
            }
            Self::Sim(sim) => sim.take_ready(ready),
        }
        Ok(())
    }

    pub(crate) fn watch(&self, socket: &Socket, key: Key) -> io::Result<Watched> {
        match (self, &socket.0, socket.raw_fd()) {
            (Self::Sim(_), Kind::Sim(socket), _) => {
                socket.watch(key);
                Ok(Watched::Told)
            }
            (_, Kind::Stdin, Some(fd)) => match self.watch_fd(fd, key) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Ok(Watched::AlwaysReady)
                }
                result => result.map(|()| Watched::Told),
            },
            (_, _, Some(fd)) => self.watch_fd(fd, key).map(|()| Watched::Told),
            (Self::Os { .. }, _, None) => Err(simulated()),
            (Self::Sim(_), _, None) => Ok(Watched::Told),
        }
    }

    pub(crate) fn watch_fd(&self, fd: RawFd, key: Key) -> io::Result<()> {
        let Self::Os { poll, .. } = self else {
            return Err(simulated());
        };
        poll.registry()
            .register(&mut SourceFd(&fd), token(key), Interest::READABLE)
    }

    /// Watches a stream for room to write as well.
    pub(crate) fn watch_writes(&self, socket: &Socket, key: Key) -> io::Result<()> {
        match socket.raw_fd() {
            Some(fd) => self.watch_fd_writes(fd, key),
            // A simulated stream tells of both from the start.
            None => Ok(()),
        }
    }

    pub(crate) fn watch_fd_writes(&self, fd: RawFd, key: Key) -> io::Result<()> {
        let Self::Os { poll, .. } = self else {
            return Err(simulated());
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .reregister(&mut SourceFd(&fd), token(key), both)
    }

    /// Closing a socket takes it out of the poller by itself; standard input stays open.
    pub(crate) fn forget(&self, socket: &Socket) {
        if let (Self::Os { poll, .. }, Kind::Stdin, Some(fd)) = (self, &socket.0, socket.raw_fd()) {
            // Not watched at all when it is a file, and then there is nothing to undo.
            let _ = poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    pub(crate) fn waker(&self) -> io::Result<Option<mio::Waker>> {
        match self {
            Self::Os { poll, .. } => mio::Waker::new(poll.registry(), token(Key::NOBODY)).map(Some),
            Self::Sim(_) => Ok(None),
        }
    }
}

fn token(key: Key) -> Token {
    const {
        assert!(
            usize::BITS >= 64,
            "a key with its generation needs a 64-bit token"
        )
    };
    Token(key.to_bits() as usize)
}

fn simulated() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "a simulated source needs a simulated loop, and a real one a real loop",
    )
}
