use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use super::login::log_in;
use super::readiness::{Deadline, after, poll};
use super::socket::Socket;
use crate::address::Address;
use crate::auth::{Auth, fresh_nonce};
use crate::error::Error;
use crate::frame::head;
use crate::handshake::{Generation, Handshake};
use crate::incoming::Incoming;
use crate::pickle;
use crate::place;

/// One end of a connection: messages go in at one end and come out at the other, each as a whole.
///
/// It is what Python's `Client` and `Listener.accept` return, and either end of a `Pipe`. Where the peer must prove that
/// it knows a key, [`connect`](Self::connect) to a listener, or get connections from a [`Listener`](super::Listener);
/// who accepts sockets in another way has [`accept`](Self::accept) and [`login`](Self::login). A `Connection` made
/// `from` a socket or a descriptor asks for nothing.
///
/// Any thread may use it at any time: whole messages are sent one after the other, and so they are received. One thread
/// can receive while another sends.
///
/// ```
/// use std::thread;
/// use mp_connection::blocking::{Connection, Listener};
/// use mp_connection::{Address, Auth};
///
/// let auth = Auth::modern_only("peekaboo")?;
/// let mut listener = Listener::bind(&Address::from(([127, 0, 0, 1], 0)), &auth)?;
/// let address = listener.address().clone();
/// let client = thread::spawn(move || -> Result<_, mp_connection::Error> {
///     let connection = Connection::connect(&address, &auth)?;
///     connection.send_bytes(b"hello")?;
///     connection.recv_bytes()
/// });
///
/// let connection = listener.accept()?;
/// while let Some(message) = connection.recv_bytes()? {
///     connection.send_bytes(&message.to_ascii_uppercase())?;
/// #   drop(connection);
/// #   break;
/// }
/// assert_eq!(client.join().expect("it does not panic")?.as_deref(), Some(&b"HELLO"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    peer_addr: Option<SocketAddr>,
    generation: Option<Generation>,
    max_message_len: usize,
    pickle_options: pickle::Options,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Outgoing>,
}

/// How far a message came that could not be sent as a whole: bytes sent, bytes in all.
pub(crate) type Outgoing = Option<(usize, usize)>;

impl Connection {
    /// Connects to a listener, and logs in: Python's `Client(address, authkey=…)`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], which says where nobody listens; [`Error::Auth`].
    pub fn connect(address: &Address, auth: &Auth) -> Result<Self, Error> {
        Self::login(place::connect(address, Some(auth.timeout()))?, auth)
    }

    /// Connects to a listener that asks for no key: Python's `Client(address)`.
    ///
    /// # Errors
    ///
    /// What the system says, and where.
    pub fn connect_unauthenticated(address: &Address) -> io::Result<Self> {
        Ok(place::connect(address, None)?.into())
    }

