use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, getsockname, recv, send, sendmsg, shutdown,
};

use crate::failure::Cut;
use crate::gate::Permit;
use crate::registry::Registered;
use crate::service::Service;
use crate::{Address, Lines, Peer};

/// One accepted connection, as its handler has it.
///
/// It is `Read + Write`, and so is `&Connection`, so that it can be [split](Self::split). A read returns
/// what is there and never reads ahead; only [`lines`](Self::lines) buffers.
///
/// Each read and write has a deadline (see [`Limits`](crate::Limits)). When one has passed, reading
/// gives an error of kind `TimedOut` that holds a [`Timeout`](crate::Timeout). After the deadlines of
/// reads the handler may still write, to say why; after the others it may not. When the server stops
/// and the grace period is over, reading and writing give `ConnectionAborted`.
///
/// When the handler returns, the connection ends in order: bytes of the peer that have arrived unread
/// are taken off first, so that the last bytes written are not lost in a reset.
#[derive(Debug)]
pub struct Connection {
    open: Registered,
    peer: Peer,
    permit: Permit,
    service: Arc<Service>,
}

impl Connection {
    pub(crate) fn new(open: Registered, peer: Peer, permit: Permit, service: Arc<Service>) -> Self {
        Self {
            open,
            peer,
            permit,
            service,
        }
    }

    /// Returns who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Returns the address that the peer connected to. A server that listens on all addresses of the
    /// machine learns here which one it was. Costs a system call.
    #[must_use]
    pub fn local_address(&self) -> Address {
        getsockname(&self.open.socket)
            .map_err(io::Error::from)
            .and_then(Address::of_stream)
            .unwrap_or_else(|_| self.service.address.clone())
    }

    /// Returns whether the server is shutting down. A handler that serves one request after another
    /// asks between them, and returns.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.permit.gate().is_stopping()
    }

    /// Gives the connection twice: to read from and to write to, on one thread or two
    /// (`std::thread::scope`).
    ///
    /// ```
    /// # use socket_server::{Connection, HandlerResult};
    /// fn echo(connection: &mut Connection) -> HandlerResult {
    ///     let (mut input, mut out) = connection.split();
    ///     std::io::copy(&mut input, &mut out)?;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn split(&self) -> (&Self, &Self) {
        (self, self)
    }

    /// Gives the connection as lines to read and a stream to write.
    ///
    /// The writer is not buffered: put several small pieces into a `BufWriter`.
    #[must_use]
    pub fn lines(&self) -> (Lines<'_>, &Self) {
        let max_line_len = self.permit.gate().limits().max_line_len;
        (Lines::new(self, max_line_len), self)
    }

    /// Runs a handshake (TLS, authentication, …) within the limits for handshakes.
    ///
    /// While it runs, the connection is counted as pending, and has
    /// [`handshake_timeout`](crate::Limits::handshake_timeout) to come to an end.
    ///
    /// # Errors
    ///
    /// Those of the handshake; an `io::Error` of kind `TimedOut` in its reads and writes after the
    /// deadline; one of kind `ConnectionAborted`, before anything is read, when there are
    /// [`max_handshakes`](crate::Limits::max_handshakes) already. The peer is then told the
    /// [`refusal`](crate::Limits::refusal).
    pub fn handshake<'a, T, E: From<io::Error>>(
        &'a self,
        handshake: impl FnOnce(&'a Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let gate = self.permit.gate();
        let pending = match gate.begin_handshake() {
            Ok(pending) => pending,
            Err(refused) => {
                self.refuse();
                let cut = Cut::Refused(refused);
                self.open.cut(cut);
                return Err(cut.to_error().into());
            }
        };
        self.open.set_handshake(true);
        let result = handshake(self);
        self.open.set_handshake(false);
        drop(pending);
        result
    }

    /// Changes how long a read or write of this connection may wait, after the first byte; `None` lets
    /// it wait. [`Limits::total_timeout`](crate::Limits::total_timeout) still holds.
    pub fn set_idle_timeout(&self, timeout: Option<Duration>) {
        self.open.set_idle_timeout(timeout);
        self.open.registry().hurry();
    }

    /// Tells the peer that nothing more will be sent. Reading goes on.
    ///
    /// # Errors
    ///
    /// Of kind `NotConnected` when the peer is gone.
    pub fn finish_writing(&self) -> io::Result<()> {
        Ok(shutdown(&self.open.socket, Shutdown::Write)?)
    }

    /// Tells the peer, as far as that goes without waiting, that it is refused.
    pub(crate) fn refuse(&self) {
        refuse(&self.open.socket, &self.service);
    }

    pub(crate) fn why_cut(&self) -> Option<Cut> {
        self.open.why_cut()
    }

    /// Whom the connection is counted for; and the counts.
    pub(crate) fn permit(&mut self) -> &mut Permit {
        &mut self.permit
    }

    /// The client that a proxy speaks for is the peer, and has sent nothing yet.
    pub(crate) fn set_peer(&mut self, peer: Peer) {
        self.peer = peer;
        self.open.expect_first_byte();
    }

    /// Lets go of the socket as it is: another process has it, or nobody wants it.
    pub(crate) fn hand_over(self) -> (Peer, Permit) {
        (self.peer, self.permit)
    }

    /// Closes the socket, in order unless the connection was cut.
    pub(crate) fn close(self) -> (Peer, Permit) {
        if self.open.why_cut().is_none_or(Cut::leaves_writing) && !self.open.has_ended() {
            take_arrived(&self.open.socket, LINGER);
        }
        (self.peer, self.permit)
    }
}

