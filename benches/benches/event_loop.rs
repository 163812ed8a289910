//! `event-loop` beside raw epoll (the limit), `mio` by hand and tokio.
//!
//! `cargo bench -p benches --bench event_loop`; see the README for the options and how to read it.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use benches::echo::{CONTENDERS, serve};
use benches::load::{Load, Outcome, Pattern};
use benches::process::{Cores, Server, pin_self, raise_file_limit};
use benches::report::{Summary, print_table, take_turns};
use rustix::process::{Pid, Signal, kill_process};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, contender, buffer_len] = &arguments[..]
        && mode == "--serve"
    {
        return serve(contender, buffer_len.parse().map_err(io::Error::other)?);
    }
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let effort = if has("--test") { SMOKE } else { FULL };
    let only = ["--speed", "--syscalls", "--idle"]
        .into_iter()
        .find(|mode| has(mode));
    let is_wanted = |mode: &str| only.is_none_or(|only| only == mode);

    raise_file_limit()?;
    let cores = Cores::choose()?;
    pin_self(cores.load)?;
    if !cores.are_separate() {
        println!("only one core: the client takes its time from the server, read with care");
    }
    if is_wanted("--speed") {
        let words: Vec<&String> = arguments
            .iter()
            .filter(|one| !one.starts_with('-'))
            .collect();
        let is_meant = |scenario: &Scenario| {
            words.is_empty() || words.iter().any(|word| scenario.title.contains(&**word))
        };
        for scenario in SCENARIOS.into_iter().filter(is_meant) {
            measure_speed(scenario, effort, cores)?;
        }
    }
    if is_wanted("--syscalls") {
        count_system_calls(effort, cores)?;
    }
    if is_wanted("--idle") {
        measure_idle_memory(effort, cores)?;
    }
    Ok(())
}

/// How long and how often to measure.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    warm_up: Duration,
    round: Duration,
    idle_connections: usize,
}

const FULL: Effort = Effort {
    rounds: 21,
    warm_up: Duration::from_millis(50),
    round: Duration::from_millis(200),
    idle_connections: 10_000,
};

const SMOKE: Effort = Effort {
    rounds: 1,
    warm_up: Duration::from_millis(5),
    round: Duration::from_millis(20),
    idle_connections: 200,
};

#[derive(Clone, Copy)]
struct Scenario {
    title: &'static str,
    connections: usize,
    pattern: Pattern,
    /// The length of the buffers, for those who have one for each connection.
    buffer_len: usize,
}

const PING: Pattern = Pattern {
    message_len: 64,
    window: 64,
};

const SCENARIOS: [Scenario; 4] = [
    ping_pong("64-byte ping-pong, 1 connection", 1),
    AT_FIFTY,
    ping_pong("64-byte ping-pong, 1000 connections", 1000),
    Scenario {
        title: "64 KiB streaming echo, 4 connections with 256 KiB on their way each",
        connections: 4,
        pattern: Pattern {
            message_len: 64 << 10,
            window: 256 << 10,
        },
        buffer_len: 64 << 10,
    },
];

const AT_FIFTY: Scenario = ping_pong("64-byte ping-pong, 50 connections", 50);

const fn ping_pong(title: &'static str, connections: usize) -> Scenario {
    Scenario {
        title,
        connections,
        pattern: PING,
        buffer_len: 8 << 10,
    }
}

/// One contender in one round.
#[derive(Clone, Copy)]
struct Measurement {
    requests_per_second: f64,
    cpu_per_request: Duration,
    /// Which part of the time the server was on its core.
    busy: f64,
}

/// All contenders in turn, round by round, each round in fresh processes and from another first one.
fn measure_speed(scenario: Scenario, effort: Effort, cores: Cores) -> io::Result<()> {
    let measured = take_turns(effort.rounds, CONTENDERS.len(), |contender| {
        measure_once(CONTENDERS[contender], scenario, effort, cores)
    })?;
    let limit = &measured[0];
    let rows: Vec<[String; 5]> = CONTENDERS
        .iter()
        .zip(&measured)
        .map(|(contender, rounds)| {
            let speed = Summary::of(rounds.iter().map(|one| one.requests_per_second / 1e3));
            let pairs = rounds.iter().zip(limit);
            let ratio = Summary::of(
                pairs.map(|(one, limit)| one.requests_per_second / limit.requests_per_second),
            );
            let cpu = Summary::of(
                rounds
                    .iter()
                    .map(|one| one.cpu_per_request.as_secs_f64() * 1e6),
            );
            let busy = Summary::of(rounds.iter().map(|one| one.busy * 100.0));
            [
                (*contender).to_owned(),
                format!("{speed:.1}"),
                format!("{ratio:.3}"),
                format!("{cpu:.2}"),
                format!("{:.0} %", busy.median),
            ]
        })
        .collect();
    let head = [
        "",
        "1000 requests/s",
        "ratio to raw epoll",
        "server CPU us/request",
        "server busy",
    ];
    print_table(scenario.title, head, &rows);
    io::stdout().flush()
}

