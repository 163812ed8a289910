use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::Duration;

use rustix::net::SocketFlags;

use crate::handler::Peer;
use crate::socket::keep_alive;
use crate::stream::Newcomer;
use crate::turn::{Core, Timer};
use crate::{Context, Key, Options, Outgoing, Socket, StreamHandler, sim};

/// A listening socket to put on a loop: made from a TCP, Unix or simulated listener.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
    Sim(sim::Listener),
}

/// Opens a TCP listener on `address` that other sockets may share (`SO_REUSEPORT`): the kernel spreads
/// new connections over all of them. Give each of several loops, one a thread, its own.
///
/// # Errors
///
/// What the system says to making, binding or listening.
pub fn bind_shared(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Type};
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

const BACKLOG: i32 = 4096;

/// What the streams of one listener have in common.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) options: Options,
    pub(crate) listener: Key,
    /// Connections that count against `max_connections`.
    pub(crate) open: Cell<usize>,
    /// Connections that are being told that there is no room.
    pub(crate) refusing: Cell<usize>,
}

impl Origin {
    /// For a stream that came from no listener.
    pub(crate) fn single(options: Options) -> Self {
        Self {
            options,
            listener: Key::NOBODY,
            open: Cell::new(0),
            refusing: Cell::new(0),
        }
    }
}

type Accept<M> = Box<dyn FnMut(Peer) -> Box<dyn StreamHandler<M>>>;

pub(crate) struct ListenerSource<M> {
    socket: Listener,
    origin: Rc<Origin>,
    accept: Option<Accept<M>>,
    pub(crate) is_readable: bool,
    pub(crate) is_full: bool,
    pub(crate) is_ready: bool,
    /// How long the next pause lasts; `None` while accepting goes well.
    pause: Option<Duration>,
    pub(crate) is_pausing: bool,
}

/// How many connections one turn accepts before it serves them.
const ACCEPT_BUDGET: usize = 16;
/// How many connections may be told at a time that there is no room; more are closed in silence.
const MAX_REFUSING: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl<M: 'static> ListenerSource<M> {
    pub(crate) fn new(
        socket: Listener,
        listener: Key,
        options: Options,
        accept: Accept<M>,
    ) -> Self {
        let origin = Rc::new(Origin {
            listener,
            ..Origin::single(options)
        });
        Self {
            socket,
            origin,
            accept: Some(accept),
            is_readable: false,
            is_full: false,
            is_ready: false,
            pause: None,
            is_pausing: false,
        }
    }
}

impl Listener {
    pub(crate) fn prepare(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Tcp(listener) => {
                // The connections of a listener inherit this.
                keep_alive(listener)?;
                listener.set_nonblocking(true)
            }
            Kind::Unix(listener) => listener.set_nonblocking(true),
            Kind::Sim(_) => Ok(()),
        }
    }

    pub(crate) fn simulated(&self) -> Option<&sim::Listener> {
        match &self.0 {
            Kind::Sim(listener) => Some(listener),
            Kind::Tcp(_) | Kind::Unix(_) => None,
        }
    }

    pub(crate) fn raw_fd(&self) -> Option<RawFd> {
        match &self.0 {
            Kind::Tcp(listener) => Some(listener.as_raw_fd()),
            Kind::Unix(listener) => Some(listener.as_raw_fd()),
            Kind::Sim(_) => None,
        }
    }

    fn accept(&mut self) -> io::Result<(Socket, Peer)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match &mut self.0 {
            Kind::Tcp(listener) => {
                let (fd, address) = rustix::net::acceptfrom_with(listener, flags)?;
                let address = address
                    .and_then(|address| SocketAddr::try_from(address).ok())
                    .ok_or(io::ErrorKind::ConnectionAborted)?;
                let stream = TcpStream::from(fd);
                stream.set_nodelay(true)?;
                Ok((stream.into(), Peer::Tcp(address)))
            }
            Kind::Unix(listener) => {
                let fd: OwnedFd = rustix::net::accept_with(listener, flags)?;
                Ok((UnixStream::from(fd).into(), Peer::Unix))
            }
            Kind::Sim(listener) => Ok((listener.accept()?.into(), Peer::Simulated)),
        }
    }
}

