//! The echo server and its client inside TLS.

mod support;
mod tls_support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth_hmac::blocking::{Untimed, answer, initiate};
use auth_hmac::{ChallengeKey, ChallengeOptions, HandshakeOptions, Key};
use rustix::process::Signal;
use support::strategies::at_once;
use support::{DEADLINE, Ended, Program};
use tls_mixin::{Acceptor, ClientOptions, Connector, ServerOptions, Versions};
use tls_support::{Certificates, Stream, connect, exchange, python, texts};

const KEY: &str = "a key that both sides know";

fn start(strategy: &str, certificates: &Certificates, options: &[&str]) -> Program {
    let tls = certificates.of_server();
    let options = [&texts(&tls), options].concat();
    support::strategies::start("echo_server", strategy, &options)
}

fn client(address: impl ToString, options: &[&str], input: &[u8]) -> Ended {
    let address = address.to_string();
    let arguments = [&["--connect", &address], options].concat();
    let mut client = Program::start("echo_client", &arguments);
    // One that is refused may not read all of it.
    let _ = client.take_stdin().write_all(input);
    client.wait()
}

/// What a client does that is to prove that it knows the key.
type Prove = fn(&mut Stream);

fn prove_nothing(_: &mut Stream) {}

fn answer_challenge(stream: &mut Stream) {
    let key = ChallengeKey::new(KEY).expect("long enough");
    answer(&mut Untimed(stream), &key, &ChallengeOptions::default()).expect("a challenge");
}

fn prove_each_other(stream: &mut Stream) {
    let key = Key::new("", KEY).expect("long enough");
    let options = HandshakeOptions {
        context: b"echo".into(),
        channel_binding: Some(stream.session().channel_binding()),
        ..HandshakeOptions::default()
    };
    initiate(&mut Untimed(stream), &key, &options).expect("the server knows the key");
}

/// The options of a server, and what its clients have to do.
const PROOFS: [(&[&str], Prove); 3] = [
    (&[], prove_nothing),
    (&["--authkey", KEY], answer_challenge),
    (&["--authkey", KEY, "--mutual"], prove_each_other),
];

#[test]
fn every_kind_of_client_is_served_in_every_structure() {
    let certificates = Certificates::make();
    let authority = certificates.authority();
    let identity = || Some(certificates.identity("client"));
    let text: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    at_once(|strategy| {
        let client_ca = ["--tls-client-ca", &authority];
        let optional = ["--tls-client-ca", &authority, "--tls-client-optional"];
        for (who, clients) in [
            (&[][..], &[None][..]),
            (&client_ca, &[identity()]),
            (&optional, &[None, identity()]),
        ] {
            for (how, prove) in PROOFS {
                let options = [who, how, &["-v"]].concat();
                let server = start(strategy, &certificates, &options);
                for (versions, version) in
                    [(Versions::Tls12, "TLSv1.2"), (Versions::Tls13, "TLSv1.3")]
                {
                    for client in clients {
                        let connector = certificates.connector(versions, client.clone());
                        let mut stream = connect(&connector, server.address()).unwrap();
                        assert_eq!(stream.session().version().to_string(), version);
                        prove(&mut stream);
                        let echoed = exchange(&mut stream, &text).unwrap();
                        assert!(echoed == text, "{strategy} {options:?} {version}");
                        server.stderr.wait_for(version);
                        if client.is_some() {
                            server.stderr.wait_for("CN=client");
                        }
                    }
                }
                let log = server.stderr.so_far();
                assert!(log.contains("localhost"), "{log}");
                assert!(!log.contains("WARN"), "{log}");
            }
        }
    });
}

#[test]
fn the_client_program_is_served_and_checks_both_directions_at_once() {
    let certificates = Certificates::make();
    let (authority, of_client) = (certificates.authority(), certificates.of_client());
    at_once(|strategy| {
        for (how, _) in PROOFS {
            let server = start(strategy, &certificates, how);
            assert!(server.url().starts_with("tls://127.0.0.1:"));
            let trust = [&["--tls-ca", &authority][..], how].concat();
            let ended = client(server.address(), &[&trust[..], &["hello"]].concat(), b"");
            assert_eq!(
                (&*ended.stdout, &*ended.stderr),
                ("hello\n", ""),
                "{ended:?}"
            );
            let localhost = format!("localhost:{}", server.address().port());
            let ended = client(
                &localhost,
                &[&trust[..], &["--check", "3000000"]].concat(),
                b"",
            );
            assert_eq!(ended.stdout, "3000000 bytes came back right\n", "{ended:?}");
        }
        let server = start(
            strategy,
            &certificates,
            &["--lines", "--tls-client-ca", &authority],
        );
        let options = [&["--tls-ca", &authority], &*texts(&of_client)].concat();
        let ended = client(server.address(), &options, b"one\ntwo\nno end");
        assert_eq!(ended.stdout, "one\ntwo\nno end", "{ended:?}");
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        server.signal(Signal::TERM);
        let ended = server.wait();
        let summary = "1 connections served, 1 finished\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
    });
}