impl Read for &Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.open.begin_read()?;
        let received = retry_on_intr(|| recv(&self.open.socket, &mut *buf, RecvFlags::empty()));
        self.open.end_read(received.map(|(len, _)| len))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        self.open.begin_read()?;
        let received = retry_on_intr(|| rustix::io::readv(&self.open.socket, bufs));
        self.open.end_read(received)
    }
}

impl Write for &Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // A deadline for each piece, or a big write to a slow peer could not be told from a stuck one.
        let piece = &buf[..buf.len().min(PIECE)];
        self.open.begin_write()?;
        let sent = retry_on_intr(|| send(&self.open.socket, piece, SendFlags::NOSIGNAL));
        self.open.end_write(sent)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if bufs.iter().map(|buf| buf.len()).sum::<usize>() > PIECE {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.write(first.map_or(&[], |buf| buf));
        }
        self.open.begin_write()?;
        let sent = retry_on_intr(|| {
            let mut control = SendAncillaryBuffer::default();
            sendmsg(&self.open.socket, bufs, &mut control, SendFlags::NOSIGNAL)
        });
        self.open.end_write(sent)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For options of the socket, and to wait for it with others. What is read and written through the
/// descriptor has no deadline but the one for the whole connection.
impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.open.socket.as_fd()
    }
}

/// Tells a newcomer that it is refused, without waiting.
pub(crate) fn refuse(socket: impl AsFd, service: &Service) {
    let refusal = service.gate.limits().refusal;
    if !refusal.is_empty() {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        // A newcomer that is gone already need not be told.
        let _ = send(&socket, &refusal, flags);
        take_arrived(&socket, Duration::ZERO);
    }
}

/// Takes what has arrived unread off the socket: closing it otherwise resets the connection, and the
/// peer may lose what it has not read. A peer found to be still sending is given `patience` to finish.
pub(crate) fn take_arrived(socket: impl AsFd, patience: Duration) {
    let mut scrap = [MaybeUninit::uninit(); 16 << 10];
    let mut taken = 0;
    let mut until = None;
    loop {
        match recv(&socket, &mut scrap, RecvFlags::DONTWAIT) {
            Ok((_, 1..)) if taken > MAX_TAKEN => return,
            Ok((_, len @ 1..)) => {
                taken += len;
                if until.is_none() {
                    until = Some(Instant::now() + patience);
                    let _ = shutdown(&socket, Shutdown::Write);
                }
            }
            Err(Errno::AGAIN) if until.is_some_and(|until| waits(&socket, until)) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Waits until there is something to read; `false` when the time is over first.
fn waits(socket: impl AsFd, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    let Ok(timeout) = Timespec::try_from(left) else {
        return false;
    };
    let mut sockets = [PollFd::new(&socket, PollFlags::IN)];
    !left.is_zero() && matches!(poll(&mut sockets, Some(&timeout)), Ok(1))
}

/// The most that one write takes.
const PIECE: usize = 256 << 10;
/// How long a peer that still sends when the handler has returned may take to finish.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// How much of what it sends is taken off.
pub(crate) const MAX_TAKEN: usize = 1 << 20;
