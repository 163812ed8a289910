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

mod address;
mod logging;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use event_loop::{EventLoop, Stats};
use rustix::process::{Resource, Rlimit};

pub use address::{Address, Listening, NoAddress};
pub use logging::Logging;

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
