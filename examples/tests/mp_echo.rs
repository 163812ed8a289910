//! The echo server of Python's `multiprocessing.connection` and its client, among themselves and with Python.

mod mp_support;
mod support;

use std::io::Write;
use std::time::Duration;

use mp_connection::pickle::Value;
use mp_support::{
    KEY, LEGACY, address, connect, hostile_pickles, is_legacy, run, served_beside_the_silent, start,
};
use rustix::process::Signal;
use support::strategies::{at_once, read_to_end};
use support::{Ended, Folder, Program, pythons};

fn server(options: &[&str]) -> Program {
    let arguments = ["--listen", "127.0.0.1:0", "--authkey", KEY];
    Program::start("mp_echo", &[&arguments, options].concat())
}

fn client(address: &str, options: &[&str]) -> Ended {
    let arguments = ["--connect", address, "--authkey", KEY];
    Program::start("mp_client", &[&arguments, options].concat()).wait()
}

fn stop(server: Program) -> Ended {
    server.signal(Signal::INT);
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    ended
}

/// As Python writes them, and prints them.
const OBJECTS: &[&str] = &[
    "None",
    "True",
    "0",
    "-1",
    "65536",
    "9223372036854775808",
    "-170141183460469231731687303715884105729",
    "1.5",
    "1e+16",
    "1e-07",
    "''",
    "'wörld 🦀'",
    "'\\n\\x00\\ud7ff'",
    "\"it's\"",
    "b'\\x00\\xff'",
    "()",
    "(1,)",
    "[1, [2.0, ['3']]]",
    "{}",
    "{'a': (1, b'x'), 2: None, (3, 4): {5}}",
];

#[test]
fn python_gets_its_objects_back() {
    for python in pythons() {
        let server = server(&[]);
        let address = address(&server);
        let arguments = [&[KEY, &address], OBJECTS].concat();
        let ended = start(&python, "mp_echo_client.py", &arguments).wait();
        let heard: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(heard, OBJECTS, "{python:?}: {ended:?}");
        let ended = run(&python, MORE, &[&address, KEY]);
        assert_eq!(ended.stdout, "all\n", "{python:?}: {ended:?}");
    }
}

