//! The chat inside TLS.

mod chat_support;
mod support;
mod tls_support;

use std::io::{Read, Write};
use std::process::Command;

use chat_support::{Member, Server};
use rustix::process::Signal;
use support::Program;
use tls_mixin::Versions;
use tls_support::{Certificates, connect, texts};

fn start(certificates: &Certificates, options: &[&str]) -> Server {
    let tls = certificates.of_server();
    Server::start(&[&texts(&tls), options].concat())
}

fn client(name: &str, server: &Server, options: &[&str]) -> Program {
    let address = server.address.to_string();
    let arguments = ["--name", name, "--connect", &address];
    Program::start("chat_client", &[&arguments, options].concat())
}

fn python_client(name: &str, server: &Server, authority: &str) -> Program {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/chat_client.py");
    let address = format!("localhost:{}", server.address.port());
    let mut command = Command::new("python3");
    Program::start_command(command.args([script, "--tls-ca", authority, name, &address]))
}

#[test]
fn clients_in_two_languages_talk() {
    let certificates = Certificates::make();
    let authority = certificates.authority();
    let server = start(&certificates, &["-v"]);
    assert!(server.program.url().starts_with("tls://127.0.0.1:"));
    let mut alice = client("alice", &server, &["--tls-ca", &authority]);
    let mut said_by_alice = alice.take_stdin();
    server.program.stderr.wait_for("alice@127.0.0.1 came");
    let mut carol = python_client("carol", &server, &authority);
    let mut said_by_carol = carol.take_stdin();
    alice
        .stdout
        .wait_for("(Connected: New client (2) from carol@127.0.0.1)\n");
    said_by_alice.write_all(b"hello\n").expect("it reads");
    carol.stdout.wait_for("#[alice@127.0.0.1]>>hello\n");
    // Frames of more than a record.
    let long = "x".repeat(60_000);
    writeln!(said_by_carol, "{long}").expect("it reads");
    alice
        .stdout
        .wait_for(&format!("#[carol@127.0.0.1]>>{long}\n"));
    drop(said_by_carol);
    let ended = carol.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    alice
        .stdout
        .wait_for("(Now hung up: Client from carol@127.0.0.1)\n");
    drop(said_by_alice);
    let ended = alice.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "");
    server.program.signal(Signal::TERM);
    let ended = server.program.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("WARN"), "{ended:?}");
    assert!(ended.stderr.contains("version=TLSv1.3"), "{ended:?}");
}

#[test]
fn a_client_that_is_not_let_in_says_why() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let (authority, other) = (certificates.authority(), others.authority());
    let server = start(&certificates, &["--tls-client-ca", &authority]);
    let of_stranger = others.of_client();
    let [_, certificate, _, key] = of_stranger.each_ref();
    let strangers = [
        "--tls-ca",
        &authority,
        "--tls-cert",
        certificate,
        "--tls-key",
        key,
    ];
    let elsewhere = ["--tls-ca", &authority, "--tls-name", "example.org"];
    for (options, why) in [
        (&["--tls-ca", &authority][..], "the peer refused"),
        (&strangers, "the peer refused"),
        (&["--tls-ca", &other], "certificate"),
        (&elsewhere, "example.org"),
        (&[], "does not talk like a chat server"),
    ] {
        let ended = client("mallory", &server, options).wait();
        assert_eq!(ended.status.code(), Some(1), "{options:?} {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{options:?} {ended:?}");
        assert!(ended.stderr.contains(why), "{options:?} {ended:?}");
    }
    // Not a client of the chat at all.
    let mut stranger = Member::connect(server.address);
    stranger.write(b"hello, is this the chat?\n");
    server.program.stderr.wait_for("does not speak TLS");
    let of_client = certificates.of_client();
    let options = [&["--tls-ca", &authority], &*texts(&of_client)].concat();
    let mut alice = client("alice", &server, &options);
    drop(alice.take_stdin());
    let ended = alice.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn a_cut_connection_is_told_as_one() {
    let certificates = Certificates::make();
    let authority = certificates.authority();
    let server = start(&certificates, &["-v"]);
    let connector = certificates.connector(Versions::default(), None);
    let mut alice = connect(&connector, server.address).expect("a handshake");
    alice.write_all(b"\0\0\0\x0bNAME: alice").expect("it reads");
    alice.read_exact(&mut [0; 21]).expect("CLIENT: 127.0.0.1");
    drop(alice);
    server
        .program
        .stderr
        .wait_for("alice@127.0.0.1 left: cut off");
    let mut bob = client("bob", &server, &["--tls-ca", &authority]);
    let _said = bob.take_stdin();
    server.program.stderr.wait_for("bob@127.0.0.1 came");
    server.program.signal(Signal::KILL);
    let ended = bob.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cut off"), "{ended:?}");
}
