use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

#[cfg(doc)]
use crate::error::Error;
use crate::handshake::Lifetime;
use crate::machine::{Incoming, Machine};
use crate::session::Session;

/// A stream inside TLS, on either side.
///
/// # Ends
///
/// A read returns `Ok(0)` when the peer has said that it will send no more (close_notify), and then only.
/// When the stream below ends without that, somebody may have cut it: the read fails with
/// [`io::ErrorKind::UnexpectedEof`] and [`Error::CutOff`] inside. [`finish`](Self::finish) says so for this
/// side; reading goes on after it. A stream that is dropped without it sends nothing, so the peer gets the
/// error.
///
/// # Errors
///
/// Errors of the stream below come as they are. Those of TLS are of kind `InvalidData` or
/// `ConnectionAborted` with an [`Error`] inside; the peer has been sent an alert, and all that comes later
/// fails the same way.
///
/// On a stream that does not block, or has timeouts, `WouldBlock` loses nothing: bytes that `write` has
/// taken are kept, at most 64 KiB, and sent by the next call of `write`, [`flush`](Write::flush) or `finish`.
///
/// # Two threads
///
/// A stream that is [`Duplex`] can be read by one thread and written by another, each through `&TlsStream`:
///
/// ```
/// # use std::io::{self, Read, Write};
/// # use std::net::TcpStream;
/// # use tls_mixin::TlsStream;
/// fn echo(stream: &TlsStream<TcpStream>) -> io::Result<()> {
///     let (mut input, mut out) = stream.split();
///     io::copy(&mut input, &mut out)?;
///     stream.finish_shared()
/// }
/// ```
///
/// Neither waits while the other is in a call that blocks. Through `&mut` the stream has no locks and one
/// copy less when writing, so prefer that on one thread.
///
/// # Cost
///
/// What arrives is read into a buffer of 4 KiB, which grows up to 32 KiB while it is filled. A read gives all that
/// has arrived, as far as there is room, so one into 64 KiB leaves nothing behind. A write of
/// `n` bytes is one system call or a few, and `n / 16 KiB` records of 22 bytes more: put small pieces into a
/// `BufWriter`. Who writes through `&TlsStream` has a buffer of up to 66 KiB more.
///
/// Give a `TcpStream` [`set_nodelay(true)`](std::net::TcpStream::set_nodelay) first, as `socket-server` does:
/// records cut what is sent into pieces, and without it the last one may wait for the peer.
pub struct TlsStream<S> {
    stream: S,
    // In this order where two are held.
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Outgoing>,
    machine: Mutex<Machine>,
    session: Session,
    lifetime: Lifetime,
}

/// What was encrypted for a stream that is written through a shared reference.
#[derive(Default)]
struct Outgoing {
    buffer: Vec<u8>,
    sent: usize,
}

/// A stream that two threads can use at a time: one reads, the other writes.
///
/// It is there for sockets, for references to what can be used by reference (`&Connection` of
/// `socket-server`), and for TLS around any of them. A type of your own, call it `Pipe`, has
/// `type Half<'a> = &'a Pipe` where `&Pipe` is `Read + Write`.
pub trait Duplex {
    /// What one of them has.
    type Half<'a>: Read + Write
    where
        Self: 'a;

    /// Lets one of them have it.
    fn half(&self) -> Self::Half<'_>;
}

impl<S> TlsStream<S> {
    pub(crate) fn new(
        stream: S,
        machine: Machine,
        incoming: Incoming,
        session: Session,
        lifetime: Lifetime,
    ) -> Self {
        Self {
            stream,
            incoming: Mutex::new(incoming),
            outgoing: Mutex::default(),
            machine: Mutex::new(machine),
            session,
            lifetime,
        }
    }

    /// Returns what was negotiated, and who the peer is.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the stream below. What is read from it or written to it breaks the connection.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Gives the stream twice: to read from and to write to.
    #[must_use]
    pub fn split(&self) -> (&Self, &Self)
    where
        S: Duplex,
    {
        (self, self)
    }
}

/// Through `&mut`: without locks, and from the state machine right into the stream.
impl<S: Read + Write> TlsStream<S> {
    /// Sends what is still to be sent, and tells the peer that this was all (close_notify). Reading goes on;
    /// writing does not. The stream below stays open.
    ///
    /// # Errors
    ///
    /// Those of the stream below. After `WouldBlock` call it again.
    pub fn finish(&mut self) -> io::Result<()> {
        let machine = exclusive(&mut self.machine);
        machine.finish();
        self.flush()
    }

