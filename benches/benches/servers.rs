//! `socket-server` in every strategy beside bare threads, bare tokio, `event-loop` and Python.
//!
//! `cargo bench -p benches --bench servers`; see the README for the options and how to read it.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use benches::load::{Load, Pattern};
use benches::process::{Cores, Server, pin_self, raise_file_limit};
use benches::report::{Summary, print_table, take_turns};
use benches::servers::{BARE, CONTENDERS, PYTHON, SCRIPT, most_at_a_time, serve};
use benches::visit::visit;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, contender] = &arguments[..]
        && mode == "--serve"
    {
        return serve(contender);
    }
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let effort = if has("--test") { SMOKE } else { FULL };
    let only = ["--visits", "--talk", "--idle"]
        .into_iter()
        .find(|part| has(part));
    let is_wanted = |part: &str| only.is_none_or(|only| only == part);

    raise_file_limit()?;
    let cores = Cores::choose()?;
    pin_self(cores.load)?;
    if !cores.are_separate() {
        println!("only one core: the client takes its time from the server, read with care");
    }
    if is_wanted("--visits") {
        for at_a_time in [1, 8] {
            measure_visits(at_a_time, effort, cores)?;
        }
    }
    if is_wanted("--talk") {
        for connections in [1, 8, 50] {
            measure_talk(connections, effort, cores)?;
        }
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
    rounds: 11,
    warm_up: Duration::from_millis(50),
    round: Duration::from_millis(200),
    idle_connections: 10_000,
};

const SMOKE: Effort = Effort {
    rounds: 1,
    warm_up: Duration::from_millis(5),
    round: Duration::from_millis(20),
    idle_connections: 50,
};

const PING: Pattern = Pattern {
    message_len: 64,
    window: 64,
};

fn measure_visits(at_a_time: usize, effort: Effort, cores: Cores) -> io::Result<()> {
    let title = format!("A connection for every 64 bytes, {at_a_time} at a time");
    let all: Vec<_> = CONTENDERS
        .iter()
        .chain(PYTHON.iter().map(|(name, _)| name))
        .copied()
        .collect();
    compare(
        &title,
        "1000 connections/s",
        &all,
        effort,
        cores,
        |server| {
            visit(server.address(), at_a_time, effort.warm_up)?;
            let visits = visit(server.address(), at_a_time, effort.round)?;
            Ok(visits.count as f64 / visits.elapsed.as_secs_f64())
        },
    )
}

fn measure_talk(connections: usize, effort: Effort, cores: Cores) -> io::Result<()> {
    let who = match connections {
        1 => "1 connection that stays".to_owned(),
        more => format!("{more} connections that stay"),
    };
    let title = format!("64-byte ping-pong, {who}");
    let all = CONTENDERS.iter().chain(PYTHON.iter().map(|(name, _)| name));
    let able: Vec<_> = all
        .copied()
        .filter(|name| most_at_a_time(name) >= connections)
        .collect();
    compare(&title, "1000 requests/s", &able, effort, cores, |server| {
        let mut load = Load::connect(server.address(), connections, PING, cores.are_separate())?;
        load.run(effort.warm_up)?;
        let outcome = load.run(effort.round)?;
        let requests = outcome.bytes as f64 / PING.message_len as f64;
        Ok(requests / outcome.elapsed.as_secs_f64())
    })
}

/// All contenders in turn, round by round, each round in fresh processes and from another first one.
fn compare(
    title: &str,
    unit: &str,
    contenders: &[&str],
    effort: Effort,
    cores: Cores,
    mut measure: impl FnMut(&Server) -> io::Result<f64>,
) -> io::Result<()> {
    let measured = take_turns(effort.rounds, contenders.len(), |contender| {
        let server = start(contenders[contender], cores)?;
        measure(&server)
    })?;
    let limit = &measured[0];
    let rows: Vec<[String; 3]> = contenders
        .iter()
        .zip(&measured)
        .map(|(contender, rounds)| {
            let speed = Summary::of(rounds.iter().map(|one| one / 1e3));
            let ratio = Summary::of(rounds.iter().zip(limit).map(|(one, limit)| one / limit));
            [
                (*contender).to_owned(),
                format!("{speed:.2}"),
                format!("{ratio:.2}"),
            ]
        })
        .collect();
    print_table(title, ["", unit, "ratio to bare threads"], &rows);
    io::stdout().flush()
}

fn start(contender: &str, cores: Cores) -> io::Result<Server> {
    let python = PYTHON.iter().find(|(name, _)| *name == contender);
    let mut command = match python {
        Some((_, class)) => {
            let mut command = Command::new("python3");
            // It prints a traceback for each connection that the load ends with a reset.
            command.args(["-c", SCRIPT, class]).stderr(Stdio::null());
            command
        }
        None => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["--serve", contender]);
            command
        }
    };
    Server::start(&mut command, cores.server)
}

/// Memory of the server for each connection that has spoken once and is silent now.
fn measure_idle_memory(effort: Effort, cores: Cores) -> io::Result<()> {
    let mut rows = Vec::new();
    for (contender, most) in [
        (BARE, 1000),
        ("threads", 1000),
        ("bare tokio", usize::MAX),
        ("tokio", usize::MAX),
        ("event-loop", usize::MAX),
    ] {
        let count = effort.idle_connections.min(most);
        let server = start(contender, cores)?;
        let connect = |count| Load::connect(server.address(), count, PING, cores.are_separate());
        let mut first = connect(1)?;
        first.run(effort.warm_up)?;
        let before = server.memory()?;
        let mut load = connect(count)?;
        load.run(Duration::ZERO)?;
        let after = server.memory()?;
        let each = after.saturating_sub(before) / count as u64;
        rows.push([contender.to_owned(), count.to_string(), each.to_string()]);
    }
    print_table(
        "Memory of idle connections",
        ["", "connections", "bytes each"],
        &rows,
    );
    Ok(())
}
