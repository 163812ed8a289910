//! The protocols over `std::io::{Read, Write}`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::challenge::{Challenge, ChallengeOptions};
use crate::error::Error;
use crate::handshake::{Handshake, HandshakeOptions};
use crate::key::{ChallengeKey, Key, Keyring};
use crate::machine::Machine;
use crate::nonce::fresh_nonce;
use crate::session::Session;

mod sealed;

pub use sealed::SealedStream;

/// A stream whose reads can be made to give up.
///
/// The functions of this module need that: without it a peer that says nothing would hold the thread for
/// ever. They put back what was set before, and leave it alone where it is shorter than the deadline. Streams
/// that can't do it go into [`Untimed`]. The socket must be in blocking mode: one that is not would be asked
/// again and again until the deadline.
pub trait Stream: Read + Write {
    /// Returns how long a read may take, `None` if for ever.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn read_timeout(&self) -> io::Result<Option<Duration>>;

    /// Makes later reads that get nothing for so long fail as [`io::ErrorKind::TimedOut`] or
    /// [`io::ErrorKind::WouldBlock`]. It is never called with a duration of zero.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.read_timeout()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }
}

impl Stream for &TcpStream {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        (**self).read_timeout()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_read_timeout(timeout)
    }
}

#[cfg(unix)]
impl Stream for UnixStream {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.read_timeout()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }
}

#[cfg(unix)]
impl Stream for &UnixStream {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        (**self).read_timeout()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_read_timeout(timeout)
    }
}

/// A stream whose reads this module can't make give up: one inside TLS, a pipe, the connection of a server
/// that has deadlines of its own.
///
/// The deadline is still looked at before every read, so a peer that sends byte by byte is cut. For one that
/// sends nothing, set a read timeout on the socket below: while the deadline has not passed it only serves to
/// look at the clock. With neither that nor a server's deadline, a silent peer holds the thread for ever.
///
/// ```
/// use auth_hmac::blocking::{Untimed, answer};
/// use auth_hmac::{ChallengeKey, ChallengeOptions};
///
/// struct Tls(std::os::unix::net::UnixStream);
/// # impl std::io::Read for Tls {
/// #     fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> { self.0.read(buffer) }
/// # }
/// # impl std::io::Write for Tls {
/// #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { self.0.write(bytes) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// # let (left, right) = std::os::unix::net::UnixStream::pair()?;
/// # std::io::Write::write_all(&mut &right, &[7; 32])?;
/// # let mut tls = Tls(left);
/// tls.0.set_read_timeout(Some(std::time::Duration::from_secs(1)))?;
/// let key = ChallengeKey::new([7; 32])?;
/// answer(&mut Untimed(&mut tls), &key, &ChallengeOptions::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Untimed<S>(pub S);

impl<S: Read> Read for Untimed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Write> Write for Untimed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write> Stream for Untimed<S> {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

/// Sends a challenge and returns once the peer has answered it rightly. The server's side of
/// [`Challenge`].
///
/// Nothing that comes behind the answer is read. After an error the stream is of no use but to be closed.
///
/// # Errors
///
/// [`Error::Auth`] if the answer is wrong, cut short or late; [`Error::Io`].
pub fn challenge(
    stream: &mut impl Stream,
    key: &ChallengeKey,
    options: &ChallengeOptions,
) -> Result<(), Error> {
    let nonce = fresh_nonce()?;
    drive(stream, Challenge::asker(key, options, nonce)).map(drop)
}

/// Answers the peer's challenge. The client's side of [`Challenge`].
///
/// Whether the answer was right shows in what the peer does then: it goes on, or closes the stream. Nothing
/// that comes behind the challenge is read.
///
/// # Errors
///
/// [`Error::Auth`] if the challenge is cut short or late; [`Error::Io`].
pub fn answer(
    stream: &mut impl Stream,
    key: &ChallengeKey,
    options: &ChallengeOptions,
) -> Result<(), Error> {
    drive(stream, Challenge::answerer(key, options)).map(drop)
}

/// Begins a [`Handshake`], and returns once both ends have proved themselves.
///
/// Nothing that comes behind it is read. After an error the stream is of no use but to be closed.
///
/// # Errors
///
/// [`Error::Auth`], [`Error::Io`].
pub fn initiate(
    stream: &mut impl Stream,
    key: &Key,
    options: &HandshakeOptions,
) -> Result<Session, Error> {
    let nonce = fresh_nonce()?;
    drive(stream, Handshake::initiator(key, options, nonce))
}

/// Waits for the peer to begin a [`Handshake`], and returns once both ends have proved themselves; see
/// [`Session::key_id`] for who the peer is.
///
/// Nothing that comes behind it is read. After an error the stream is of no use but to be closed.
///
/// # Errors
///
/// [`Error::Auth`], [`Error::Io`].
pub fn respond(
    stream: &mut impl Stream,
    keys: &Keyring,
    options: &HandshakeOptions,
) -> Result<Session, Error> {
    let nonce = fresh_nonce()?;
    drive(stream, Handshake::responder(keys, options, nonce))
}

/// Carries the bytes, and leaves the stream's read timeout as it was.
fn drive<M: Machine>(stream: &mut impl Stream, machine: M) -> Result<M::Event, Error> {
    let before = stream.read_timeout()?;
    let mut timeout = before;
    let event = carry(stream, machine, &mut timeout)?;
    if timeout != before {
        stream.set_read_timeout(before)?;
    }
    Ok(event)
}

/// `timeout` is the stream's.
fn carry<M: Machine>(
    stream: &mut impl Stream,
    mut machine: M,
    timeout: &mut Option<Duration>,
) -> Result<M::Event, Error> {
    let mut out = Vec::new();
    let mut buffer = [0; 256];
    loop {
        let written = match machine.poll_transmit(&mut out) {
            true => stream.write_all(&out).and_then(|()| stream.flush()),
            false => Ok(()),
        };
        out.clear();
        // That the peer can't be told why it is refused is no news.
        let event = machine.poll_event()?;
        written?;
        if let Some(event) = event {
            return Ok(event);
        }
        let now = Instant::now();
        machine.handle_timeout(now);
        if let Some(deadline) = machine.poll_timeout(now) {
            let left = deadline.saturating_duration_since(now);
            // A call into the system costs more than a tag, so what is nearly right stays.
            if timeout.is_none_or(|timeout| timeout > left + left / 16) {
                *timeout = Some(left.max(SHORTEST));
                stream.set_read_timeout(*timeout)?;
            }
        }
        match machine.wanted() {
            0 => {} // its time is over
            wanted => receive(stream, &mut machine, &mut buffer[..wanted])?,
        }
    }
}

fn receive(
    stream: &mut impl Stream,
    machine: &mut impl Machine,
    buffer: &mut [u8],
) -> Result<(), Error> {
    match stream.read(buffer) {
        Ok(0) => machine.receive_eof(),
        Ok(read) => {
            machine.receive(&buffer[..read]);
        }
        // The clock is looked at in any case.
        Err(error) if is_passing(&error) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Zero is no timeout, but an error.
const SHORTEST: Duration = Duration::from_millis(1);

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
