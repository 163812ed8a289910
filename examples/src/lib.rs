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

mod access;
mod address;
pub mod arrays;
mod clock;
mod codec_name;
mod dialect;
mod gate;
mod given;
mod handover;
mod key;
pub mod kv;
mod kv_functions;
mod logging;
mod login;
mod memory;
mod mp;
mod serving;
mod stopping;
mod summary;
mod tls;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Resource, Rlimit};

pub use access::{Access, AccessOptions};
pub use address::{Address, Listening, NoAddress, Remote, bind_private, bind_udp, connect_unix};
pub use clock::{ctime, is_ctime};
pub use codec_name::CodecName;
pub use dialect::serve_dialect;
pub use gate::{Desk, Gate, Limit};
pub use given::Given;
pub use handover::Place;
pub use key::{AuthOptions, KeyOptions, Proof};
pub use kv_functions::{KvStatistics, kv_registry};
pub use logging::Logging;
pub use login::{Guarded, Login};
pub use mp::{explain, log_generation, pickle_options};
pub use serving::{
    HANDSHAKE_TIMEOUT, Serving, Strategy, seconds, serve, serve_on_a_loop, serve_on_tokio,
};
pub use stopping::{Signals, Stop, stop_on_signals};
pub use summary::{Totals, summary};
pub use tls::{TlsClient, TlsClientOptions, TlsServer, TlsServerOptions, log_session};

/// How long conversations may go on after the first SIGINT or SIGTERM.
pub const GRACE: Duration = Duration::from_secs(5);

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
    #[doc = include_str!("../../docs/src/recipes/servers.md")]
    struct Servers;
    #[doc = include_str!("../../docs/src/recipes/udp.md")]
    struct Udp;
    #[doc = include_str!("../../docs/src/recipes/event-loop.md")]
    struct EventLoop;
    #[doc = include_str!("../../docs/src/recipes/rpc.md")]
    struct Rpc;
    #[doc = include_str!("../../docs/src/recipes/kv.md")]
    struct Kv;
    #[doc = include_str!("../../docs/src/recipes/connection.md")]
    struct Connection;
    #[doc = include_str!("../../docs/src/recipes/framing.md")]
    struct Framing;
    #[doc = include_str!("../../docs/src/recipes/arrays.md")]
    struct Arrays;
    #[doc = include_str!("../../docs/src/recipes/auth.md")]
    struct Auth;
    #[doc = include_str!("../../docs/src/recipes/tls.md")]
    struct Tls;
    #[doc = include_str!("../../docs/src/recipes/networks.md")]
    struct Networks;
    #[doc = include_str!("../../docs/src/recipes/cidr.md")]
    struct Cidr;
    #[doc = include_str!("../../docs/src/recipes/pass-socket.md")]
    struct PassSocket;
    #[doc = include_str!("../../docs/src/recipes/testing.md")]
    struct Testing;
}
