//! The echo server's options, and its client; `strategies` has what is the same under all of them.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::process::Process;
use support::strategies::{STRATEGIES, at_once, connect, echo, exchange, read_to_end};
use support::{DEADLINE, Program};

fn start(strategy: &str, options: &[&str]) -> Program {
    support::strategies::start("echo_server", strategy, options)
}

/// Runs the client against this address, with this standard input.
fn client(address: &str, options: &[&str], input: &[u8]) -> support::Ended {
    let arguments = [&["--connect", address], options].concat();
    let mut client = Program::start("echo_client", &arguments);
    // A client that needs no input, or not all of it, may have gone by now.
    let _ = client.take_stdin().write_all(input);
    client.wait()
}

/// Runs a Python script against this address, with this standard input.
fn python(script: &str, address: &str, input: &[u8]) -> support::Ended {
    let script = format!("{}/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut python = Program::start_command(Command::new("python3").args([&script, address]));
    python.take_stdin().write_all(input).expect("it reads");
    python.wait()
}

#[test]
fn one_that_does_not_read_holds_up_nobody() {
    // A serial server has one client at a time.
    let others = STRATEGIES.iter().filter(|&&strategy| strategy != "serial");
    for strategy in others {
        let server = start(strategy, &[]);
        let mut deaf = connect(&server);
        deaf.set_write_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        // Until nothing moves any more: the server has stopped reading.
        while deaf.write_all(&[7; 65536]).is_ok() {}
        assert_eq!(
            exchange(&connect(&server), b"still there?"),
            b"still there?"
        );
    }
}

#[test]
fn turns_away_whom_it_has_no_room_for() {
    for strategy in ["threads", "loop", "tokio"] {
        let server = start(strategy, &["--max-connections", "1"]);
        let first = connect(&server);
        echo(&first, b"x");
        let refusal = read_to_end(&connect(&server));
        assert_eq!(refusal, b"too many connections\n", "{strategy}");
        // The place is free again when the first has gone.
        assert_eq!(exchange(&first, b"bye"), b"bye");
        server.signal(Signal::TERM);
        let ended = server.wait();
        let summary = "1 connections served, 1 finished, 1 refused\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
    }
}

#[test]
fn closes_whom_a_rule_keeps_out_and_names_the_rule() {
    at_once(|strategy| {
        let server = start(strategy, &["--deny", "127.0.0.0/8", "--allow", "0.0.0.0/0"]);
        assert_eq!((&connect(&server)).read(&mut [0]).unwrap_or(0), 0);
        server.stderr.wait_for("denied by 127.0.0.0/8");
        let server = start(strategy, &["--allow", "10.0.0.0/8"]);
        assert_eq!((&connect(&server)).read(&mut [0]).unwrap_or(0), 0);
        server.stderr.wait_for("denied: no rule allows it");
        let server = start(
            strategy,
            &["--allow", "127.0.0.0/8", "--deny", "127.9.0.0/16"],
        );
        assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
    });
}

#[test]
fn lines_come_back_whole_and_the_last_one_without_its_end_too() {
    at_once(|strategy| {
        let server = start(strategy, &["--lines"]);
        let mut stream = connect(&server);
        for piece in ["first li", "ne\nsecond", " line\r\n\n"] {
            stream.write_all(piece.as_bytes()).unwrap();
        }
        let mut lines = [0; 25];
        stream.read_exact(&mut lines).unwrap();
        assert_eq!(&lines, b"first line\nsecond line\r\n\n");
        assert_eq!(exchange(&stream, b"no end"), b"no end");
    });
}

#[test]
fn a_line_without_end_closes_the_connection() {
    at_once(|strategy| {
        let server = start(strategy, &["--lines"]);
        let mut stream = connect(&server);
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        // It may be closed before all of it is written.
        let _ = stream.write_all(&[b'x'; 1_000_000]);
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        server.stderr.wait_for("65536");
        assert_eq!(exchange(&connect(&server), b"hello\n"), b"hello\n");
    });
}

#[test]
fn pythons_lines_are_understood() {
    at_once(|strategy| {
        let server = start(strategy, &["--lines"]);
        let lines = "one\ntwo\n\nthe last";
        let address = server.address().to_string();
        let ended = python("line_client.py", &address, lines.as_bytes());
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(ended.stdout, lines);
    });
}

#[test]
fn the_client_sends_and_prints() {
    let server = start("threads", &[]);
    let address = server.address().to_string();
    let text = client(&address, &["hello"], b"");
    assert_eq!(text.stdout, "hello\n", "{text:?}");
    let input = client(&address, &[], b"one\ntwo");
    assert_eq!(input.stdout, "one\ntwo", "{input:?}");
    let check = client(&address, &["--check", "5000000"], b"");
    assert_eq!(check.stdout, "5000000 bytes came back right\n", "{check:?}");
    for ended in [text, input, check] {
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}

#[test]
fn the_client_talks_to_pythons_server() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/line_server.py");
    let server = Program::start_command(Command::new("python3").args([script, "127.0.0.1:0"]));
    let lines = "one\ntwo\nthree\n".repeat(10_000);
    let ended = client(&server.address().to_string(), &[], lines.as_bytes());
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout == lines);
}

