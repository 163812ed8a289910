use std::cmp::min;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::RecvFlags;

use crate::deadline::Deadline;
use crate::error::{Error, MessageError};
use crate::message::borrow;
use crate::socket::{check_connection, receive_some};
use crate::{MAX_DESCRIPTORS, Received};

/// Sends any number of descriptors, in as many messages as it takes, for [`receive_all`].
///
/// The socket is a Unix stream or seqpacket one, blocking or not. `timeout` is for all of it; the socket's own
/// time-outs do not count. Bytes that belong to the descriptors are best sent before or after. Other threads must not
/// send on the socket meanwhile.
///
/// ```text
/// 66 64 73    "fds"        with the first descriptors, at most 253
/// 01          version
/// count       4 bytes, the most significant first
///
/// 2b          "+"          with the next ones, at most 253; again until all are sent
/// ```
///
/// The kernel lets a user have only so many descriptors on their way as one process may have open. If the receiver
/// does not take them meanwhile, more than that can't be sent.
///
/// # Errors
///
/// After an error the connection is of no use but to be closed.
///
/// - [`MessageError::NotUnix`], [`MessageError::WrongSocket`], [`MessageError::TooMany`] (2³² or more): nothing was
///   sent.
/// - [`MessageError::TimedOut`]: the other side does not receive.
/// - [`Error::Io`].
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// let (left, right) = UnixStream::pair()?;
/// let null = std::fs::File::open("/dev/null")?;
/// let second = Duration::from_secs(1);
/// fd_passing::send_all(&left, &[null.as_fd(); 300], second)?;
/// let descriptors = fd_passing::receive_all(&right, 1000, second)?.expect("not at its end");
/// assert_eq!(descriptors.len(), 300);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn send_all(
    socket: impl AsFd,
    descriptors: &[impl AsFd],
    timeout: Duration,
) -> Result<(), Error> {
    let socket = socket.as_fd();
    check_connection(socket)?;
    let descriptors = borrow(descriptors);
    let header = header(descriptors.len())?;
    let deadline = Deadline::after(timeout);
    for (bytes, descriptors) in messages(&header, &descriptors) {
        deadline.send(socket, bytes, descriptors)?;
    }
    Ok(())
}

/// Receives what [`send_all`] has sent: at most `max_count` descriptors; `None` at the end of the stream.
///
/// Waits for the first message as the socket does, and then for all others for at most `timeout`. Reads nothing
/// behind the last.
///
/// # Errors
///
/// All descriptors that came are closed, and the connection is of no use but to be closed.
///
/// - [`MessageError::TooMany`]: more than `max_count` are announced. Only the first message was received.
/// - [`MessageError::WrongByte`], [`MessageError::WrongCount`]: that is no message of [`send_all`].
/// - [`MessageError::Ended`], [`MessageError::TimedOut`], [`MessageError::DescriptorsLost`].
/// - [`MessageError::NotUnix`], [`MessageError::WrongSocket`]: nothing was received.
/// - [`Error::Io`].
pub fn receive_all(
    socket: impl AsFd,
    max_count: usize,
    timeout: Duration,
) -> Result<Option<Vec<OwnedFd>>, Error> {
    let socket = socket.as_fd();
    check_connection(socket)?;
    let mut buffer = [0; HEADER_LEN];
    let Some(received) = receive_some(socket, &mut buffer, RecvFlags::empty())? else {
        return Ok(None);
    };
    let mut incoming = Incoming::new(max_count);
    incoming.receive(&buffer, received)?;
    let deadline = Deadline::after(timeout);
    while incoming.wanted() > 0 {
        match deadline.receive(socket, &mut buffer[..incoming.wanted()])? {
            Some(received) => incoming.receive(&buffer, received)?,
            None => return Err(incoming.ended().into()),
        }
    }
    Ok(Some(incoming.descriptors))
}

