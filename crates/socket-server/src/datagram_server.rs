use std::error::Error;
use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use quinn_udp::{BATCH_SIZE, RecvMeta};
use rustix::event::epoll;
use rustix::net::SocketType;

use crate::acceptor::Pauses;
use crate::datagram::Desk;
use crate::gate::{Gate, Turn};
use crate::process::{Prefork, Role};
use crate::running::Engine;
use crate::service::{Hooks, message};
use crate::{
    Bound, Datagram, DatagramLimits, Failure, HandlerResult, ReplyError, Running, Server, Strategy,
    process,
};

/// What has happened on a datagram server since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatagramStats {
    /// Datagrams that arrived.
    pub received: u64,
    /// Those that were longer than [`DatagramLimits::max_payload_len`], and cut.
    pub truncated: u64,
    /// Answers sent.
    pub answered: u64,
    /// Answers not sent because the source was no client, but a server.
    pub to_server: u64,
    /// Answers not sent because the source had had its share.
    pub too_often: u64,
    /// Answers not sent because they, or all to one datagram, would have been too long or too many.
    pub too_long: u64,
    /// Answers the system refused to send.
    pub unsent: u64,
    /// Datagrams whose handler returned an error, answers that the limits forbid not counted.
    pub failed: u64,
    /// Datagrams whose handler panicked.
    pub panicked: u64,
    /// Datagrams not wanted by [`verify`](crate::Server::verify).
    pub refused: u64,
}

impl DatagramStats {
    /// Adds the counts of a part of the server to those of another part.
    pub(crate) fn add(&mut self, part: &Self) {
        self.received += part.received;
        self.truncated += part.truncated;
        self.answered += part.answered;
        self.to_server += part.to_server;
        self.too_often += part.too_often;
        self.too_long += part.too_long;
        self.unsent += part.unsent;
        self.failed += part.failed;
        self.panicked += part.panicked;
        self.refused += part.refused;
    }
}

/// The figures of [`DatagramStats`] as they grow.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    received: AtomicU64,
    truncated: AtomicU64,
    pub(crate) answered: AtomicU64,
    to_server: AtomicU64,
    too_often: AtomicU64,
    too_long: AtomicU64,
    unsent: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    pub(crate) fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unanswered(&self, why: &ReplyError) {
        Self::add(match why {
            ReplyError::ToServer { .. } => &self.to_server,
            ReplyError::TooOften { .. } => &self.too_often,
            ReplyError::TooLong { .. } | ReplyError::TooMany { .. } => &self.too_long,
            ReplyError::Io(_) => &self.unsent,
        });
    }

    pub(crate) fn stats(&self) -> DatagramStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DatagramStats {
            received: read(&self.received),
            truncated: read(&self.truncated),
            answered: read(&self.answered),
            to_server: read(&self.to_server),
            too_often: read(&self.too_often),
            too_long: read(&self.too_long),
            unsent: read(&self.unsent),
            failed: read(&self.failed),
            panicked: read(&self.panicked),
            refused: read(&self.refused),
        }
    }
}

impl Server {
    /// What datagrams may cost, and whom and how much to answer. Default
    /// [`DatagramLimits::default`].
    pub fn datagram_limits(mut self, limits: DatagramLimits) -> Self {
        self.settings.datagrams.limits = limits;
        self
    }

    /// Receives what is sent to a multicast group, too. `interface` is the index of a network interface;
    /// with 0 the system chooses one. May be called several times.
    pub fn join_multicast(mut self, group: impl Into<IpAddr>, interface: u32) -> Self {
        let groups = &mut self.settings.datagrams.groups;
        groups.push((group.into(), interface));
        self
    }

    /// Whether the datagram socket may be used to send to everybody (`SO_BROADCAST`). Receiving what is
    /// sent to everybody, and answering it, needs no option. Default no.
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.settings.datagrams.broadcast = broadcast;
        self
    }

    /// [Binds](Self::bind) and [serves datagrams](Bound::serve_datagrams).
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn serve_datagrams(
        self,
        handler: impl Fn(&mut Datagram<'_>) -> HandlerResult + Send + Sync + 'static,
    ) -> io::Result<Running> {
        self.bind()?.serve_datagrams(handler)
    }
}

