//! A server whose workers log in by Python's `multiprocessing.connection`, and such workers, in both languages.

mod fd_support;
mod mp_support;
mod support;

use std::os::unix::net::UnixStream;

use fd_support::stop;
use mp_support::{KEY, acknowledges, is_legacy, start};
use rustix::process::Signal;
use support::strategies::{connect, echo, exchange, read_to_end};
use support::{Folder, Program, pythons};

fn server(path: &str, options: &[&str]) -> Program {
    fd_support::server(path, "mp", &[&["--authkey", KEY], options].concat())
}

fn worker(path: &str, options: &[&str]) -> Program {
    fd_support::worker(path, "mp", &[&["--authkey", KEY], options].concat())
}

fn kill(program: Program) {
    program.signal(Signal::KILL);
    program.wait();
}

#[test]
fn connections_are_served_by_workers() {
    let folder = Folder::new("mp-served");
    let path = folder.path("workers");
    let server = server(&path, &[]);
    let workers = [(); 2].map(|()| worker(&path, &[]));
    let clients: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    clients.iter().for_each(|client| echo(client, b"hello"));
    for client in &clients {
        assert_eq!(exchange(client, b"bye"), b"bye");
    }
    let ended = stop(server);
    let summary = " 20 connections handed over\n";
    assert!(ended.stderr.ends_with(summary), "{ended:?}");
    // They end with the server.
    let served = workers.map(|worker| {
        let ended = worker.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended.stderr.matches("serving 127.0.0.1:").count()
    });
    assert_eq!(served.iter().sum::<usize>(), 20);
}

#[test]
fn a_worker_in_python_takes_connections() {
    for (n, python) in pythons().iter().enumerate() {
        let folder = Folder::new(&format!("mp-python-worker-{n}"));
        let path = folder.path("workers");
        let server = server(&path, &[]);
        let worker = start(python, "fd_mp_worker.py", &[KEY, &path]);
        // It serves one after the other. Few of them, as the socket of an old one holds what waits.
        let clients: Vec<_> = (0..20).map(|_| connect(&server)).collect();
        for client in clients {
            assert_eq!(exchange(&client, b"hello"), b"hello", "{python:?}");
        }
        let ended = stop(server);
        let summary = " 20 connections handed over\n";
        assert!(ended.stderr.ends_with(summary), "{ended:?}");
        let told = ended.stderr.contains("HMAC-MD5");
        assert_eq!(told, is_legacy(python), "{ended:?}");
        let ended = worker.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert_eq!(ended.stdout.matches("serving 127.0.0.1:").count(), 20);
    }
}

#[test]
fn a_server_in_python_is_served() {
    for (n, python) in pythons().iter().enumerate() {
        let folder = Folder::new(&format!("mp-python-server-{n}"));
        let path = folder.path("workers");
        let server = start(python, "fd_mp_server.py", &[KEY, &path, "127.0.0.1:0"]);
        server.address();
        let first = worker(&path, &[]);
        let clients: Vec<_> = (0..20).map(|_| connect(&server)).collect();
        clients.iter().for_each(|client| echo(client, b"hello"));
        // More than there is room for in the socket, for acknowledgements that nobody reads.
        for _ in 0..400 {
            assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
        }
        // Another worker takes over, and conversations finish.
        first.signal(Signal::TERM);
        first.stderr.wait_for("stopping");
        let second = worker(&path, &[]);
        for client in &clients {
            assert_eq!(exchange(client, b"bye"), b"bye", "{python:?}");
        }
        let ended = first.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let summary = " 420 connections served\n";
        assert!(ended.stderr.ends_with(summary), "{ended:?}");
        assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
        kill(server);
        assert_eq!(second.wait().status.code(), Some(0));
    }
}

#[test]
fn what_a_killed_worker_had_not_taken_goes_to_the_next() {
    // Only a worker that says what it has can be known not to have it.
    let of_python = pythons().into_iter().filter(|python| acknowledges(python));
    let starts = of_python.map(Some).chain([None]);
    for (n, python) in starts.enumerate() {
        let folder = Folder::new(&format!("mp-killed-{n}"));
        let path = folder.path("workers");
        let server = server(&path, &[]);
        let first = match &python {
            Some(python) => start(python, "fd_mp_worker.py", &[KEY, &path]),
            None => worker(&path, &["--max-connections", "1"]),
        };
        let has = connect(&server);
        echo(&has, b"hello");
        // It is busy: this one lies in its socket.
        let waits = connect(&server);
        kill(first);
        assert_eq!(read_to_end(&has), b"", "its own conversation ends with it");
        let second = worker(&path, &[]);
        assert_eq!(exchange(&waits, b"hello"), b"hello", "{python:?}");
        stop(server);
        assert_eq!(second.wait().status.code(), Some(0));
    }
}

#[test]
fn who_has_another_key_is_no_worker() {
    let folder = Folder::new("mp-key");
    let path = folder.path("workers");
    let server = server(&path, &[]);
    let wrong = fd_support::worker(&path, "mp", &["--authkey", "wrong"]).wait();
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("another key"), "{wrong:?}");
    let ended = start("python3".as_ref(), "fd_mp_worker.py", &["wrong", &path]).wait();
    assert!(
        ended.stderr.contains("digest sent was rejected"),
        "{ended:?}"
    );
    // One that is silent keeps nobody from work.
    let silent = UnixStream::connect(&path).unwrap();
    let client = connect(&server);
    let good = worker(&path, &[]);
    assert_eq!(exchange(&client, b"hello"), b"hello");
    drop(silent);
    let ended = stop(server);
    assert_eq!(ended.stderr.matches("another key").count(), 2, "{ended:?}");
    assert_eq!(good.wait().status.code(), Some(0));

    let theirs = folder.path("theirs");
    let server = start(
        "python3".as_ref(),
        "fd_mp_server.py",
        &[KEY, &theirs, "127.0.0.1:0"],
    );
    server.address();
    // It accepts workers when the first connection has come.
    let client = connect(&server);
    let wrong = fd_support::worker(&theirs, "mp", &["--authkey", "wrong"]).wait();
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    let good = worker(&theirs, &[]);
    assert_eq!(exchange(&client, b"hello"), b"hello");
    kill(server);
    assert_eq!(good.wait().status.code(), Some(0));
}

#[test]
fn modern_only_takes_no_old_python() {
    for (n, python) in pythons().iter().enumerate() {
        let folder = Folder::new(&format!("mp-modern-{n}"));
        let path = folder.path("workers");
        let server = server(&path, &["--modern-only"]);
        let worker = start(python, "fd_mp_worker.py", &[KEY, &path]);
        if is_legacy(python) {
            let log = server.stderr.wait_for("Python up to 3.11");
            assert!(log.contains("--modern-only"), "{log}");
            assert_ne!(worker.wait().status.code(), Some(0));
        } else {
            assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
        }
    }
}

#[test]
fn a_key_is_for_this_dialect_alone() {
    let folder = Folder::new("mp-options");
    let path = folder.path("workers");
    for program in ["fd_server", "fd_worker"] {
        for dialect in ["recipe", "python"] {
            let arguments = [
                "--worker-socket",
                &path,
                "--dialect",
                dialect,
                "--authkey",
                KEY,
            ];
            let ended = Program::start(program, &arguments).wait();
            assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        }
    }
}
