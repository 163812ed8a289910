//! The command-line plumbing that the programs share.
//!
//! A program parses its options, starts its logging and runs:
//!
//! ```no_run
//! use clap::Parser;
//! use event_loop::{Context, EventLoop, Options, Outgoing, Peer};
//! use examples::{Address, Logging};
//!
//! #[derive(Parser)]
//! struct Args {
//!     #[arg(long, default_value = "127.0.0.1:16000")]
//!     listen: Address,
//!     #[command(flatten)]
//!     logging: Logging,
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     let args = Args::parse();
//!     args.logging.start();
//!     examples::exit_code(run(&args))
//! }
//!
//! fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut event_loop = EventLoop::<()>::new()?;
//!     examples::stop_on_signals(&mut event_loop)?;
//!     let accept = |_: Peer| |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes);
//!     let _listening = args.listen.listen(&mut event_loop, Options::default(), accept)?;
//!     let stats = event_loop.run()?;
//!     tracing::info!("{}", examples::summary(&stats));
//!     Ok(())
//! }
//! ```
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use event_loop::{EventLoop, Listener, Options, Peer, Stats, StreamHandler};
use rustix::process::{Resource, Rlimit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How long conversations may go on after the first SIGINT or SIGTERM.
pub const GRACE: Duration = Duration::from_secs(5);

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// How much a program says on standard error.
#[derive(Clone, Debug, clap::Args)]
pub struct Logging {
    /// Say more on standard error; twice for everything. RUST_LOG, where set, decides instead
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Say nothing but errors on standard error
    #[arg(short, long)]
    quiet: bool,
}

impl Logging {
    /// Starts to write what is logged to standard error. Call it once.
    ///
    /// # Panics
    ///
    /// When called twice.
    pub fn start(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::ERROR,
            (_, 0) => LevelFilter::INFO,
            (_, 1) => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let wished = std::env::var("RUST_LOG").ok();
        let targets = wished
            .and_then(|wished| wished.parse::<Targets>().ok())
            .unwrap_or_else(|| Targets::new().with_default(level));
        let lines = tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            // Nobody reads standard error any more: no reason to panic.
            .log_internal_errors(false)
            .with_writer(io::stderr);
        tracing_subscriber::registry()
            .with(targets)
            .with(lines)
            .init();
    }
}

/// Where a server listens or a client connects: `127.0.0.1:8800`, `localhost:8800` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address. Port 0 is any free port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAddress;

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        match text.strip_prefix("unix:") {
            Some("") => Err(NoAddress),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text
                .to_socket_addrs()
                .ok()
                .and_then(|mut addresses| addresses.next())
                .map(Self::Tcp)
                .ok_or(NoAddress),
        }
    }
}

impl Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither HOST:PORT of a known host nor unix:PATH")
    }
}

impl Error for NoAddress {}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl Address {
    /// Listens here, puts the listener on the loop and announces it. Keep what comes back until the
    /// loop has ended: dropping it removes the file of a Unix socket.
    ///
    /// The file of a Unix socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    ///
    /// What the system says to binding, listening, watching or announcing, with the address in front.
    pub fn listen<M: 'static, H: StreamHandler<M> + 'static>(
        &self,
        event_loop: &mut EventLoop<M>,
        options: Options,
        accept: impl FnMut(Peer) -> H + 'static,
    ) -> io::Result<Listening> {
        let (listener, bound) = self.bind().map_err(|error| cannot_listen(self, &error))?;
        let listening = Listening { address: bound };
        event_loop.listen(listener, options, accept)?;
        announce(&listening.address)?;
        Ok(listening)
    }

    fn bind(&self) -> io::Result<(Listener, Self)> {
        match self {
            Self::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                // The standard library asks for 128, too few when a crowd comes at once.
                rustix::net::listen(&listener, BACKLOG)?;
                let bound = Self::Tcp(listener.local_addr()?);
                Ok((listener.into(), bound))
            }
            Self::Unix(path) => {
                let path = std::path::absolute(path)?;
                let listener = UnixListener::bind(&path).or_else(|error| {
                    if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(&path) {
                        std::fs::remove_file(&path)?;
                        return UnixListener::bind(&path);
                    }
                    Err(error)
                })?;
                Ok((listener.into(), Self::Unix(path)))
            }
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// A listener that was announced.
#[derive(Debug)]
pub struct Listening {
    address: Address,
}

impl Listening {
    /// The address, with the port that was found free where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.address {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Prints `listening on …` on standard output at once, so that a script can wait for the line and
/// read the port from it.
///
/// # Errors
///
/// What the system says to writing.
pub fn announce(url: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {url}")?;
    stdout.flush()
}

/// Puts an address in front of the reason why nobody can listen on it.
pub fn cannot_listen(url: impl Display, why: &io::Error) -> io::Error {
    io::Error::new(why.kind(), format!("cannot listen on {url}: {why}"))
}

/// Stops the loop on SIGINT and SIGTERM, giving conversations [`GRACE`] to finish. A second signal
/// ends the process at once, with the exit code that shells give to that signal.
///
/// # Errors
///
/// What the system says to watching for the signals.
pub fn stop_on_signals<M: 'static>(event_loop: &mut EventLoop<M>) -> io::Result<()> {
    let is_stopping = std::rc::Rc::new(std::cell::Cell::new(false));
    for (signal, name) in [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM")] {
        let is_stopping = std::rc::Rc::clone(&is_stopping);
        event_loop.on_signal(signal, move |cx| {
            if is_stopping.replace(true) {
                std::process::exit(128 + signal);
            }
            tracing::info!("{name}: stopping within {} s", GRACE.as_secs());
            cx.stop(GRACE);
        })?;
    }
    Ok(())
}

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// One line on what happened to the connections of a loop, leaving out what never happened.
#[must_use]
pub fn summary(stats: &Stats) -> String {
    let rare = [
        (stats.refused, "refused"),
        (stats.timed_out, "timed out"),
        (stats.failed, "failed"),
        (stats.overflowed, "too slow"),
        (stats.panicked, "panicked"),
        (stats.cut_off, "cut off"),
    ];
    let mut line = format!(
        "{} connections served, {} finished",
        stats.accepted, stats.finished
    );
    for (count, what) in rare {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    line
}

/// The end of a program: success, or one line on standard error and exit code 1.
#[must_use]
pub fn exit_code(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

/// Asks for as many open files as the system allows this process, for one connection needs one. Returns
/// how many that are; `None` is no limit.
///
/// # Errors
///
/// What the system says.
pub fn raise_file_limit() -> io::Result<Option<u64>> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(Resource::Nofile, raised)?;
    Ok(raised.current)
}

#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/src/introduction.md")]
    struct Introduction;
    #[doc = include_str!("../../docs/src/sans-io.md")]
    struct SansIo;
    #[doc = include_str!("../../docs/src/recipes/udp.md")]
    struct Udp;
    #[doc = include_str!("../../docs/src/recipes/event-loop.md")]
    struct EventLoop;
    #[doc = include_str!("../../docs/src/recipes/framing.md")]
    struct Framing;
    #[doc = include_str!("../../docs/src/recipes/testing.md")]
    struct Testing;
}
