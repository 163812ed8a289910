//! The echo server, the same under every strategy.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::Program;
use support::strategies::{STRATEGIES, at_once, connect, echo, exchange, read_to_end};

fn start(strategy: &str, options: &[&str]) -> Program {
    support::strategies::start("echo_server", strategy, options)
}

const MEGABYTE: usize = 1_000_000;

/// What a client says from its `at`th byte on.
fn text(at: usize) -> &'static [u8] {
    static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=250).cycle().take(1 << 18).collect());
    &TEXT[at % 251..]
}

/// Reads the echo of the text from its `at`th byte on, until there are `len` bytes of it.
fn read_text(mut stream: &TcpStream, mut at: usize, len: usize) {
    let mut buffer = vec![0; 1 << 16];
    while at < len {
        let wanted = buffer.len().min(len - at);
        let count = stream.read(&mut buffer[..wanted]).expect("more of it");
        assert!(count > 0, "ended after {at} of {len} bytes");
        assert!(
            buffer[..count] == text(at)[..count],
            "wrong behind byte {at}"
        );
        at += count;
    }
}

fn write_text(mut stream: &TcpStream, mut at: usize, len: usize) {
    while at < len {
        let text = text(at);
        let wanted = text.len().min(len - at);
        at += stream.write(&text[..wanted]).expect("the server takes it");
    }
}

#[test]
fn one_hundred_megabytes_go_through_though_the_client_reads_late() {
    for &strategy in STRATEGIES {
        let server = start(strategy, &[]);
        let stream = connect(&server);
        let began = Instant::now();
        stream
            .set_write_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        // Until nothing moves any more: the server has stopped reading.
        let mut sent = 0;
        while let Ok(count) = (&stream).write(text(sent)) {
            sent += count;
        }
        assert!(sent < 50 * MEGABYTE, "{strategy}: {sent} bytes");
        let memory = server.memory();
        stream.set_write_timeout(None).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                write_text(&stream, sent, 100 * MEGABYTE);
                stream.shutdown(Shutdown::Write).expect("still connected");
            });
            read_text(&stream, 0, 100 * MEGABYTE);
        });
        assert_eq!(read_to_end(&stream), b"", "{strategy}");
        println!("{strategy}: {:?}, {} KiB", began.elapsed(), memory >> 10);
        let most = if strategy == "prefork" { 16 } else { 1 } * (8 << 20);
        assert!(memory < most, "{strategy}: {memory} bytes");
    }
}

#[test]
fn everything_said_before_a_half_close_comes_back() {
    at_once(|strategy| {
        let server = start(strategy, &[]);
        for said in [&b""[..], b"x", text(0)] {
            assert!(exchange(&connect(&server), said) == said);
        }
    });
}

#[test]
fn single_bytes_are_not_held_back() {
    at_once(|strategy| {
        let server = start(strategy, &[]);
        let stream = connect(&server);
        for byte in &text(0)[..300] {
            echo(&stream, &[*byte]);
        }
    });
}

#[test]
fn a_thousand_clients_come_at_once() {
    for &strategy in STRATEGIES {
        let server = start(strategy, &[]);
        let began = Instant::now();
        let clients: Vec<_> = (0..1000).map(|_| connect(&server)).collect();
        // With these, everyone is served while all are here; with the others, one after the other.
        if matches!(strategy, "threads" | "loop" | "tokio") {
            for (n, client) in clients.iter().enumerate() {
                echo(client, &text(n)[..100]);
            }
        }
        for (n, mut client) in clients.iter().enumerate() {
            client.write_all(&text(n)[..100]).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        }
        for (n, client) in clients.iter().enumerate() {
            assert_eq!(read_to_end(client), &text(n)[..100], "{strategy}");
        }
        println!("{strategy}: {:?}", began.elapsed());
        drop(clients);
        server.signal(Signal::TERM);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{strategy}: {ended:?}");
        let summary = "1000 connections served, 1000 finished\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
    }
}

#[test]
fn a_client_that_says_nothing_is_closed_at_its_deadline() {
    at_once(|strategy| {
        let server = start(strategy, &["--first-byte-timeout", "0.3"]);
        let began = Instant::now();
        let silent = connect(&server);
        assert_eq!(read_to_end(&silent), b"");
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(300), "{waited:?}");
        // Who speaks is not hurried.
        let stream = connect(&server);
        echo(&stream, b"one");
        drop(stream);
        server.signal(Signal::TERM);
        let ended = server.wait();
        let summary = "2 connections served, 1 finished, 1 timed out\n";
        assert!(ended.stderr.ends_with(summary), "{ended:?}");
    });
}

#[test]
fn a_client_that_falls_silent_is_closed_at_its_deadline() {
    at_once(|strategy| {
        let server = start(strategy, &["--idle-timeout", "0.3"]);
        let stream = connect(&server);
        echo(&stream, b"one");
        let began = Instant::now();
        echo(&stream, b"two");
        assert_eq!(read_to_end(&stream), b"");
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(300), "{waited:?}");
    });
}

