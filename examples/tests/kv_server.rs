//! The KV server as a program: whom it lets in, how it ends, and what it does not start with.

mod kv_support;
mod support;
mod tls_support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use auth_hmac::{Challenge, ChallengeKey, ChallengeOptions};
use kv_support::{Json, SESSION, Server, client, python, text};
use rpc_core::blocking::Client;
use rpc_core::{Codec, Options, Value};
use rustix::process::Signal;
use serde_json::json;
use support::{DEADLINE, Folder, Program};
use tls_mixin::Versions;
use tls_support::{Certificates, texts};

const KEY: &str = "a key that is long enough to be one";

#[test]
fn a_key_is_asked_for_in_every_dialect() {
    let server = Server::start(&["--memory", "--authkey", KEY]);
    let json = server.json_address();
    let ended = python(&[&json.to_string(), KEY]);
    assert_eq!(ended.stdout, SESSION, "{ended:?}");
    let ended = python(&[&json.to_string(), "another key, as long as that"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    // Without the key nobody hears more than the question for it.
    for address in [server.native_address(), json] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "keys"});
        writeln!(stream, "{request}").unwrap();
        let mut heard = Vec::new();
        // The rest of what was said may make it a reset.
        let _ = stream.read_to_end(&mut heard);
        assert_eq!(heard.len(), 32, "{}", heard.escape_ascii());
    }
    let stream = TcpStream::connect(server.native_address()).unwrap();
    answer(&stream, KEY);
    let client = Client::new(stream, Options::new(Codec::Postcard)).unwrap();
    assert_eq!(client.call::<Value>("get", ("foo",)).unwrap(), text("baz"));
}

/// Answers the challenge that comes first.
fn answer(mut stream: &TcpStream, key: &str) {
    let mut challenge = [0; 32];
    stream.read_exact(&mut challenge).expect("a challenge");
    let key = ChallengeKey::new_short(key).expect("not empty");
    let mut client = Challenge::answerer(&key, &ChallengeOptions::default());
    client.receive(&challenge);
    let mut answer = Vec::new();
    client.poll_transmit(&mut answer);
    stream.write_all(&answer).expect("the server reads");
}

#[test]
fn tls_is_spoken_in_every_dialect() {
    let certificates = Certificates::make();
    let tls = certificates.of_server();
    let authority = certificates.authority();
    let only_known = [
        &texts(&tls)[..],
        &["--memory", "--tls-client-ca", &authority],
    ]
    .concat();
    let server = Server::start(&only_known);
    for n in 0..2 {
        assert!(server.program.nth_url(n).starts_with("tls://127.0.0.1:"));
    }
    let known = certificates.connector(Versions::default(), Some(certificates.identity("client")));
    let stream = tls_support::connect(&known, server.native_address()).unwrap();
    let client = Client::new(stream, Options::new(Codec::Postcard)).unwrap();
    client
        .call::<()>("set", ("a", text("secret"), None::<f64>))
        .unwrap();

    let mut stream = tls_support::connect(&known, server.json_address()).unwrap();
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "get", "params": ["a"]});
    let answer = tls_support::exchange(&mut stream, format!("{request}\n").as_bytes()).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["result"], json!("secret"));

    let unknown = certificates.connector(Versions::default(), None);
    for address in [server.native_address(), server.json_address()] {
        let exchanged = tls_support::connect(&unknown, address)
            .map_err(std::io::Error::other)
            .and_then(|mut stream| tls_support::exchange(&mut stream, b"{}\n"));
        let heard = exchanged.unwrap_or_default();
        assert_eq!(heard, b"", "{}", heard.escape_ascii());
    }
}

#[test]
fn whom_a_rule_keeps_out_hears_nothing() {
    let server = Server::start(&["--memory", "--deny", "127.0.0.1"]);
    for address in [server.native_address(), server.json_address()] {
        let mut heard = Vec::new();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let _ = stream.read_to_end(&mut heard);
        assert_eq!(heard, b"");
    }
    server.program.stderr.wait_for("127.0.0.1");
    let server = Server::start(&["--memory", "--allow", "127.0.0.0/8"]);
    assert_eq!(server.json().call("count", json!([])), Ok(json!(0)));
}

#[test]
fn dialects_are_announced_in_a_fixed_order_or_left_out() {
    let folder = Folder::new("sockets");
    let (native, json) = (folder.path("native"), folder.path("json"));
    let (listen, jsonrpc) = (format!("unix:{native}"), format!("unix:{json}"));
    let server = Program::start(
        "kv_server",
        &["--memory", "--jsonrpc", &jsonrpc, "--listen", &listen],
    );
    assert_eq!(server.nth_url(0), format!("unix://{native}"));
    assert_eq!(server.nth_url(1), format!("unix://{json}"));
    server.signal(Signal::TERM);
    assert_eq!(server.wait().status.code(), Some(0));
    assert!(!Path::new(&native).exists() && !Path::new(&json).exists());

    let server = Program::start(
        "kv_server",
        &["--memory", "--no-native", "--jsonrpc", "127.0.0.1:0"],
    );
    let mut kv = Json::new(TcpStream::connect(server.address()).unwrap());
    assert_eq!(kv.call("count", json!([])), Ok(json!(0)));
    server.signal(Signal::TERM);
    let ended = server.wait();
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
}