    fn send(&mut self) -> io::Result<()> {
        exclusive(&mut self.outgoing).send(&mut self.stream)?;
        exclusive(&mut self.machine).send(&mut self.stream)
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lifetime.check()?;
        let incoming = exclusive(&mut self.incoming);
        let machine = exclusive(&mut self.machine);
        loop {
            match machine.read(incoming, buf) {
                Ok(Some(len)) => return Ok(len),
                Ok(None) => {}
                Err(error) => {
                    // The alert, as far as that goes.
                    let _ = self.send();
                    return Err(error.into());
                }
            }
            if !incoming.fill(&mut self.stream)? {
                machine.receive_eof();
            }
        }
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.lifetime.check()?;
        self.send()?;
        let len = exclusive(&mut self.machine).write(bufs)?;
        // These are taken now: why they can't be sent is for the next call to say.
        let _ = self.send();
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        self.stream.flush()
    }
}

/// Through `&`: locked around the state machine, never while the stream below may block.
impl<S: Duplex> TlsStream<S> {
    /// As [`finish`](Self::finish), for a stream that is shared between threads.
    ///
    /// # Errors
    ///
    /// Those of the stream below. After `WouldBlock` call it again.
    pub fn finish_shared(&self) -> io::Result<()> {
        let mut outgoing = lock(&self.outgoing);
        lock(&self.machine).finish();
        self.send_shared(&mut outgoing)?;
        self.stream.half().flush()
    }

    fn send_shared(&self, outgoing: &mut Outgoing) -> io::Result<()> {
        let mut stream = self.stream.half();
        loop {
            outgoing.send(&mut stream)?;
            let mut machine = lock(&self.machine);
            if !machine.wants_write() {
                return Ok(());
            }
            machine.send(&mut outgoing.buffer)?;
        }
    }

    /// What reading has to send: alerts. Who is writing sends it too.
    fn send_if_idle(&self) {
        let outgoing = match self.outgoing.try_lock() {
            Ok(outgoing) => Some(outgoing),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut outgoing) = outgoing {
            let _ = self.send_shared(&mut outgoing);
        }
    }
}

impl<S: Duplex> Read for &TlsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lifetime.check()?;
        let mut incoming = lock(&self.incoming);
        loop {
            let read = lock(&self.machine).read(&mut incoming, buf);
            match read {
                Ok(Some(len)) => return Ok(len),
                Ok(None) => {}
                Err(error) => {
                    self.send_if_idle();
                    return Err(error.into());
                }
            }
            if !incoming.fill(&mut self.stream.half())? {
                lock(&self.machine).receive_eof();
            }
        }
    }
}

impl<S: Duplex> Write for &TlsStream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.lifetime.check()?;
        let mut outgoing = lock(&self.outgoing);
        self.send_shared(&mut outgoing)?;
        let len = lock(&self.machine).write(bufs)?;
        let _ = self.send_shared(&mut outgoing);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send_shared(&mut lock(&self.outgoing))?;
        self.stream.half().flush()
    }
}

/// To wait for the stream below with others. It may have nothing to read while the TLS stream has: read
/// until `WouldBlock` first, or until less came than there was room for.
impl<S: AsFd> AsFd for TlsStream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Duplex for TcpStream {
    type Half<'a> = &'a Self;

    fn half(&self) -> &Self {
        self
    }
}

impl Duplex for UnixStream {
    type Half<'a> = &'a Self;

    fn half(&self) -> &Self {
        self
    }
}

impl<'s, S> Duplex for &'s S
where
    &'s S: Read + Write,
{
    type Half<'a>
        = &'s S
    where
        's: 'a;

    fn half(&self) -> &'s S {
        self
    }
}

/// TLS inside TLS.
impl<S: Duplex> Duplex for TlsStream<S> {
    type Half<'a>
        = &'a Self
    where
        S: 'a;

    fn half(&self) -> &Self {
        self
    }
}

impl<S: fmt::Debug> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("stream", &self.stream)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl Outgoing {
    fn send(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while self.sent < self.buffer.len() {
            match stream.write(&self.buffer[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.clear();
        self.sent = 0;
        Ok(())
    }
}

/// Nothing is left half done where these locks are held, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn exclusive<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}
