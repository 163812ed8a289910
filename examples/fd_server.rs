//! Accepts connections and hands each to a worker, another process that then talks to the client.
//!
//! ```sh
//! cargo run --example fd_server -- --worker-socket /tmp/workers
//! cargo run --example fd_worker -- --worker-socket /tmp/workers   # as many as you like
//! printf 'hello' | nc -N 127.0.0.1 15000
//! ```
//!
//! Workers come and go. Connections wait while there is none, and one whose worker ends before it says that
//! it has the connection is given to another. A worker may also be a program in Python:
//!
//! ```sh
//! python3 examples/python/fd_worker.py recipe /tmp/workers
//! ```
//!
//! In the dialect `mp` the server is a `Listener` of Python's `multiprocessing.connection`: workers prove that they
//! know the key, and then say their process id.
//!
//! ```sh
//! cargo run --example fd_server -- --worker-socket /tmp/workers --dialect mp --authkey peekaboo
//! python3 examples/python/fd_mp_worker.py peekaboo /tmp/workers
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use examples::{Access, AccessOptions, AuthOptions, GRACE, HANDSHAKE_TIMEOUT, Logging, Signals};
use fd_passing::python::{self, Acknowledge};
use fd_passing::recipe;
use mp_connection::Auth;
use mp_connection::blocking::Connection;
use mp_connection::pickle::{Options, Value};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::net::RecvFlags;

/// Hands each connection to a worker process
#[derive(Parser)]
struct Args {
    /// Where to listen for clients: ADDRESS:PORT (port 0: any free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15000")]
    listen: SocketAddr,
    /// Where to listen for workers: a Unix socket that only this user can connect to
    #[arg(long, value_name = "PATH")]
    worker_socket: PathBuf,
    /// How a descriptor is handed over
    #[arg(long, value_enum, default_value_t = Dialect::Recipe)]
    dialect: Dialect,
    /// How long a connection may wait for a worker; then it is closed
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = examples::seconds)]
    wait: Duration,
    /// How many connections may wait; more are turned away
    #[arg(long, value_name = "N", default_value = "256")]
    max_waiting: NonZeroUsize,
    /// How many workers there may be at a time
    #[arg(long, value_name = "N", default_value = "64")]
    max_workers: NonZeroUsize,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    key: AuthOptions,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialect {
    /// What Python's multiprocessing.reduction does: send_handle, recv_handle, from Python 3.14 on
    Python,
    /// The same up to Python 3.13, where a worker does not say that it has the connection
    OldPython,
    /// The same behind a login of multiprocessing.connection; what a worker says first tells how old its Python is
    Mp,
    /// An x, answered by OK
    Recipe,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    if args.key.is_given() && args.dialect != Dialect::Mp {
        Args::command()
            .error(
                ErrorKind::ArgumentConflict,
                "a key is for --dialect mp alone",
            )
            .exit();
    }
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    examples::raise_file_limit()?;
    let mut signals = Signals::watch()?;
    let (workers, _file) = examples::bind_private(&args.worker_socket)?;
    let url = format_args!("tcp://{}", args.listen);
    let clients = TcpListener::bind(args.listen);
    let clients = clients.map_err(|error| examples::cannot_listen(url, &error))?;
    let listeners = [
        clients.as_fd().try_clone_to_owned()?,
        workers.as_fd().try_clone_to_owned()?,
    ];
    let address = clients.local_addr()?;
    let exchange = Arc::new(Exchange::new(args)?);

    let started = Arc::clone(&exchange);
    spawn("workers", move || started.accept_workers(&workers))?;
    let started = Arc::clone(&exchange);
    spawn("clients", move || started.accept_clients(&clients))?;
    let started = Arc::clone(&exchange);
    spawn("deadlines", move || started.keep_deadlines())?;
    examples::announce(format_args!("tcp://{address}"))?;

    signals.wait();
    exchange.stop();
    for listener in listeners {
        // Wakes who accepts. It fails only where the listener has failed before.
        let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
    }
    exchange.finish();
    tracing::info!("{}", exchange.summary());
    Ok(())
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map(drop)
}

/// Where connections wait for workers.
struct Exchange {
    dialect: Dialect,
    access: Access,
    auth: Option<Auth>,
    wait: Duration,
    max_waiting: usize,
    max_workers: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// Counts the connections that wait: readable while there are any.
    tickets: OwnedFd,
}

#[derive(Default)]
struct State {
    /// All that no worker has said to have, in the order of their deadlines.
    clients: VecDeque<Arc<Client>>,
    /// Those of them that no worker was sent.
    waiting: VecDeque<Arc<Client>>,
    workers: usize,
    is_stopping: bool,
    handed_over: u64,
    given_up: u64,
    turned_away: u64,
}

struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    until: Instant,
}

/// A worker's connection. Dropping it makes room for another worker.
struct Worker {
    exchange: Arc<Exchange>,
    link: UnixStream,
    process: String,
}

/// How a worker takes a descriptor.
#[derive(Clone, Copy)]
enum Taking {
    Recipe,
    Python(Acknowledge),
}