#[test]
fn pythons_client_and_server_of_the_recipe() {
    let certificates = Certificates::make();
    let authority = certificates.authority();
    let [_, certificate, _, key] = certificates.of_client();
    let lines = b"one\ntwo\n\nthree\n";
    at_once(|strategy| {
        let server = start(strategy, &certificates, &["--tls-client-ca", &authority]);
        let address = format!("localhost:{}", server.address().port());
        let arguments = [&authority, &address, &certificate, &key].map(String::as_str);
        let ended = python("tls_client.py", &arguments, lines);
        assert_eq!(ended.stdout.as_bytes(), lines, "{ended:?}");
        assert_eq!(ended.stderr, "", "{ended:?}");
        // Without certificate: whatever version, no line comes back.
        let ended = python("tls_client.py", &arguments[..2], lines);
        assert_eq!(ended.stdout, "", "{ended:?}");
        assert!(!ended.status.success(), "{ended:?}");
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/tls_server.py");
    let [_, of_server, _, its_key] = certificates.of_server();
    let mut server = std::process::Command::new("python3");
    server.args([script, &of_server, &its_key, "127.0.0.1:0", &authority]);
    let server = Program::start_command(&mut server);
    let of_client = certificates.of_client();
    let options = [&["--tls-ca", &authority], &*texts(&of_client)].concat();
    let ended = client(server.address(), &options, lines);
    assert_eq!(ended.stdout.as_bytes(), lines, "{ended:?}");
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let ended = client(server.address(), &options[..2], lines);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
}

#[test]
fn a_client_does_not_talk_to_a_server_that_is_not_the_one() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let (authority, other) = (certificates.authority(), others.authority());
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain_address = plain.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in plain.incoming() {
            let mut stream = stream.expect("a connection");
            // Not what a client of TLS waits for.
            let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n");
            let _ = stream.read(&mut [0; 512]);
        }
    });
    at_once(|strategy| {
        let server = start(strategy, &certificates, &[]);
        let address = server.address();
        for (address, options, why) in [
            (address, &["--tls-ca", &other][..], "certificate"),
            (
                address,
                &["--tls-ca", &authority, "--tls-name", "example.org"],
                "example.org",
            ),
            (plain_address, &["--tls-ca", &authority], "plain text"),
        ] {
            let ended = client(address, &[options, &["secret"]].concat(), b"");
            assert_eq!(ended.status.code(), Some(1), "{ended:?}");
            assert_eq!(ended.stdout, "", "{ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
            assert!(ended.stderr.contains(why), "{ended:?}");
        }
        let ended = client(address, &["--tls-ca", &authority, "hello"], b"");
        assert_eq!(ended.stdout, "hello\n", "{ended:?}");
    });
}

#[test]
fn a_server_does_not_serve_who_is_not_let_in_and_says_why_in_one_line() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let authority = certificates.authority();
    at_once(|strategy| {
        let server = start(strategy, &certificates, &["--tls-client-ca", &authority]);
        let address = server.address();
        let mut failures = 0;
        let mut expect = |why: &str| {
            failures += 1;
            let log = server.stderr.find(why, |log| {
                let is_there = log.contains(why) && log.matches("WARN").count() >= failures;
                is_there.then(|| log.to_owned())
            });
            assert_eq!(log.matches("WARN").count(), failures, "{log}");
            assert_eq!(log.matches("127.0.0.1:").count(), failures, "{log}");
        };
        for (said, why) in [
            ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP"),
            ("SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
            ("hello\n", "text"),
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            let mut answer = Vec::new();
            // The connection may be reset by what was not read.
            let _ = stream.read_to_end(&mut answer);
            drop(stream);
            let is_echo = answer.starts_with(&said.as_bytes()[..5]);
            assert!(!is_echo, "{}", answer.escape_ascii());
            expect(why);
        }
        for versions in [Versions::Tls12, Versions::Tls13] {
            for (identity, why) in [
                (None, "certificate"),
                (Some(others.identity("client")), "invalid peer certificate"),
                (Some(certificates.identity("server")), "extended key usage"),
            ] {
                let connector = certificates.connector(versions, identity);
                let answer = connect(&connector, address)
                    .map_err(std::io::Error::from)
                    .and_then(|mut stream| exchange(&mut stream, b"hello"));
                assert!(answer.is_err(), "{strategy} {versions:?}: {answer:?}");
                expect(why);
            }
        }
        // Before a byte of TLS.
        let server = start(strategy, &certificates, &["--deny", "127.0.0.0/8"]);
        let connector = certificates.connector(Versions::default(), None);
        assert!(connect(&connector, server.address()).is_err());
        let log = server.stderr.wait_for("denied by 127.0.0.0/8");
        assert!(!log.contains("TLS"), "{log}");
    });
}