#[test]
fn options_that_do_not_fit_together_are_refused() {
    for options in [
        &["--no-native"][..],
        &["--memory", "--data", "x"],
        &["--memory", "--durability", "disk"],
        &["--codec", "pickle"],
        &["--tls-cert", "x"],
    ] {
        let ended = Program::start("kv_server", options).wait();
        assert_eq!(ended.status.code(), Some(2), "{options:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{options:?}");
    }
    let first = Server::in_memory();
    let address = first.native_address().to_string();
    let ended = Program::start("kv_server", &["--memory", "--listen", &address]).wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let taken = format!("error: cannot listen on tcp://{address}: ");
    assert!(ended.stderr.contains(&taken), "{ended:?}");
}

#[test]
fn a_client_of_another_codec_learns_both_names() {
    let server = Server::in_memory();
    let error = client(server.native_address(), Codec::Json)
        .and_then(|client| client.call::<Value>("get", ("left",)))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("json") && error.contains("postcard"),
        "{error}"
    );
}

#[test]
fn stopping_finishes_what_runs_and_says_what_was() {
    let folder = Folder::new("drain");
    let server = Server::over(&folder);
    let client = server.native();
    let mut idle = server.json();
    assert_eq!(idle.call("count", json!([])), Ok(json!(0)));
    let is_stopping = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut count = 0;
            while client
                .call::<()>("set", ("count", Value::Int(count + 1), None::<f64>))
                .is_ok()
            {
                count += 1;
                is_stopping.store(count > 20, Ordering::Relaxed);
            }
            count
        });
        kv_support::wait_until("some writes", || is_stopping.load(Ordering::Relaxed));
        server.program.signal(Signal::TERM);
        writing.join().expect("it ran")
    });
    assert_eq!(idle.read(), None, "the connection ends without a message");
    let ended = server.program.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let summary = ended.stderr.lines().last().expect("a summary");
    assert!(
        summary.contains("2 connections served, 2 finished; 1 keys, "),
        "{summary}"
    );
    let count: Value = Server::over(&folder)
        .native()
        .call("get", ("count",))
        .unwrap();
    assert_eq!(count, Value::Int(acknowledged));
}

#[test]
fn data_that_is_in_use_or_damaged_is_one_clear_line() {
    let folder = Folder::new("damage");
    let data = folder.path("data");
    let options = ["--data", &data, "--listen", "127.0.0.1:0"];
    let refused = |what: &str| {
        let ended = Program::start("kv_server", &options).wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
        assert!(ended.stderr.contains(what), "{ended:?}");
    };
    let server = Server::over(&folder);
    let client = server.native();
    for n in 0..100 {
        let set = (format!("{n}"), text(&"x".repeat(1000)), None::<f64>);
        client.call::<()>("set", set).unwrap();
    }
    refused("in use");
    server.stop();

    let file = Path::new(&data).join("store.redb");
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let x = find(&damaged, &[b'x'; 500]);
    damaged[x] = b'y';
    fs::write(&file, &damaged).unwrap();
    refused("damaged");
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused("damaged");
    fs::write(&file, b"SQLite format 3\0").unwrap();
    refused("store.redb");
    fs::write(&file, &whole).unwrap();
    let count: u64 = Server::over(&folder)
        .native()
        .call("count", (None::<&str>,))
        .unwrap();
    assert_eq!(count, 100);
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
        .expect("values are stored as they are")
}

#[test]
fn a_copy_made_while_others_write_is_served_by_a_second_server() {
    let folder = Folder::new("backup");
    let copies = folder.path("copies");
    let data = folder.path("data");
    let server = Server::start(&["--data", &data, "--backup-dir", &copies]);
    let (writer, client) = (server.native(), server.native());
    let is_done = AtomicBool::new(false);
    let before = thread::scope(|scope| {
        let count = |key: &str| match writer.call("get", (key,)) {
            Ok(Value::Int(n)) => n,
            _ => 0,
        };
        let is_done = &is_done;
        let writing = &writer;
        scope.spawn(move || {
            for n in 1.. {
                for key in ["first", "second"] {
                    let set = (key, Value::Int(n), None::<f64>);
                    writing.call::<()>("set", set).expect("acknowledged");
                }
                if is_done.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        kv_support::wait_until("some writes", || count("second") > 5);
        let before = count("first");
        // A file of that name in a folder of that name is what a server starts with.
        let copied = client.call::<()>("backup", ("store.redb",));
        is_done.store(true, Ordering::Relaxed);
        copied.unwrap();
        before
    });
    let again = client.call::<()>("backup", ("store.redb",)).unwrap_err();
    assert_eq!(kv_support::kind(&again), "FileExistsError");
    for name in ["", "..", "../x", "/tmp/x", ".hidden", "a b", "a\0"] {
        let error = client.call::<()>("backup", (name,)).unwrap_err();
        assert_eq!(kv_support::kind(&error), "ValueError", "{name:?}");
    }
    let files: Vec<_> = fs::read_dir(&copies).unwrap().flatten().collect();
    assert_eq!(files.len(), 1, "{files:?}");

    let second = Server::start(&["--data", &copies]);
    let count = |key: &str| match second.native().call("get", (key,)) {
        Ok(Value::Int(n)) => n,
        other => panic!("{other:?}"),
    };
    let (first, second) = (count("first"), count("second"));
    assert!(
        before <= first,
        "{before} was written before the copy, which has {first}"
    );
    assert!((first - 1..=first).contains(&second), "{first}, {second}");
}

#[test]
fn without_a_folder_for_copies_there_are_none() {
    let server = Server::in_memory();
    let backup = server.json().call("backup", json!(["copy"]));
    assert_eq!(backup, Err("PermissionError".into()));
}
