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
/// It waits in an `epoll` of its own, and there for the gate's bell too, which rings whenever there
/// should be no accepting.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: Arc<Listener>,
    epoll: OwnedFd,
    pauses: Pauses,
    /// Whether to take the newcomer that it was woken for even when the server has stopped meanwhile.
    takes_last: bool,
}

impl Acceptor {
    /// An acceptor that is woken for every newcomer. Another process may have the listener too, and
    /// one of the two can stop at any time.
    pub(crate) fn new(listener: Arc<Listener>, service: &Service) -> io::Result<Self> {
        Self::watching(listener, service, epoll::EventFlags::IN)
    }

    /// One of many with the same listener: the system wakes one of them for each newcomer, and no other
    /// if that one is about to stop.
    pub(crate) fn one_of_many(listener: Arc<Listener>, service: &Service) -> io::Result<Self> {
        let exclusive = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE;
        Ok(Self {
            takes_last: true,
            ..Self::watching(listener, service, exclusive)?
        })
    }

    fn watching(
        listener: Arc<Listener>,
        service: &Service,
        interest: epoll::EventFlags,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener.socket, LISTENER, interest)?;
        epoll::add(&epoll, service.gate.bell(), BELL, epoll::EventFlags::IN)?;
        Ok(Self {
            listener,
            epoll,
            pauses: Pauses::default(),
            takes_last: false,
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
            let is_woken_for_newcomer = self.wait(until) && !service.gate.is_suspended();
            match service.gate.wait_turn(until) {
                Turn::Go => {}
                Turn::Stop if is_woken_for_newcomer && self.takes_last => self.takes_last = false,
                Turn::Stop | Turn::Late => return None,
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

    /// Waits until there is a newcomer, the bell rings or the time is over. Returns whether it is the
    /// first, as far as can be known before accepting.
    fn wait(&self, until: Option<Instant>) -> bool {
        let timeout = until.and_then(|until| {
            Timespec::try_from(until.saturating_duration_since(Instant::now())).ok()
        });
        let mut events = [MaybeUninit::uninit(); 2];
        // It can only be interrupted, and the caller comes again.
        let happened = epoll::wait(&self.epoll, &mut events, timeout.as_ref());
        happened.is_ok_and(|(events, _)| {
            events
                .iter()
                .any(|event| event.data.u64() == LISTENER.u64())
        })
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
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::service::Hooks;
    use crate::{Address, Limits};

    /// A listener that does not block, and a service for it.
    fn listening() -> (TcpListener, Arc<Service>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let service = Service::start(address, Limits::default(), Hooks::default()).unwrap();
        (listener, service)
    }

    fn inherited(listener: &TcpListener) -> Arc<Listener> {
        Arc::new(Listener::inherited(listener.try_clone().unwrap().into()))
    }

    #[test]
    fn of_two_with_the_same_listener_both_are_woken() {
        let (listener, service) = listening();
        let [first, second] = [(); 2].map(|()| {
            let listener = inherited(&listener);
            Acceptor::new(listener, &service).unwrap()
        });
        let (woken, is_woken) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let waiting = thread::spawn(move || {
            while may_go_on.recv().is_ok() {
                woken.send(first.wait(None)).unwrap();
            }
        });
        for _ in 0..100 {
            go_on.send(()).unwrap();
            let _newcomer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            assert!(is_woken.recv().unwrap());
            assert!(second.wait(Some(Instant::now())));
            listener.accept().unwrap();
            assert!(!second.wait(Some(Instant::now())));
        }
        drop(go_on);
        waiting.join().unwrap();
    }

    #[test]
    fn one_of_many_takes_the_newcomer_that_it_was_woken_for_before_it_stops() {
        type Make = fn(Arc<Listener>, &Service) -> io::Result<Acceptor>;
        let cases: [(Make, bool); 2] = [(Acceptor::new, false), (Acceptor::one_of_many, true)];
        for (make, takes_last) in cases {
            let (listener, service) = listening();
            let address = listener.local_addr().unwrap();
            let _newcomers = [(); 2].map(|()| TcpStream::connect(address).unwrap());
            let mut acceptor = make(inherited(&listener), &service).unwrap();
            service.gate.stop();
            assert_eq!(acceptor.next(&service, None).is_some(), takes_last);
            assert!(acceptor.next(&service, None).is_none());
        }
    }

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