#[test]
fn a_cut_is_not_taken_for_the_end() {
    let certificates = Certificates::make();
    let connector = certificates.connector(Versions::default(), None);
    at_once(|strategy| {
        let server = start(strategy, &certificates, &[]);
        let mut stream = connect(&connector, server.address()).unwrap();
        stream.write_all(b"half of a mess").unwrap();
        stream.read_exact(&mut [0; 14]).unwrap();
        drop(stream);
        server.stderr.wait_for("cut off");
        let mut stream = connect(&connector, server.address()).unwrap();
        assert_eq!(exchange(&mut stream, b"a message").unwrap(), b"a message");
        server.signal(Signal::TERM);
        let ended = server.wait();
        let summary = "2 connections served, 1 finished, 1 failed\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
    });
    // The other way round: a server that sends half of it and is gone.
    let acceptor = Acceptor::new(ServerOptions::new(certificates.identity("server"))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (socket, _) = listener.accept().expect("a client");
        let mut stream = acceptor.accept(&socket).expect("a handshake");
        let mut said = Vec::new();
        stream.read_to_end(&mut said).expect("a line, and its end");
        stream.write_all(&said[..3]).expect("it reads");
    });
    let ended = client(
        address,
        &["--tls-ca", &certificates.authority(), "hello"],
        b"",
    );
    server.join().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("cut off"), "{ended:?}");
}

#[test]
fn one_hundred_stalled_handshakes_delay_nobody() {
    let certificates = Certificates::make();
    let connector = certificates.connector(Versions::default(), None);
    // The head of a ClientHello that never comes.
    let begun = [22, 3, 1, 2, 0];
    let servers = [
        ("threads", "1"),
        ("pool", "128"),
        ("fork", "128"),
        ("loop", "1"),
        ("tokio", "1"),
    ];
    let stalled: Vec<_> = servers
        .iter()
        .map(|(strategy, workers)| {
            let server = start(strategy, &certificates, &["--workers", workers]);
            let stalled: Vec<_> = (0..100)
                .map(|_| {
                    let mut stream = support::strategies::connect(&server);
                    stream.write_all(&begun).expect("the server listens");
                    stream
                })
                .collect();
            let good = || {
                let mut stream = connect(&connector, server.address()).unwrap();
                assert_eq!(exchange(&mut stream, b"hello").unwrap(), b"hello");
            };
            // Accepted after the hundred; processes take a while to start.
            good();
            let before = Instant::now();
            good();
            let waited = before.elapsed();
            println!("{strategy}: served in {waited:?}");
            assert!(waited < Duration::from_secs(1), "{strategy}: {waited:?}");
            (strategy, server, stalled)
        })
        .collect();
    for (strategy, server, stalled) in stalled {
        for mut stream in stalled {
            // An alert perhaps.
            let _ = stream.read_to_end(&mut Vec::new());
        }
        server.signal(Signal::TERM);
        let ended = server.wait();
        let summary = "102 connections served, 2 finished, 100 timed out\n";
        assert!(ended.stderr.ends_with(summary), "{strategy}: {ended:?}");
    }
}

