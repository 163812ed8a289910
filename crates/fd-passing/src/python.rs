//! What `send_handle` and `recv_handle` of Python's `multiprocessing.reduction` do, byte for byte.
//!
//! The socket is what is below a `multiprocessing.connection.Connection`: one end of a Unix stream, from a
//! `Pipe()` or a `Listener` with a path. The descriptor travels between two of the connection's frames, outside of
//! them: nothing may be read ahead on either side, and both must know when one is due.
//!
//! ```text
//! sender ── 01, and the descriptor ──► receiver
//! sender ◄── 41 ('A') ───────────────  receiver      Python 3.14 and later
//! ```
//!
//! Python up to 3.13 neither sends the `A` nor waits for it, so the two generations don't understand each
//! other. [`Acknowledge`] says which one the other side is.
//!
//! ```
//! use std::net::{TcpListener, TcpStream};
//! use std::os::unix::net::UnixStream;
//!
//! use fd_passing::python::{self, Acknowledge};
//!
//! let (server, worker) = UnixStream::pair()?;
//! let worker = std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     while let Some(descriptor) = python::receive_handle(&worker, Acknowledge::Always)? {
//!         let _client: TcpStream = fd_passing::tcp_stream(descriptor)?;
//!     }
//!     Ok(())
//! });
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let client = TcpStream::connect(listener.local_addr()?)?;
//! python::send_handle(&server, &client, Acknowledge::Always, python::TIMEOUT)?;
//! drop(server);
//! worker.join().expect("the worker does not panic").map_err(|error| error.to_string())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The receiver sends the acknowledgement once it has the descriptor and nothing is wrong with it. Python sends it
//! before it looks. After an error either side should close the connection: it can't be known where the next frame
//! begins.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags};

use crate::Received;
use crate::deadline::Deadline;
use crate::error::{Error, MessageError};
use crate::socket::{check_connection, receive_some, send_some};

/// How long a sender should wait for the acknowledgement: 5 seconds.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a descriptor that has come is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// No, as Python up to 3.13 does it.
    ///
    /// A sender that waits all the same, 3.14 or later, waits for ever.
    Never,
    /// Yes, with one byte, as Python does it from 3.14 on.
    ///
    /// The right one for a receiver whose sender only ever sends descriptors: one that does not wait does not read
    /// either, and what it does not read does no harm. It is wrong if such a sender reads frames later: it
    /// would take the `A`s for the beginning of one.
    Always,
}

impl Acknowledge {
    /// Tells the generation of a Python program from something that it has pickled and sent, as the worker of the
    /// recipe does with its process id: 3.14 changed the default protocol to 5. `None` if this is no pickle of
    /// protocol 2 or later.
    ///
    /// It is a guess: a program may choose the protocol.
    ///
    /// ```
    /// use fd_passing::python::Acknowledge;
    ///
    /// let from_3_11 = b"\x80\x04\x95\x04\0\0\0\0\0\0\0Mg\x12.";
    /// assert_eq!(Acknowledge::of_pickle(from_3_11), Some(Acknowledge::Never));
    /// ```
    #[must_use]
    pub fn of_pickle(pickle: &[u8]) -> Option<Self> {
        match pickle {
            [0x80, 2..=4, ..] => Some(Self::Never),
            [0x80, 5..=u8::MAX, ..] => Some(Self::Always),
            _ => None,
        }
    }
}

/// Sends one descriptor, as Python's `send_handle` does, and waits for the acknowledgement if there is to be one.
///
/// The socket is a Unix stream (or seqpacket) one, blocking or not. `timeout` is for all of it, see [`TIMEOUT`]; the
/// socket's own time-outs do not count. Until this returns the descriptor must stay open, and after an error nobody
/// knows whether it arrived.
///
/// # Errors
///
/// - [`MessageError::NotUnix`], [`MessageError::WrongSocket`]: nothing was sent.
/// - [`MessageError::TimedOut`]: no room, or no acknowledgement: perhaps the other side is Python 3.13 or older.
/// - [`MessageError::NotAcknowledged`], [`MessageError::Ended`]: Python says `RuntimeError: did not receive
///   acknowledgement of fd`.
/// - [`Error::Io`].
pub fn send_handle(
    socket: impl AsFd,
    descriptor: impl AsFd,
    acknowledge: Acknowledge,
    timeout: Duration,
) -> Result<(), Error> {
    let socket = socket.as_fd();
    check_connection(socket)?;
    let deadline = Deadline::after(timeout);
    deadline.send(socket, &[ONE], &[descriptor.as_fd()])?;
    match acknowledge {
        Acknowledge::Never => Ok(()),
        Acknowledge::Always => {
            let mut answer = [0];
            deadline.read_exact(socket, &mut answer)?;
            check_answer(answer)
        }
    }
}

/// Receives one descriptor, as Python's `recv_handle` does, and acknowledges it if it is to be; `None` at the end of
/// the stream, where Python says `EOFError`.
///
/// Reads exactly the byte that carries the descriptor. Waits as the socket does. The acknowledgement never waits: if
/// the other side does not read them they pile up, 278 in a socket of default size, and then are left out.
///
/// # Errors
///
/// The descriptors that came are closed, and nothing is acknowledged.
///
/// - [`MessageError::NotUnix`], [`MessageError::WrongSocket`]: nothing was received.
/// - [`MessageError::WrongCount`]: none or several descriptors came. Python says `RuntimeError: received 0 items of
///   ancdata` without any, and loses all but the first.
/// - [`MessageError::WrongByte`]: Python says `AssertionError: Len is 1 but msg[0] is 120`.
/// - [`MessageError::DescriptorsLost`], [`Error::Io`].
pub fn receive_handle(
    socket: impl AsFd,
    acknowledge: Acknowledge,
) -> Result<Option<OwnedFd>, Error> {
    let socket = socket.as_fd();
    check_connection(socket)?;
    let mut byte = [0];
    match receive_some(socket, &mut byte, RecvFlags::empty())? {
        None => Ok(None),
        Some(received) => accept(socket, received, byte, acknowledge).map(Some),
    }
}

/// Checks what came, and acknowledges it.
pub(crate) fn accept(
    socket: BorrowedFd<'_>,
    received: Received,
    byte: [u8; 1],
    acknowledge: Acknowledge,
) -> Result<OwnedFd, Error> {
    let descriptor = received.single(byte[0], ONE)?;
    match acknowledge {
        Acknowledge::Never => Ok(descriptor),
        Acknowledge::Always => match send_some(socket, &[ACKNOWLEDGED], &[], SendFlags::DONTWAIT) {
            // It never reads them, or no longer.
            Err(error) if is_unread(error.kind()) => Ok(descriptor),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(descriptor),
        },
    }
}

pub(crate) fn check_answer(answer: [u8; 1]) -> Result<(), Error> {
    match answer {
        [ACKNOWLEDGED] => Ok(()),
        [found] => Err(MessageError::NotAcknowledged {
            expected: ACKNOWLEDGED,
            found,
        }
        .into()),
    }
}

fn is_unread(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::WouldBlock | ErrorKind::BrokenPipe)
}

/// How many descriptors come, modulo 256.
pub(crate) const ONE: u8 = 1;
const ACKNOWLEDGED: u8 = b'A';
