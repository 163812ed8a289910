//! A server that hands its connections over to workers, in Rust and in Python.

mod fd_support;
mod support;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use fd_passing::recipe;
use fd_support::{server, stop, worker};
use rustix::process::Signal;
use support::strategies::{connect, echo, exchange, read_to_end};
use support::{DEADLINE, Folder, Program, pythons, script};

fn python_server(python: &OsStr, path: &str, dialect: &str) -> Program {
    let mut command = Command::new(python);
    command.arg(script("fd_server.py"));
    Program::start_command(command.args([dialect, path, "127.0.0.1:0"]))
}

fn python_worker(python: &OsStr, path: &str, dialect: &str) -> Program {
    let mut command = Command::new(python);
    Program::start_command(command.arg(script("fd_worker.py")).args([dialect, path]))
}

/// Whether its workers acknowledge in the dialect of Python.
fn acknowledges(python: &OsStr) -> bool {
    let version = "import sys; sys.exit(sys.version_info < (3, 14))";
    let status = Command::new(python).args(["-c", version]).status();
    status.expect("it starts").success()
}

fn kill(program: Program) {
    program.signal(Signal::KILL);
    program.wait();
}

#[test]
fn connections_are_served_by_workers() {
    for dialect in ["recipe", "python"] {
        let folder = Folder::new(&format!("served-{dialect}"));
        let path = folder.path("workers");
        let server = server(&path, dialect, &[]);
        let workers = [(); 2].map(|()| worker(&path, dialect, &[]));
        let clients: Vec<_> = (0..20).map(|_| connect(&server)).collect();
        clients.iter().for_each(|client| echo(client, b"hello"));
        for client in &clients {
            assert_eq!(exchange(client, b"bye"), b"bye");
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let ended = stop(server);
        assert!(
            ended.stderr.ends_with(" 20 connections handed over\n"),
            "{ended:?}"
        );
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
        assert!(!std::fs::exists(&path).unwrap(), "the socket is removed");
        // They end with the server.
        let served = workers.map(|worker| {
            let ended = worker.wait();
            assert_eq!(ended.status.code(), Some(0), "{ended:?}");
            ended.stderr.matches("serving 127.0.0.1:").count()
        });
        assert_eq!(served.iter().sum::<usize>(), 20);
    }
}

#[test]
fn a_worker_in_python_takes_connections() {
    for (n, python) in pythons().iter().enumerate() {
        for dialect in ["recipe", "python"] {
            let folder = Folder::new(&format!("python-worker-{n}-{dialect}"));
            let path = folder.path("workers");
            let server = match dialect {
                "python" if !acknowledges(python) => server(&path, "old-python", &[]),
                _ => server(&path, dialect, &[]),
            };
            let worker = python_worker(python, &path, dialect);
            // It serves one after the other. Few of them, as the socket of an old one holds what waits.
            let clients: Vec<_> = (0..20).map(|_| connect(&server)).collect();
            for client in clients {
                assert_eq!(
                    exchange(&client, b"hello"),
                    b"hello",
                    "{python:?}, {dialect}"
                );
            }
            stop(server);
            let ended = worker.wait();
            assert_eq!(ended.status.code(), Some(0), "{ended:?}");
            assert_eq!(ended.stdout.matches("serving 127.0.0.1:").count(), 20);
        }
    }
}

#[test]
fn a_server_in_python_is_served() {
    for (n, python) in pythons().iter().enumerate() {
        for dialect in ["recipe", "python"] {
            let folder = Folder::new(&format!("python-server-{n}-{dialect}"));
            let path = folder.path("workers");
            let server = python_server(python, &path, dialect);
            server.address();
            let first = worker(&path, dialect, &[]);
            let clients: Vec<_> = (0..20).map(|_| connect(&server)).collect();
            clients.iter().for_each(|client| echo(client, b"hello"));
            // More than there is room for in the socket, for acknowledgements that nobody reads.
            for _ in 0..400 {
                assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
            }
            // Another worker takes over, and conversations finish.
            first.signal(Signal::TERM);
            first.stderr.wait_for("stopping");
            let second = worker(&path, dialect, &[]);
            for client in &clients {
                assert_eq!(exchange(client, b"bye"), b"bye", "{python:?}, {dialect}");
            }
            let ended = first.wait();
            assert_eq!(ended.status.code(), Some(0), "{ended:?}");
            assert!(
                ended.stderr.ends_with(" 420 connections served\n"),
                "{ended:?}"
            );
            assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
            kill(server);
            assert_eq!(second.wait().status.code(), Some(0));
        }
    }
}

#[test]
fn a_worker_that_is_killed_takes_only_its_own_connections_along() {
    for dialect in ["recipe", "python"] {
        let folder = Folder::new(&format!("killed-{dialect}"));
        let path = folder.path("workers");
        let server = server(&path, dialect, &[]);
        let first = worker(&path, dialect, &[]);
        let with_first = connect(&server);
        echo(&with_first, b"hello");
        kill(first);
        // Its socket was closed: the end, or a reset.
        assert_eq!((&with_first).read(&mut [0]).unwrap_or(0), 0);

        // Those who come now wait for the next one.
        let waiting: Vec<_> = (0..10).map(|_| connect(&server)).collect();
        let second = worker(&path, dialect, &[]);
        for client in waiting {
            assert_eq!(exchange(&client, b"hello"), b"hello");
        }
        let ended = stop(server);
        assert!(
            ended.stderr.ends_with(" 11 connections handed over\n"),
            "{ended:?}"
        );
        assert_eq!(second.wait().status.code(), Some(0));
    }
}

#[test]
fn a_connection_whose_worker_ends_before_it_says_to_have_it_goes_to_another() {
    for dialect in ["recipe", "python"] {
        let folder = Folder::new(&format!("unsaid-{dialect}"));
        let path = folder.path("workers");
        let server = server(&path, dialect, &["--wait", "60"]);
        // Each takes it and ends, in its own way.
        let bad: [fn(&UnixStream); 4] = [
            |_| {},
            |mut link| drop(link.write_all(b"NO")),
            |mut link| drop(link.write_all(b"O")),
            |link| link.shutdown(Shutdown::Both).expect("connected"),
        ];
        let client = connect(&server);
        (&client).write_all(b"hello").unwrap();
        for say in bad {
            let link = link(&path);
            let mut buffer = [0; 8];
            let received = fd_passing::receive(&link, &mut buffer).unwrap();
            let mut received = received.expect("a connection").descriptors;
            let stream = received.pop().expect("the connection");
            assert_eq!(peer(stream), client.local_addr().unwrap());
            say(&link);
        }
        let good = worker(&path, dialect, &[]);
        let mut echoed = [0; 5];
        (&client)
            .read_exact(&mut echoed)
            .expect("another worker has it");
        assert_eq!(&echoed, b"hello");
        assert_eq!(exchange(&client, b"bye"), b"bye");
        let ended = stop(server);
        let failed = ended.stderr.matches("did not take it").count();
        assert_eq!(failed, 4, "{ended:?}");
        assert_eq!(good.wait().status.code(), Some(0));
    }
}

fn link(path: &str) -> UnixStream {
    let link = UnixStream::connect(path).expect("the server listens for workers");
    link.set_read_timeout(Some(DEADLINE)).expect("not zero");
    link
}

fn peer(stream: OwnedFd) -> SocketAddr {
    let stream = fd_passing::tcp_stream(stream).expect("a TCP connection");
    stream.peer_addr().expect("connected")
}

#[test]
fn a_connection_for_which_there_is_no_worker_is_closed_at_its_deadline() {
    let folder = Folder::new("deadline");
    let path = folder.path("workers");
    let server = server(&path, "recipe", &["--wait", "0.5"]);
    let began = Instant::now();
    let lonely = connect(&server);
    assert_eq!(read_to_end(&lonely), b"");
    assert!(began.elapsed() >= Duration::from_millis(500));

    // One that is in the socket of a worker that does not take it.
    let busy = link(&path);
    let sent = connect(&server);
    assert_eq!(read_to_end(&sent), b"");
    // The worker finds it ended when it looks at last, and has the next.
    let first = recipe::receive(&busy).unwrap().expect("the first");
    assert_eq!(read_to_end(fd_passing::tcp_stream(first).unwrap()), b"");
    let client = connect(&server);
    let second = recipe::receive(&busy).unwrap().expect("the second");
    assert_eq!(peer(second), client.local_addr().unwrap());
    let ended = stop(server);
    assert_eq!(
        ended
            .stderr
            .matches("given up, there was no worker")
            .count(),
        1,
        "{ended:?}"
    );
    assert_eq!(
        ended.stderr.matches("given up, the worker").count(),
        1,
        "{ended:?}"
    );
    let summary = " 1 connections handed over, 2 given up\n";
    assert!(ended.stderr.ends_with(summary), "{ended:?}");
}

#[test]
fn what_waits_and_who_works_is_limited() {
    let folder = Folder::new("limits");
    let path = folder.path("workers");
    let limits = ["--max-waiting", "2", "--max-workers", "1"];
    let server = server(&path, "recipe", &limits);
    let waiting = [(); 2].map(|()| connect(&server));
    let over = connect(&server);
    assert_eq!(read_to_end(&over), b"too many connections\n");
    let only = worker(&path, "recipe", &["--max-connections", "1"]);
    let first = &waiting[0];
    echo(first, b"hello");
    assert_eq!(read_to_end(link(&path)), b"", "one worker is enough");
    // The worker has room for one at a time.
    (&waiting[1]).write_all(b"hello").unwrap();
    assert_eq!(exchange(first, b"bye"), b"bye");
    assert_eq!(exchange(&waiting[1], b" too"), b"hello too");
    // One that has gone makes room for another.
    stop(only);
    server.stderr.wait_for("has gone");
    let next = worker(&path, "recipe", &[]);
    assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
    stop(next);
    let ended = stop(server);
    assert!(ended.stderr.contains("there are 1 already"), "{ended:?}");
    let summary = " 3 connections handed over, 1 turned away\n";
    assert!(ended.stderr.ends_with(summary), "{ended:?}");
}

#[test]
fn ten_thousand_passes_leave_no_descriptor_open() {
    for dialect in ["recipe", "python"] {
        let folder = Folder::new(&format!("leaks-{dialect}"));
        let path = folder.path("workers");
        let server = server(&path, dialect, &[]);
        let worker = worker(&path, dialect, &[]);
        server.stderr.wait_for("has come");
        worker.stderr.wait_for("working for");
        let open = || [&server, &worker].map(|one| one.process().open_files());
        let memory = || [&server, &worker].map(Program::memory);
        let before = open();
        assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
        let (began, used) = (Instant::now(), memory());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2500 {
                        assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
                    }
                });
            }
        });
        let took = began.elapsed();
        let until = Instant::now() + DEADLINE;
        while open() != before {
            assert!(Instant::now() < until, "{:?}, not {before:?}", open());
        }
        println!(
            "{dialect}: {took:?}, {before:?} files, memory {used:?}, then {:?}",
            memory()
        );
        for (now, before) in memory().into_iter().zip(used) {
            assert!(now < before + (4 << 20), "{before} bytes, then {now}");
        }
        let ended = stop(server);
        assert!(
            ended.stderr.ends_with(" 10001 connections handed over\n"),
            "{ended:?}"
        );
        assert_eq!(worker.wait().status.code(), Some(0));
    }
}

