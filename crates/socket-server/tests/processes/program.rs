//! The program under test: a server with a process strategy, led by lines on its standard input.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit};
use socket_server::{Connection, Datagram, HandlerResult, Limits, Server, Stats, Strategy};

/// Runs with words like `processes`, `max=3`, `idle=200` (milliseconds) until told to shut down.
pub(crate) fn run(words: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let mut limits = Limits::default();
    let mut strategy = Strategy::Processes { max: 40 };
    let mut server = Server::tcp("127.0.0.1:0");
    let mut datagrams = false;
    let mut beside = None;
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, "0"));
        match name {
            "processes" => {}
            "datagrams" => {
                server = Server::udp("127.0.0.1:0");
                datagrams = true;
            }
            // What a service manager does: the program does not bind, and its children can't adopt.
            "adopt" if !socket_server::is_worker() => {
                server = Server::adopt(TcpListener::bind("127.0.0.1:0")?);
            }
            "adopt" => {}
            "deny" => server = server.verify(|_| false),
            "proxied" => server = server.proxied(|_| true),
            "beside" => {
                let threads = Server::tcp("127.0.0.1:0").serve(serve)?;
                let prefork = Server::tcp("127.0.0.1:0")
                    .strategy(Strategy::Prefork { workers: 1 })
                    .serve(|connection| Ok(connection.write_all(b"beside")?))?;
                beside = Some((threads, prefork));
            }
            "max" => {
                strategy = Strategy::Processes {
                    max: value.parse()?,
                }
            }
            "prefork" => {
                let workers = value.parse()?;
                strategy = Strategy::Prefork { workers };
            }
            "exit-early" if socket_server::is_worker() => std::process::exit(0),
            "exit-early" => {}
            _ => set_limit(&mut limits, name, value)?,
        }
    }
    server = server.strategy(strategy).limits(limits);
    let running = if datagrams {
        server.serve_datagrams(answer)?
    } else {
        server.serve(serve)?
    };
    if socket_server::is_worker() {
        println!("serve came back in a worker");
    }
    println!("{}", running.address());
    let base = open_descriptors()? as u64;
    for line in io::stdin().lines() {
        let line = line?;
        let (command, value) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "stats" => println!("{}", written(&running.stats())),
            "datagram-stats" => {
                let stats = running.datagram_stats();
                println!(
                    "received={} answered={} panicked={}",
                    stats.received, stats.answered, stats.panicked
                );
            }
            "beside" => {
                let (threads, prefork) = beside.as_ref().ok_or("nothing is beside")?;
                println!("{} {}", threads.address(), prefork.address());
            }
            "suspend" => {
                running.suspend();
                println!("suspended");
            }
            "resume" => {
                running.resume();
                println!("resumed");
            }
            "limit" => {
                let (name, value) = value.split_once('=').ok_or("NAME=VALUE")?;
                let mut limits = running.limits();
                set_limit(&mut limits, name, value)?;
                running.set_limits(limits);
                println!("limited");
            }
            "descriptors" => {
                limit_descriptors(base + value.parse::<u64>()?)?;
                println!("descriptors limited");
            }
            "count" => println!("{}", open_descriptors()?),
            "shutdown" => {
                let grace = Duration::from_millis(value.parse()?);
                println!("{}", written(&running.shutdown(grace)));
                return Ok(());
            }
            other => return Err(other.into()),
        }
    }
    Ok(())
}

/// What a client may ask for, one line each.
fn serve(connection: &mut Connection) -> HandlerResult {
    let (mut lines, mut out) = connection.lines();
    while let Some(line) = lines.next_line()? {
        let line = str::from_utf8(line)?.trim_end().to_owned();
        match line.as_str() {
            "pid" => writeln!(out, "{}", std::process::id())?,
            "group" => {
                let group = rustix::process::getpgid(None)?;
                writeln!(out, "{}", group.as_raw_nonzero())?;
            }
            "descriptors" => writeln!(out, "{}", open_descriptors()?)?,
            "stdin" => {
                let len = io::stdin().read_to_end(&mut Vec::new())?;
                writeln!(out, "{len}")?;
            }
            "peer" => writeln!(out, "{}", connection.peer())?,
            "worker" => writeln!(out, "{}", socket_server::is_worker())?,
            "panic" => panic!("asked to"),
            "fail" => return Err("asked to".into()),
            "abort" => std::process::abort(),
            "stopping" => {
                while !connection.is_stopping() {
                    thread::yield_now();
                }
                writeln!(out, "stopping")?;
            }
            "spin" => loop {
                thread::yield_now();
            },
            "handshake" => {
                connection.handshake(|mut connection| connection.read_exact(&mut [0; 4]))?;
                writeln!(out, "shaken")?;
            }
            other => writeln!(out, "{other}")?,
        }
    }
    Ok(())
}

fn answer(datagram: &mut Datagram<'_>) -> HandlerResult {
    if datagram.payload() == b"panic please" {
        datagram.reply(b"panics")?;
        panic!("asked to");
    }
    datagram.reply(std::process::id().to_string().as_bytes())?;
    Ok(())
}

fn set_limit(limits: &mut Limits, name: &str, value: &str) -> Result<(), String> {
    let number = || {
        value
            .parse::<u64>()
            .map_err(|error| format!("{value}: {error}"))
    };
    let time = || number().map(Duration::from_millis);
    match name {
        "connections" => limits.max_connections = number()? as usize,
        "per-address" => limits.max_per_address = number()? as usize,
        "handshakes" => limits.max_handshakes = number()? as usize,
        "handshake" => limits.handshake_timeout = time()?,
        "first" => limits.first_byte_timeout = Some(time()?),
        "idle" => limits.idle_timeout = Some(time()?),
        "total" => limits.total_timeout = Some(time()?),
        "refusal" => limits.refusal = value.as_bytes().to_vec().into(),
        other => return Err(format!("{other} is no limit")),
    }
    Ok(())
}

fn written(stats: &Stats) -> String {
    format!(
        "open={} pending={} accepted={} finished={} failed={} timed_out={} refused={} panicked={} \
         cut_off={} accept_pauses={}",
        stats.open,
        stats.pending,
        stats.accepted,
        stats.finished,
        stats.failed,
        stats.timed_out,
        stats.refused,
        stats.panicked,
        stats.cut_off,
        stats.accept_pauses,
    )
}

fn open_descriptors() -> io::Result<usize> {
    // One of them is the directory that is being read.
    Ok(std::fs::read_dir("/proc/self/fd")?.count() - 1)
}

fn limit_descriptors(limit: u64) -> io::Result<()> {
    let current = Some(limit);
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    Ok(())
}
