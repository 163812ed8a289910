//! The echo server for those who know the key: the recipe's challenge, and the mutual handshake.

mod support;
mod tls_support;

use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use auth_hmac::{Challenge, ChallengeKey, ChallengeOptions};
use rustix::process::Signal;
use support::strategies::{STRATEGIES, at_once, connect, exchange, read_to_end};
use support::{Ended, Program};
use tls_support::{Certificates, texts};

/// The recipe's key. It is short, which the server warns of.
const SHORT: &str = "peekaboo";
const KEY: &str = "not the key of the recipe, but a longer one";

fn start(strategy: &str, options: &[&str]) -> Program {
    support::strategies::start("echo_server", strategy, options)
}

fn client(server: &Program, options: &[&str]) -> Ended {
    let address = server.address().to_string();
    let arguments = [&["--connect", &address, "hello"], options].concat();
    Program::start("echo_client", &arguments).wait()
}

/// Python's client of the recipe.
fn python(server: &Program, key: &str, text: &str) -> Ended {
    let address = server.address().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/hmac_client.py");
    let mut python = Command::new("python3");
    let mut python = Program::start_command(python.args([script, key, &address]));
    let _ = python.take_stdin().write_all(text.as_bytes());
    python.wait()
}

/// The answer to the challenge that comes on this stream.
fn answer(mut stream: impl Read, key: &str) -> Vec<u8> {
    let mut challenge = [0; 32];
    stream.read_exact(&mut challenge).expect("a challenge");
    let key = ChallengeKey::new_short(key).expect("not empty");
    let mut client = Challenge::answerer(&key, &ChallengeOptions::default());
    client.receive(&challenge);
    let mut answer = Vec::new();
    client.poll_transmit(&mut answer);
    answer
}

#[test]
fn pythons_client_of_the_recipe_is_let_in() {
    at_once(|strategy| {
        let server = start(strategy, &["--authkey", SHORT]);
        let ended = python(&server, SHORT, "hello\nworld");
        assert_eq!(ended.stdout, "hello\nworld", "{ended:?}");
    });
}

#[test]
fn pythons_client_proves_that_it_knows_the_key_inside_tls() {
    let certificates = Certificates::make();
    at_once(|strategy| {
        let tls = certificates.of_server();
        let server = start(strategy, &[&texts(&tls)[..], &["--authkey", KEY]].concat());
        for (key, heard) in [(KEY, "hello"), ("some other key", "")] {
            let port = server.address().port().to_string();
            let arguments = [
                "-c",
                PROVES_INSIDE_TLS,
                &certificates.authority(),
                &port,
                key,
            ];
            let mut python = Command::new("python3");
            let ended = Program::start_command(python.args(arguments)).wait();
            assert_eq!(ended.stdout, heard, "{strategy}: {ended:?}");
        }
    });
}

/// The recipe's answer to a challenge, on Python's TLS.
const PROVES_INSIDE_TLS: &str = r#"
import hmac, socket, ssl, sys
authority, port, key = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
with socket.create_connection(("127.0.0.1", int(port))) as sock:
    with context.wrap_socket(sock, server_hostname="localhost") as tls, tls.makefile("rwb") as stream:
        message = stream.read(32)
        stream.write(hmac.new(key.encode(), message, "sha256").digest() + b"hello")
        stream.flush()
        print(stream.read(5).decode(), end="", flush=True)
        tls.unwrap()
"#;

#[test]
fn the_client_is_let_in_by_pythons_server_of_the_recipe() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/hmac_server.py");
    let mut python = Command::new("python3");
    let server = Program::start_command(python.args([script, SHORT, "127.0.0.1:0"]));
    let ended = client(&server, &["--authkey", SHORT]);
    assert_eq!(ended.stdout, "hello\n", "{ended:?}");
    let ended = client(&server, &["--authkey", KEY]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
}

#[test]
fn what_comes_with_the_answer_is_not_lost() {
    at_once(|strategy| {
        for options in [&["--authkey", KEY][..], &["--authkey", KEY, "--lines"]] {
            let server = start(strategy, options);
            let stream = connect(&server);
            let mut said = answer(&stream, KEY);
            said.extend_from_slice(b"at once\n");
            assert_eq!(exchange(&stream, &said), b"at once\n");
        }
    });
}

#[test]
fn a_wrong_answer_is_served_nothing() {
    at_once(|strategy| {
        let server = start(strategy, &["--authkey", KEY]);
        let mut right = answer(connect(&server), KEY);
        right[31] ^= 1;
        for wrong in [vec![0; 32], right, answer(connect(&server), SHORT)] {
            let mut stream = connect(&server);
            answer(&stream, KEY);
            stream.write_all(&wrong).unwrap();
            // The server may have closed by now.
            let _ = stream.write_all(b"hello");
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        }
        // One cut short, and one that comes byte by byte.
        let mut stream = connect(&server);
        let right = answer(&stream, KEY);
        assert_eq!(exchange(&stream, &right[..31]), b"");
        let mut patient = connect(&server);
        for byte in answer(&patient, KEY) {
            patient.write_all(&[byte]).unwrap();
        }
        assert_eq!(exchange(&patient, b"hello"), b"hello");
        stream = connect(&server);
        drop(stream);
        server.signal(Signal::TERM);
        let ended = server.wait();
        assert_eq!(ended.stderr.matches("tag is wrong").count(), 3, "{ended:?}");
        let summary = " connections served, 1 finished, ";
        assert!(ended.stderr.contains(summary), "{strategy}: {ended:?}");
        assert!(!ended.stderr.contains(KEY), "{ended:?}");
    });
}