#[test]
fn the_client_notices_what_is_lost_or_wrong() {
    let liar = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = liar.local_addr().unwrap().to_string();
    let answers = ["", "hell", "hello\n!", "\0\u{1}\u{2}wrong"];
    let serving = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = liar.accept().unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            read_to_end(stream);
        }
    });
    let nothing = client(&address, &["hello"], b"");
    assert!(
        nothing.stderr.contains("6 bytes were sent, 0 came back"),
        "{nothing:?}"
    );
    let less = client(&address, &["hello"], b"");
    assert!(
        less.stderr.contains("6 bytes were sent, 4 came back"),
        "{less:?}"
    );
    let more = client(&address, &["hello"], b"");
    assert!(
        more.stderr.contains("6 bytes were sent, 7 came back"),
        "{more:?}"
    );
    let wrong = client(&address, &["--check", "8"], b"");
    assert!(wrong.stderr.contains("a wrong byte"), "{wrong:?}");
    serving.join().unwrap();
    let nobody = client("127.0.0.1:1", &["hello"], b"");
    assert!(nobody.stderr.contains("Connection refused"), "{nobody:?}");
    for ended in [nothing, less, wrong, nobody] {
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn serves_a_unix_socket_and_removes_its_file() {
    at_once(|strategy| {
        let name = format!("echo-{}-{strategy}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listen = format!("unix:{}", path.display());
        let start = || {
            let options = ["--listen", &listen, "--strategy", strategy];
            Program::start("echo_server", &options)
        };
        // The first is killed and leaves its file; the second takes the place.
        let killed = start();
        killed.url();
        drop(killed);
        // Its processes, if it has some, end when they notice.
        let until = Instant::now() + DEADLINE;
        while UnixStream::connect(&path).is_ok() {
            assert!(Instant::now() < until, "its processes still listen");
        }
        assert!(path.exists());
        let server = start();
        assert_eq!(server.url(), format!("unix://{}", path.display()));
        let ended = client(&listen, &["hello"], b"");
        assert_eq!(ended.stdout, "hello\n", "{ended:?}");
        // The path of a server that lives is not taken over.
        let second = start().wait();
        assert_eq!(second.status.code(), Some(1), "{second:?}");
        server.signal(Signal::TERM);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(!path.exists());
    });
}

#[test]
fn serves_a_name_without_a_file() {
    at_once(|strategy| {
        let name = format!("echo-{}-{strategy}", std::process::id());
        let listen = format!("unix:@{name}");
        let options = ["--listen", &listen, "--strategy", strategy];
        let server = Program::start("echo_server", &options);
        assert_eq!(server.url(), format!("unix:@{name}"));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let mut stream = UnixStream::connect_addr(&address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&stream), b"hello");
        let ended = client(&listen, &["hello"], b"");
        assert_eq!(ended.stdout, "hello\n", "{ended:?}");
    });
}

#[test]
fn ctrl_c_lets_a_conversation_finish() {
    at_once(|strategy| {
        let mut command = Command::new(support::path("echo_server"));
        command.args(["--listen", "127.0.0.1:0", "--strategy", strategy]);
        let server = Program::start_command(command.process_group(0));
        let stream = connect(&server);
        echo(&stream, b"before");
        // A terminal tells every process of the group.
        let Process(pid) = server.process();
        rustix::process::kill_process_group(pid, Signal::INT).unwrap();
        server.stderr.wait_for("stopping");
        echo(&stream, b"after");
        assert_eq!(exchange(&stream, b"bye"), b"bye");
        drop(stream);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
        let summary = "1 connections served, 1 finished\n";
        assert!(ended.stderr.ends_with(summary), "{ended:?}");
    });
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_1() {
    at_once(|strategy| {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let options = ["--listen", &address, "--strategy", strategy];
        let ended = Program::start("echo_server", &options).wait();
        assert_eq!(ended.status.code(), Some(1));
        assert_eq!(ended.stdout, "");
        let why = format!("error: cannot listen on tcp://{address}: Address already in use");
        assert!(ended.stderr.starts_with(&why), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    });
}

#[test]
fn bad_options_end_it_with_exit_code_2() {
    for bad in [
        &["--listen", "nowhere"][..],
        &["--listen", "unix:"],
        &["--listen", "unix:@"],
        &["--strategy", "magic"],
        &["--max-connections", "many"],
        &["--workers", "0"],
        &["--idle-timeout", "0"],
        &["--idle-timeout=-1"],
        &["--first-byte-timeout", "inf"],
        &["--deny", "10.0.0.1/8"],
        &["--mutual"],
        &["--authkey", "one", "--authkey-file", "two"],
    ] {
        let ended = Program::start("echo_server", bad).wait();
        assert_eq!(ended.status.code(), Some(2), "{bad:?}: {ended:?}");
        let option = bad[0].split('=').next().unwrap();
        assert!(ended.stderr.contains(option), "{bad:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{bad:?}: {ended:?}");
    }
}

#[test]
fn quiet_says_nothing_and_help_says_all() {
    at_once(|strategy| {
        let server = start(strategy, &["-q"]);
        assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
        server.signal(Signal::TERM);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(ended.stderr, "");
    });
    let help = Program::start("echo_server", &["--help"]).wait();
    assert_eq!(help.status.code(), Some(0));
    for option in ["--listen", "--strategy", "--max-connections", "--verbose"] {
        assert!(help.stdout.contains(option), "{option}: {}", help.stdout);
    }
    for &strategy in STRATEGIES {
        assert!(help.stdout.contains(strategy), "{strategy}");
    }
}