#[test]
fn sigterm_lets_a_conversation_finish() {
    for &strategy in STRATEGIES {
        let server = start(strategy, &[]);
        let stream = connect(&server);
        std::thread::scope(|scope| {
            let (go_on, wait) = std::sync::mpsc::channel();
            let stream = &stream;
            scope.spawn(move || {
                write_text(stream, 0, 10 * MEGABYTE);
                wait.recv().expect("the reader lives");
                write_text(stream, 10 * MEGABYTE, 20 * MEGABYTE);
                stream.shutdown(Shutdown::Write).expect("still connected");
            });
            read_text(stream, 0, MEGABYTE);
            server.signal(Signal::TERM);
            server.stderr.wait_for("stopping");
            go_on.send(()).expect("the writer lives");
            read_text(stream, MEGABYTE, 20 * MEGABYTE);
        });
        assert_eq!(read_to_end(&stream), b"", "{strategy}");
        drop(stream);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{strategy}: {ended:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{strategy}: {ended:?}");
        let summary = "1 connections served, 1 finished\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
    }
}

#[test]
fn a_conversation_that_goes_on_is_cut_off_after_the_grace() {
    at_once(|strategy| {
        let server = start(strategy, &[]);
        let stream = connect(&server);
        echo(&stream, b"before");
        let began = Instant::now();
        server.signal(Signal::TERM);
        server.stderr.wait_for("stopping");
        echo(&stream, b"after");
        // Cut off: the end, or a reset.
        assert_eq!((&stream).read(&mut [0]).unwrap_or(0), 0);
        let waited = began.elapsed();
        assert!(waited >= Duration::from_secs(5), "{waited:?}");
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let summary = "1 connections served, 0 finished, 1 cut off\n";
        assert!(ended.stderr.ends_with(summary), "{ended:?}");
    });
}

#[test]
fn a_second_signal_ends_it_at_once() {
    at_once(|strategy| {
        let server = start(strategy, &[]);
        let stream = connect(&server);
        echo(&stream, b"hello");
        server.signal(Signal::TERM);
        server.stderr.wait_for("stopping");
        let began = Instant::now();
        server.signal(Signal::INT);
        // No worker process keeps the connection either.
        assert_eq!((&stream).read(&mut [0]).unwrap_or(0), 0);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(130), "{ended:?}");
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(3), "{waited:?}");
    });
}

#[test]
fn without_descriptors_it_neither_spins_nor_dies() {
    at_once(|strategy| {
        let server = start(strategy, &["--workers", "4"]);
        // As many as there are workers, so that all have begun; one stays and is served meanwhile.
        let workers = match strategy {
            "pool" | "prefork" => 4,
            _ => 1,
        };
        let mut held: Vec<_> = (0..workers).map(|_| connect(&server)).collect();
        held.iter().for_each(|stream| echo(stream, b"hello"));
        // A serial server would not accept anybody beside the one.
        held.truncate(usize::from(strategy != "serial"));
        let mut processes = server.process().children();
        processes.push(server.process());
        let before: Vec<_> = processes.iter().map(|one| one.forbid_files()).collect();
        let cpu_time = || processes.iter().map(|one| one.cpu_time()).sum::<Duration>();

        let newcomers: Vec<_> = (0..10).map(|_| connect(&server)).collect();
        server.stderr.wait_for("can't accept");
        let (began, computed) = (Instant::now(), cpu_time());
        // The pauses double from 10 ms on: this takes more than a second.
        server.stderr.wait_for("pause=1s");
        held.iter().for_each(|stream| echo(stream, b"still there"));
        let share = (cpu_time() - computed).as_secs_f64() / began.elapsed().as_secs_f64();
        println!(
            "{strategy}: {share:.2} of a core over {:?}",
            began.elapsed()
        );
        assert!(share <= 0.3, "{share} of a core");

        for (process, before) in processes.iter().zip(before) {
            process.restore_files(before);
        }
        let began = Instant::now();
        for newcomer in &newcomers {
            assert_eq!(exchange(newcomer, b"at last"), b"at last");
        }
        let waited = began.elapsed();
        println!("{strategy}: recovered in {waited:?}");
        assert!(waited < Duration::from_secs(3), "{waited:?}");
        for stream in held {
            assert_eq!(exchange(&stream, b"bye"), b"bye");
        }
    });
}

#[test]
fn who_leaves_makes_room_for_who_waits_for_a_descriptor() {
    // Under the others, few are connected at a time.
    for strategy in ["threads", "fork", "loop", "tokio"] {
        let mut limited = Command::new("sh");
        limited.args(["-c", r#"ulimit -n 64 && exec "$0" "$@""#]);
        limited.arg(support::path("echo_server"));
        limited.args(["--listen", "127.0.0.1:0", "--strategy", strategy]);
        let server = Program::start_command(limited.args(["--workers", "100"]));
        let clients: Vec<_> = (0..100).map(|_| connect(&server)).collect();
        server.stderr.wait_for("can't accept");
        let began = Instant::now();
        for client in clients {
            assert_eq!(exchange(&client, b"my turn"), b"my turn", "{strategy}");
        }
        let waited = began.elapsed();
        println!("{strategy}: all served in {waited:?}");
        assert!(waited < Duration::from_secs(3), "{strategy}: {waited:?}");
    }
}

#[test]
fn ten_thousand_idle_connections_are_cheap() {
    const COUNT: usize = 10_000;
    // This process needs as many descriptors as the server.
    examples::raise_file_limit().unwrap();
    for strategy in ["loop", "tokio"] {
        let count = COUNT.to_string();
        let options = ["--max-connections", &count, "--max-per-address", &count];
        let server = start(strategy, &options);
        // What the server needs in any case, it has needed now.
        assert_eq!(exchange(&connect(&server), b"first"), b"first");
        let before = server.memory();
        let mut clients: Vec<TcpStream> = Vec::new();
        while clients.len() < COUNT {
            let client = connect(&server);
            echo(&client, b"hello");
            clients.push(client);
        }
        let each = (server.memory() - before) / COUNT;
        println!("{strategy}: {each} bytes for each idle connection");
        assert!(each <= 16 << 10, "{strategy}: {each} bytes");
        let last = clients.last().expect("ten thousand");
        assert_eq!(exchange(last, b"still served"), b"still served");
    }
}