    /// Logs in as a listener does, over a socket that was accepted elsewhere.
    ///
    /// Takes as long as [`Auth::timeout`] says, at most: do it on the connection's own thread. Nothing behind the login
    /// is read.
    ///
    /// # Errors
    ///
    /// [`Error::Auth`], [`Error::Io`]. The socket is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use std::thread;
    /// use mp_connection::{Auth, Generation, blocking::Connection};
    ///
    /// let auth = Auth::modern_only("peekaboo")?;
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let key = auth.clone();
    /// let client = thread::spawn(move || Connection::login(theirs, &key));
    /// let connection = Connection::accept(ours, &auth)?;
    /// assert_eq!(connection.generation(), Some(Generation::Modern));
    /// # client.join().expect("it does not panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accept(stream: impl Into<Self>, auth: &Auth) -> Result<Self, Error> {
        let nonce = fresh_nonce()?;
        stream.into().authenticate(Handshake::listener(auth, nonce))
    }

    /// Logs in as a client does, over a socket that was connected elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Auth`], [`Error::Io`]. The socket is closed.
    pub fn login(stream: impl Into<Self>, auth: &Auth) -> Result<Self, Error> {
        let nonce = fresh_nonce()?;
        stream.into().authenticate(Handshake::client(auth, nonce))
    }

    /// Sets the longest message that is received, in bytes. A longer one is an error, and ends receiving. Default 64 MiB.
    #[must_use]
    pub fn with_max_message_len(mut self, max_message_len: usize) -> Self {
        self.max_message_len = max_message_len;
        self
    }

    /// Sets what objects may look like, both ways. Default [`pickle::Options::default`].
    #[must_use]
    pub fn with_pickle_options(mut self, options: pickle::Options) -> Self {
        self.pickle_options = options;
        self
    }

    /// Sets how long receiving a message may take, from the call on until it is complete. What came in time is kept for
    /// the next call. Costs a call into the system for each read. Default `None`, which is for ever.
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Sets how long sending a message may take. If part of it was sent by then, nothing more can be sent. Pipes wait for
    /// their reader all the same. Costs a call into the system for each write. Default `None`, which is for ever.
    #[must_use]
    pub fn with_write_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// Sends a message: Python's `send_bytes`.
    ///
    /// Waits until the system has taken all of it.
    ///
    /// # Errors
    ///
    /// - [`Error::Io`]: `BrokenPipe` if the peer has closed its end. `TimedOut`, if none of it was sent in time.
    /// - [`Error::Cut`]: this message, or one before, was sent in part.
    pub fn send_bytes(&self, message: &[u8]) -> Result<(), Error> {
        let mut outgoing = self.outgoing()?;
        let (head, head_len) = head(message.len());
        let mut parts = [IoSlice::new(&head[..head_len]), IoSlice::new(message)];
        let mut sent = 0;
        let result = self
            .socket
            .write_all(&mut parts, after(self.write_timeout), &mut sent);
        if result.is_err() && sent > 0 {
            *outgoing = Some((sent, head_len + message.len()));
        }
        Ok(result?)
    }

    /// Receives a message: Python's `recv_bytes`. `None` at the end, where Python raises `EOFError`.
    ///
    /// Takes memory as the message arrives, not as it is announced.
    ///
    /// # Errors
    ///
    /// - [`Error::Frame`]: it is longer than it [may be](Self::with_max_message_len), or its length is negative, or the
    ///   stream ended inside it.
    /// - [`Error::Io`]: `TimedOut`, see [`with_read_timeout`](Self::with_read_timeout).
    pub fn recv_bytes(&self) -> Result<Option<Vec<u8>>, Error> {
        self.recv_bytes_max(self.max_message_len)
    }

    /// Receives a message of at most so many bytes, and of no more than it [may have](Self::with_max_message_len) anyway:
    /// Python's `recv_bytes(maxlength)`.
    ///
    /// # Errors
    ///
    /// As [`recv_bytes`](Self::recv_bytes). As in Python a message that is too long ends receiving, and sending goes on.
    pub fn recv_bytes_max(&self, max: usize) -> Result<Option<Vec<u8>>, Error> {
        let mut incoming = self.incoming();
        let max = max.min(self.max_message_len);
        let deadline = after(self.read_timeout);
        let Some(len) = self.recv_len(&mut incoming, max, deadline)? else {
            return Ok(None);
        };
        while let Some((payload, missing)) = incoming.payload_room(len) {
            if self.socket.read_to(payload, missing, deadline)? == 0 {
                return Err(incoming.truncated().into());
            }
        }
        Ok(Some(incoming.take()))
    }

    /// Receives a message into a buffer, and returns its length: Python's `recv_bytes_into`.
    ///
    /// The buffer is a limit of its own, that of [`with_max_message_len`](Self::with_max_message_len) does not count.
    ///
    /// # Errors
    ///
    /// - [`Error::BufferTooShort`]: the message is still there, for a larger buffer or one of the other calls. Python
    ///   hands it over in the exception.
    /// - Otherwise as [`recv_bytes`](Self::recv_bytes). What is in the buffer then is of no use.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use mp_connection::{Error, blocking::Connection};
    ///
    /// let (left, right) = UnixStream::pair()?;
    /// let (left, right) = (Connection::from(left), Connection::from(right));
    /// left.send_bytes(b"hello world")?;
    /// let mut buffer = [0; 16];
    /// let too_short = right.recv_into(&mut buffer[..5]);
    /// assert!(matches!(too_short, Err(Error::BufferTooShort { len: 11, room: 5 })));
    /// assert_eq!(right.recv_into(&mut buffer)?, Some(11));
    /// assert_eq!(&buffer[..11], b"hello world");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn recv_into(&self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        let mut incoming = self.incoming();
        let deadline = after(self.read_timeout);
        let Some(len) = self.recv_len(&mut incoming, usize::MAX, deadline)? else {
            return Ok(None);
        };
        let room = buffer.len();
        let buffer = buffer
            .get_mut(..len)
            .ok_or(Error::BufferTooShort { len, room })?;
        let mut filled = incoming.hand_over(buffer);
        while filled < len {
            match self.socket.read(&mut buffer[filled..], deadline) {
                Ok(read @ 1..) => filled += read,
                stopped => {
                    incoming.take_back(&buffer[..filled]);
                    stopped?;
                    return Err(incoming.truncated().into());
                }
            }
        }
        incoming.take();
        Ok(Some(len))
    }

    /// Waits until something has come, or the peer has closed its end, and says whether: Python's `poll`. `None` is for
    /// ever.
    ///
    /// What has come may be part of a message, so that receiving it waits for the rest.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn poll(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let mut sockets = [PollFd::new(&self.socket, PollFlags::IN)];
        Ok(poll(&mut sockets, after(timeout))? > 0)
    }

    /// Returns where the peer called from, or was called; `None` if not over TCP.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// Returns how the peer proved that it knows the key; `None` if it was not asked.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.generation
    }

    pub(crate) fn new(socket: Socket, peer_addr: Option<SocketAddr>) -> Self {
        Self {
            socket,
            peer_addr,
            generation: None,
            max_message_len: MAX_MESSAGE_LEN,
            pickle_options: pickle::Options::default(),
            read_timeout: None,
            write_timeout: None,
            incoming: Mutex::default(),
            outgoing: Mutex::default(),
        }
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn pickle_options(&self) -> &pickle::Options {
        &self.pickle_options
    }

    pub(crate) fn incoming(&self) -> MutexGuard<'_, Incoming> {
        lock(&self.incoming)
    }

    /// The state of sending, if something can be sent.
    pub(crate) fn outgoing(&self) -> Result<MutexGuard<'_, Outgoing>, Error> {
        let outgoing = lock(&self.outgoing);
        match *outgoing {
            Some((sent, len)) => Err(Error::Cut { sent, len }),
            None => Ok(outgoing),
        }
    }

    #[cfg(feature = "fd-passing")]
    pub(crate) fn wait_readable(&self) -> io::Result<()> {
        self.socket.wait(PollFlags::IN, after(self.read_timeout))
    }

    fn authenticate(self, handshake: Handshake) -> Result<Self, Error> {
        let peer = log_in(&self.socket, handshake)?;
        Ok(self.proved(peer))
    }

    pub(crate) fn proved(mut self, peer: Generation) -> Self {
        self.generation = Some(peer);
        self
    }

    /// Reads until the length of the next message is known; `None` if there is none.
    fn recv_len(
        &self,
        incoming: &mut Incoming,
        max: usize,
        deadline: Deadline,
    ) -> Result<Option<usize>, Error> {
        loop {
            if let Some(len) = incoming.payload_len(max)? {
                return Ok(Some(len));
            }
            match self.socket.read(incoming.head_room(), deadline)? {
                0 if incoming.is_between() => return Ok(None),
                0 => return Err(incoming.truncated().into()),
                read => incoming.fill_head(read),
            }
        }
    }
}

impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Self {
        OwnedFd::from(stream).into()
    }
}

impl From<UnixStream> for Connection {
    fn from(stream: UnixStream) -> Self {
        OwnedFd::from(stream).into()
    }
}

/// A connected stream socket, or one end of a pipe, which then goes one way only.
impl From<OwnedFd> for Connection {
    fn from(descriptor: OwnedFd) -> Self {
        let socket = Socket::new(descriptor);
        let peer_addr = socket.peer_addr();
        Self::new(socket, peer_addr)
    }
}

impl From<Connection> for OwnedFd {
    fn from(connection: Connection) -> Self {
        connection.socket.into()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A panic while it was locked can only be one of the program's own threads dying; the state is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const MAX_MESSAGE_LEN: usize = 64 << 20;
