//! Logins that fail, in both roles, with Python or somebody worse at the other end.

mod peer;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mp_connection::{AcceptError, Address, Auth, Error, Generation};

use peer::driver::{Blocking, Listen, Talk};
use peer::{Folder, KEY, Kind, LONG, Python, ROLES, Role, auth, pythons, within_minutes};

const SHORT: Duration = Duration::from_millis(200);
const REJECTED: &str = "refused AuthenticationError: digest sent was rejected";
const WRONG: &str = "refused AuthenticationError: digest received was wrong";

fn everybody(play: fn(&Path)) {
    within_minutes(move || pythons().iter().for_each(|python| play(python)));
}

fn anywhere() -> Address {
    Address::from(([127, 0, 0, 1], 0))
}

fn modern_only() -> Auth {
    (Auth::modern_only(KEY).expect("not empty")).with_timeout(LONG)
}

/// What our listener says about the next peer, which it refuses.
fn refusal<L: Listen>(listener: &mut L) -> String {
    match listener.accept() {
        Err(error @ AcceptError::Refused { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was let in"),
    }
}

fn listen<C: Talk>(auth: &Auth) -> C::Listener {
    C::Listener::bind(&anywhere(), auth).expect("a port is free")
}

/// A good client gets in, whoever came before it.
fn a_good_one_gets_in<L: Listen>(python: &Path, listener: &mut L) {
    let mut good = Python::connect(python, &listener.address(), KEY, &["hello"]);
    let connection = listener.accept().expect("the key is right");
    good.connected();
    let hello: String = connection.recv().expect("a text").expect("not the end");
    connection.send(&hello).expect("Python is there");
    good.done();
}

fn wrong_keys_with<C: Talk>(python: &Path) {
    for auth in [auth(), modern_only()] {
        let mut listener = listen::<C>(&auth);
        let mut denied = Python::connect(python, &listener.address(), "peekboo", &["hello"]);
        let error = refusal(&mut listener);
        denied.says(REJECTED);
        assert!(error.contains("127.0.0.1:"), "{error}");
        assert!(
            error.contains(if denied.is_modern() || auth.takes_md5() {
                "key"
            } else {
                "3.11"
            }),
            "{error}"
        );
        if denied.is_modern() || auth.takes_md5() {
            a_good_one_gets_in(python, &mut listener);
        }
    }

    let address = anywhere();
    let (mut listener, address) = Python::listen(python, &address, "peekboo", &["hello"]);
    let error = C::connect(&address, &auth())
        .expect_err("it has another key")
        .to_string();
    assert!(error.contains("key"), "{error}");
    listener.says(WRONG);
}

fn policies_with<C: Talk>(python: &Path) {
    for role in ROLES {
        for auth in [auth(), modern_only()] {
            policy::<C>(python, role, &auth);
        }
    }
}

fn policy<C: Talk>(python: &Path, role: Role, auth: &Auth) {
    let (mut peer, connection, error) = match role {
        Role::Listener => {
            let mut listener = listen::<C>(auth);
            let peer = Python::connect(python, &listener.address(), KEY, &["hello"]);
            match listener.accept() {
                Ok(connection) => (peer, Some(connection), String::new()),
                Err(error) => (peer, None, error.to_string()),
            }
        }
        Role::Client => {
            let address = anywhere();
            let (peer, address) = Python::listen(python, &address, KEY, &["hello"]);
            match C::connect(&address, auth) {
                Ok(connection) => (peer, Some(connection), String::new()),
                Err(error) => (peer, None, error.to_string()),
            }
        }
    };
    let is_taken = auth.takes_md5() || peer.is_modern();
    assert_eq!(
        connection.is_some(),
        is_taken,
        "{role:?} {python:?}: {error}"
    );
    match (connection, role) {
        (Some(connection), _) => {
            peer.connected();
            assert_eq!(
                connection.generation() == Some(Generation::Legacy),
                !peer.is_modern()
            );
            let hello: String = connection.hear();
            connection.say(&hello);
            peer.done();
        }
        (None, Role::Listener) => {
            assert!(error.contains("with_legacy_md5"), "{error}");
            assert!(error.contains("3.11"), "{error}");
            peer.says(REJECTED);
        }
        (None, Role::Client) => {
            assert!(error.contains("with_legacy_md5"), "{error}");
            assert!(error.contains("3.11"), "{error}");
            peer.says("refused EOFError: ");
        }
    }
}

fn a_key_at_one_end_only_with<C: Talk>(python: &Path) {
    // Ours has it, the client's first message is taken for an answer.
    let mut listener = listen::<C>(&auth());
    let mut client = Python::connect(python, &listener.address(), "-", &["unlike"]);
    let error = refusal(&mut listener);
    assert!(error.contains("127.0.0.1:"), "{error}");
    client.connected();
    client.says("error UnpicklingError: invalid load key, '#'.");
    client.says("got b'#FAILURE#'");
    client.done();
    a_good_one_gets_in(python, &mut listener);

    // Python's has it.
    let address = anywhere();
    let (mut server, address) = Python::listen(python, &address, KEY, &["hello"]);
    let connection = C::connect_unauthenticated(&address).expect("it listens");
    let challenge = connection.hear_bytes();
    assert!(challenge.starts_with(b"#CHALLENGE#"));
    connection.say(&"hello");
    assert_eq!(connection.hear_bytes(), b"#FAILURE#");
    connection.is_over();
    let line = server.line();
    let expected = match server.is_modern() {
        true => "refused AuthenticationError: unsupported message length",
        false => WRONG,
    };
    assert!(line.starts_with(expected), "{line}");

    // Our client has it: both wait, until ours has waited long enough.
    let address = anywhere();
    let (mut server, address) = Python::listen(python, &address, "-", &["ending"]);
    let began = Instant::now();
    let error = C::connect(&address, &auth().with_timeout(SHORT)).expect_err("nobody answers");
    assert!(began.elapsed() >= SHORT);
    assert!(error.to_string().contains("200ms"), "{error}");
    server.connected();
    server.says("error EOFError: ");
    server.done();

    // Python's client has it.
    let mut listener = C::Listener::bind_unauthenticated(&anywhere()).expect("it is free");
    let mut client = Python::connect(python, &listener.address(), KEY, &["hello"]);
    let connection = listener.accept().expect("it logs in");
    assert!(!connection.has_come(SHORT));
    drop(connection);
    client.says("refused EOFError: ");
}

fn no_keys_at_all_with<C: Talk>(python: &Path) {
    let mut listener = C::Listener::bind_unauthenticated(&anywhere()).expect("it is free");
    let mut client = Python::connect(python, &listener.address(), "-", &["everything"]);
    peer::scenes::obey(&listener.accept().expect("it logs in"));
    client.connected();
    client.done();

    let address = anywhere();
    let (mut server, address) = Python::listen(python, &address, "-", &["everything"]);
    peer::scenes::obey(&C::connect_unauthenticated(&address).expect("it listens"));
    server.connected();
    server.done();
}

/// A hundred that say nothing, and twice as many as may be pending: Python gets in within a second all the same.
fn silent_crowds_with<C: Talk>(python: &Path) {
    for count in [100, 300] {
        let folder = Folder::new();
        for kind in [Kind::Tcp, Kind::Unix] {
            let mut listener =
                C::Listener::bind(&kind.address(&folder), &auth()).expect("it is free");
            let address = listener.address();
            let accepted = thread::spawn(move || {
                loop {
                    match listener.accept() {
                        Ok(connection) => break connection,
                        Err(AcceptError::Refused { .. }) if count > 128 => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let crowd: Vec<_> = (0..count).map(|_| Raw::connect(&address)).collect();
            let mut client = Python::connect(python, &address, KEY, &["hello"]);
            let connection = accepted.join().expect("no panic");
            let took = client.connected();
            assert!(took < Duration::from_secs(1), "{took:?}");
            let hello: String = connection.hear();
            connection.say(&hello);
            client.done();
            drop(crowd);
        }
    }
}

/// A peer that says nothing, or what is no login.
enum Raw {
    Tcp(TcpStream),
    Unix(#[expect(dead_code, reason = "it only stays open")] UnixStream),
}

impl Raw {
    fn connect(address: &Address) -> Self {
        match address {
            Address::Tcp(address) => Self::Tcp(TcpStream::connect(address).expect("it listens")),
            Address::Unix(path) => Self::Unix(UnixStream::connect(path).expect("it listens")),
            other => panic!("{other:?}"),
        }
    }
}

fn raw(address: &Address) -> TcpStream {
    match Raw::connect(address) {
        Raw::Tcp(stream) => {
            stream.set_read_timeout(Some(LONG)).expect("not zero");
            stream
        }
        Raw::Unix(_) => panic!("{address:?}"),
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes().to_vec();
    frame.extend(payload);
    frame
}

fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("a frame comes");
    let mut frame = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut frame).expect("it is complete");
    frame
}

fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("it ends");
    rest
}

/// What a client can send that is no login, and what it is told before the connection is closed.
fn bad_clients_with<C: Talk>() {
    let failure = frame(b"#FAILURE#");
    let digest = |name: &str, len| frame(&[name.as_bytes(), &vec![7; len]].concat());
    let cases: &[(&str, Vec<u8>, &[u8])] = &[
        ("nothing", Vec::new(), b""),
        ("half a length", vec![0, 0], b""),
        ("half an answer", digest("{sha256}", 32)[..20].to_vec(), b""),
        ("an empty answer", frame(b""), &failure),
        ("a wrong answer", digest("{sha256}", 32), &failure),
        ("a short answer", digest("{sha256}", 31), &failure),
        ("a long answer", digest("{sha256}", 33), &failure),
        ("md5 by name", digest("{md5}", 16), &failure),
        ("md5", digest("", 16), &failure),
        (
            "another digest that Python knows",
            digest("{sha384}", 48),
            &failure,
        ),
        ("one that it doesn't", digest("{sha512}", 64), &failure),
        (
            "our own challenge",
            frame(b"#CHALLENGE#{sha256}0123456789012345678901234567890123456789"),
            &failure,
        ),
        ("a welcome", frame(b"#WELCOME#"), &failure),
        ("256 bytes", frame(&[7; 256]), &failure),
        ("257 bytes", frame(&[7; 257]), b""),
        ("only the length of 257 bytes", vec![0, 0, 1, 1], b""),
        ("2 GB", vec![0x7f, 0xff, 0xff, 0xff], b""),
        ("a negative length", vec![0xff, 0xff, 0xff, 0xfe], b""),
        (
            "a long length",
            [&[0xff; 4][..], &[0, 0, 0, 0, 0, 0, 1, 1]].concat(),
            b"",
        ),
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".to_vec(),
            b"",
        ),
    ];
    let mut listener = listen::<C>(&auth());
    let address = listener.address();
    for (what, bytes, told) in cases {
        let mut client = raw(&address);
        client.write_all(bytes).expect("we are there");
        (client.shutdown(Shutdown::Write)).expect("it is connected");
        let error = refusal(&mut listener);
        assert!(
            error.contains(&client.local_addr().expect("it is connected").to_string()),
            "{what}: {error}"
        );
        assert!(
            read_frame(&mut client).starts_with(b"#CHALLENGE#{sha256}"),
            "{what}"
        );
        let mut answer = Vec::new();
        // What it has not read of ours resets the connection, in which case nothing was said either.
        let _ = client.read_to_end(&mut answer);
        assert_eq!(&answer, told, "{what}: {error}");
    }
}

/// What a listener can send that is no login.
fn bad_listeners_with<C: Talk>() {
    let challenge = frame(b"#CHALLENGE#{sha256}0123456789012345678901234567890123456789");
    let with = |second: &[u8]| [&*challenge, second].concat();
    let cases: &[(&str, Vec<u8>)] = &[
        ("nothing", Vec::new()),
        ("half a length", vec![0, 0]),
        ("half a challenge", challenge[..30].to_vec()),
        ("no challenge", frame(b"#WELCOME#")),
        ("an empty frame", frame(b"")),
        ("an empty challenge", frame(b"#CHALLENGE#")),
        ("a short challenge", frame(b"#CHALLENGE#{sha256}0123456789")),
        (
            "a digest that nobody knows",
            frame(b"#CHALLENGE#{sha512}0123456789012345678901234567890123456789"),
        ),
        ("a long frame", frame(&[b'#'; 257])),
        ("2 GB", vec![0x7f, 0xff, 0xff, 0xff]),
        ("a failure", with(&frame(b"#FAILURE#"))),
        ("another word", with(&frame(b"#HELLO#"))),
        ("no word", with(b"")),
        ("no challenge for our own", with(&frame(b"#WELCOME#"))),
        (
            "our answer as its own",
            with(
                &[
                    frame(b"#WELCOME#"),
                    frame(&[&b"{sha256}"[..], &[7; 32]].concat()),
                ]
                .concat(),
            ),
        ),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = Address::Tcp(listener.local_addr().expect("it is bound"));
    for (what, bytes) in cases {
        thread::scope(|scope| {
            let client = scope.spawn(|| C::connect(&address, &auth()));
            let (mut stream, _) = listener.accept().expect("it logs in");
            stream.write_all(bytes).expect("we are there");
            (stream.shutdown(Shutdown::Write)).expect("it is connected");
            match client.join().expect("no panic") {
                Err(Error::Auth(_)) => {}
                Err(other) => panic!("{what}: {other}"),
                Ok(_) => panic!("{what}: it is content"),
            }
            // It may have been reset.
            let _ = stream.read_to_end(&mut Vec::new());
        });
    }
}

/// Who stays silent is closed when its time is over, whatever else happens.
fn deadlines_with<C: Talk>() {
    let mut listener = listen::<C>(&auth().with_timeout(SHORT));
    let address = listener.address();
    let began = Instant::now();
    let mut silent = raw(&address);
    let mut slow = raw(&address);
    slow.write_all(&[0, 0]).expect("we are there");
    for _ in 0..2 {
        let error = refusal(&mut listener);
        assert!(error.contains("200ms"), "{error}");
    }
    assert!(began.elapsed() >= SHORT);
    for stream in [&mut silent, &mut slow] {
        assert!(read_frame(stream).starts_with(b"#CHALLENGE#"));
    }
    assert_eq!(rest(silent), b"");
    assert_eq!(rest(slow), b"");
}

#[test]
fn wrong_keys() {
    everybody(wrong_keys_with::<Blocking>);
}

#[test]
fn policies() {
    everybody(policies_with::<Blocking>);
}

#[test]
fn a_key_at_one_end_only() {
    everybody(a_key_at_one_end_only_with::<Blocking>);
}

#[test]
fn no_keys_at_all() {
    everybody(no_keys_at_all_with::<Blocking>);
}

#[test]
fn silent_crowds() {
    everybody(silent_crowds_with::<Blocking>);
}

#[test]
fn bad_clients() {
    within_minutes(bad_clients_with::<Blocking>);
}

#[test]
fn bad_listeners() {
    within_minutes(bad_listeners_with::<Blocking>);
}

#[test]
fn deadlines() {
    within_minutes(deadlines_with::<Blocking>);
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use super::*;
    use crate::peer::driver::on_tokio::Tokio;

    #[test]
    fn wrong_keys() {
        everybody(wrong_keys_with::<Tokio>);
    }

    #[test]
    fn policies() {
        everybody(policies_with::<Tokio>);
    }

    #[test]
    fn a_key_at_one_end_only() {
        everybody(a_key_at_one_end_only_with::<Tokio>);
    }

    #[test]
    fn no_keys_at_all() {
        everybody(no_keys_at_all_with::<Tokio>);
    }

    #[test]
    fn silent_crowds() {
        everybody(silent_crowds_with::<Tokio>);
    }

    #[test]
    fn bad_clients() {
        within_minutes(bad_clients_with::<Tokio>);
    }

    #[test]
    fn bad_listeners() {
        within_minutes(bad_listeners_with::<Tokio>);
    }

    #[test]
    fn deadlines() {
        within_minutes(deadlines_with::<Tokio>);
    }
}