fn measure_once(
    contender: &str,
    scenario: Scenario,
    effort: Effort,
    cores: Cores,
) -> io::Result<Measurement> {
    let server = start(contender, scenario.buffer_len, cores)?;
    let mut load = connect(&server, scenario.connections, scenario.pattern, cores)?;
    load.run(effort.warm_up)?;
    let before = server.cpu_time()?;
    let outcome = load.run(effort.round)?;
    let cpu = server.cpu_time()? - before;
    let requests = requests(outcome, scenario.pattern);
    Ok(Measurement {
        requests_per_second: requests / outcome.elapsed.as_secs_f64(),
        cpu_per_request: cpu.div_f64(requests),
        busy: cpu.as_secs_f64() / outcome.elapsed.as_secs_f64(),
    })
}

fn start(contender: &str, buffer_len: usize, cores: Cores) -> io::Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--serve", contender, &buffer_len.to_string()]);
    Server::start(&mut command, cores.server)
}

fn connect(server: &Server, count: usize, pattern: Pattern, cores: Cores) -> io::Result<Load> {
    Load::connect(server.address(), count, pattern, cores.are_separate())
}

fn requests(outcome: Outcome, pattern: Pattern) -> f64 {
    outcome.bytes as f64 / pattern.message_len as f64
}

/// Counted by the kernel (`perf stat`), which slows the server so little that events still come in
/// batches of the usual size; `strace` would not.
fn count_system_calls(effort: Effort, cores: Cores) -> io::Result<()> {
    let mut rows = Vec::new();
    for &contender in CONTENDERS {
        let server = start(contender, AT_FIFTY.buffer_len, cores)?;
        let mut load = connect(&server, AT_FIFTY.connections, PING, cores)?;
        load.run(effort.warm_up)?;
        let counted = count_during(&server, || load.run(COUNTED))?;
        let Some([calls, sends]) = counted else {
            println!("\nsystem calls: not counted, `perf stat` can't count tracepoints here");
            return Ok(());
        };
        let ratio = if sends > 0.0 {
            format!("{:.2}", calls / sends)
        } else {
            "not by send".to_owned()
        };
        rows.push([contender.to_owned(), ratio]);
    }
    print_table(
        "System calls a request, 64-byte ping-pong, 50 connections",
        ["", "calls/request"],
        &rows,
    );
    Ok(())
}

/// The counter takes a moment to begin.
const COUNTED: Duration = Duration::from_millis(600);

/// How many system calls the server made while `run` ran, and how many of them were sends: one for
/// each request, whenever the counter began. Nothing where they can't be counted.
fn count_during(
    server: &Server,
    run: impl FnOnce() -> io::Result<Outcome>,
) -> io::Result<Option<[f64; 2]>> {
    const EVENTS: &str = "{raw_syscalls:sys_enter,syscalls:sys_enter_sendto}";
    let pid = server.pid().as_raw_nonzero().to_string();
    let counter = Command::new("perf")
        .args(["stat", "-x", ",", "-e", EVENTS, "-p", &pid])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(counter) = counter else {
        return Ok(None);
    };
    run()?;
    // An interrupt makes it print what it has counted.
    kill_process(Pid::from_child(&counter), Signal::INT)?;
    let printed = counter.wait_with_output()?.stderr;
    let printed = String::from_utf8_lossy(&printed);
    let mut counts = printed
        .lines()
        .filter_map(|line| line.split(',').next()?.parse().ok());
    Ok(counts.next().zip(counts.next()).map(<[f64; 2]>::from))
}

/// Memory of the server for each connection that has spoken once and is silent now.
fn measure_idle_memory(effort: Effort, cores: Cores) -> io::Result<()> {
    let count = effort.idle_connections;
    let mut rows = Vec::new();
    for &contender in CONTENDERS {
        let server = start(contender, 8 << 10, cores)?;
        let mut first = connect(&server, 1, PING, cores)?;
        first.run(effort.warm_up)?;
        let before = server.memory()?;
        let began = Instant::now();
        let mut load = connect(&server, count, PING, cores)?;
        let connecting = began.elapsed();
        load.run(Duration::ZERO)?;
        let after = server.memory()?;
        let each = after.saturating_sub(before) / count as u64;
        rows.push([
            contender.to_owned(),
            each.to_string(),
            format!("{}", before / 1024),
            format!("{}", after / 1024),
            format!("{:.0}", count as f64 / connecting.as_secs_f64() / 1e3),
        ]);
    }
    let head = [
        "",
        "bytes each",
        "KiB with one",
        "KiB with all",
        "1000 accepts/s",
    ];
    print_table(&format!("Memory, {count} idle connections"), head, &rows);
    Ok(())
}