impl<M: 'static> Core<M> {
    pub(crate) fn service_listener(&mut self, key: Key) {
        for _ in 0..ACCEPT_BUDGET {
            let Some(listener) = self.listener_mut(key) else {
                return;
            };
            if !listener.is_readable || listener.is_pausing {
                return;
            }
            let options = &listener.origin.options;
            if listener.origin.open.get() >= options.max_connections && options.refusal.is_empty() {
                listener.is_full = true;
                return;
            }
            match listener.socket.accept() {
                Ok((socket, peer)) => {
                    listener.pause = None;
                    self.admit(key, socket, peer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    listener.is_readable = false;
                    return;
                }
                Err(error) if is_of_newcomer(&error) => {}
                Err(error) => return self.pause_accepting(key, &error),
            }
        }
        self.make_ready(key);
    }

    fn admit(&mut self, key: Key, socket: Socket, peer: Peer) {
        let Some(listener) = self.listener_mut(key) else {
            return;
        };
        let origin = Rc::clone(&listener.origin);
        if origin.open.get() >= origin.options.max_connections {
            self.stats.refused += 1;
            if origin.refusing.get() < MAX_REFUSING {
                let refusal = Refusal(Rc::clone(&origin));
                origin.refusing.set(origin.refusing.get() + 1);
                // Where even a refusal can't be watched, the newcomer is closed without one.
                let newcomer = Newcomer {
                    is_connected: true,
                    is_counted: false,
                };
                let _ = self.add_stream(socket, origin, Box::new(refusal), newcomer);
            }
            return;
        }
        let Some(mut accept) = listener.accept.take() else {
            return;
        };
        let mut handler = None;
        self.guard(key, |_| handler = Some(accept(peer)));
        if let Some(listener) = self.listener_mut(key) {
            listener.accept = Some(accept);
        }
        let Some(handler) = handler else {
            self.stats.panicked += 1;
            return;
        };
        let newcomer = Newcomer {
            is_connected: true,
            is_counted: true,
        };
        match self.add_stream(socket, origin, handler, newcomer) {
            Ok(_) => self.stats.accepted += 1,
            Err(error) => tracing::warn!(%peer, %error, "can't watch an accepted connection"),
        }
    }

    /// Rests from accepting while it can't be done, most often because the process or the system is out
    /// of descriptors or memory: trying again at once would only spin.
    fn pause_accepting(&mut self, key: Key, error: &io::Error) {
        let Some(listener) = self.listener_mut(key) else {
            return;
        };
        let pause = listener
            .pause
            .map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        listener.pause = Some(pause);
        listener.is_pausing = true;
        self.stats.accept_pauses += 1;
        tracing::warn!(?pause, %error, "can't accept, pausing");
        self.set_timer(key, pause, Timer::AcceptAgain);
    }

    pub(crate) fn accept_again(&mut self, key: Key) {
        if let Some(listener) = self.listener_mut(key) {
            listener.is_pausing = false;
            self.make_ready(key);
        }
    }

    /// A stream of this listener is gone: if newcomers wait for its place, let them in.
    pub(crate) fn place_is_free(&mut self, key: Key) {
        if let Some(listener) = self.listener_mut(key)
            && std::mem::take(&mut listener.is_full)
        {
            self.make_ready(key);
        }
    }
}

/// Whether the error is of one newcomer, who went away before we took it, and says nothing about the
/// next: those that accept(2) lists, and interrupted calls.
fn is_of_newcomer(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let passing = [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::PERM,
    ];
    error.kind() == io::ErrorKind::ConnectionAborted
        || passing
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Tells a newcomer that there is no room, and closes.
struct Refusal(Rc<Origin>);

impl<M> StreamHandler<M> for Refusal {
    fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_, M>) {
        out.push(self.0.options.refusal.clone());
        out.close();
    }

    fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_, M>) {}
}

impl Drop for Refusal {
    fn drop(&mut self) {
        self.0.refusing.set(self.0.refusing.get() - 1);
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Kind::Tcp(listener))
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self(Kind::Unix(listener))
    }
}

impl From<sim::Listener> for Listener {
    fn from(listener: sim::Listener) -> Self {
        Self(Kind::Sim(listener))
    }
}
