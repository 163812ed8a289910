use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::time::timeout;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, getsockname, recv, send, sendmsg, shutdown,
};

use super::Tasks;
use super::socket::{Stream, Way};
use crate::connection::{LINGER, MAX_TAKEN, refuse};
use crate::failure::Cut;
use crate::registry::{Open, Registered, Socket};
use crate::service::Service;
use crate::{Address, Peer};

/// One accepted connection, as its handler has it.
///
/// It is `AsyncRead + AsyncWrite`, and so is `&Connection`: one part of a handler can read while another
/// one writes, without `split`. At most one task may read at a time, and one write.
///
/// Reads and writes have the deadlines of [`Limits`](crate::Limits), and give the same errors as those of
/// the blocking [`Connection`](crate::Connection). A deadline counts from when a read first had to wait
/// until a byte came. A read that is dropped before counts on: a handler that gives up reading for longer
/// than the deadline, and does not return, loses the connection.
///
/// When the handler's future ends, so does the connection, in order, even if the handler has given it to
/// another task.
pub struct Connection(Arc<Inner>);

struct Inner {
    place: Place,
    peer: Peer,
}

impl Connection {
    pub(super) fn new(place: Place, peer: Peer) -> Self {
        Self(Arc::new(Inner { place, peer }))
    }

    /// Returns who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Returns the address that the peer connected to. A server that listens on all addresses of the
    /// machine learns here which one it was. Costs a system call.
    #[must_use]
    pub fn local_address(&self) -> Address {
        getsockname(self)
            .map_err(io::Error::from)
            .and_then(Address::of_stream)
            .unwrap_or_else(|_| self.tasks().service.address.clone())
    }

    /// Returns whether the server is shutting down. A handler that serves one request after another
    /// asks between them, and returns.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.tasks().service.gate.is_stopping()
    }

    /// Waits until there is something to read, within the deadlines of reading.
    ///
    /// A handler that waits so, and makes its buffer after it, needs no memory for one while its peer is
    /// silent.
    ///
    /// # Errors
    ///
    /// Those of reading that come from the server: a deadline has passed, or the server stops.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| {
            loop {
                if self.poll_readable(cx)?.is_pending() {
                    return Poll::Pending;
                }
                // The runtime may only believe so.
                let look = || Ok(recv(self, &mut [0], RecvFlags::PEEK)?.0);
                if !would_block(&self.stream().transfer(Way::In, 1, look)) {
                    return Poll::Ready(Ok(()));
                }
            }
        })
        .await
    }

    /// Runs a handshake (TLS, authentication, …) within the limits for handshakes.
    ///
    /// While it runs, the connection is counted as pending, and has
    /// [`handshake_timeout`](crate::Limits::handshake_timeout) to come to an end.
    ///
    /// # Errors
    ///
    /// Those of the handshake; an `io::Error` of kind `TimedOut` in its reads and writes after the
    /// deadline; one of kind `ConnectionAborted`, before the handshake is begun, when there are
    /// [`max_handshakes`](crate::Limits::max_handshakes) already. The peer is then told the
    /// [`refusal`](crate::Limits::refusal).
    ///
    /// # Cancel safety
    ///
    /// That of the handshake: when this future is dropped, so is the handshake.
    pub async fn handshake<T, E: From<io::Error>>(
        &self,
        handshake: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let pending = match self.tasks().service.gate.begin_handshake() {
            Ok(pending) => pending,
            Err(refused) => {
                self.refuse();
                let cut = Cut::Refused(refused);
                self.open().cut(cut);
                return Err(cut.to_error().into());
            }
        };
        let deadline = HandshakeDeadline::set(self.open());
        let result = handshake.await;
        drop((deadline, pending));
        result
    }

    /// Changes how long a read or write of this connection may wait, after the first byte; `None` lets
    /// it wait. [`Limits::total_timeout`](crate::Limits::total_timeout) still holds.
    pub fn set_idle_timeout(&self, timeout: Option<Duration>) {
        self.open().set_idle_timeout(timeout);
        self.tasks().service.registry.hurry();
    }

    /// For the server beside the handler.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// The client that a proxy speaks for is the peer, and has sent nothing yet.
    pub(super) fn set_peer(&mut self, peer: Peer) {
        let inner = Arc::get_mut(&mut self.0).expect("the handler does not run yet");
        inner.peer = peer;
        self.open().expect_first_byte();
    }

    pub(super) fn why_cut(&self) -> Option<Cut> {
        self.open().why_cut()
    }

    pub(super) fn refuse(&self) {
        refuse(self, &self.tasks().service);
    }

    /// Closes the socket, in order unless the connection was cut.
    pub(super) async fn close(&self) {
        let open = self.open();
        if open.why_cut().is_none_or(Cut::leaves_writing) && !open.has_ended() {
            // What is still unread would turn closing into a reset.
            let _ = timeout(LINGER, self.take_arrived()).await;
        }
        if Arc::strong_count(&self.0) > 1 {
            let _ = shutdown(self, Shutdown::Both);
        }
    }

    /// Takes what has arrived unread off the socket, and, if the peer is found to be still sending, what
    /// comes until it has finished.
    async fn take_arrived(&self) {
        let Ok(mut taken @ 1..) = take_some(self) else {
            return;
        };
        let _ = shutdown(self, Shutdown::Write);
        while poll_fn(|cx| self.stream().poll_ready(cx, Way::In))
            .await
            .is_ok()
        {
            let some = (self.stream()).transfer(Way::In, SCRAP, || take_some(self));
            match some {
                Ok(len @ 1..) if taken < MAX_TAKEN => taken += len,
                _ if would_block(&some) => {}
                _ => return,
            }
        }
    }

    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if self.poll_readable(cx)?.is_pending() {
                return Poll::Pending;
            }
            let space = buf.remaining().min(MAX_READ);
            let space = buf.initialize_unfilled_to(space);
            let received = self.stream().transfer(Way::In, space.len(), || {
                retry_on_intr(|| Ok(recv(self, &mut *space, RecvFlags::empty())?.0))
            });
            if !would_block(&received) {
                buf.advance(self.open().end_read(received)?);
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        len: usize,
        mut write: impl FnMut() -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.stream().poll_ready(cx, Way::Out)?.is_pending() {
                self.open().await_write()?;
                return Poll::Pending;
            }
            let sent = (self.stream()).transfer(Way::Out, len, || retry_on_intr(&mut write));
            if !would_block(&sent) {
                return Poll::Ready(self.open().end_write(sent));
            }
        }
    }

    /// Waits for something to read, perhaps; the deadline counts from the first wait.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open().check()?;
        let ready = self.stream().poll_ready(cx, Way::In);
        if ready.is_pending() {
            self.open().await_read()?;
        }
        ready
    }

    fn stream(&self) -> &Stream {
        match &self.open().socket {
            Socket::Task(stream) => stream,
            Socket::Thread(_) => unreachable!("it was made for a task"),
        }
    }

    fn open(&self) -> &Open {
        &self.0.place.open
    }

    pub(super) fn service(&self) -> &Arc<Service> {
        &self.tasks().service
    }

    fn tasks(&self) -> &Tasks {
        &self.0.place.tasks
    }
}

