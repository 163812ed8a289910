//! Calls by Python's `multiprocessing.connection`: our server and client, among themselves and with Python.

mod mp_support;
mod support;

use std::time::Duration;

use mp_connection::pickle::{Options, Value};
use mp_support::{
    KEY, LEGACY, address, connect, hostile_pickles, is_legacy, run, served_beside_the_silent, start,
};
use rustix::process::Signal;
use support::strategies::at_once;
use support::{Ended, Folder, Program, pythons};

fn server(options: &[&str]) -> Program {
    let arguments = ["--listen", "127.0.0.1:0", "--authkey", KEY];
    Program::start("rpc_server", &[&arguments, options].concat())
}

fn call(address: &str, words: &[&str]) -> Ended {
    let arguments = ["--connect", address, "--authkey", KEY];
    Program::start("rpc_client", &[&arguments, words].concat()).wait()
}

fn stop(server: Program) -> Ended {
    server.signal(Signal::INT);
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    ended
}

#[test]
fn pythons_proxy_calls_our_functions() {
    for python in pythons() {
        let server = server(&[]);
        let ended = start(&python, "rpc_client.py", &[KEY, &address(&server)]).wait();
        let lines: Vec<&str> = ended.stdout.lines().collect();
        let [sums, mean, zero, unknown, few, wrong] = lines[..] else {
            panic!("{python:?}: {ended:?}");
        };
        assert_eq!(sums, "5 -1 1.5 0.25", "{ended:?}");
        assert_eq!(mean, "3.0", "{ended:?}");
        assert_eq!(zero, "ZeroDivisionError: division by zero", "{ended:?}");
        assert_eq!(unknown, "KeyError: 'nosuch'", "{ended:?}");
        assert!(few.starts_with("TypeError: "), "{ended:?}");
        assert!(wrong.starts_with("TypeError: "), "{ended:?}");
        let ended = stop(server);
        let summary = " 1 connections served, 1 finished\n";
        assert!(ended.stderr.ends_with(summary), "{ended:?}");
    }
}

#[test]
fn our_client_calls_functions_of_either_language() {
    let calls: [(&[&str], &str); 6] = [
        (&["add", "2", "3"], "5\n"),
        (&["sub", "2", "y=0.5"], "1.5\n"),
        (&["mul", "y=-2", "x=3"], "-6\n"),
        (&["div", "1", "4"], "0.25\n"),
        (&["mean", "[1, 2, 6]"], "3.0\n"),
        (&["mean", "numbers=[1]"], "1.0\n"),
    ];
    let raised: [(&[&str], &str); 4] = [
        (&["div", "1", "0"], "error: ZeroDivisionError: "),
        (&["nosuch"], "error: KeyError: 'nosuch'\n"),
        (&["add", "1"], "error: TypeError: "),
        (&["add", "1", "null"], "error: TypeError: "),
    ];
    let of_python = pythons()
        .into_iter()
        .map(|python| start(&python, "rpc_server.py", &[KEY, "127.0.0.1:0"]));
    for server in of_python.chain([server(&[])]) {
        let address = address(&server);
        for (words, printed) in calls {
            let ended = call(&address, words);
            assert_eq!(ended.stdout, printed, "{words:?}: {ended:?}");
            assert_eq!(ended.status.code(), Some(0), "{words:?}: {ended:?}");
        }
        for (words, line) in raised {
            let ended = call(&address, words);
            assert_eq!(ended.status.code(), Some(1), "{words:?}: {ended:?}");
            assert_eq!(ended.stdout, "", "{words:?}: {ended:?}");
            let last = ended.stderr.split_inclusive('\n').next_back();
            let last = last.expect("it says why");
            assert!(last.starts_with(line), "{words:?}: {ended:?}");
        }
    }
}

#[test]
fn functions_say_what_they_do() {
    let server = server(&[]);
    let address = address(&server);
    let ended = call(&address, &["system.listMethods"]);
    let names: Vec<&str> = ended.stdout.split('\'').skip(1).step_by(2).collect();
    assert!(
        names.contains(&"add") && names.contains(&"mean"),
        "{ended:?}"
    );
    for name in names {
        let ended = call(&address, &["system.methodHelp", name]);
        let text = ended.stdout.trim_end().trim_end_matches(['\'', '"']);
        assert!(text.ends_with('.'), "{name}: {ended:?}");
    }
    let ended = call(&address, &["system.methodSignature", "sub"]);
    assert_eq!(ended.stdout, "'sub(x, y)'\n", "{ended:?}");
}

