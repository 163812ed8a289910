use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};

use crate::gate::Turn;
use crate::service::Service;
use crate::socket::SocketFile;
use crate::{Connection, Peer};

/// A listening stream socket, not blocking.
///
/// What its connections should have (no delay, keep-alive) is set in it: they inherit it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: OwnedFd,
    /// Removed with the listener, if the server made it.
    pub(crate) _file: Option<SocketFile>,
}

impl Listener {
    /// A listener that another process has made.
    pub(crate) fn inherited(socket: OwnedFd) -> Self {
        Self {
            socket,
            _file: None,
        }
    }

    /// Accepts a connection; `flags` in addition to close-on-exec.
    pub(crate) fn accept(&self, flags: SocketFlags) -> rustix::io::Result<(OwnedFd, Peer)> {
        let (socket, address) = acceptfrom_with(&self.socket, flags | SocketFlags::CLOEXEC)?;
        Ok((socket, Peer::new(address)))
    }
}

/// Accepts connections one by one, on whichever thread has it.
///
/// It waits in an `epoll` of its own, so that of several processes that share a listener one is woken,
/// and by the gate's bell whenever there should be no accepting.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: Arc<Listener>,
    epoll: OwnedFd,
    pauses: Pauses,
}

impl Acceptor {
    pub(crate) fn new(listener: Arc<Listener>, service: &Service) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let exclusive = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE;
        epoll::add(&epoll, &listener.socket, LISTENER, exclusive)?;
        epoll::add(&epoll, service.gate.bell(), BELL, epoll::EventFlags::IN)?;
        Ok(Self {
            listener,
            epoll,
            pauses: Pauses::default(),
        })
    }

    /// Waits for a connection that the service admits. `None` when the server stops, the listener has
    /// failed, or the time is over.
    pub(crate) fn next(
        &mut self,
        service: &Arc<Service>,
        until: Option<Instant>,
    ) -> Option<Connection> {
        loop {
            self.wait(until);
            if service.gate.wait_turn(until) != Turn::Go {
                return None;
            }
            match self.listener.accept(SocketFlags::empty()) {
                Ok((socket, peer)) => {
                    self.pauses.over();
                    if let Some(connection) = service.admit(socket, peer) {
                        return Some(connection);
                    }
                }
                Err(errno) => match Trouble::of(errno) {
                    Trouble::None if until.is_some_and(|until| until <= Instant::now()) => {
                        return None;
                    }
                    Trouble::None => {}
                    Trouble::Passing => service.gate.pause(self.pauses.next(), &errno.into()),
                    Trouble::Fatal => {
                        service.gate.fail(errno.into());
                        return None;
                    }
                },
            }
        }
    }

    /// Waits until there is a newcomer, the bell rings or the time is over; accepting tells which.
    fn wait(&self, until: Option<Instant>) {
        let timeout = until.and_then(|until| {
            Timespec::try_from(until.saturating_duration_since(Instant::now())).ok()
        });
        let mut events = [MaybeUninit::uninit(); 1];
        // It can only be interrupted, and the caller comes again.
        let _ = epoll::wait(&self.epoll, &mut events, timeout.as_ref());
    }
}

const LISTENER: epoll::EventData = epoll::EventData::new_u64(0);
const BELL: epoll::EventData = epoll::EventData::new_u64(1);

/// What an error of accept(2) means for the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody was there, or the newcomer is gone again: wait for the next.
    None,
    /// Most often no descriptors or no memory: rest, or it would only spin.
    Passing,
    /// The listener is none, or none any more.
    Fatal,
}

impl Trouble {
    pub(crate) fn of(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN
            | Errno::INTR
            | Errno::CONNABORTED
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NONET
            | Errno::PERM => Self::None,
            Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP => Self::Fatal,
            _ => Self::Passing,
        }
    }
}

/// How long to rest: 10 ms, then twice as long each time, up to a second.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Option<Duration>);

impl Pauses {
    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self
            .0
            .map_or(FIRST_PAUSE, |last| last * 2)
            .min(LONGEST_PAUSE);
        self.0 = Some(pause);
        pause
    }

    /// The trouble is over.
    pub(crate) fn over(&mut self) {
        self.0 = None;
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_begin_again() {
        let mut pauses = Pauses::default();
        for millis in [10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
            assert_eq!(pauses.next(), Duration::from_millis(millis));
        }
        pauses.over();
        assert_eq!(pauses.next(), Duration::from_millis(10));
    }

    #[test]
    fn errors_that_stay_are_told_from_those_that_pass() {
        assert_eq!(Trouble::of(Errno::CONNABORTED), Trouble::None);
        assert_eq!(Trouble::of(Errno::INTR), Trouble::None);
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(Trouble::of(errno), Trouble::Passing);
        }
        assert_eq!(Trouble::of(Errno::INVAL), Trouble::Fatal);
    }
}
