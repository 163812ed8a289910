//! `rpc-core` beside bare frames and `tarpc`: `add(x, y)` with one call at a time, 64 and 1000.
//!
//! `cargo bench -p benches --bench rpc`; see the README for how to read it.

use std::io::{self, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use benches::calls::{CONTENDERS, Contender, serve};
use benches::process::{Cores, Server, pin_self};
use benches::report::{Summary, print_table, take_turns};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, contender] = &arguments[..]
        && mode == "--serve"
    {
        return serve(contender);
    }
    let effort = if arguments.iter().any(|argument| argument == "--test") {
        SMOKE
    } else {
        FULL
    };
    let cores = Cores::choose()?;
    pin_self(cores.load)?;
    if !cores.are_separate() {
        println!("only one core: the client takes its time from the server, read with care");
    }
    for in_flight in [1, 64, 1000] {
        compare(in_flight, effort, cores)?;
    }
    Ok(())
}

/// How long and how often to measure.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    warm_up: Duration,
    round: Duration,
}

const FULL: Effort = Effort {
    rounds: 21,
    warm_up: Duration::from_millis(50),
    round: Duration::from_millis(200),
};
const SMOKE: Effort = Effort {
    rounds: 1,
    warm_up: Duration::from_millis(5),
    round: Duration::from_millis(10),
};

/// The contender that the others are compared with.
const PEER: usize = 1;

/// What one round came to.
struct Round {
    calls_per_second: f64,
    /// Time of the server on its core, for one call.
    server_us: f64,
}

fn compare(in_flight: usize, effort: Effort, cores: Cores) -> io::Result<()> {
    let measured = take_turns(effort.rounds, CONTENDERS.len(), |contender| {
        measure(&CONTENDERS[contender], in_flight, effort, cores)
    })?;
    let rows: Vec<[String; 4]> = CONTENDERS
        .iter()
        .zip(&measured)
        .map(|(contender, rounds)| {
            let speed = Summary::of(rounds.iter().map(|round| round.calls_per_second / 1e3));
            let pairs = rounds.iter().zip(&measured[PEER]);
            let ratio =
                Summary::of(pairs.map(|(one, peer)| one.calls_per_second / peer.calls_per_second));
            let server = Summary::of(rounds.iter().map(|round| round.server_us));
            [
                contender.name.to_owned(),
                format!("{speed:.1}"),
                format!("{ratio:.2}"),
                format!("{server:.2}"),
            ]
        })
        .collect();
    let title = format!("add(x, y), {in_flight} in flight");
    let peer = format!("ratio to {}", CONTENDERS[PEER].name);
    print_table(
        &title,
        ["", "1000 calls/s", &peer, "server CPU us/call"],
        &rows,
    );
    io::stdout().flush()
}

fn measure(
    contender: &Contender,
    in_flight: usize,
    effort: Effort,
    cores: Cores,
) -> io::Result<Round> {
    let mut command = Command::new(std::env::current_exe()?);
    let server = Server::start(command.args(["--serve", contender.name]), cores.server)?;
    let mut load = contender.connect(server.address())?;
    let calls_at_once = 10 * in_flight.max(10);
    let mut run_for = |time: Duration| -> io::Result<usize> {
        let (started, mut calls) = (Instant::now(), 0);
        while started.elapsed() < time {
            load.run(calls_at_once, in_flight)?;
            calls += calls_at_once;
        }
        Ok(calls)
    };
    run_for(effort.warm_up)?;
    let (started, cpu_before) = (Instant::now(), server.cpu_time()?);
    let calls = run_for(effort.round)? as f64;
    let (elapsed, cpu) = (started.elapsed(), server.cpu_time()? - cpu_before);
    Ok(Round {
        calls_per_second: calls / elapsed.as_secs_f64(),
        server_us: cpu.as_secs_f64() * 1e6 / calls,
    })
}
