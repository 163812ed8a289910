//! The echo server, started as a process and talked to over its socket.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::Signal;
use support::{DEADLINE, Program};

fn start() -> Program {
    Program::start("echo_server", &["--listen", "127.0.0.1:0"])
}

fn connect(server: &Program) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("the server listens");
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    stream
}

fn read_to_end(mut stream: impl Read) -> Vec<u8> {
    let mut echoed = Vec::new();
    stream
        .read_to_end(&mut echoed)
        .expect("the server ends the stream");
    echoed
}

#[test]
fn sends_back_what_arrives() {
    let server = start();
    let mut stream = connect(&server);
    for said in ["hello", "again"] {
        stream.write_all(said.as_bytes()).unwrap();
        let mut echoed = [0; 5];
        stream.read_exact(&mut echoed).unwrap();
        assert_eq!(&echoed, said.as_bytes());
    }
}

#[test]
fn delivers_everything_after_a_half_close() {
    let server = start();
    // More than the sockets and the server's queue hold.
    let said: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    let stream = connect(&server);
    let mut sender = stream.try_clone().unwrap();
    let sent = said.clone();
    let sending = std::thread::spawn(move || {
        sender.write_all(&sent).unwrap();
        sender.shutdown(Shutdown::Write).unwrap();
    });
    let echoed = read_to_end(&stream);
    sending.join().unwrap();
    assert!(echoed == said, "{} of {} bytes", echoed.len(), said.len());
}

#[test]
fn one_that_does_not_read_holds_up_nobody() {
    let server = start();
    let mut deaf = connect(&server);
    deaf.set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    // Until nothing moves any more: the server has stopped reading.
    while deaf.write_all(&[7; 65536]).is_ok() {}
    let mut stream = connect(&server);
    stream.write_all(b"still there?").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&stream), b"still there?");
    let memory = server.memory();
    assert!(memory < 16 << 20, "{memory} bytes");
}

#[test]
fn turns_away_whom_it_has_no_room_for() {
    let server = Program::start(
        "echo_server",
        &["--listen", "127.0.0.1:0", "--max-connections", "1"],
    );
    let mut first = connect(&server);
    first.write_all(b"x").unwrap();
    first.read_exact(&mut [0]).unwrap();
    assert_eq!(read_to_end(&connect(&server)), b"too many connections\n");
}

#[test]
fn serves_a_unix_socket_and_removes_its_file() {
    let path = std::env::temp_dir().join(format!("echo-{}.sock", std::process::id()));
    let listen = format!("unix:{}", path.display());
    // The first is killed and leaves its file; the second takes the place.
    let killed = Program::start("echo_server", &["--listen", &listen]);
    killed.url();
    drop(killed);
    assert!(path.exists());
    let server = Program::start("echo_server", &["--listen", &listen]);
    assert_eq!(server.url(), format!("unix://{}", path.display()));
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&stream), b"hello");
    // The path of a server that lives is not taken over.
    let second = Program::start("echo_server", &["--listen", &listen]).wait();
    assert_eq!(second.status.code(), Some(1));
    server.signal(Signal::TERM);
    assert_eq!(server.wait().status.code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn sigterm_and_sigint_end_it_with_a_summary() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = start();
        let mut stream = connect(&server);
        stream.write_all(b"bye").unwrap();
        let mut echoed = [0; 3];
        stream.read_exact(&mut echoed).unwrap();
        server.signal(signal);
        assert_eq!(read_to_end(&stream), b"");
        drop(stream);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
        let last = ended.stderr.lines().last().unwrap();
        assert!(
            last.ends_with("1 connections served, 1 finished"),
            "{ended:?}"
        );
    }
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Program::start("echo_server", &["--listen", &address]).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stdout, "");
    let why = format!("error: cannot listen on tcp://{address}: Address already in use");
    assert!(ended.stderr.starts_with(&why), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn bad_options_end_it_with_exit_code_2() {
    for bad in [
        ["--listen", "nowhere"],
        ["--listen", "unix:"],
        ["--strategy", "magic"],
        ["--max-connections", "many"],
    ] {
        let ended = Program::start("echo_server", &bad).wait();
        assert_eq!(ended.status.code(), Some(2), "{bad:?}: {ended:?}");
        assert!(ended.stderr.contains(bad[0]), "{bad:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{bad:?}: {ended:?}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let server = start();
    let mut deaf = connect(&server);
    deaf.set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    while deaf.write_all(&[7; 65536]).is_ok() {}
    // With this one's echo still unsent, the server would wait for a while.
    server.signal(Signal::TERM);
    server.stderr.wait_for("stopping");
    server.signal(Signal::INT);
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
}

#[test]
fn quiet_says_nothing_and_help_says_all() {
    let server = Program::start("echo_server", &["--listen", "127.0.0.1:0", "-q"]);
    server.url();
    server.signal(Signal::TERM);
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.stderr, "");
    let help = Program::start("echo_server", &["--help"]).wait();
    assert_eq!(help.status.code(), Some(0));
    for option in ["--listen", "--strategy", "--max-connections", "--verbose"] {
        assert!(help.stdout.contains(option), "{option}: {}", help.stdout);
    }
}
