//! Echo servers, each as its users would write it, and one on the system's own calls as the limit.
//!
//! Each binds a free port of the loopback interface, prints it, and serves until it is killed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use crate::load::CONGESTION_CONTROL;
use event_loop::{Context, EventLoop, Options, Outgoing};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_congestion;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

/// The contenders, the limit first.
pub const CONTENDERS: &[&str] = &[
    RAW,
    "mio by hand",
    "tokio",
    #[cfg(feature = "io-uring")]
    "monoio (io_uring)",
    OURS,
];
/// The contender that the others are measured by.
pub const RAW: &str = "raw epoll";
/// The block.
pub const OURS: &str = "event-loop";

/// Runs one of the [`CONTENDERS`]. Those that need a buffer for each connection make it `buffer_len`
/// bytes long.
///
/// # Errors
///
/// What the system says; does not return otherwise.
pub fn serve(contender: &str, buffer_len: usize) -> io::Result<()> {
    let listener = listen()?;
    println!("listening on {}", listener.local_addr()?);
    match contender {
        RAW => serve_raw(&listener),
        "mio by hand" => serve_mio(listener),
        "tokio" => serve_tokio(listener, buffer_len),
        #[cfg(feature = "io-uring")]
        "monoio (io_uring)" => serve_monoio(listener, buffer_len),
        OURS => serve_event_loop(listener),
        _ => Err(io::Error::other(format!("no contender {contender:?}"))),
    }
}

/// The same listener for all, with a backlog for thousands that connect at once.
fn listen() -> io::Result<TcpListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    set_tcp_congestion(&socket, CONGESTION_CONTROL)?;
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0)))?;
    rustix::net::listen(&socket, 4096)?;
    Ok(socket.into())
}

/// How many events one wait takes, for those who choose.
const EVENTS: usize = 1024;
/// One for all connections, where the contender can share it.
const SHARED_BUFFER: usize = 64 << 10;

/// Edge-triggered, registered once; a short read ends the reading; writes first, keeps the rest.
fn serve_raw(listener: &TcpListener) -> io::Result<()> {
    const LISTENER: u64 = u64::MAX;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let token = epoll::EventData::new_u64(LISTENER);
    epoll::add(&epoll, listener, token, epoll::EventFlags::IN)?;
    let mut connections: Slab<RawConnection> = Slab::default();
    let mut buffer = vec![0; SHARED_BUFFER];
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        for event in &events {
            let data = event.data;
            if data.u64() == LISTENER {
                accept_raw(listener, &epoll, &mut connections)?;
                continue;
            }
            let index = data.u64() as usize;
            let is_open = match connections.get_mut(index) {
                Some(connection) => connection.echo(&mut buffer).is_ok(),
                None => true,
            };
            if !is_open {
                connections.remove(index);
            }
        }
    }
}

