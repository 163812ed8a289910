use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ::tokio::net::{TcpStream, UnixStream};
use ::tokio::sync::{Mutex, MutexGuard};
use ::tokio::time;

use super::login::log_in;
use super::socket::Socket;
use crate::address::Address;
use crate::auth::{Auth, fresh_nonce};
use crate::error::Error;
use crate::frame::head;
use crate::handshake::{Generation, Handshake};
use crate::incoming::Incoming;
use crate::pickle::Options;

/// One end of a connection: messages go in at one end and come out at the other, each as a whole.
///
/// It is what Python's `Client` and `Listener.accept` return. Where the peer must prove that it knows a key,
/// [`connect`](Self::connect) to a listener, or get connections from a [`Listener`](super::Listener); who accepts sockets
/// in another way has [`accept`](Self::accept) and [`login`](Self::login). A `Connection` made `from` a socket asks for
/// nothing; that can be one end of a duplex `Pipe`, by way of `UnixStream::from_std`.
///
/// Any task may use it at any time: whole messages are sent one after the other, and so they are received. One task
/// can receive while another sends.
///
/// # Cancel safety
///
/// When a future that waits or receives is dropped, nothing is lost: what has come of a message is kept, and the next call
/// goes on there. So it can stand in `select!`, or under a timeout. When one that sends is dropped in the middle of a
/// message, nothing can be sent any more, see [`Error::Cut`]: if that may happen, send in a task of its own.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mp_connection::tokio::{Connection, Listener};
/// use mp_connection::{Address, Auth};
/// use tokio::time::timeout;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let auth = Auth::modern_only("peekaboo")?;
/// let mut listener = Listener::bind(&Address::from(([127, 0, 0, 1], 0)), &auth)?;
/// let address = listener.address().clone();
/// let client = tokio::spawn(async move {
///     let connection = Connection::connect(&address, &auth).await?;
///     connection.send_bytes(b"hello").await?;
///     connection.recv_bytes().await
/// });
///
/// let connection = listener.accept().await?;
/// while let Some(message) = timeout(Duration::from_secs(5), connection.recv_bytes()).await?? {
///     connection.send_bytes(&message.to_ascii_uppercase()).await?;
/// #   drop(connection);
/// #   break;
/// }
/// assert_eq!(client.await??.as_deref(), Some(&b"HELLO"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    peer_addr: Option<SocketAddr>,
    generation: Option<Generation>,
    max_message_len: usize,
    pickle_options: Options,
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Outgoing>,
}

/// How far a message came that was not sent as a whole: bytes sent, bytes in all.
pub(super) type Outgoing = Option<(usize, usize)>;

impl Connection {
    /// Connects to a listener, and logs in: Python's `Client(address, authkey=…)`.
    ///
    /// Connecting and the login may take as long as [`Auth::timeout`] says, each. Cancel safe: the connection is closed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], which says where nobody listens; [`Error::Auth`].
    ///
    /// # Panics
    ///
    /// If the runtime has no I/O or no timers.
    pub async fn connect(address: &Address, auth: &Auth) -> Result<Self, Error> {
        let socket = Socket::connect(address, Some(auth.timeout())).await?;
        Self::login(Self::new(socket), auth).await
    }

    /// Connects to a listener that asks for no key: Python's `Client(address)`. Cancel safe: the connection is closed.
    ///
    /// # Errors
    ///
    /// What the system says, and where.
    ///
    /// # Panics
    ///
    /// If the runtime has no I/O or no timers.
    pub async fn connect_unauthenticated(address: &Address) -> io::Result<Self> {
        Socket::connect(address, None).await.map(Self::new)
    }