impl Exchange {
    fn new(args: &Args) -> Result<Self, Box<dyn Error>> {
        let flags = EventfdFlags::SEMAPHORE | EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Ok(Self {
            dialect: args.dialect,
            access: args.access.load()?,
            auth: args.key.load()?,
            wait: args.wait,
            max_waiting: args.max_waiting.get(),
            max_workers: args.max_workers.get(),
            state: Mutex::default(),
            changed: Condvar::new(),
            tickets: eventfd(0, flags)?,
        })
    }

    fn accept_clients(&self, listener: &TcpListener) {
        while let Some((stream, peer)) = self.accept(|| listener.accept()) {
            if !self.access.lets_in(Some(peer.ip())) {
                continue;
            }
            let until = Instant::now() + self.wait;
            self.take_in(Client {
                stream,
                peer,
                until,
            });
        }
    }

    fn accept_workers(self: &Arc<Self>, listener: &UnixListener) {
        while let Some((link, _)) = self.accept(|| listener.accept()) {
            let hired = Worker::hire(Arc::clone(self), link)
                .and_then(|worker| Ok(spawn("worker", move || worker.work())?));
            if let Err(error) = hired {
                tracing::warn!("a worker is not wanted: {error}");
            }
        }
    }

    /// The next newcomer. `None` when the server stops.
    fn accept<T>(&self, accept: impl Fn() -> io::Result<T>) -> Option<T> {
        loop {
            let accepted = accept();
            if self.state().is_stopping {
                return None;
            }
            match accepted {
                Ok(newcomer) => return Some(newcomer),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!("can't accept, pausing for {PAUSE:?}: {error}");
                    let going_on = |state: &mut State| !state.is_stopping;
                    let paused = (self.changed).wait_timeout_while(self.state(), PAUSE, going_on);
                    drop(paused);
                }
            }
        }
    }

    fn take_in(&self, mut client: Client) {
        let mut state = self.state();
        if state.clients.len() >= self.max_waiting {
            state.turned_away += 1;
            drop(state);
            tracing::warn!("{}: {} wait already", client.peer, self.max_waiting);
            // A newcomer's socket has room for a line.
            let _ = client.stream.write_all(b"too many connections\n");
            return;
        }
        let client = Arc::new(client);
        state.clients.push_back(Arc::clone(&client));
        state.waiting.push_back(client);
        drop(state);
        self.changed.notify_all();
        self.offer();
    }

    /// Tells the workers that one more connection waits.
    fn offer(&self) {
        // Fails only if there were 2^64 of them.
        let _ = rustix::io::write(&self.tickets, &1_u64.to_ne_bytes());
    }

    /// The connection that has waited for longest, unless another worker was quicker.
    fn take(&self) -> Option<Arc<Client>> {
        rustix::io::read(&self.tickets, &mut [0; 8]).ok()?;
        self.state().waiting.pop_front()
    }

    /// A worker has this connection.
    fn is_handed_over(&self, client: &Arc<Client>) {
        let mut state = self.state();
        state.handed_over += u64::from(state.forget(client));
        drop(state);
        self.changed.notify_all();
    }

    /// The worker that was sent this connection has ended.
    fn take_back(&self, client: Arc<Client>) {
        let mut state = self.state();
        // Not one that was given up meanwhile.
        if state.clients.iter().any(|one| Arc::ptr_eq(one, &client)) {
            state.waiting.push_front(client);
            drop(state);
            self.offer();
        }
    }

    /// Gives up the connections that have waited for too long, until the server has stopped.
    fn keep_deadlines(&self) {
        let mut state = self.state();
        loop {
            let left = (state.clients.front())
                .map(|first| first.until.saturating_duration_since(Instant::now()));
            state = match left {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    state.give_up_first();
                    self.changed.notify_all();
                    state
                }
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Accepts no more.
    fn stop(&self) {
        self.state().is_stopping = true;
        self.changed.notify_all();
    }

    /// Gives those who wait the time to get to one of the workers.
    fn finish(&self) {
        let waiting = |state: &mut State| state.workers > 0 && !state.clients.is_empty();
        let waited = (self.changed).wait_timeout_while(self.state(), GRACE, waiting);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        while !state.clients.is_empty() {
            state.give_up_first();
        }
    }

    fn summary(&self) -> String {
        let state = self.state();
        let mut summary = format!("{} connections handed over", state.handed_over);
        let rare = [
            (state.given_up, "given up"),
            (state.turned_away, "turned away"),
        ];
        for (count, what) in rare.into_iter().filter(|(count, _)| *count > 0) {
            summary.push_str(&format!(", {count} {what}"));
        }
        summary
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Closes the connection whose deadline is first.
    fn give_up_first(&mut self) {
        if let Some(client) = self.clients.front().map(Arc::clone) {
            let was_sent = !self.waiting.iter().any(|one| Arc::ptr_eq(one, &client));
            self.forget(&client);
            self.given_up += 1;
            let why = if was_sent {
                "the worker that was sent it does not say that it has it"
            } else {
                "there was no worker for it"
            };
            tracing::warn!("{}: given up, {why}", client.peer);
            // A worker may have it in its socket still; it will find it ended.
            let _ = client.stream.shutdown(Shutdown::Both);
        }
    }

    /// Returns whether it was there.
    fn forget(&mut self, client: &Arc<Client>) -> bool {
        self.waiting.retain(|one| !Arc::ptr_eq(one, client));
        let before = self.clients.len();
        self.clients.retain(|one| !Arc::ptr_eq(one, client));
        self.clients.len() < before
    }
}

impl Worker {
    fn hire(exchange: Arc<Exchange>, link: UnixStream) -> Result<Self, Box<dyn Error>> {
        let peer = fd_passing::peer_credentials(&link)?;
        let ours = rustix::process::geteuid().as_raw();
        if peer.uid != ours {
            return Err(format!("it is of user {}, not {ours}", peer.uid).into());
        }
        let process = peer
            .pid
            .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        let mut state = exchange.state();
        if state.workers >= exchange.max_workers {
            return Err(format!("there are {} already", exchange.max_workers).into());
        }
        state.workers += 1;
        drop(state);
        Ok(Self {
            exchange,
            link,
            process,
        })
    }

    /// Hands connections to the worker until it ends.
    fn work(self) {
        let taking = match self.begin() {
            Ok(taking) => taking,
            Err(error) => return tracing::warn!("worker {}: {error}", self.process),
        };
        tracing::info!("worker {} has come", self.process);
        while let Some(client) = self.next(taking) {
            match self.hand_over(&client, taking) {
                Ok(()) => {
                    tracing::debug!("{} is with worker {}", client.peer, self.process);
                    self.exchange.is_handed_over(&client);
                }
                Err(error) => {
                    tracing::warn!("worker {} did not take it: {error}", self.process);
                    return self.exchange.take_back(client);
                }
            }
        }
    }

    /// What comes before the first connection.
    fn begin(&self) -> Result<Taking, Box<dyn Error>> {
        Ok(match self.exchange.dialect {
            Dialect::Recipe => Taking::Recipe,
            Dialect::Python => Taking::Python(Acknowledge::Always),
            Dialect::OldPython => Taking::Python(Acknowledge::Never),
            Dialect::Mp => Taking::Python(self.log_in()?),
        })
    }

    /// Lets the worker prove itself and say its process id, whose pickle tells how old its Python is.
    fn log_in(&self) -> Result<Acknowledge, Box<dyn Error>> {
        // It reads to the end of a message and no further: acknowledgements are read from `link`.
        let link = self.link.try_clone()?;
        let connection = match &self.exchange.auth {
            Some(auth) => {
                Connection::accept(link, auth).map_err(|error| examples::explain(&error))?
            }
            None => Connection::from(link),
        };
        if let Some(generation) = connection.generation() {
            examples::log_generation(format_args!("worker {}", self.process), generation);
        }
        let connection = connection.with_read_timeout(Some(HANDSHAKE_TIMEOUT));
        let said = connection.recv_bytes_max(MAX_PID_LEN)?;
        let said = said.ok_or("it has gone before it has said its process id")?;
        let pid = Value::from_pickle(&said, &Options::default())?;
        let pid = pid.as_i64().ok_or("what it says first is no process id")?;
        tracing::debug!("worker {} says that it is process {pid}", self.process);
        Ok(Acknowledge::of_pickle(&said).unwrap_or(Acknowledge::Never))
    }

    /// Sends the connection, and waits until the worker says that it has it. However long that takes: a worker
    /// that is busy has it in its socket, and must not find that another one has it, too.
    fn hand_over(&self, client: &Client, taking: Taking) -> Result<(), fd_passing::Error> {
        match taking {
            Taking::Recipe => recipe::send(&self.link, &client.stream, Duration::MAX),
            Taking::Python(acknowledge) => {
                python::send_handle(&self.link, &client.stream, acknowledge, Duration::MAX)
            }
        }
    }

    /// Waits for a connection to hand over. `None` if the worker has gone.
    fn next(&self, taking: Taking) -> Option<Arc<Client>> {
        loop {
            let mut watched = [
                PollFd::new(&self.link, PollFlags::IN),
                PollFd::new(&self.exchange.tickets, PollFlags::IN),
            ];
            // It can only be interrupted.
            let _ = poll(&mut watched, None);
            if !watched[0].revents().is_empty() && !self.is_there(taking) {
                return None;
            }
            if let Some(client) = self.exchange.take() {
                return Some(client);
            }
        }
    }

    /// Whether the worker is still there, and has not said anything that nobody has asked for.
    fn is_there(&self, taking: Taking) -> bool {
        let mut buffer = [0; 256];
        match rustix::net::recv(&self.link, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => false,
            // It acknowledges what it need not.
            Ok(_) => matches!(taking, Taking::Python(Acknowledge::Never)),
            Err(error) => error == rustix::io::Errno::AGAIN,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.exchange.state().workers -= 1;
        self.exchange.changed.notify_all();
        tracing::info!("worker {} has gone", self.process);
    }
}

/// No pickle of a process id is longer.
const MAX_PID_LEN: usize = 64;
/// How long to rest from accepting while there are no descriptors for it.
const PAUSE: Duration = Duration::from_millis(100);