impl AsyncRead for &Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_recv(cx, buf)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_recv(cx, buf)
    }
}

impl AsyncWrite for &Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let socket = self.as_fd();
        self.poll_send(cx, buf.len(), || send(socket, buf, SendFlags::NOSIGNAL))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (socket, len) = (self.as_fd(), bufs.iter().map(|buf| buf.len()).sum());
        self.poll_send(cx, len, || {
            let mut control = SendAncillaryBuffer::default();
            sendmsg(socket, bufs, &mut control, SendFlags::NOSIGNAL)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that nothing more will be sent. Reading goes on.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(shutdown(*self, Shutdown::Write)?))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_shutdown(cx)
    }
}

/// For options of the socket. What is read and written through the descriptor has no deadline but the
/// one for the whole connection.
impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.open().socket.as_fd()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", self.peer())
            .finish_non_exhaustive()
    }
}

/// The place of a connection in the registry and among the tasks.
pub(super) struct Place {
    pub(super) tasks: Arc<Tasks>,
    pub(super) open: Registered,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Before the registry gives the place to another connection.
        if let Some(task) = self.tasks.running().get_mut(self.open.slot()) {
            *task = None;
        }
    }
}

/// The deadline of a handshake, until it is over or given up.
struct HandshakeDeadline<'a>(&'a Open);

impl<'a> HandshakeDeadline<'a> {
    fn set(open: &'a Open) -> Self {
        open.set_handshake(true);
        Self(open)
    }
}

impl Drop for HandshakeDeadline<'_> {
    fn drop(&mut self) {
        self.0.set_handshake(false);
    }
}

/// Takes some of what has arrived. Its buffer is not kept across a wait.
fn take_some(socket: impl AsFd) -> rustix::io::Result<usize> {
    let mut scrap = [MaybeUninit::uninit(); SCRAP];
    let (_, len) = recv(socket, &mut scrap, RecvFlags::empty())?;
    Ok(len)
}

fn would_block(outcome: &io::Result<usize>) -> bool {
    matches!(outcome, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

const SCRAP: usize = 16 << 10;

/// The most that one read takes: memory that was never written is written before.
const MAX_READ: usize = 64 << 10;
