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
//! service answers a source only so often: see `Gate`.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::IntErrorKind;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use event_loop::{Context, DatagramHandler, Datagrams, EventLoop, LoopOptions, Panicked};
use examples::Logging;

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
    let (time, time_address) = bind(args.time)?;
    let (echo, echo_address) = bind(args.echo)?;
    let (fib, fib_address) = bind(args.fib)?;
    let bound = [time_address, echo_address, fib_address];
    let desk = Rc::new(Desk {
        ports: bound.map(|address| address.port()),
        answered: Cell::new(0),
        ignored: Cell::new(0),
    });
    event_loop.add_datagrams(time, Time(Gate::new(&desk, TIME)))?;
    event_loop.add_datagrams(echo, Echo(Gate::new(&desk, ECHO)))?;
    event_loop.add_datagrams(fib, Fib::new(Gate::new(&desk, FIB)))?;
    for address in bound {
        examples::announce(format_args!("udp://{address}"))?;
    }
    let stats = event_loop.run()?;
    tracing::info!(
        "{} requests answered, {} ignored, {} answers lost",
        desk.answered.get(),
        desk.ignored.get(),
        stats.datagrams_dropped
    );
    Ok(())
}

fn bind(address: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let url = format_args!("udp://{address}");
    let socket = UdpSocket::bind(address).map_err(|error| examples::cannot_listen(url, &error))?;
    let bound = socket.local_addr()?;
    Ok((socket, bound))
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
        if self.0.admits(from, !is_time(payload), cx.now()) {
            let now = jiff::Zoned::now().strftime("%a %b %e %H:%M:%S %Y");
            answer(now.to_string().as_bytes(), from, out);
        }
    }
}

/// Whether this is no request, but what a time server answers: `Sat Nov 21 02:29:12 2026`.
fn is_time(payload: &[u8]) -> bool {
    let is_separator = |&place: &usize| matches!(payload[place], b' ' | b':');
    payload.len() == 24 && [3, 7, 10, 13, 16, 19].iter().all(is_separator)
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

/// What the gates of all services share.
struct Desk {
    ports: [u16; 3],
    answered: Cell<u64>,
    ignored: Cell<u64>,
}

/// Decides which datagrams a service answers. It ignores
///
/// - those that come from a port below 1024, or from one that this program itself serves, here or (by
///   the look of it) on another machine: no client has such a port, but a server has;
/// - those from a source that has had all the answers it can have for now. A source is an IPv4 address
///   or an IPv6 network of 64 bits.
///
/// Memory is bounded: the sources that were quiet for longest are forgotten.
struct Gate<const N: usize> {
    desk: Rc<Desk>,
    limits: [Limit; N],
    /// The sources seen of late, with the time at which each limit will have been settled.
    recent: HashMap<IpAddr, [Instant; N]>,
    /// Those seen before the recent ones.
    older: HashMap<IpAddr, [Instant; N]>,
}

/// How many answers a source may have at once, and how many a second in the long run.
struct Limit {
    burst: u32,
    interval: Duration,
}

/// How many sources a gate remembers for certain; at times it remembers twice as many.
const MAX_RECENT: usize = 2048;

impl<const N: usize> Gate<N> {
    fn new(desk: &Rc<Desk>, limits: [Limit; N]) -> Self {
        Self {
            desk: Rc::clone(desk),
            limits,
            recent: HashMap::new(),
            older: HashMap::new(),
        }
    }

    /// Whether to answer this datagram; if so, the answer is charged to the source.
    fn admits(&mut self, from: SocketAddr, is_request: bool, now: Instant) -> bool {
        let is_server = from.port() < 1024 || self.desk.ports.contains(&from.port());
        let is_admitted = is_request && !is_server && self.charge(source(from), now);
        let count = if is_admitted {
            &self.desk.answered
        } else {
            &self.desk.ignored
        };
        count.set(count.get() + 1);
        is_admitted
    }

    fn charge(&mut self, source: IpAddr, now: Instant) -> bool {
        let known = self.recent.get(&source).or_else(|| self.older.get(&source));
        let before = known.copied().unwrap_or([now; N]);
        let mut after = before;
        let mut has_credit = true;
        for (settled, limit) in after.iter_mut().zip(&self.limits) {
            *settled = (*settled).max(now) + limit.interval;
            has_credit &= *settled <= now + limit.interval * limit.burst;
        }
        if self.recent.len() >= MAX_RECENT && !self.recent.contains_key(&source) {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent
            .insert(source, if has_credit { after } else { before });
        has_credit
    }
}

impl Limit {
    const fn new(burst: u32, per_second: u32) -> Self {
        Self {
            burst,
            interval: Duration::from_nanos(1_000_000_000 / per_second as u64),
        }
    }
}

/// Whom a datagram is charged to.
fn source(from: SocketAddr) -> IpAddr {
    match from.ip().to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}
