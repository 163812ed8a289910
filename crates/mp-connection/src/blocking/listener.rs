use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::ioctl_fionbio;
use rustix::net::{SocketFlags, acceptfrom_with};

use super::connection::Connection;
use super::pending::Pending;
use super::readiness::{Deadline, after, poll};
use super::socket::Socket;
use crate::address::Address;
use crate::auth::Auth;
use crate::error::{AcceptError, AuthError, Error};
use crate::place::{self, MAX_PENDING, REST, SocketFile, is_exhausted, is_fatal};

/// Takes connections, and logs their peers in: Python's `Listener`.
///
/// [`accept`](Self::accept) runs all logins that are under way, so that a peer that is slow or silent keeps nobody
/// waiting, and starts no threads. Each peer has as long as [`Auth::timeout`] says, not counting the time in which the
/// program does something else than `accept`. No more than [`max_pending`](Self::with_max_pending) are at it at a time.
///
/// A Unix socket may be connected to by its owner only, see [`set_unix_mode`](Self::set_unix_mode); its file is removed
/// when the listener is dropped.
///
/// ```no_run
/// use std::thread;
/// use mp_connection::{AcceptError, Address, Auth, blocking::Listener};
///
/// let auth = Auth::modern_only("peekaboo")?;
/// let mut listener = Listener::bind(&Address::from(([127, 0, 0, 1], 25000)), &auth)?;
/// loop {
///     match listener.accept() {
///         Ok(connection) => drop(thread::spawn(move || {
///             while let Ok(Some(message)) = connection.recv_bytes() {
///                 println!("{} bytes", message.len());
///             }
///         })),
///         Err(refused @ AcceptError::Refused { .. }) => eprintln!("{refused}"),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # #[expect(unreachable_code)]
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: Address,
    file: Option<SocketFile>,
    auth: Option<Auth>,
    max_pending: usize,
    /// The one that came first is first.
    pending: VecDeque<Pending>,
    rests_until: Deadline,
    /// How long the program did something else, and since when.
    away: Duration,
    left: Instant,
}

impl Listener {
    /// Listens for peers that know the key: Python's `Listener(address, authkey=…)`. Port 0 is one that the system
    /// chooses, see [`address`](Self::address).
    ///
    /// # Errors
    ///
    /// What the system says, and where. `AddrInUse` if another listener is there, or if the file of a Unix socket was left
    /// behind by one that is gone, which is then said.
    pub fn bind(address: &Address, auth: &Auth) -> io::Result<Self> {
        Self::new(address, Some(auth))
    }