#[test]
fn a_new_certificate_is_taken_up_and_a_bad_one_is_not_while_clients_come() {
    let (old, new) = (Certificates::make(), Certificates::make());
    let both = old.authorities().and(new.authorities());
    let connector = Connector::new(ClientOptions {
        resumption: false,
        ..ClientOptions::new(both)
    })
    .unwrap();
    at_once(|strategy| {
        let files = Certificates::make();
        files.become_like(&old);
        let server = start(strategy, &files, &["--workers", "4"]);
        // Comes, and says who has served it.
        let come = || {
            let mut stream = connect(&connector, server.address()).unwrap();
            assert_eq!(exchange(&mut stream, b"hello").unwrap(), b"hello");
            let certificate = stream.session().peer_certificate();
            certificate.expect("a server has one").sha256()
        };
        let is_over = AtomicBool::new(false);
        let until = |is_so: &dyn Fn([u8; 32]) -> bool| {
            let deadline = Instant::now() + DEADLINE;
            while !is_so(come()) {
                assert!(Instant::now() < deadline, "{}", server.stderr.so_far());
            }
        };
        let warnings = || server.stderr.so_far().matches("WARN").count();
        std::thread::scope(|scope| {
            let _end = OnDrop(&is_over);
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        come();
                    }
                });
            }
            let first = come();
            let whole = files.content("server_key.pem");
            files.overwrite("server_key.pem", &whole[..whole.len() / 2]);
            until(&|shown| {
                assert_eq!(shown, first);
                warnings() > 0
            });
            files.become_like(&new);
            until(&|shown| shown != first);
            let second = come();
            let before = warnings();
            files.overwrite("server_cert.pem", b"");
            until(&|shown| {
                // Another worker may not have looked yet.
                assert!(strategy == "prefork" || shown == second);
                warnings() > before
            });
        });
        let log = server.stderr.so_far();
        // One line for each thing that was wrong, from each process that looks.
        let most = if strategy == "prefork" { 3 * 4 } else { 3 };
        assert!(log.matches("WARN").count() <= most, "{log}");
        assert!(log.contains(&files.path("server_key.pem")), "{log}");
    });
}

/// Sets a flag at the end, also that of a test that fails.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_relay_that_the_client_trusts_is_found_out_by_the_mutual_handshake() {
    let (certificates, relays) = (Certificates::make(), Certificates::make());
    let trusted = relays.authority();
    at_once(|strategy| {
        for (options, passes) in [
            (&["--authkey", KEY][..], true),
            (&["--authkey", KEY, "--mutual"], false),
        ] {
            let server = start(strategy, &certificates, options);
            let connector = certificates.connector(Versions::default(), None);
            let identity = relays.identity("server");
            let acceptor = Acceptor::new(ServerOptions::new(identity)).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let there = server.address();
            let relay = std::thread::spawn(move || {
                let (socket, _) = listener.accept().expect("the client comes");
                let client = acceptor
                    .accept(socket)
                    .expect("the client trusts the relay");
                let server = connect(&connector, there).expect("a server");
                std::thread::scope(|scope| {
                    scope.spawn(|| pass_on(&client, &server));
                    pass_on(&server, &client);
                });
            });
            let ended = client(
                address,
                &[&["--tls-ca", &trusted, "hello"], options].concat(),
                b"",
            );
            assert_eq!(
                ended.stdout,
                if passes { "hello\n" } else { "" },
                "{ended:?}"
            );
            assert_eq!(ended.status.success(), passes, "{ended:?}");
            if !passes {
                server.stderr.wait_for("WARN");
            }
            relay.join().unwrap();
        }
    });
}

/// Until one of them has ended or is gone, which the other one learns.
fn pass_on(mut from: &Stream, mut to: &Stream) {
    if std::io::copy(&mut from, &mut to).is_ok() {
        let _ = to.finish_shared();
    } else {
        let _ = to.get_ref().shutdown(Shutdown::Both);
    }
}

#[test]
fn bad_files_and_options_are_one_clear_line() {
    let certificates = Certificates::make();
    let [_, certificate, _, key] = certificates.of_server();
    let [_, _, _, other_key] = certificates.of_client();
    let (authority, missing) = (certificates.authority(), certificates.path("missing.pem"));
    at_once(|strategy| {
        for (certificate, key, named) in [
            (&certificate, &other_key, &certificate),
            (&certificate, &missing, &missing),
            (&key, &key, &key),
            (&certificate, &certificate, &certificate),
        ] {
            let tls = ["--tls-cert", certificate, "--tls-key", key];
            let ended = support::strategies::start("echo_server", strategy, &tls).wait();
            assert_eq!(ended.status.code(), Some(1), "{ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
            assert!(ended.stderr.contains(named), "{ended:?}");
        }
    });
    for (program, options) in [
        ("echo_server", &["--tls-cert", &certificate][..]),
        ("echo_server", &["--tls-client-ca", &authority]),
        (
            "echo_client",
            &["--tls-cert", &certificate, "--tls-key", &key],
        ),
        ("echo_client", &["--tls-name", "localhost"]),
        ("echo_client", &["--tls", "--tls-ca", &authority]),
    ] {
        let ended = Program::start(program, options).wait();
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    }
}