    /// Logs in as a listener does, over a socket that was accepted elsewhere.
    ///
    /// Takes as long as [`Auth::timeout`] says, at most: do it in the connection's own task. Nothing behind the login is
    /// read. Cancel safe: the connection is closed.
    ///
    /// # Errors
    ///
    /// [`Error::Auth`], [`Error::Io`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// If the runtime has no timers.
    ///
    /// # Examples
    ///
    /// ```
    /// use mp_connection::{Auth, Generation, tokio::Connection};
    /// use tokio::net::UnixStream;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let auth = Auth::modern_only("peekaboo")?;
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (ours, theirs) =
    ///     tokio::try_join!(Connection::accept(ours, &auth), Connection::login(theirs, &auth))?;
    /// assert_eq!(ours.generation(), Some(Generation::Modern));
    /// assert_eq!(theirs.generation(), Some(Generation::Modern));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accept(stream: impl Into<Self>, auth: &Auth) -> Result<Self, Error> {
        let handshake = Handshake::listener(auth, fresh_nonce()?);
        stream.into().authenticate(handshake).await
    }

    /// Logs in as a client does, over a socket that was connected elsewhere. Cancel safe: the connection is closed.
    ///
    /// # Errors
    ///
    /// [`Error::Auth`], [`Error::Io`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// If the runtime has no timers.
    pub async fn login(stream: impl Into<Self>, auth: &Auth) -> Result<Self, Error> {
        let handshake = Handshake::client(auth, fresh_nonce()?);
        stream.into().authenticate(handshake).await
    }

    /// Sets the longest message that is received, in bytes. A longer one is an error, and ends receiving. Default 64 MiB.
    #[must_use]
    pub fn with_max_message_len(mut self, max_message_len: usize) -> Self {
        self.max_message_len = max_message_len;
        self
    }

    /// Sets what pickles may look like, both ways.
    #[must_use]
    pub fn with_pickle_options(mut self, pickle_options: Options) -> Self {
        self.pickle_options = pickle_options;
        self
    }

    /// Sends a message of bytes: Python's `send_bytes`.
    ///
    /// Not cancel safe, see [above](Self#cancel-safety).
    ///
    /// # Errors
    ///
    /// - [`Error::Io`]: `BrokenPipe` if the peer has closed its end.
    /// - [`Error::Cut`]: this message, or one before, was sent in part.
    pub async fn send_bytes(&self, message: &[u8]) -> Result<(), Error> {
        let mut outgoing = self.outgoing().await?;
        let (head, head_len) = head(message.len());
        let len = head_len + message.len();
        let mut parts = &mut [IoSlice::new(&head[..head_len]), IoSlice::new(message)][..];
        let mut sent = 0;
        while !parts.is_empty() {
            let written = self.socket.write(parts).await?;
            IoSlice::advance_slices(&mut parts, written);
            sent += written;
            // For the next one, should this be the last that this one does.
            *outgoing = (sent < len).then_some((sent, len));
        }
        Ok(())
    }

    /// Receives a message of bytes: Python's `recv_bytes`. `None` at the end, where Python raises `EOFError`.
    ///
    /// Takes memory as the message arrives, not as it is announced. Cancel safe.
    ///
    /// # Errors
    ///
    /// - [`Error::Frame`]: it is longer than it [may be](Self::with_max_message_len), or its length is negative, or the
    ///   stream ended inside it.
    /// - [`Error::Io`]
    pub async fn recv_bytes(&self) -> Result<Option<Vec<u8>>, Error> {
        self.recv_bytes_max(self.max_message_len).await
    }

    /// Receives a message of at most so many bytes, and of no more than it [may have](Self::with_max_message_len) anyway:
    /// Python's `recv_bytes(maxlength)`. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`recv_bytes`](Self::recv_bytes). As in Python a message that is too long ends receiving, and sending goes on.
    pub async fn recv_bytes_max(&self, max: usize) -> Result<Option<Vec<u8>>, Error> {
        let mut incoming = self.incoming().await;
        let Some(len) = self
            .recv_len(&mut incoming, max.min(self.max_message_len))
            .await?
        else {
            return Ok(None);
        };
        self.recv_payload(&mut incoming, len).await?;
        Ok(Some(incoming.take()))
    }

    /// Receives a message into a buffer, and returns its length: Python's `recv_bytes_into`.
    ///
    /// The buffer is a limit of its own, that of [`with_max_message_len`](Self::with_max_message_len) does not count.
    /// Costs a copy, so that it is cancel safe.
    ///
    /// # Errors
    ///
    /// - [`Error::BufferTooShort`]: the message is still there, for a larger buffer or one of the other calls. Python
    ///   hands it over in the exception.
    /// - Otherwise as [`recv_bytes`](Self::recv_bytes).
    pub async fn recv_into(&self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        let mut incoming = self.incoming().await;
        let Some(len) = self.recv_len(&mut incoming, usize::MAX).await? else {
            return Ok(None);
        };
        let room = buffer.len();
        let buffer = (buffer.get_mut(..len)).ok_or(Error::BufferTooShort { len, room })?;
        self.recv_payload(&mut incoming, len).await?;
        buffer.copy_from_slice(&incoming.take());
        Ok(Some(len))
    }

    /// Waits until something has come, or the peer has closed its end, and says whether: Python's `poll`. `None` is for
    /// ever. Cancel safe.
    ///
    /// What has come may be part of a message, so that receiving it waits for the rest.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// If there is a timeout, and the runtime has no timers.
    pub async fn poll(&self, timeout: Option<Duration>) -> io::Result<bool> {
        within(timeout, self.socket.readable())
            .await
            .map(|ready| ready.is_some())
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

    pub(super) fn new(socket: Socket) -> Self {
        Self {
            peer_addr: socket.peer_addr(),
            socket,
            generation: None,
            max_message_len: MAX_MESSAGE_LEN,
            pickle_options: Options::default(),
            incoming: Mutex::default(),
            outgoing: Mutex::default(),
        }
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn pickle_options(&self) -> &Options {
        &self.pickle_options
    }

    pub(super) async fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().await
    }

    /// The state of sending, where a message may begin.
    pub(super) async fn outgoing(&self) -> Result<MutexGuard<'_, Outgoing>, Error> {
        let outgoing = self.outgoing.lock().await;
        match *outgoing {
            Some((sent, len)) => Err(Error::Cut { sent, len }),
            None => Ok(outgoing),
        }
    }

    async fn authenticate(mut self, handshake: Handshake) -> Result<Self, Error> {
        self.generation = Some(log_in(&self.socket, handshake).await?);
        Ok(self)
    }

    /// Reads until the length of the next message is known; `None` if there is none.
    async fn recv_len(&self, incoming: &mut Incoming, max: usize) -> Result<Option<usize>, Error> {
        loop {
            if let Some(len) = incoming.payload_len(max)? {
                return Ok(Some(len));
            }
            match self.socket.read(incoming.head_room()).await? {
                0 if incoming.is_between() => return Ok(None),
                0 => return Err(incoming.truncated().into()),
                read => incoming.fill_head(read),
            }
        }
    }

    /// Reads until the message is complete.
    async fn recv_payload(&self, incoming: &mut Incoming, len: usize) -> Result<(), Error> {
        while let Some((payload, missing)) = incoming.payload_room(len) {
            if self.socket.read_to(payload, missing).await? == 0 {
                return Err(incoming.truncated().into());
            }
        }
        Ok(())
    }
}

impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Self {
        Self::new(stream.into())
    }
}

impl From<UnixStream> for Connection {
    fn from(stream: UnixStream) -> Self {
        Self::new(stream.into())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

const MAX_MESSAGE_LEN: usize = 64 << 20;

/// What comes of it in time; `None` if nothing does.
pub(super) async fn within<T>(
    timeout: Option<Duration>,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<Option<T>> {
    match timeout {
        Some(timeout) => time::timeout(timeout, work).await.ok().transpose(),
        None => work.await.map(Some),
    }
}
