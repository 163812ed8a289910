//! Tells the time over UDP: any datagram, even an empty one, is answered with the local time in the form
//! of C's `ctime`, as Python's `time.ctime()` prints it.
//!
//! ```sh
//! cargo run --example time_server
//! python3 - <<'END'
//! from socket import *
//! s = socket(AF_INET, SOCK_DGRAM)
//! s.sendto(b"", ("127.0.0.1", 20000))
//! print(s.recv(8192))
//! END
//! ```
//!
//! Anybody can put somebody else's address on a datagram. So that one forged datagram can neither
//! set two servers talking to each other for ever nor turn this one against a third party, a source
//! gets twenty answers at once and ten a second, and what looks like a server gets none.

use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use event_loop::{Context, Datagrams, EventLoop};
use examples::{Access, AccessOptions, Desk, GRACE, Gate, Limit, Logging, Signals};
use socket_server::{Datagram, DatagramLimits, HandlerResult, Rate, Server};

/// Tells the time over UDP
#[derive(Parser)]
struct Args {
    /// Where to tell it: ADDRESS:PORT (port 0: any free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:20000")]
    listen: SocketAddr,
    /// How requests are served
    #[arg(long, value_enum, default_value_t = Strategy::Threads)]
    strategy: Strategy,
    /// How many threads (pool) or processes (prefork)
    #[arg(long, value_name = "N", default_value = "16")]
    workers: NonZeroUsize,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone, Copy, ValueEnum)]
enum Strategy {
    /// One request after the other
    Serial,
    /// A thread for each core
    Threads,
    /// As many threads as you like
    Pool,
    /// As many processes as you like
    Prefork,
    /// One thread, one event loop
    Loop,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let access = args.access.load()?;
    let workers = args.workers.get();
    let strategy = match args.strategy {
        Strategy::Serial => socket_server::Strategy::Serial,
        Strategy::Threads => socket_server::Strategy::Threads,
        Strategy::Pool => socket_server::Strategy::Pool { workers },
        Strategy::Prefork => socket_server::Strategy::Prefork { workers },
        Strategy::Loop => return serve_on_a_loop(args.listen, access),
    };
    serve(args.listen, strategy, &access)
}

fn serve(
    listen: SocketAddr,
    strategy: socket_server::Strategy,
    access: &Access,
) -> Result<(), Box<dyn Error>> {
    let limits = DatagramLimits {
        // The answer to an empty datagram.
        min_allowance: 24,
        rate: Rate::new(20, 10),
        ..DatagramLimits::default()
    };
    let server = Server::udp(listen)
        .strategy(strategy)
        .datagram_limits(limits);
    let running = access
        .guard_datagrams(server)
        .serve_datagrams(tell)
        .map_err(|error| examples::cannot_listen(format_args!("udp://{listen}"), &error))?;
    let mut signals = Signals::watch()?;
    examples::announce(running.address())?;
    signals.wait();
    let stats = running.shutdown_datagrams(GRACE);
    tracing::info!(
        "{} requests answered, {} ignored, {} answers lost",
        stats.answered,
        stats.received - stats.answered - stats.unsent,
        stats.unsent
    );
    Ok(())
}

/// The handler of all strategies that block.
fn tell(request: &mut Datagram<'_>) -> HandlerResult {
    if !examples::is_ctime(request.payload()) {
        request.reply(examples::ctime().as_bytes())?;
    }
    Ok(())
}

fn serve_on_a_loop(listen: SocketAddr, access: Access) -> Result<(), Box<dyn Error>> {
    let mut event_loop = EventLoop::<()>::new()?;
    examples::stop_on_signals(&mut event_loop)?;
    let (socket, address) = examples::bind_udp(listen)?;
    let desk = Desk::new([address.port()], access);
    let mut gate = Gate::new(&desk, [Limit::new(20, 10)]);
    let tell = move |payload: &[u8], from, out: &mut Datagrams, cx: &mut Context<'_>| {
        if gate.admits(from, !examples::is_ctime(payload), cx.now())
            && let Err(full) = out.send_to(examples::ctime().as_bytes(), from)
        {
            tracing::debug!("no answer to {from}: {full}");
        }
    };
    event_loop.add_datagrams(socket, tell)?;
    examples::announce(format_args!("udp://{address}"))?;
    let stats = event_loop.run()?;
    tracing::info!("{desk}, {} answers lost", stats.datagrams_dropped);
    Ok(())
}
