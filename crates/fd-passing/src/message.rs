use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{RecvFlags, SendFlags};

use crate::error::{Error, MessageError};
use crate::socket::{check, receive_some, send_some};

/// The most descriptors that one message carries; the kernel's limit.
pub const MAX_DESCRIPTORS: usize = 253;

/// What came in one message.
#[derive(Debug)]
pub struct Received {
    /// How many bytes came. They are at the beginning of the buffer.
    pub len: usize,
    /// The descriptors that came with them, in the order in which they were sent. They are closed when
    /// another program is executed, and when dropped.
    pub descriptors: Vec<OwnedFd>,
}

/// Sends bytes and descriptors as one message.
///
/// The socket is a connected Unix one: stream, datagram or seqpacket. The descriptors arrive with the first
/// byte. They stay open here, and may be closed as soon as this returns: what is on its way holds the
/// open file, not the number. Those of several types go into one list as
/// [`BorrowedFd`](std::os::fd::BorrowedFd): `&[client.as_fd(), listener.as_fd()]`.
///
/// Waits as the socket does: for ever, for its own write time-out, or not at all. A stream takes all the bytes,
/// or says in [`Error::Cut`] how many. Several threads may send at a time; messages of up to some kilobytes are
/// not mixed on a stream then, and others never.
///
/// # Errors
///
/// - [`MessageError::NoBytes`](crate::MessageError::NoBytes), [`TooMany`](crate::MessageError::TooMany),
///   [`NotUnix`](crate::MessageError::NotUnix): nothing was sent.
/// - [`Error::Io`]: nothing was sent. `BrokenPipe` if the other side is closed; no signal is raised. `ETOOMANYREFS`
///   if this user has more descriptors on their way than one process may have open.
/// - [`Error::Cut`].
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
///
/// let (left, right) = UnixStream::pair()?;
/// let null = std::fs::File::open("/dev/null")?;
/// fd_passing::send(&left, b"x", &[null])?;
///
/// let mut buffer = [0; 16];
/// let received = fd_passing::receive(&right, &mut buffer)?.expect("not at its end");
/// assert_eq!((received.len, received.descriptors.len()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[impl AsFd]) -> Result<(), Error> {
    let socket = socket.as_fd();
    check(socket, bytes, descriptors.len())?;
    let sent = send_some(socket, bytes, &borrow(descriptors), SendFlags::empty())?;
    send_rest(socket, bytes, sent)
}

/// Receives bytes, and the descriptors that come with them; `None` at the end of the stream.
///
/// Returns what there is. From a datagram or seqpacket socket it is one message. From a stream it is at most what
/// one [`send`] has sent with descriptors, perhaps behind bytes that were sent without, and perhaps not all its
/// bytes: the descriptors come with the first of them. Where it matters which byte that is, receive one at a time.
///
/// Waits as the socket does: for ever, for its own read time-out, or not at all.
///
/// # Errors
///
/// - [`MessageError::NoBytes`](crate::MessageError::NoBytes): the buffer is empty.
/// - [`MessageError::DescriptorsLost`](crate::MessageError::DescriptorsLost),
///   [`BytesLost`](crate::MessageError::BytesLost): the message is lost, and its descriptors are closed.
/// - [`Error::Io`]: nothing was received.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<Option<Received>, Error> {
    receive_some(socket.as_fd(), buffer, RecvFlags::empty())
}

pub(crate) fn borrow(descriptors: &[impl AsFd]) -> Vec<BorrowedFd<'_>> {
    descriptors.iter().map(AsFd::as_fd).collect()
}

/// Only a stream takes less than all.
fn send_rest(socket: BorrowedFd<'_>, bytes: &[u8], mut sent: usize) -> Result<(), Error> {
    let len = bytes.len();
    while sent < len {
        match send_some(socket, &bytes[sent..], &[], SendFlags::empty()) {
            Ok(more) => sent += more,
            Err(error) => {
                let error = error.into();
                return Err(Error::Cut { sent, len, error });
            }
        }
    }
    Ok(())
}

impl Received {
    /// Returns the descriptor of a message that consists of one, and a byte that says so.
    pub(crate) fn single(self, byte: u8, expected: u8) -> Result<OwnedFd, MessageError> {
        let received = self.descriptors.len();
        match <[OwnedFd; 1]>::try_from(self.descriptors) {
            Ok([descriptor]) if byte == expected => Ok(descriptor),
            Ok(_) => Err(MessageError::WrongByte {
                expected,
                found: byte,
            }),
            Err(_) => Err(MessageError::WrongCount {
                expected: 1,
                received,
                byte,
            }),
        }
    }
}
