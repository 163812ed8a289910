//! The `chat_server` example with ten thousand clients: fan-out, latency, memory.
//!
//! `cargo build --release --example chat_server && cargo bench -p benches --bench chat`; see the
//! README.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use benches::process::{Cores, Server, example, pin_self, raise_file_limit};
use benches::report::print_table;
use benches::room::{Room, Talk};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_smoke = arguments.iter().any(|argument| argument == "--test");
    let Some(program) = example("chat_server") else {
        println!("no chat_server beside this bench: build it with");
        println!("    cargo build --release --example chat_server");
        return Ok(());
    };
    let count = arguments.iter().find_map(|argument| argument.parse().ok());
    let (count, duration) = if is_smoke {
        (50, Duration::from_millis(200))
    } else {
        (count.unwrap_or(10_000), Duration::from_secs(4))
    };

    raise_file_limit()?;
    let cores = Cores::choose()?;
    pin_self(cores.load)?;
    if !cores.are_separate() {
        println!("only one core: the clients take their time from the server, read with care");
    }
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0"]);
    let server = Server::start(&mut command, cores.server)?;
    join_and_talk(&server, count, duration)
}

/// So many come at once; each hears of all who come after it.
const BATCH: usize = 500;

fn join_and_talk(server: &Server, count: usize, duration: Duration) -> io::Result<()> {
    println!("{count} clients, 64-byte texts");
    let empty = server.memory()?;
    let begin = Instant::now();
    let mut room = Room::new(server.address())?;
    for first in (0..count).step_by(BATCH) {
        room.join(BATCH.min(count - first))?;
    }
    let elapsed = begin.elapsed();
    let notices = room.settle()?;
    println!(
        "logged in, {BATCH} at a time, in {:.2} s: {notices} notices of who came, {:.2} s of server CPU",
        elapsed.as_secs_f64(),
        server.cpu_time()?.as_secs_f64(),
    );
    let joined = server.memory()?;

    let mut rows = Vec::new();
    for window in [1, 8, 64] {
        let before = server.cpu_time()?;
        let talk = room.talk(window, duration)?;
        let cpu = server.cpu_time()? - before;
        rows.push(row(window, &talk, cpu));
    }
    let head = [
        "messages under way",
        "sent",
        "1000 deliveries/s",
        "p50 ms",
        "p99 ms",
        "to all p50 ms",
        "to all p99 ms",
        "server CPU us/delivery",
    ];
    print_table("Talk", head, &rows);

    let memory = [
        ("empty", empty),
        ("all logged in", joined),
        ("after the talk", server.memory()?),
        (
            "at its peak, files and code included",
            server.peak_memory()?,
        ),
    ];
    let rows = memory.map(|(when, bytes)| {
        let each = bytes.saturating_sub(empty) / count as u64;
        [
            when.to_owned(),
            (bytes / 1024).to_string(),
            each.to_string(),
        ]
    });
    print_table("Memory of the server", ["", "KiB", "bytes a client"], &rows);
    Ok(())
}

fn row(window: usize, talk: &Talk, cpu: Duration) -> [String; 8] {
    let milliseconds = |sorted: &[Duration], part: f64| {
        let place = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
        let value = sorted.get(place).copied().unwrap_or_default();
        format!("{:.1}", value.as_secs_f64() * 1e3)
    };
    [
        window.to_string(),
        talk.sent.to_string(),
        format!("{:.0}", talk.rate() / 1e3),
        milliseconds(&talk.latencies, 0.5),
        milliseconds(&talk.latencies, 0.99),
        milliseconds(&talk.until_all, 0.5),
        milliseconds(&talk.until_all, 0.99),
        format!("{:.2}", cpu.as_secs_f64() * 1e6 / talk.received as f64),
    ]
}