#[test]
fn the_wrong_key_is_refused_on_both_sides() {
    at_once(|strategy| {
        let server = start(strategy, &["--authkey", KEY]);
        let ended = python(&server, SHORT, "hello");
        assert_eq!(ended.stdout, "", "{ended:?}");
        let other = "some other key, as long as the one";
        let ended = client(&server, &["--authkey", other]);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert_eq!(ended.stdout, "", "{ended:?}");
        let server = start(strategy, &["--authkey", KEY, "--mutual"]);
        let ended = client(&server, &["--authkey", other, "--mutual"]);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert_eq!(ended.stdout, "", "{ended:?}");
        assert!(!ended.stderr.contains(other), "{ended:?}");
        // Who speaks the one protocol is refused by the other.
        let ended = client(&server, &["--authkey", KEY]);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let ended = client(&server, &["--authkey", KEY, "--mutual"]);
        assert_eq!(ended.stdout, "hello\n", "{ended:?}");
    });
}

#[test]
fn a_client_refuses_a_server_that_does_not_know_the_key() {
    // It is not told what the client had to say, nor does the client print what it says.
    let server = start(
        "threads",
        &["--authkey", "the key of a server that only pretends"],
    );
    let ended = client(&server, &["--authkey", KEY, "--mutual"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
}

#[test]
fn one_hundred_silent_clients_delay_nobody() {
    // Under the others, one who is silent has a worker for himself until his time is over.
    let servers = [
        ("threads", "1"),
        ("pool", "128"),
        ("fork", "128"),
        ("loop", "1"),
        ("tokio", "1"),
    ];
    let silent: Vec<_> = servers
        .iter()
        .map(|(strategy, workers)| {
            let server = start(strategy, &["--authkey", KEY, "--workers", workers]);
            let mut silent: Vec<_> = (0..100).map(|_| connect(&server)).collect();
            for silent in &mut silent {
                silent.read_exact(&mut [0; 32]).expect("a challenge");
            }
            let began = Instant::now();
            let stream = connect(&server);
            let said = answer(&stream, KEY);
            (&stream).write_all(&said).unwrap();
            assert_eq!(exchange(&stream, b"hello"), b"hello");
            let waited = began.elapsed();
            println!("{strategy}: served in {waited:?}");
            assert!(waited < Duration::from_secs(1), "{strategy}: {waited:?}");
            (strategy, server, silent)
        })
        .collect();
    for (strategy, server, silent) in silent {
        for silent in silent {
            assert_eq!(read_to_end(silent), b"", "{strategy}");
        }
        server.signal(Signal::TERM);
        let ended = server.wait();
        let summary = "101 connections served, 1 finished, 100 timed out\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
    }
}

#[test]
fn a_key_can_come_from_a_file() {
    let path = std::env::temp_dir().join(format!("authkey-{}", std::process::id()));
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    let file = path.display().to_string();
    for &strategy in STRATEGIES {
        for mutual in [&[][..], &["--mutual"]] {
            let server = start(strategy, &[&["--authkey-file", &file], mutual].concat());
            let ended = client(&server, &[&["--authkey", KEY], mutual].concat());
            assert_eq!(ended.stdout, "hello\n", "{strategy}: {ended:?}");
        }
    }
    std::fs::remove_file(&path).unwrap();
    let ended = Program::start("echo_server", &["--authkey-file", &file]).wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&file), "{ended:?}");
}

#[test]
fn a_short_key_is_warned_of_once_and_not_enough_for_both_sides() {
    at_once(|strategy| {
        let server = start(strategy, &["--authkey", SHORT]);
        let ended = client(&server, &["--authkey", SHORT, "-q"]);
        assert_eq!(ended.stdout, "hello\n", "{ended:?}");
        server.signal(Signal::TERM);
        let ended = server.wait();
        assert_eq!(ended.stderr.matches("16 bytes").count(), 1, "{ended:?}");
        assert!(!ended.stderr.contains(SHORT), "{ended:?}");
        let mutual = start(strategy, &["--authkey", SHORT, "--mutual"]).wait();
        assert_eq!(mutual.status.code(), Some(1), "{mutual:?}");
        assert!(mutual.stderr.contains("8 bytes"), "{mutual:?}");
        assert!(!mutual.stderr.contains(SHORT), "{mutual:?}");
    });
}
