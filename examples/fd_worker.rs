//! Echoes on connections that a server, another process, hands over.
//!
//! ```sh
//! cargo run --example fd_server -- --worker-socket /tmp/workers
//! cargo run --example fd_worker -- --worker-socket /tmp/workers
//! printf 'hello' | nc -N 127.0.0.1 15000
//! ```
//!
//! The server may also be a program in Python:
//!
//! ```sh
//! python3 examples/python/fd_server.py recipe /tmp/workers
//! python3 examples/python/fd_mp_server.py peekaboo /tmp/workers     # for --dialect mp --authkey peekaboo
//! ```

use std::error::Error;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use examples::{AuthOptions, GRACE, HANDSHAKE_TIMEOUT, Logging, Signals};
use fd_passing::python::{self, Acknowledge};
use fd_passing::recipe;
use mp_connection::Generation;
use mp_connection::blocking::Connection;
use mp_connection::pickle::{Options, Protocol};

/// Echoes on connections that a server hands over
#[derive(Parser)]
struct Args {
    /// The Unix socket on which the server listens for workers
    #[arg(long, value_name = "PATH")]
    worker_socket: PathBuf,
    /// How a descriptor is handed over
    #[arg(long, value_enum, default_value_t = Dialect::Recipe)]
    dialect: Dialect,
    /// How many connections to have at a time; more are left to other workers
    #[arg(long, value_name = "N", default_value = "64")]
    max_connections: NonZeroUsize,
    /// How long a connection may go without a byte
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = examples::seconds)]
    idle_timeout: Duration,
    #[command(flatten)]
    key: AuthOptions,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialect {
    /// What Python's multiprocessing.reduction does: send_handle, recv_handle
    Python,
    /// The same behind a login of multiprocessing.connection
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
    let server = Arc::new(connect(args)?);
    let desk = Arc::new(Desk {
        state: Mutex::default(),
        changed: Condvar::new(),
        max_connections: args.max_connections.get(),
    });

    let (dialect, idle_timeout) = (args.dialect, args.idle_timeout);
    let (link, work, stop) = (Arc::clone(&server), Arc::clone(&desk), signals.stop());
    let taking = thread::Builder::new()
        .name("taking".into())
        .spawn(move || {
            let taken = take_all(&link, dialect, &work, idle_timeout);
            // Says to the server that this worker has ended, even while conversations go on.
            let _ = link.shutdown(Shutdown::Both);
            stop.end_wait();
            taken
        })?;

    signals.wait();
    desk.stop();
    // The taking ends. What it has not answered the server gives to another worker.
    let _ = server.shutdown(Shutdown::Both);
    let taken = taking.join().map_err(|_| "the taking panicked")?;
    let (served, cut_off) = desk.wait();
    let mut summary = format!("{served} connections served");
    if cut_off > 0 {
        summary.push_str(&format!(", {cut_off} cut off"));
    }
    tracing::info!("{summary}");
    Ok(taken?)
}

fn connect(args: &Args) -> Result<UnixStream, Box<dyn Error>> {
    let path = args.worker_socket.display();
    let server = UnixStream::connect(&args.worker_socket)
        .map_err(|error| format!("cannot connect to {path}: {error}"))?;
    let peer = fd_passing::peer_credentials(&server)?;
    let ours = rustix::process::geteuid().as_raw();
    if peer.uid != ours {
        return Err(format!("the server at {path} is of user {}, not {ours}", peer.uid).into());
    }
    if args.dialect == Dialect::Mp {
        log_in(&server, args)?;
    }
    tracing::info!("working for the server at {path}");
    Ok(server)
}

/// Proves to the server that this worker knows the key, and says its process id.
fn log_in(server: &UnixStream, args: &Args) -> Result<(), Box<dyn Error>> {
    // It reads to the end of a message and no further: descriptors follow.
    let link = server.try_clone()?;
    let connection = match args.key.load()? {
        Some(auth) => Connection::login(link, &auth).map_err(|error| examples::explain(&error))?,
        None => Connection::from(link),
    };
    let protocol = match connection.generation() {
        // It may be too old for a newer one.
        Some(Generation::Legacy) => Protocol::V3,
        // Which tells the server that connections are acknowledged.
        _ => Protocol::V5,
    };
    let options = Options {
        protocol,
        ..Options::default()
    };
    let connection = connection.with_write_timeout(Some(HANDSHAKE_TIMEOUT));
    Ok(connection.send_bytes(&options.to_pickle(&std::process::id())?)?)
}

/// Takes connections until the server ends or this worker is stopped.
fn take_all(
    server: &UnixStream,
    dialect: Dialect,
    desk: &Arc<Desk>,
    idle_timeout: Duration,
) -> Result<(), fd_passing::Error> {
    while let Some(seat) = desk.seat() {
        let received = match dialect {
            Dialect::Recipe => recipe::receive(server),
            Dialect::Python | Dialect::Mp => python::receive_handle(server, Acknowledge::Always),
        };
        let descriptor = match received {
            Ok(Some(descriptor)) => descriptor,
            Ok(None) => return Ok(()),
            Err(_) if desk.is_stopping() => return Ok(()),
            // It has gone, and has not read all that was said to it.
            Err(fd_passing::Error::Io(error)) if is_gone(error.kind()) => return Ok(()),
            Err(error) => return Err(error),
        };
        desk.state().served += 1;
        let serving = thread::Builder::new().spawn(move || {
            let _seat = seat;
            if let Err(error) = serve(descriptor, idle_timeout) {
                tracing::warn!("connection failed: {error}");
            }
        });
        if let Err(error) = serving {
            tracing::warn!("no thread for a connection, it is closed: {error}");
        }
    }
    Ok(())
}

fn serve(descriptor: OwnedFd, idle_timeout: Duration) -> Result<(), Box<dyn Error>> {
    let client = fd_passing::tcp_stream(descriptor)?;
    let peer = client.peer_addr()?;
    tracing::debug!("serving {peer}");
    // What the server has set is set here, too: it is the same socket.
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(idle_timeout))?;
    client.set_write_timeout(Some(idle_timeout))?;
    echo(&client).map_err(|error| format!("{peer}: {error}").into())
}

fn is_gone(error: io::ErrorKind) -> bool {
    matches!(
        error,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

fn echo(mut client: &TcpStream) -> io::Result<()> {
    let mut input = client;
    io::copy(&mut input, &mut client).map(drop)
}

/// Where conversations have their seats.
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    max_connections: usize,
}

#[derive(Default)]
struct State {
    /// Seats that are taken; one of them for the conversation that comes next.
    open: usize,
    served: u64,
    is_stopping: bool,
}

/// Room for one conversation, until it is dropped.
struct Seat(Arc<Desk>);

impl Desk {
    /// Waits for room for a conversation. `None` when no more are to be taken.
    fn seat(self: &Arc<Self>) -> Option<Seat> {
        let full = |state: &mut State| state.open >= self.max_connections && !state.is_stopping;
        let waited = self.changed.wait_while(self.state(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_stopping {
            return None;
        }
        state.open += 1;
        Some(Seat(Arc::clone(self)))
    }

    fn stop(&self) {
        self.state().is_stopping = true;
        self.changed.notify_all();
    }

    fn is_stopping(&self) -> bool {
        self.state().is_stopping
    }

    /// Gives conversations the time to finish. Returns how many there were, and how many are left.
    fn wait(&self) -> (u64, usize) {
        let busy = |state: &mut State| state.open > 0;
        let waited = self.changed.wait_timeout_while(self.state(), GRACE, busy);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        (state.served, state.open)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.state().open -= 1;
        self.0.changed.notify_all();
    }
}