#[test]
fn every_strategy_answers_calls_and_stops_in_order() {
    at_once(|strategy| {
        let server = server(&["--strategy", strategy]);
        let ended = call(&address(&server), &["add", "2", "3"]);
        assert_eq!(ended.stdout, "5\n", "{strategy}: {ended:?}");
        let ended = stop(server);
        let summary = " 1 connections served, 1 finished\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    });
}

#[test]
fn unix_sockets_and_names_without_a_file() {
    let folder = Folder::new("rpc-unix");
    let path = format!("unix:{}", folder.path("socket"));
    let name = format!("unix:@netblocks-rpc-{}", std::process::id());
    for listen in [&path, &name] {
        let server = Program::start("rpc_server", &["--listen", listen, "--authkey", KEY]);
        assert_eq!(address(&server), *listen);
        let ended = call(listen, &["add", "2", "3"]);
        assert_eq!(ended.stdout, "5\n", "{ended:?}");
        let ended = start("python3".as_ref(), "rpc_client.py", &[KEY, listen]).wait();
        assert!(ended.stdout.starts_with("5 -1 1.5 0.25\n"), "{ended:?}");
        stop(server);
        let server = start("python3".as_ref(), "rpc_server.py", &[KEY, listen]);
        assert_eq!(address(&server), *listen);
        let ended = call(listen, &["add", "2", "3"]);
        assert_eq!(ended.stdout, "5\n", "{ended:?}");
    }
}

#[test]
fn who_has_another_key_calls_nothing() {
    let server = server(&[]);
    let address = address(&server);
    let ended = start("python3".as_ref(), "rpc_client.py", &["wrong", &address]).wait();
    assert_eq!(ended.stdout, "", "{ended:?}");
    let arguments = ["--connect", &address, "--authkey", "wrong", "add", "2", "3"];
    let ended = Program::start("rpc_client", &arguments).wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    assert!(ended.stderr.contains("another key"), "{ended:?}");
    assert_eq!(call(&address, &["add", "2", "3"]).stdout, "5\n");
    let ended = stop(server);
    assert_eq!(ended.stderr.matches("another key").count(), 2, "{ended:?}");
}

#[test]
fn the_first_that_uses_md5_is_logged_or_refused() {
    let server = server(&[]);
    for _ in 0..3 {
        let ended = run("python3".as_ref(), LEGACY, &[&address(&server), KEY]);
        assert!(ended.stdout.contains("WELCOME"), "{ended:?}");
    }
    let ended = stop(server);
    assert_eq!(ended.stderr.matches("HMAC-MD5").count(), 1, "{ended:?}");

    let server = self::server(&["--modern-only"]);
    let address = address(&server);
    let ended = run("python3".as_ref(), LEGACY, &[&address, KEY]);
    assert_eq!(ended.stdout, "b'#FAILURE#' b'the end'\n", "{ended:?}");
    let log = server.stderr.wait_for("Python up to 3.11");
    assert!(log.contains("--modern-only"), "{log}");
    for python in pythons() {
        let ended = start(&python, "rpc_client.py", &[KEY, &address]).wait();
        let is_served = ended.stdout.starts_with("5 -1");
        assert_eq!(is_served, !is_legacy(&python), "{python:?}: {ended:?}");
    }
}

#[test]
fn hostile_calls_are_answered_with_an_exception() {
    let folder = Folder::new("rpc-hostile");
    let canary = folder.path("canary");
    for strategy in ["threads", "loop", "tokio"] {
        let server = server(&["--strategy", strategy]);
        let before = server.memory();
        for hostile in hostile_pickles(&canary) {
            let start = hostile[..hostile.len().min(40)].escape_ascii();
            // Inside, as a call, and in place of the bytes that a call is.
            let wrapped = Value::Bytes(hostile.as_slice().into());
            let wrapped = wrapped
                .to_pickle(&Options::default())
                .expect("short enough");
            let [inside, outside] = [&wrapped, &hostile].map(|message| {
                let connection = connect(&server);
                // The server may not want to read all of it.
                let _ = connection.send_bytes(message);
                connection.recv_bytes()
            });
            for answer in [inside, outside] {
                let answered = match &answer {
                    Ok(Some(pickle)) => pickle.windows(5).any(|word| word == b"Error"),
                    // Too long to be a call: closed, whole or in the middle of what was sent.
                    _ => hostile.len() > 8 << 20,
                };
                assert!(answered, "{start}: {answer:?}");
            }
            let grown = server.memory().saturating_sub(before);
            assert!(grown <= 64 << 20, "{start}: {grown} bytes more");
        }
        assert_eq!(call(&address(&server), &["add", "2", "3"]).stdout, "5\n");
        assert!(!std::fs::exists(&canary).unwrap(), "code was run");
        stop(server);
    }
}

#[test]
fn one_hundred_silent_clients_delay_nobody() {
    for strategy in ["threads", "loop", "tokio"] {
        let server = server(&["--strategy", strategy]);
        let address = address(&server);
        let waited = served_beside_the_silent(&server, || {
            assert_eq!(call(&address, &["add", "2", "3"]).stdout, "5\n");
        });
        println!("{strategy}: answered in {waited:?}");
        assert!(waited < Duration::from_secs(1), "{strategy}: {waited:?}");
    }
}