fn accept_raw(
    listener: &TcpListener,
    epoll: &OwnedFd,
    connections: &mut Slab<RawConnection>,
) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    loop {
        match rustix::net::accept_with(listener, flags) {
            Ok(socket) => {
                rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
                let both = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
                let token = epoll::EventData::new_u64(connections.next_index() as u64);
                epoll::add(epoll, &socket, token, both)?;
                connections.insert(RawConnection {
                    socket,
                    unsent: None,
                });
            }
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

struct RawConnection {
    socket: OwnedFd,
    unsent: Unsent,
}

/// What the socket did not take. While there is some, nothing is read.
type Unsent = Option<Box<Vec<u8>>>;

impl RawConnection {
    /// An error ends the connection; so does the peer's end.
    fn echo(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        loop {
            if let Some(mut unsent) = self.unsent.take() {
                let sent = self.send(&unsent)?;
                if sent < unsent.len() {
                    unsent.drain(..sent);
                    self.unsent = Some(unsent);
                    return Ok(());
                }
            }
            let count = match rustix::io::read(&self.socket, &mut *buffer) {
                Ok(0) => return Err(Errno::PIPE),
                Ok(count) => count,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error),
            };
            let sent = self.send(&buffer[..count])?;
            if sent < count {
                self.unsent = Some(Box::new(buffer[sent..count].to_vec()));
            } else if count < buffer.len() {
                return Ok(());
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Err(Errno::AGAIN) => Ok(0),
            result => result,
        }
    }
}

fn serve_mio(listener: TcpListener) -> io::Result<()> {
    const LISTENER: mio::Token = mio::Token(usize::MAX);
    let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
    let mut poll = mio::Poll::new()?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    poll.registry()
        .register(&mut listener, LISTENER, mio::Interest::READABLE)?;
    let mut connections: Slab<MioConnection> = Slab::default();
    let mut buffer = vec![0; SHARED_BUFFER];
    let mut events = mio::Events::with_capacity(EVENTS);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Some((mut stream, _)) = unless_blocked(listener.accept())? {
                    stream.set_nodelay(true)?;
                    let token = mio::Token(connections.next_index());
                    poll.registry().register(&mut stream, token, both)?;
                    connections.insert(MioConnection {
                        stream,
                        unsent: None,
                    });
                }
                continue;
            }
            let index = event.token().0;
            let is_open = match connections.get_mut(index) {
                Some(connection) => connection.echo(&mut buffer).is_ok(),
                None => true,
            };
            if !is_open {
                connections.remove(index);
            }
        }
    }
}

struct MioConnection {
    stream: mio::net::TcpStream,
    unsent: Unsent,
}

impl MioConnection {
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            if let Some(mut unsent) = self.unsent.take() {
                let sent = unless_blocked(self.stream.write(&unsent))?.unwrap_or(0);
                if sent < unsent.len() {
                    unsent.drain(..sent);
                    self.unsent = Some(unsent);
                    return Ok(());
                }
            }
            let Some(count) = unless_blocked(self.stream.read(buffer))? else {
                return Ok(());
            };
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let sent = unless_blocked(self.stream.write(&buffer[..count]))?.unwrap_or(0);
            if sent < count {
                self.unsent = Some(Box::new(buffer[sent..count].to_vec()));
            } else if count < buffer.len() {
                return Ok(());
            }
        }
    }
}

fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

fn serve_tokio(listener: TcpListener, buffer_len: usize) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let mut buffer = vec![0; buffer_len];
                loop {
                    let count = stream.read(&mut buffer).await?;
                    if count == 0 {
                        return Ok::<(), io::Error>(());
                    }
                    stream.write_all(&buffer[..count]).await?;
                }
            });
        }
    })
}

#[cfg(feature = "io-uring")]
fn serve_monoio(listener: TcpListener, buffer_len: usize) -> io::Result<()> {
    use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
    // Its sockets wait in the ring.
    listener.set_nonblocking(false)?;
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().build()?;
    runtime.block_on(async {
        let listener = monoio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            monoio::spawn(async move {
                let mut buffer: Vec<u8> = Vec::with_capacity(buffer_len);
                loop {
                    let (count, read) = stream.read(buffer).await;
                    if count? == 0 {
                        return Ok::<(), io::Error>(());
                    }
                    let (written, sent) = stream.write_all(read).await;
                    written?;
                    buffer = sent;
                }
            });
        }
    })
}

fn serve_event_loop(listener: TcpListener) -> io::Result<()> {
    let mut events: EventLoop = EventLoop::new()?;
    let options = Options {
        max_connections: 20_000,
        ..Options::default()
    };
    events.listen(listener, options, |_peer| {
        |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes)
    })?;
    events.run()?;
    Ok(())
}

/// Places for connections, used again after they are gone.
struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    fn next_index(&self) -> usize {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    fn insert(&mut self, tenant: T) {
        match self.free.pop() {
            Some(index) => self.places[index] = Some(tenant),
            None => self.places.push(Some(tenant)),
        }
    }

    fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.places[index].as_mut()
    }

    fn remove(&mut self, index: usize) {
        self.places[index] = None;
        self.free.push(index);
    }
}
