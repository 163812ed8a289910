use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net as unix;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::net::{TcpListener, UnixListener};
use ::tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use ::tokio::time::{Sleep, sleep};

use rustix::io::Errno;

use super::connection::Connection;
use crate::address::Address;
use crate::auth::Auth;
use crate::error::{AcceptError, AuthError, Error};
use crate::place::{self, Bound, MAX_PENDING, REST, SocketFile, is_exhausted, is_fatal};

/// Takes connections, and logs their peers in: Python's `Listener`.
///
/// Each login is a task of the runtime, so that a peer that is slow or silent keeps nobody waiting; logins go on while the
/// program does something else than [`accept`](Self::accept), and end with the listener. Each peer has as long as
/// [`Auth::timeout`] says. No more than [`max_pending`](Self::with_max_pending) are at it at a time.
///
/// A Unix socket may be connected to by its owner only, see [`set_unix_mode`](Self::set_unix_mode); its file is removed
/// when the listener is dropped.
///
/// ```no_run
/// use mp_connection::{AcceptError, Address, Auth, tokio::Listener};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let auth = Auth::modern_only("peekaboo")?;
/// let mut listener = Listener::bind(&Address::from(([127, 0, 0, 1], 25000)), &auth)?;
/// loop {
///     match listener.accept().await {
///         Ok(connection) => drop(tokio::spawn(async move {
///             while let Ok(Some(message)) = connection.recv_bytes().await {
///                 println!("{} bytes", message.len());
///             }
///         })),
///         Err(refused @ AcceptError::Refused { .. }) => eprintln!("{refused}"),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
    file: Option<SocketFile>,
    auth: Option<Auth>,
    max_pending: usize,
    logins: JoinSet<Result<Connection, Error>>,
    /// The same, the one that came first first.
    pending: VecDeque<Pending>,
    rest: Option<Pin<Box<Sleep>>>,
}

/// A login under way.
#[derive(Debug)]
struct Pending {
    peer: Option<SocketAddr>,
    task: AbortHandle,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens for peers that know the key: Python's `Listener(address, authkey=…)`. Port 0 is one that the system
    /// chooses, see [`address`](Self::address).
    ///
    /// # Errors
    ///
    /// What the system says, and where. `AddrInUse` if another listener is there, or if the file of a Unix socket was left
    /// behind by one that is gone, which is then said.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or if it has no I/O.
    pub fn bind(address: &Address, auth: &Auth) -> io::Result<Self> {
        Self::new(address, Some(auth))
    }

    /// Listens for anybody: Python's `Listener(address)`.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    ///
    /// # Panics
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
        (self.file.as_ref()).map_or(Ok(()), |file| file.set_mode(mode))
    }

    /// Waits for the next peer that logs in, or does not.
    ///
    /// When the process has no descriptors left, taking connections rests for 100 ms; logins go on. Cancel safe: what is
    /// under way remains so, and nobody is lost.
    ///
    /// # Errors
    ///
    /// - [`AcceptError::Refused`]: a peer was refused, or gave up. Call `accept` again.
    /// - [`AcceptError::Io`]
    ///
    /// # Panics
    ///
    /// If the runtime has no timers.
    pub async fn accept(&mut self) -> Result<Connection, AcceptError> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Returns where clients connect to, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn new(address: &Address, auth: Option<&Auth>) -> io::Result<Self> {
        let Bound {
            socket,
            address,
            file,
        } = place::bind(address)?;
        let socket = match address {
            Address::Tcp(_) => {
                let listener = net::TcpListener::from(socket);
                listener.set_nonblocking(true)?;
                Socket::Tcp(TcpListener::from_std(listener)?)
            }
            Address::Unix(_) | Address::Abstract(_) => {
                let listener = unix::UnixListener::from(socket);
                listener.set_nonblocking(true)?;
                Socket::Unix(UnixListener::from_std(listener)?)
            }
        };
        Ok(Self {
            socket,
            address,
            file,
            auth: auth.cloned(),
            max_pending: MAX_PENDING,
            logins: JoinSet::new(),
            pending: VecDeque::new(),
            rest: None,
        })
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Connection, AcceptError>> {
        loop {
            if let Poll::Ready(Some(login)) = self.logins.poll_join_next_with_id(cx) {
                match self.finish(login) {
                    Some(accepted) => return Poll::Ready(accepted),
                    None => continue,
                }
            }
            if let Some(rest) = &mut self.rest {
                ready!(rest.as_mut().poll(cx));
                self.rest = None;
            }
            match ready!(self.socket.poll_accept(cx)) {
                Ok(connection) => {
                    if let Some(accepted) = self.begin(connection) {
                        return Poll::Ready(accepted);
                    }
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(errno) if is_exhausted(errno) => self.rest = Some(Box::pin(sleep(REST))),
                    Some(errno) if !is_fatal(errno) => {}
                    _ => return Poll::Ready(Err(error.into())),
                },
            }
        }
    }

    /// Begins a login. Returns the connection if there is none, or who has to make room.
    fn begin(&mut self, connection: Connection) -> Option<Result<Connection, AcceptError>> {
        let Some(auth) = self.auth.clone() else {
            return Some(Ok(connection));
        };
        let peer = connection.peer_addr();
        let login = async move { Connection::accept(connection, &auth).await };
        let task = self.logins.spawn(login);
        self.pending.push_back(Pending { peer, task });
        if self.pending.len() <= self.max_pending {
            return None;
        }
        let Pending { peer, task } = self.pending.pop_front()?;
        task.abort();
        let max_pending = self.max_pending;
        let error = AuthError::Displaced { max_pending }.into();
        Some(Err(AcceptError::Refused { peer, error }))
    }

    /// Returns what came of a login; `None` for one that had to make room.
    fn finish(&mut self, login: Finished) -> Option<Result<Connection, AcceptError>> {
        let id = match &login {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let place = self
            .pending
            .iter()
            .position(|pending| pending.task.id() == id)?;
        let Pending { peer, .. } = self.pending.remove(place)?;
        match login {
            Ok((_, Ok(connection))) => Some(Ok(connection)),
            Ok((_, Err(error))) => Some(Err(AcceptError::Refused { peer, error })),
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
        }
    }
}

impl Socket {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                ready!(listener.poll_accept(cx)).map(|(stream, _)| stream.into())
            }
            Self::Unix(listener) => {
                ready!(listener.poll_accept(cx)).map(|(stream, _)| stream.into())
            }
        })
    }
}

type Finished = Result<(Id, Result<Connection, Error>), JoinError>;