#[test]
fn a_server_that_stops_does_not_wait_for_workers_to_come() {
    let folder = Folder::new("stops");
    let server = server(&folder.path("workers"), "recipe", &["--wait", "60"]);
    let waiting = connect(&server);
    let began = Instant::now();
    let ended = stop(server);
    assert!(began.elapsed() < Duration::from_secs(4), "{ended:?}");
    assert_eq!((&waiting).read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn what_can_not_start_says_so_in_one_line() {
    let folder = Folder::new("start");
    let path = folder.path("workers");
    let running = server(&path, "recipe", &[]);
    let address = running.address().to_string();
    let (other, file) = (folder.path("other"), folder.path("file"));
    std::fs::write(&file, "not a socket").unwrap();
    let cases: [(&str, &[&str], i32); 8] = [
        ("fd_server", &[], 2),
        (
            "fd_server",
            &["--worker-socket", &other, "--dialect", "perl"],
            2,
        ),
        ("fd_server", &["--worker-socket", &other, "--wait", "0"], 2),
        (
            "fd_server",
            &["--worker-socket", &other, "--listen", &address],
            1,
        ),
        (
            "fd_server",
            &["--worker-socket", &path, "--listen", "127.0.0.1:0"],
            1,
        ),
        (
            "fd_server",
            &["--worker-socket", &file, "--listen", "127.0.0.1:0"],
            1,
        ),
        ("fd_worker", &[], 2),
        ("fd_worker", &["--worker-socket", &other], 1),
    ];
    for (program, options, code) in cases {
        let ended = Program::start(program, options).wait();
        assert_eq!(ended.status.code(), Some(code), "{options:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{options:?}");
        assert!(code == 2 || ended.stderr.lines().count() == 1, "{ended:?}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"not a socket");
    // What a killed server has left is replaced.
    kill(running);
    stop(server(&path, "recipe", &[]));
}
