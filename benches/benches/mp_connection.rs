//! `mp-connection` beside Python's own servers, under the same client in Python; and 100 MB beside bare sockets.
//!
//! `cargo bench -p benches --bench mp_connection`; see the README for the options and how to read it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use benches::bulk;
use benches::objects::{CALLS, Contender, ECHOES, KEY, Load, serve};
use benches::process::{Cores, Server, pin_child, pin_self};
use benches::report::{Summary, print_table, take_turns};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, contender] = &arguments[..]
        && mode == "--serve"
    {
        return serve(contender);
    }
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let effort = if has("--test") { SMOKE } else { FULL };
    let only = ["--echo", "--calls", "--bulk"]
        .into_iter()
        .find(|part| has(part));
    let is_wanted = |part: &str| only.is_none_or(|only| only == part);

    let cores = Cores::choose()?;
    pin_self(cores.load)?;
    if !cores.are_separate() {
        println!("only one core: the client takes its time from the server, read with care");
    }
    for connections in [1, 16] {
        if is_wanted("--echo") {
            let title = format!("a small object to and fro, connections: {connections}");
            compare(&title, ECHOES, Load::Echo, connections, effort, cores)?;
        }
        if is_wanted("--calls") {
            let title = format!("add(2, 3), connections: {connections}");
            compare(&title, CALLS, Load::Calls, connections, effort, cores)?;
        }
    }
    if is_wanted("--bulk") {
        compare_bulk(effort, cores)?;
    }
    Ok(())
}

/// How long and how often to measure.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    warm_up: Duration,
    round: Duration,
    bulk_len: usize,
}

const FULL: Effort = Effort {
    rounds: 11,
    warm_up: Duration::from_millis(50),
    round: Duration::from_millis(300),
    bulk_len: 100_000_000,
};
const SMOKE: Effort = Effort {
    rounds: 1,
    warm_up: Duration::from_millis(5),
    round: Duration::from_millis(20),
    bulk_len: 1_000_000,
};

/// What one round came to.
struct Round {
    messages_per_second: f64,
    /// Time of the server on its core, for one message.
    server_us: f64,
}

/// The first contender is Python, by which the others are measured.
fn compare(
    title: &str,
    contenders: &[Contender],
    load: Load,
    connections: usize,
    effort: Effort,
    cores: Cores,
) -> io::Result<()> {
    let measured = take_turns(effort.rounds, contenders.len(), |contender| {
        measure(&contenders[contender], load, connections, effort, cores)
    })?;
    let rows: Vec<[String; 4]> = contenders
        .iter()
        .zip(&measured)
        .map(|(contender, rounds)| {
            let speed = rounds.iter().map(|round| round.messages_per_second / 1e3);
            let pairs = rounds.iter().zip(&measured[0]);
            let ratio = pairs.map(|(one, peer)| one.messages_per_second / peer.messages_per_second);
            let server = rounds.iter().map(|round| round.server_us);
            [
                contender.name().to_owned(),
                format!("{:.1}", Summary::of(speed)),
                format!("{:.2}", Summary::of(ratio)),
                format!("{:.1}", Summary::of(server)),
            ]
        })
        .collect();
    let head = ["", "1000/s", "ratio to Python", "server CPU us each"];
    print_table(title, head, &rows);
    io::stdout().flush()
}

fn measure(
    contender: &Contender,
    load: Load,
    connections: usize,
    effort: Effort,
    cores: Cores,
) -> io::Result<Round> {
    let server = Server::start(&mut contender.command()?, cores.server)?;
    let mut client = Client::start(load, server.address(), connections, cores.load)?;
    client.run(effort.warm_up)?;
    let before = server.cpu_time()?;
    let messages_per_second = client.run(effort.round)?;
    let cpu = server.cpu_time()? - before;
    let messages = messages_per_second * client.last_run.as_secs_f64();
    Ok(Round {
        messages_per_second,
        server_us: cpu.as_secs_f64() * 1e6 / messages,
    })
}

/// The load, a program in Python.
struct Client {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// How long the last run took.
    last_run: Duration,
}

impl Client {
    fn start(load: Load, server: SocketAddr, connections: usize, core: usize) -> io::Result<Self> {
        let mut child = Command::new("python3")
            .args(["-c", load.script(), KEY])
            .args([server.ip().to_string(), server.port().to_string()])
            .arg(connections.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        pin_child(&child, core)?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let commands = child.stdin.take().ok_or_else(missing)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        Ok(Self {
            child,
            commands,
            answers,
            last_run: Duration::ZERO,
        })
    }

    /// Has it run for a while; returns how many messages went to and fro in a second.
    fn run(&mut self, time: Duration) -> io::Result<f64> {
        writeln!(self.commands, "{}", time.as_secs_f64())?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::parse::<f64>);
        let (Some(Ok(messages)), Some(Ok(seconds))) = (words.next(), words.next()) else {
            return Err(io::Error::other(format!("the client said {line:?}")));
        };
        self.last_run = Duration::from_secs_f64(seconds);
        Ok(messages / seconds)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended by itself, which is no matter here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn compare_bulk(effort: Effort, cores: Cores) -> io::Result<()> {
    let contenders = bulk::CONTENDERS;
    let measured = take_turns(effort.rounds, contenders.len(), |contender| {
        bulk::measure(contenders[contender], effort.bulk_len, cores)
    })?;
    let rows: Vec<[String; 3]> = contenders
        .iter()
        .zip(&measured)
        .map(|(contender, rates)| {
            let limit = &measured[contender.limit()];
            let ratio = rates.iter().zip(limit).map(|(one, limit)| one / limit);
            [
                contender.name().to_owned(),
                format!("{:.2}", Summary::of(rates.iter().map(|rate| rate / 1e9))),
                format!("{:.2}", Summary::of(ratio)),
            ]
        })
        .collect();
    let title = format!("{} MB in one message", effort.bulk_len / 1_000_000);
    print_table(&title, ["", "GB/s", "ratio to bare sockets"], &rows);
    io::stdout().flush()
}