impl Bound {
    /// Serves datagrams in the background: the handler runs for each one that arrives.
    ///
    /// [`Strategy::Serial`] receives on one thread, [`Strategy::Pool`] on as many as it says,
    /// [`Strategy::Threads`] on one for each core, and [`Strategy::Prefork`] in processes, which count
    /// together what a source has had (four system calls an answer). Threads that are busy for long do
    /// not hold up what others can receive. Each has 2 MiB of address space for what arrives; memory is
    /// used as datagrams come.
    ///
    /// Of [`Limits`](crate::Limits), which are about connections, none applies: datagrams have
    /// [`DatagramLimits`]. They stay as they are while the server runs.
    ///
    /// # Errors
    ///
    /// The socket is none for datagrams of IP, or the strategy is
    /// [`Strategy::Processes`] (`InvalidInput`); a
    /// multicast group could not be joined; the threads could not be started.
    pub fn serve_datagrams(
        mut self,
        handler: impl Fn(&mut Datagram<'_>) -> HandlerResult + Send + Sync + 'static,
    ) -> io::Result<Running> {
        if self.kind != SocketType::DGRAM {
            return Err(invalid("a stream socket has no datagrams to serve"));
        }
        let number = match self.role {
            Role::Server(number) => number,
            Role::Worker(inherited) => {
                // The groups were joined by the parent: they are the socket's.
                self.settings.datagrams.groups.clear();
                let desk = Desk::new(self.listener, &self.settings.datagrams)?;
                return inherited.serve_datagrams(desk, self.settings.hooks, Box::new(handler));
            }
            Role::Bystander => return process::stand_by(self.address),
        };
        let threads = match self.settings.strategy {
            Strategy::Serial => 1,
            Strategy::Threads => thread::available_parallelism().map_or(1, usize::from),
            Strategy::Pool { workers } => workers.max(1),
            Strategy::Prefork { workers } => {
                // What is wrong with the socket shows here, before a worker meets it.
                Desk::new(Arc::clone(&self.listener), &self.settings.datagrams)?;
                let gate = Gate::new(self.settings.limits)?;
                let engine =
                    Prefork::start(self.listener, Arc::clone(&gate), false, number, workers)?;
                return Ok(Running::new(self.address, gate, engine));
            }
            Strategy::Processes { .. } => {
                return Err(invalid("a datagram is not served by a process of its own"));
            }
        };
        let gate = Gate::new(self.settings.limits)?;
        let desk = Desk::new(self.listener, &self.settings.datagrams)?;
        let (hooks, handler) = (self.settings.hooks, Box::new(handler));
        let service = Arc::new(Service::new(Arc::clone(&gate), desk, hooks, handler));
        for _ in 0..threads {
            if let Err(error) = service.start() {
                gate.stop();
                return Err(error);
            }
        }
        Ok(Running::new(self.address, gate, service))
    }
}

/// What the builder was told about datagrams.
#[derive(Debug, Default)]
pub(crate) struct DatagramSettings {
    pub(crate) limits: DatagramLimits,
    pub(crate) groups: Vec<(IpAddr, u32)>,
    pub(crate) broadcast: bool,
}

/// A datagram socket and what is done with what arrives, for any number of threads.
pub(crate) struct Service {
    gate: Arc<Gate>,
    handler: Handler,
    hooks: Hooks,
    desk: Desk,
    counts: Counts,
}

pub(crate) type Handler = Box<dyn Fn(&mut Datagram<'_>) -> HandlerResult + Send + Sync>;

/// A datagram that arrives may be as long as this, and so may several that the system puts together.
const BUFFER_LEN: usize = 65_536;
/// A thread takes no more at a time than it handles in about this long: the rest is for others.
const TURN: Duration = Duration::from_millis(1);

impl Service {
    pub(crate) fn new(gate: Arc<Gate>, desk: Desk, hooks: Hooks, handler: Handler) -> Self {
        Self {
            gate,
            handler,
            hooks,
            desk,
            counts: Counts::default(),
        }
    }

    /// Receives on this thread until the gate says stop.
    pub(crate) fn run(&self) -> io::Result<()> {
        self.receive(&Wait::new(&self.desk.listener.socket, &self.gate)?);
        Ok(())
    }

    fn start(self: &Arc<Self>) -> io::Result<()> {
        let wait = Wait::new(&self.desk.listener.socket, &self.gate)?;
        let service = Arc::clone(self);
        let counted = self.gate.begin_work();
        thread::Builder::new()
            .name("socket-server".into())
            .spawn(move || {
                service.receive(&wait);
                // The handler may hold something that must be gone by the end of a shutdown.
                drop(service);
                drop(counted);
            })?;
        Ok(())
    }

    /// Receives until the gate says stop. Several threads may do so.
    fn receive(&self, wait: &Wait) {
        let mut memory = vec![0; BATCH_SIZE * BUFFER_LEN];
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut batch = 1;
        let mut has_failed = false;
        let mut pauses = Pauses::default();
        while self.gate.wait_turn(None) == Turn::Go {
            let mut parts = memory.chunks_exact_mut(BUFFER_LEN);
            let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
                IoSliceMut::new(parts.next().expect("the memory has a part for each"))
            });
            let socket = (&self.desk.listener.socket).into();
            let received = self
                .desk
                .state
                .recv(socket, &mut buffers[..batch], &mut metas);
            match received {
                Ok(count) => {
                    has_failed = false;
                    pauses.over();
                    let started = Instant::now();
                    for (meta, arrived) in metas.iter().zip(&buffers).take(count) {
                        self.handle_all(&arrived[..meta.len], meta);
                    }
                    self.gate.report_datagrams(&self.counts);
                    let is_drained = count < batch;
                    batch = if started.elapsed() > TURN {
                        (count / 2).max(1)
                    } else {
                        (batch * 2).min(BATCH_SIZE)
                    };
                    if is_drained {
                        wait.wait();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait.wait(),
                // The first is often about an answer of the past, to somebody who has gone, and asking
                // again goes well. One that stays must not make the thread spin.
                Err(_) if !has_failed => has_failed = true,
                Err(error) => self.gate.pause(pauses.next(), &error),
            }
        }
    }

    /// Handles the datagrams of one sender that the system has put together.
    fn handle_all(&self, arrived: &[u8], meta: &RecvMeta) {
        if arrived.is_empty() {
            return self.handle(arrived, meta);
        }
        for one in arrived.chunks(meta.stride.max(1)) {
            self.handle(one, meta);
        }
    }

    fn handle(&self, arrived: &[u8], meta: &RecvMeta) {
        let counts = &self.counts;
        let mut datagram = Datagram::new(arrived, meta, &self.desk, counts);
        Counts::add(&counts.received);
        if datagram.is_truncated() {
            Counts::add(&counts.truncated);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if self.hooks.is_wanted(datagram.peer()) {
                (self.handler)(&mut datagram)
            } else {
                Counts::add(&counts.refused);
                Ok(())
            }
        }));
        let (count, failure) = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(error)) if is_counted(&*error) => return,
            Ok(Err(error)) => (&counts.failed, Failure::Handler(error)),
            Err(panic) => (&counts.panicked, Failure::Panicked(message(&*panic))),
        };
        Counts::add(count);
        self.hooks.tell(datagram.peer(), &failure);
    }
}

impl Engine for Service {
    /// The socket is closed when the last thread has left.
    fn close(&self) {}

    fn cut_off(&self) {}

    fn datagram_stats(&self) -> DatagramStats {
        self.counts.stats()
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Whether a handler only says that no answer was allowed.
fn is_counted(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let why = error.downcast_ref::<ReplyError>();
    why.is_some_and(|why| !matches!(why, ReplyError::Io(_)))
}

/// Waits for a socket that several threads share; each has its own, and one datagram wakes one.
struct Wait(OwnedFd);

impl Wait {
    fn new(socket: impl AsFd, gate: &Gate) -> io::Result<Self> {
        use epoll::{EventData, EventFlags};
        let wait = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let alone = EventFlags::IN | EventFlags::EXCLUSIVE;
        epoll::add(&wait, socket, EventData::new_u64(0), alone)?;
        epoll::add(&wait, gate.bell(), EventData::new_u64(1), EventFlags::IN)?;
        Ok(Self(wait))
    }

    /// Returns when there is something to read, or the gate has something to say.
    fn wait(&self) {
        let mut events = Vec::with_capacity(2);
        // Interrupted, it comes back sooner: the caller looks anyway.
        let _ = epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), None);
    }
}
