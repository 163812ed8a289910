use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use crate::turn::Core;
use crate::{Context, DatagramHandler, Key, QueueFull};

/// The datagrams that wait to be sent on one socket.
///
/// Bounded: at most 1 MiB of payload in 4096 datagrams wait for a full socket.
#[derive(Debug, Default)]
pub struct Datagrams {
    /// Payloads end to end.
    payloads: Vec<u8>,
    queue: VecDeque<(SocketAddr, usize)>,
    sent: usize,
}

const MAX_WAITING_LEN: usize = 1 << 20;
const MAX_WAITING: usize = 4096;
/// How many datagrams one turn takes from one socket before others have theirs.
const RECEIVE_BUDGET: usize = 64;

impl Datagrams {
    /// Sends a copy of `payload` to `to` when the handler returns.
    ///
    /// A datagram that the system refuses to send is dropped, as one lost on the way would be, and
    /// counted in [`Stats::datagrams_dropped`](crate::Stats::datagrams_dropped).
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when too much waits already; the datagram is not queued.
    pub fn send_to(&mut self, payload: &[u8], to: SocketAddr) -> Result<(), QueueFull> {
        let queued = self.payloads.len() - self.sent;
        if self.queue.len() >= MAX_WAITING || payload.len() > MAX_WAITING_LEN - queued {
            return Err(QueueFull {
                refused: payload.len(),
                queued,
                limit: MAX_WAITING_LEN,
            });
        }
        self.payloads.extend_from_slice(payload);
        self.queue.push_back((to, payload.len()));
        Ok(())
    }

    /// How many datagrams wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn first(&self) -> Option<(&[u8], SocketAddr)> {
        let &(to, len) = self.queue.front()?;
        Some((&self.payloads[self.sent..self.sent + len], to))
    }

    fn remove_first(&mut self) {
        if let Some((_, len)) = self.queue.pop_front() {
            self.sent += len;
        }
        if self.queue.is_empty() {
            self.payloads.clear();
            self.sent = 0;
        } else if self.sent > MAX_WAITING_LEN {
            self.payloads.drain(..self.sent);
            self.sent = 0;
        }
    }
}

pub(crate) struct DatagramSource<M> {
    socket: UdpSocket,
    handler: Option<Box<dyn DatagramHandler<M>>>,
    out: Datagrams,
    pub(crate) is_readable: bool,
    pub(crate) is_writable: bool,
    pub(crate) is_paused: bool,
    pub(crate) is_ready: bool,
}

impl<M: 'static> DatagramSource<M> {
    pub(crate) fn new(socket: UdpSocket, handler: Box<dyn DatagramHandler<M>>) -> Self {
        Self {
            socket,
            handler: Some(handler),
            out: Datagrams::default(),
            is_readable: false,
            is_writable: true,
            is_paused: false,
            is_ready: false,
        }
    }
}

impl<M: 'static> Core<M> {
    pub(crate) fn service_datagrams(&mut self, key: Key) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let mut failed = 0;
        for _ in 0..RECEIVE_BUDGET {
            let Some(source) = self.datagrams_mut(key) else {
                break;
            };
            if !source.is_readable || source.is_paused {
                break;
            }
            match source.socket.recv_from(&mut buffer) {
                Ok((len, from)) => {
                    let payload = &buffer[..len];
                    self.call_datagrams(key, |handler, out, cx| {
                        handler.received(payload, from, out, cx);
                    });
                    self.deliver_posts();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    source.is_readable = false;
                }
                // An earlier datagram of ours met a closed port, or the call was interrupted: that is
                // no reason to stop serving others.
                Err(_) => failed += 1,
            }
        }
        self.read_buffer = buffer;
        if let Some(source) = self.datagrams_mut(key) {
            // Where there are only errors, the socket waits to be told of something new.
            source.is_readable &= failed < RECEIVE_BUDGET;
            if source.is_readable && !source.is_paused {
                self.make_ready(key);
            }
        }
    }

    /// Calls the handler and sends what it queued.
    pub(crate) fn call_datagrams(
        &mut self,
        key: Key,
        call: impl FnOnce(&mut dyn DatagramHandler<M>, &mut Datagrams, &mut Context<'_, M>),
    ) {
        let Some(source) = self.datagrams_mut(key) else {
            return;
        };
        let Some(mut handler) = source.handler.take() else {
            return;
        };
        let mut out = std::mem::take(&mut source.out);
        let survived = self.guard(key, |cx| call(&mut *handler, &mut out, cx));
        if !survived {
            // The socket serves many peers; the panic costs the one whose turn it was.
            self.stats.panicked += 1;
        }
        if let Some(source) = self.datagrams_mut(key) {
            source.handler = Some(handler);
            source.out = out;
        }
        self.flush_datagrams(key);
    }

    pub(crate) fn flush_datagrams(&mut self, key: Key) {
        let Some(source) = self.datagrams_mut(key) else {
            return;
        };
        let mut dropped = 0;
        let mut is_full = false;
        while let (true, Some((payload, to))) = (source.is_writable, source.out.first()) {
            match source.socket.send_to(payload, to) {
                Ok(_) => source.out.remove_first(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    source.is_writable = false;
                    is_full = true;
                }
                Err(_) => {
                    source.out.remove_first();
                    dropped += 1;
                }
            }
        }
        let fd = source.socket.as_raw_fd();
        self.stats.datagrams_dropped += dropped;
        if is_full {
            // Told again when there is room. Should the watching fail, the next datagram that
            // arrives tries again.
            let _ = self.poller.watch_fd_writes(fd, key);
        }
    }
}