/// Objects that can't be written as literals, by all protocols.
const MORE: &str = r#"
import pickle, sys
from multiprocessing.connection import Client
host, port = sys.argv[1].rsplit(":", 1)
connection = Client((host, int(port)), authkey=sys.argv[2].encode())
shared = ["shared"]
objects = [
    set(), frozenset({1}), bytearray(b"\0"), float("inf"), 2 ** 14000, [shared, shared], "x" * 70000,
    {"a": {None: True}}, tuple(range(2000)), {n: str(n) for n in range(2000)},
    KeyError("foo"), ValueError(), OSError(2, "x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
]
for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    for sent in objects:
        connection.send_bytes(pickle.dumps(sent, protocol))
        answer = connection.recv_bytes()
        assert protocol < 2 or answer[1] == protocol, (protocol, answer[:2])
        heard = pickle.loads(answer)
        assert type(heard) is type(sent), (protocol, sent, heard)
        if isinstance(sent, Exception):
            sent, heard = repr(sent), repr(heard)
        assert heard == sent, (protocol, sent, heard)
        if heard == [shared, shared]:
            assert heard[0] is heard[1]
print("all")
"#;

#[test]
fn the_client_prints_what_python_would_print() {
    let given = [
        ("null", "None"),
        ("[true, 1, -2.5]", "[True, 1, -2.5]"),
        ("{\"a\": \"it's\"}", "{'a': \"it's\"}"),
        ("a word", "'a word'"),
        ("{\"$tuple\": [1]}", "(1,)"),
        ("{\"$set\": [1]}", "{1}"),
        ("{\"$frozenset\": []}", "frozenset()"),
        ("{\"$bytes\": \"AP8=\"}", "b'\\x00\\xff'"),
        ("{\"$map\": [[1, {\"$float\": \"inf\"}]]}", "{1: inf}"),
        (
            "{\"$int\": \"18446744073709551616\"}",
            "18446744073709551616",
        ),
        ("-7", "-7"),
    ];
    let objects: Vec<&str> = given.iter().map(|(object, _)| *object).collect();
    let printed: Vec<&str> = given.iter().map(|(_, printed)| *printed).collect();
    let of_python = pythons()
        .into_iter()
        .map(|python| start(&python, "mp_echo_server.py", &[KEY, "127.0.0.1:0"]));
    for server in of_python.chain([server(&[])]) {
        let ended = client(&address(&server), &objects);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(lines, printed, "{ended:?}");
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}

#[test]
fn the_client_reads_lines() {
    let server = server(&[]);
    let arguments = ["--connect", &address(&server), "--authkey", KEY];
    let mut client = Program::start("mp_client", &arguments);
    let mut stdin = client.take_stdin();
    for (line, printed) in [("[1, 2]\n", "[1, 2]\n"), ("\nword\n", "'word'\n")] {
        stdin.write_all(line.as_bytes()).unwrap();
        client.stdout.wait_for(printed);
    }
    stdin.write_all(b"{\n").unwrap();
    drop(stdin);
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("not JSON"), "{ended:?}");
}

#[test]
fn every_strategy_serves_and_stops_in_order() {
    at_once(|strategy| {
        let server = server(&["--strategy", strategy]);
        let ended = client(&address(&server), &["1", "[2]"]);
        assert_eq!(ended.stdout, "1\n[2]\n", "{strategy}: {ended:?}");
        let ended = stop(server);
        let summary = " 1 connections served, 1 finished\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    });
}

#[test]
fn a_conversation_ends_when_the_server_stops() {
    for strategy in ["threads", "pool", "loop", "tokio"] {
        let server = server(&["--strategy", strategy]);
        let connection = connect(&server);
        let ended = stop(server);
        let summary = " 1 connections served, 1 finished\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
        drop(connection);
    }
}

#[test]
fn unix_sockets_and_names_without_a_file() {
    let folder = Folder::new("mp-unix");
    for (number, python) in pythons().into_iter().enumerate() {
        let path = format!("unix:{}", folder.path(&format!("socket{number}")));
        let name = format!("unix:@netblocks-mp-{}-{number}", std::process::id());
        for listen in [&path, &name] {
            let server = Program::start("mp_echo", &["--listen", listen, "--authkey", KEY]);
            assert_eq!(address(&server), *listen);
            let ended = start(&python, "mp_echo_client.py", &[KEY, listen, "(1,)"]).wait();
            assert_eq!(ended.stdout, "(1,)\n", "{ended:?}");
            let ended = client(listen, &["2"]);
            assert_eq!(ended.stdout, "2\n", "{ended:?}");
            stop(server);

            let server = start(&python, "mp_echo_server.py", &[KEY, listen]);
            assert_eq!(address(&server), *listen);
            let ended = client(listen, &["3"]);
            assert_eq!(ended.stdout, "3\n", "{ended:?}");
        }
    }
}

#[test]
fn without_a_key_there_is_no_login() {
    let server = Program::start("mp_echo", &["--listen", "127.0.0.1:0"]);
    let address = address(&server);
    let open = r#"
import sys
from multiprocessing.connection import Client
host, port = sys.argv[1].rsplit(":", 1)
connection = Client((host, int(port)))
connection.send((1, "a"))
print(connection.recv())
"#;
    for python in pythons() {
        let ended = run(&python, open, &[&address]);
        assert_eq!(ended.stdout, "(1, 'a')\n", "{ended:?}");
    }
    let ended = Program::start("mp_client", &["--connect", &address, "5"]).wait();
    assert_eq!(ended.stdout, "5\n", "{ended:?}");
}

#[test]
fn who_has_another_key_is_refused_on_both_sides() {
    for python in pythons() {
        let ours = server(&[]);
        let ended = start(
            &python,
            "mp_echo_client.py",
            &["wrong", &address(&ours), "1"],
        )
        .wait();
        assert_eq!(ended.stdout, "", "{ended:?}");
        assert!(
            ended.stderr.contains("digest sent was rejected"),
            "{ended:?}"
        );
        let arguments = ["--connect", &address(&ours), "--authkey", "wrong", "1"];
        let refused = Program::start("mp_client", &arguments).wait();

        let theirs = start(&python, "mp_echo_server.py", &[KEY, "127.0.0.1:0"]);
        let arguments = ["--connect", &address(&theirs), "--authkey", "wrong", "1"];
        for ended in [refused, Program::start("mp_client", &arguments).wait()] {
            assert_eq!(ended.status.code(), Some(1), "{ended:?}");
            assert_eq!(ended.stdout, "", "{ended:?}");
            assert!(ended.stderr.contains("another key"), "{ended:?}");
        }
        let ended = client(&address(&theirs), &["1"]);
        assert_eq!(ended.stdout, "1\n", "{ended:?}");
        let ended = client(&address(&ours), &["1"]);
        assert_eq!(ended.stdout, "1\n", "{ended:?}");
        let ended = stop(ours);
        assert_eq!(ended.stderr.matches("another key").count(), 2, "{ended:?}");
    }
}

#[test]
fn the_first_that_uses_md5_is_logged() {
    for strategy in ["threads", "fork", "prefork", "loop", "tokio"] {
        let server = server(&["--strategy", strategy, "--workers", "1"]);
        for _ in 0..3 {
            let ended = run("python3".as_ref(), LEGACY, &[&address(&server), KEY]);
            let heard = "b'#WELCOME#' b'\\x80\\x04K\\x01.'\n";
            assert_eq!(ended.stdout, heard, "{strategy}: {ended:?}");
        }
        let ended = stop(server);
        let told = ended.stderr.matches("HMAC-MD5").count();
        // Each process has its own log.
        let expected = if strategy == "fork" { 3 } else { 1 };
        assert_eq!(told, expected, "{strategy}: {ended:?}");
    }
}

#[test]
fn modern_only_refuses_md5_and_tells_the_operator_why() {
    let server = server(&["--modern-only"]);
    let address = address(&server);
    let ended = run("python3".as_ref(), LEGACY, &[&address, KEY]);
    assert_eq!(ended.stdout, "b'#FAILURE#' b'the end'\n", "{ended:?}");
    let log = server.stderr.wait_for("Python up to 3.11");
    assert!(log.contains("--modern-only"), "{log}");
    for python in pythons() {
        let ended = start(&python, "mp_echo_client.py", &[KEY, &address, "1"]).wait();
        let heard = if is_legacy(&python) { "" } else { "1\n" };
        assert_eq!(ended.stdout, heard, "{python:?}: {ended:?}");

        let theirs = start(&python, "mp_echo_server.py", &[KEY, "127.0.0.1:0"]);
        let ended = client(&mp_support::address(&theirs), &["--modern-only", "1"]);
        assert_eq!(ended.stdout, heard, "{python:?}: {ended:?}");
        let is_told = ended.stderr.contains("--modern-only");
        assert_eq!(is_told, is_legacy(&python), "{ended:?}");
    }
    let ended = client(&address, &["--modern-only", "1"]);
    assert_eq!(ended.stdout, "1\n", "{ended:?}");
}

#[test]
fn hostile_pickles_cost_their_connection_and_nothing_else() {
    let folder = Folder::new("mp-hostile");
    let canary = folder.path("canary");
    for strategy in ["threads", "loop", "tokio"] {
        let server = server(&["--strategy", strategy]);
        let beside = connect(&server);
        let before = server.memory();
        let hostile = hostile_pickles(&canary);
        for pickle in &hostile {
            let connection = connect(&server);
            connection.send_bytes(pickle).expect("the server reads");
            let start = pickle[..pickle.len().min(40)].escape_ascii();
            // It is closed, whole or in the middle of what was sent.
            let answer = connection.recv_bytes();
            assert!(!matches!(answer, Ok(Some(_))), "{start}: {answer:?}");
            let grown = server.memory().saturating_sub(before);
            assert!(grown <= 64 << 20, "{start}: {grown} bytes more");
        }
        beside.send(&(1, "a")).expect("the server is there");
        let value: Option<Value> = beside.recv_value().expect("an answer");
        assert_eq!(
            value.map(|value| value.to_string()).as_deref(),
            Some("(1, 'a')")
        );
        assert!(!std::fs::exists(&canary).unwrap(), "code was run");
        drop(beside);
        let ended = stop(server);
        let refused = format!("{} failed", hostile.len());
        assert!(ended.stderr.contains(&refused), "{strategy}: {ended:?}");
        assert!(ended.stderr.contains("os.system"), "{ended:?}");
    }
}

#[test]
fn one_hundred_silent_clients_delay_nobody() {
    // Under the others, one who is silent has a worker for himself until his time is over.
    let servers = ["threads", "loop", "tokio"].map(|strategy| {
        let server = server(&["--strategy", strategy]);
        let waited = served_beside_the_silent(&server, || {
            let connection = connect(&server);
            connection.send(&1).expect("the server is there");
            assert_eq!(connection.recv_value().expect("an answer"), Some(1.into()));
        });
        println!("{strategy}: served in {waited:?}");
        assert!(waited < Duration::from_secs(1), "{strategy}: {waited:?}");
        let silent = mp_support::silent(server.address());
        (server, silent)
    });
    // Their time is over before the server's.
    for (server, silent) in servers {
        assert_eq!(read_to_end(&silent), b"");
        server.stderr.wait_for("did not finish in the 5s allowed");
    }
}

#[test]
fn one_hundred_megabytes_come_back_if_they_may() {
    let large = r#"
import sys
from multiprocessing.connection import Client
host, port = sys.argv[1].rsplit(":", 1)
connection = Client((host, int(port)), authkey=sys.argv[2].encode())
sent = bytes(range(250)) * 400000
try:
    connection.send(sent)
    print(connection.recv() == sent)
except (EOFError, OSError):
    print("closed")
"#;
    for (options, heard) in [
        (&["--max-message-len", "150000000"][..], "True\n"),
        (&["--max-message-len", "150000000", "--bytes"], "True\n"),
        (
            &["--max-message-len", "150000000", "--strategy", "loop"],
            "True\n",
        ),
        (
            &["--max-message-len", "150000000", "--strategy", "tokio"],
            "True\n",
        ),
        (&[], "closed\n"),
    ] {
        let server = server(options);
        let ended = run("python3".as_ref(), large, &[&address(&server), KEY]);
        assert_eq!(ended.stdout, heard, "{options:?}: {ended:?}");
        if options.is_empty() {
            server.stderr.wait_for("the limit is 67108864");
        }
    }
}

#[test]
fn bytes_come_back_as_they_are() {
    let server = server(&["--bytes"]);
    let connection = connect(&server);
    for message in [&b""[..], b"no pickle", b"cos\nsystem\n(S'true'\ntR."] {
        connection.send_bytes(message).unwrap();
        assert_eq!(connection.recv_bytes().unwrap().as_deref(), Some(message));
    }
}

#[test]
fn what_can_not_start_says_so_in_one_line() {
    let running = server(&[]);
    let taken = address(&running);
    let cases: [(&str, &[&str], i32); 7] = [
        ("mp_echo", &["--listen", &taken], 1),
        ("mp_echo", &["--modern-only"], 2),
        ("mp_echo", &["--listen", "unix:"], 2),
        ("mp_echo", &["--authkey", ""], 1),
        ("mp_echo", &["--authkey-file", "/nonexistent"], 1),
        ("mp_client", &["--connect", "127.0.0.1:1", "1"], 1),
        ("mp_client", &["--connect", &taken, "{"], 2),
    ];
    for (program, options, code) in cases {
        let ended = Program::start(program, options).wait();
        assert_eq!(ended.status.code(), Some(code), "{options:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{options:?}");
        assert!(code == 2 || ended.stderr.lines().count() == 1, "{ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    }
}
