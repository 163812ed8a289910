//! Three services over UDP on one event loop: the time of day, echo, and Fibonacci numbers computed
//! on other threads.
//!
//! ```sh
//! cargo run --example udp_servers
//! python3 - <<'END'
//! from socket import *
//! s = socket(AF_INET, SOCK_DGRAM)
//! for port, request in (14000, b""), (15000, b"hello"), (16000, b"10"):
//!     s.sendto(request, ("127.0.0.1", port))
//!     print(s.recv(8192))
//! END
//! ```
//!
//! Anybody can put somebody else's address on a datagram. So that one forged datagram can neither
//! set two servers talking to each other for ever nor turn this one against a third party, each
//! service answers a source only so often: see `Gate` in `src/gate.rs`.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::num::IntErrorKind;
use std::process::ExitCode;

use clap::Parser;
use event_loop::{Context, DatagramHandler, Datagrams, EventLoop, LoopOptions, Panicked};
use examples::{AccessOptions, Desk, Gate, Limit, Logging};

/// Tells the time, echoes, and computes Fibonacci numbers, over UDP
#[derive(Parser)]
struct Args {
    /// Where to tell the time: any datagram, even an empty one, asks for it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:14000")]
    time: SocketAddr,
    /// Where to send datagrams back as they came
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15000")]
    echo: SocketAddr,
    /// Where to compute Fibonacci numbers: decimal digits in, decimal digits out
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:16000")]
    fib: SocketAddr,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    logging: Logging,
}

const TIME: [Limit; 1] = [Limit::new(20, 10)];
/// Much is let through, but not for ever: of a loop between two echo servers that pass one datagram to
/// and fro, the first that either leaves unanswered is the end.
const ECHO: [Limit; 2] = [Limit::new(8000, 8000), Limit::new(500_000, 20)];
const FIB: [Limit; 1] = [Limit::new(500, 20)];

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut event_loop = EventLoop::with_options(LoopOptions {
        offload_threads: THREADS,
        ..LoopOptions::default()
    })?;
    examples::stop_on_signals(&mut event_loop)?;
    let (time, time_address) = examples::bind_udp(args.time)?;
    let (echo, echo_address) = examples::bind_udp(args.echo)?;
    let (fib, fib_address) = examples::bind_udp(args.fib)?;
    let bound = [time_address, echo_address, fib_address];
    let desk = Desk::new(bound.map(|address| address.port()), args.access.load()?);
    event_loop.add_datagrams(time, Time(Gate::new(&desk, TIME)))?;
    event_loop.add_datagrams(echo, Echo(Gate::new(&desk, ECHO)))?;
    event_loop.add_datagrams(fib, Fib::new(Gate::new(&desk, FIB)))?;
    for address in bound {
        examples::announce(format_args!("udp://{address}"))?;
    }
    let stats = event_loop.run()?;
    tracing::info!("{desk}, {} answers lost", stats.datagrams_dropped);
    Ok(())
}

/// Sends an answer. One that finds the queue full is lost, as it might be on the way.
fn answer(payload: &[u8], to: SocketAddr, out: &mut Datagrams) {
    if let Err(full) = out.send_to(payload, to) {
        tracing::debug!("no answer to {to}: {full}");
    }
}

struct Time(Gate<1>);

impl DatagramHandler<Computed> for Time {
    fn received(
        &mut self,
        payload: &[u8],
        from: SocketAddr,
        out: &mut Datagrams,
        cx: &mut Context<'_, Computed>,
    ) {
        if self.0.admits(from, !examples::is_ctime(payload), cx.now()) {
            answer(examples::ctime().as_bytes(), from, out);
        }
    }
}

struct Echo(Gate<2>);

impl DatagramHandler<Computed> for Echo {
    fn received(
        &mut self,
        payload: &[u8],
        from: SocketAddr,
        out: &mut Datagrams,
        cx: &mut Context<'_, Computed>,
    ) {
        if self.0.admits(from, true, cx.now()) {
            answer(payload, from, out);
        }
    }
}

/// Computes small numbers at once and large ones on other threads.
///
/// Each source has one computation running; others of the same source wait behind it, so that the
/// threads are shared fairly.
struct Fib {
    gate: Gate<1>,
    /// What waits, for each source that has something running.
    waiting: HashMap<IpAddr, VecDeque<Question>>,
}

struct Question {
    n: u32,
    from: SocketAddr,
}

/// The outcome of a computation on another thread.
struct Computed {
    outcome: Result<u64, Panicked>,
    to: SocketAddr,
}

const MAX_N: u32 = 40;
/// Up to here a computation takes less time than handing it over.
const MAX_N_AT_ONCE: u32 = 20;
/// How many sources have something running at a time. More than the cores: a slow computation then
/// shares them with the quick ones that come after it.
const THREADS: usize = 8;
/// How many computations of one source may wait.
const MAX_WAITING: usize = 16;
const BUSY: &[u8] = b"error: busy";

impl Fib {
    fn new(gate: Gate<1>) -> Self {
        Self {
            gate,
            waiting: HashMap::new(),
        }
    }

    /// Computes on another thread the first of these questions of one source.
    fn start(
        &mut self,
        mut questions: VecDeque<Question>,
        out: &mut Datagrams,
        cx: &mut Context<'_, Computed>,
    ) {
        let Some(Question { n, from }) = questions.pop_front() else {
            return;
        };
        let done = move |outcome| Computed { outcome, to: from };
        if cx.offload(move || fib(n), done).is_ok() {
            self.waiting.insert(from.ip(), questions);
            return;
        }
        answer(BUSY, from, out);
        for question in questions {
            answer(BUSY, question.from, out);
        }
    }
}

impl DatagramHandler<Computed> for Fib {
    fn received(
        &mut self,
        payload: &[u8],
        from: SocketAddr,
        out: &mut Datagrams,
        cx: &mut Context<'_, Computed>,
    ) {
        // An error is no request, but the answer of another server like this one.
        let is_request = !payload.starts_with(b"error");
        if !self.gate.admits(from, is_request, cx.now()) {
            return;
        }
        match parse(payload) {
            Err(error) => answer(error.as_bytes(), from, out),
            Ok(n) if n <= MAX_N_AT_ONCE => answer(fib(n).to_string().as_bytes(), from, out),
            Ok(n) => match self.waiting.get_mut(&from.ip()) {
                None => self.start([Question { n, from }].into(), out, cx),
                Some(waiting) if waiting.len() < MAX_WAITING => {
                    waiting.push_back(Question { n, from });
                }
                Some(_) => answer(BUSY, from, out),
            },
        }
    }

    fn message(&mut self, computed: Computed, out: &mut Datagrams, cx: &mut Context<'_, Computed>) {
        let Computed { outcome, to } = computed;
        match outcome {
            Ok(number) => answer(number.to_string().as_bytes(), to, out),
            Err(panicked) => tracing::error!("no answer to {to}: {panicked}"),
        }
        if let Some(waiting) = self.waiting.remove(&to.ip()) {
            self.start(waiting, out, cx);
        }
    }
}

fn parse(payload: &[u8]) -> Result<u32, String> {
    let text = str::from_utf8(payload).unwrap_or_default().trim();
    match text.parse::<u32>() {
        Ok(n) if n <= MAX_N => Ok(n),
        Err(error) if *error.kind() != IntErrorKind::PosOverflow => {
            Err("error: not a number".to_owned())
        }
        _ => Err(format!("error: n is at most {MAX_N}")),
    }
}

/// The recipe's definition, slow on purpose.
fn fib(n: u32) -> u64 {
    if n <= 1 { 1 } else { fib(n - 1) + fib(n - 2) }
}