/// Returns what to send: bytes, and the descriptors with them.
pub(crate) fn messages<'a, 'fd>(
    header: &'a [u8],
    descriptors: &'a [BorrowedFd<'fd>],
) -> impl Iterator<Item = (&'a [u8], &'a [BorrowedFd<'fd>])> {
    let (first, rest) = descriptors.split_at(min(descriptors.len(), MAX_DESCRIPTORS));
    let rest = rest.chunks(MAX_DESCRIPTORS).map(|chunk| (MORE, chunk));
    std::iter::once((header, first)).chain(rest)
}

pub(crate) fn header(count: usize) -> Result<[u8; HEADER_LEN], MessageError> {
    let number = u32::try_from(count).map_err(|_| MessageError::TooMany {
        count: count as u64,
        max: u32::MAX as usize,
    })?;
    let mut header = [0; HEADER_LEN];
    header[..MAGIC.len()].copy_from_slice(MAGIC);
    header[MAGIC.len()..].copy_from_slice(&number.to_be_bytes());
    Ok(header)
}

/// Puts together what [`send_all`] has taken apart.
#[derive(Debug)]
pub(crate) struct Incoming {
    max_count: usize,
    header: Vec<u8>,
    /// Known once the header is complete.
    count: Option<usize>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Incoming {
    pub(crate) fn new(max_count: usize) -> Self {
        Self {
            max_count,
            header: Vec::new(),
            count: None,
            descriptors: Vec::new(),
        }
    }

    /// Takes what came, at most as many bytes as [`wanted`](Self::wanted).
    pub(crate) fn receive(
        &mut self,
        buffer: &[u8],
        received: Received,
    ) -> Result<(), MessageError> {
        let bytes = &buffer[..received.len];
        let &[byte, ..] = bytes else {
            return Err(MessageError::NoBytes);
        };
        let came = received.descriptors.len();
        let before = self.descriptors.len();
        self.descriptors.extend(received.descriptors);
        match self.count {
            Some(count) => {
                check_bytes(MORE, bytes)?;
                check_count(count - before, came, byte)
            }
            None => {
                self.header.extend_from_slice(bytes);
                check_bytes(MAGIC, &self.header)?;
                match self.header[MAGIC.len().min(self.header.len())..].try_into() {
                    Ok(count) => {
                        let count = self.check_max(u32::from_be_bytes(count))?;
                        self.count = Some(count);
                        check_count(count, before + came, byte)
                    }
                    // Cut on the way.
                    Err(_) => Ok(()),
                }
            }
        }
    }

    /// Returns how many bytes the next message may have, 0 if all has come.
    pub(crate) fn wanted(&self) -> usize {
        match self.count {
            None => HEADER_LEN - self.header.len(),
            Some(count) if self.descriptors.len() < count => MORE.len(),
            Some(_) => 0,
        }
    }

    /// The stream has ended too early.
    pub(crate) fn ended(&self) -> MessageError {
        MessageError::Ended {
            missing: self.wanted(),
        }
    }

    fn check_max(&self, count: u32) -> Result<usize, MessageError> {
        match usize::try_from(count) {
            Ok(count) if count <= self.max_count => Ok(count),
            _ => Err(MessageError::TooMany {
                count: count.into(),
                max: self.max_count,
            }),
        }
    }
}

fn check_bytes(expected: &[u8], found: &[u8]) -> Result<(), MessageError> {
    match expected.iter().zip(found).find(|(a, b)| a != b) {
        None => Ok(()),
        Some((&expected, &found)) => Err(MessageError::WrongByte { expected, found }),
    }
}

/// A message carries what is left, or as many as it can.
fn check_count(left: usize, received: usize, byte: u8) -> Result<(), MessageError> {
    match min(left, MAX_DESCRIPTORS) {
        expected if expected == received => Ok(()),
        expected => Err(MessageError::WrongCount {
            expected,
            received,
            byte,
        }),
    }
}

pub(crate) const HEADER_LEN: usize = 8;
const MAGIC: &[u8] = b"fds\x01";
const MORE: &[u8] = b"+";