    /// Listens for anybody: Python's `Listener(address)`.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_unauthenticated(address: &Address) -> io::Result<Self> {
        Self::new(address, None)
    }

    /// Sets how many peers may be logging in at a time, at least one. If there are more, the one that came first is
    /// refused, as [`AuthError::Displaced`]. Default 128.
    #[must_use]
    pub fn with_max_pending(mut self, max_pending: usize) -> Self {
        self.max_pending = max_pending.max(1);
        self
    }

    /// Sets who may connect to a Unix socket, as the mode of its file: `0o666` is everybody who can reach it. It is
    /// `0o600` from the first moment; Python has it from the process. Nothing else has a mode.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_unix_mode(&self, mode: u32) -> io::Result<()> {
        self.file
            .as_ref()
            .map_or(Ok(()), |file| file.set_mode(mode))
    }

    /// Waits for the next peer that logs in, or does not.
    ///
    /// When the process has no descriptors left, taking connections rests for 100 ms; logins go on.
    ///
    /// # Errors
    ///
    /// - [`AcceptError::Refused`]: a peer was refused, or gave up. Call `accept` again.
    /// - [`AcceptError::Io`]
    pub fn accept(&mut self) -> Result<Connection, AcceptError> {
        loop {
            if let Some(connection) = self.accept_until(None)? {
                return Ok(connection);
            }
        }
    }

    /// As [`accept`](Self::accept), but waits no longer than `timeout`, and returns `None` then. Logins under way remain
    /// so.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_timeout(&mut self, timeout: Duration) -> Result<Option<Connection>, AcceptError> {
        self.accept_until(after(Some(timeout)))
    }

    /// Returns where clients connect to, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn new(address: &Address, auth: Option<&Auth>) -> io::Result<Self> {
        let bound = place::bind(address)?;
        // Whoever was there may have gone again before it is accepted.
        ioctl_fionbio(&bound.socket, true)?;
        Ok(Self {
            socket: bound.socket,
            address: bound.address,
            file: bound.file,
            auth: auth.cloned(),
            max_pending: MAX_PENDING,
            pending: VecDeque::new(),
            rests_until: None,
            away: Duration::ZERO,
            left: Instant::now(),
        })
    }

    fn accept_until(&mut self, until: Deadline) -> Result<Option<Connection>, AcceptError> {
        self.away += self.left.elapsed();
        let accepted = self.run(until);
        self.left = Instant::now();
        accepted
    }

    fn run(&mut self, until: Deadline) -> Result<Option<Connection>, AcceptError> {
        loop {
            let ready = self.wait(until)?;
            for place in ready.logins {
                if let Some(connection) = self.advance(place)? {
                    return Ok(Some(connection));
                }
            }
            if ready.is_knocked_at
                && let Some(connection) = self.take()?
            {
                return Ok(Some(connection));
            }
            if has_passed(until) {
                return Ok(None);
            }
        }
    }

    /// Waits until a connection can be taken, or a login can go on or is too late.
    fn wait(&mut self, until: Deadline) -> io::Result<Ready> {
        let (clock, away) = (self.clock(), self.away);
        let deadlines: Vec<_> = self
            .pending
            .iter_mut()
            .map(|login| login.deadline(clock))
            .collect();
        let next = deadlines.iter().flatten().map(|deadline| *deadline + away);
        let next = next.chain(until).chain(self.rests_until).min();

        let mut sockets: Vec<_> = self.pending.iter().map(Pending::interest).collect();
        if self.rests_until.is_none() {
            sockets.push(PollFd::new(&self.socket, PollFlags::IN));
        }
        poll(&mut sockets, next)?;

        let clock = self.clock();
        let is_ready = |place: &usize| !sockets[*place].revents().is_empty();
        let is_late = |place: &usize| deadlines[*place].is_some_and(|deadline| deadline <= clock);
        let knocked = self.pending.len();
        let ready = Ready {
            logins: (0..knocked)
                .filter(|place| is_ready(place) || is_late(place))
                .collect(),
            is_knocked_at: self.rests_until.is_none() && is_ready(&knocked),
        };
        if has_passed(self.rests_until) {
            self.rests_until = None;
        }
        Ok(ready)
    }

    /// Takes a connection, which is returned if there is no login.
    fn take(&mut self) -> Result<Option<Connection>, AcceptError> {
        let connection = match acceptfrom_with(&self.socket, SocketFlags::CLOEXEC) {
            Ok((socket, peer)) => {
                let peer = peer.and_then(|peer| peer.try_into().ok());
                Connection::new(Socket::new(socket), peer)
            }
            Err(error) if is_exhausted(error) => {
                self.rests_until = after(Some(REST));
                return Ok(None);
            }
            Err(error) if is_fatal(error) => return Err(AcceptError::Io(error.into())),
            Err(_) => return Ok(None),
        };
        let Some(auth) = &self.auth else {
            return Ok(Some(connection));
        };
        self.pending.push_back(Pending::new(connection, auth)?);
        let newest = self.pending.len() - 1;
        // It is sent its challenge, and may have answered before we look.
        if let Some(connection) = self.advance(newest)? {
            return Ok(Some(connection));
        }
        let max_pending = self.max_pending;
        if newest >= max_pending {
            let displaced = AuthError::Displaced { max_pending };
            return Err(self.refuse(0, displaced.into()));
        }
        Ok(None)
    }

    /// Lets a login go on, as far as it can now. Whoever is done, in either way, is no longer at that place.
    fn advance(&mut self, place: usize) -> Result<Option<Connection>, AcceptError> {
        let clock = self.clock();
        match self.pending[place].advance(clock) {
            Ok(false) => Ok(None),
            Ok(true) => Ok(self.pending.remove(place).map(Connection::from)),
            Err(error) => Err(self.refuse(place, error)),
        }
    }

    fn refuse(&mut self, place: usize, error: Error) -> AcceptError {
        let refused = self.pending.remove(place);
        let peer = refused.and_then(|refused| refused.peer_addr());
        AcceptError::Refused { peer, error }
    }

    /// What the peers' time is measured by: it stands still while the program is away.
    fn clock(&self) -> Instant {
        Instant::now() - self.away
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What can be done.
struct Ready {
    /// The places of logins.
    logins: Vec<usize>,
    is_knocked_at: bool,
}

fn has_passed(deadline: Deadline) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}
