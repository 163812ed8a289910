//! Python as the peer, with nothing but its standard library: the recipe at both ends, and the handshake as
//! somebody would write it from the specification.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use auth_hmac::blocking::{SealedStream, answer, challenge, initiate, respond};
use auth_hmac::{AuthError, ChallengeKey, ChallengeOptions, Error, HandshakeOptions, Key, Keyring};
use support::{peekaboo, vectors};

const LONG: Duration = Duration::from_secs(20);
const SECRET: [u8; 32] = [0x5a; 32];

/// A script under way, ended when dropped.
struct Python {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Python {
    fn start(script: &str, arguments: &[&str]) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/");
        let mut child = Command::new("python3")
            .arg(format!("{folder}{script}"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs python3");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        Self { child, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it writes UTF-8");
        line.trim_end().to_owned()
    }

    /// Connects to the port that it prints.
    fn connect(&mut self) -> TcpStream {
        let port: u16 = self.line().parse().expect("it prints a port");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("not zero");
        stream
    }

    fn succeeds(&mut self) -> bool {
        self.child
            .wait()
            .expect("a child can be waited for")
            .success()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself, which is no matter here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port.to_string())
}

fn digests() -> Vec<(&'static str, ChallengeKey)> {
    vec![
        ("sha256", peekaboo()),
        #[cfg(feature = "md5")]
        (
            "md5",
            ChallengeKey::new_legacy_md5("peekaboo").expect("it is not empty"),
        ),
    ]
}

#[test]
fn the_recipe_with_python_as_server() {
    for (digest, key) in digests() {
        let mut python = Python::start("challenge.py", &["serve", "peekaboo", digest]);
        let mut stream = python.connect();
        answer(&mut stream, &key, &ChallengeOptions::default()).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"hello");
        drop(stream);
        assert!(python.succeeds());
    }
    let mut python = Python::start("challenge.py", &["serve", "peekboo"]);
    let mut stream = python.connect();
    answer(&mut stream, &peekaboo(), &ChallengeOptions::default()).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it closes");
    assert!(!python.succeeds());
}

#[test]
fn the_recipe_with_python_as_client() {
    let (listener, port) = listen();
    for (digest, key) in digests() {
        let mut python = Python::start("challenge.py", &["call", &port, "peekaboo", digest]);
        let (mut stream, _) = listener.accept().unwrap();
        challenge(&mut stream, &key, &ChallengeOptions::default()).unwrap();
        // Its greeting came in one segment with the answer.
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).unwrap();
        stream.write_all(&greeting).unwrap();
        assert_eq!(python.line(), "hello");
        assert!(python.succeeds());
    }
    let mut python = Python::start("challenge.py", &["call", &port, "peekboo"]);
    let (mut stream, _) = listener.accept().unwrap();
    let error = challenge(&mut stream, &peekaboo(), &ChallengeOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Auth(AuthError::WrongTag)));
    drop(stream);
    assert!(!python.succeeds());
}

#[test]
fn the_vectors_are_what_python_computes() {
    let mut python = Python::start("handshake.py", &["vectors"]);
    let mut lines = String::new();
    python.output.read_to_string(&mut lines).unwrap();
    let vectors = vectors();
    for line in lines.lines() {
        let (name, value) = line.split_once(" = ").unwrap();
        assert_eq!(support::hex(value), vectors[name], "{name}");
    }
    assert_eq!(lines.lines().count(), 17);
    assert!(python.succeeds());
}

fn options() -> HandshakeOptions {
    HandshakeOptions {
        context: b"echo 1".to_vec(),
        ..HandshakeOptions::default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_handshake_with_python_as_responder() {
    let key = Key::new("2026-11", SECRET).unwrap();
    let arguments = ["respond", "2026-11", &hex(&SECRET), "echo 1"];
    let mut python = Python::start("handshake.py", &arguments);
    let mut stream = python.connect();
    let session = initiate(&mut stream, &key, &options()).unwrap();
    assert_eq!(python.line(), hex(&session.export::<42>(b"interop")));
    let mut stream = SealedStream::new(stream, session);
    for message in [&b"hello"[..], b"", &[7; 100_000]] {
        stream.write_message(message).unwrap();
        assert_eq!(stream.read_message().unwrap(), Some(message));
    }
    stream.finish().unwrap();
    assert_eq!(stream.read_message().unwrap(), None);
    assert!(python.succeeds());

    for (id, secret) in [("2026-11", [1; 32]), ("2026-10", SECRET)] {
        let key = Key::new(id, secret).unwrap();
        let mut python = Python::start("handshake.py", &arguments);
        let error = initiate(&mut python.connect(), &key, &options()).unwrap_err();
        assert!(matches!(error, Error::Auth(AuthError::Refused)), "{error}");
        assert!(!python.succeeds());
    }
}

#[test]
fn the_handshake_with_python_as_initiator() {
    let keys = Keyring::from(Key::new("2026-11", SECRET).unwrap());
    let (listener, port) = listen();
    let call = |secret: &[u8], context: &str| {
        let arguments = ["initiate", &port, "2026-11", &hex(secret), context];
        let python = Python::start("handshake.py", &arguments);
        let (stream, _) = listener.accept().expect("it connects");
        (python, stream)
    };
    let (mut python, mut stream) = call(&SECRET, "echo 1");
    let session = respond(&mut stream, &keys, &options()).unwrap();
    assert_eq!(python.line(), hex(&session.export::<42>(b"interop")));
    let (mut sealer, mut opener) = session.into_halves();
    let mut unread = Vec::new();
    let mut is_last = false;
    while !is_last {
        let mut input = &unread[..];
        let mut out = Vec::new();
        if let Some(message) = opener.open(&mut input).unwrap() {
            is_last = message.is_last;
            match is_last {
                true => sealer.seal_last(message.payload, &mut out).unwrap(),
                false => sealer.seal(message.payload, &mut out).unwrap(),
            }
        }
        let rest = input.len();
        unread.drain(..unread.len() - rest);
        stream.write_all(&out).unwrap();
        if out.is_empty() {
            let mut buffer = [0; 8192];
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0);
            unread.extend_from_slice(&buffer[..read]);
        }
    }
    assert!(python.succeeds());

    for (secret, context) in [([1; 32], "echo 1"), (SECRET, "echo 2")] {
        let (mut python, mut stream) = call(&secret, context);
        let error = respond(&mut stream, &keys, &options()).unwrap_err();
        assert!(matches!(error, Error::Auth(AuthError::WrongTag)), "{error}");
        drop(stream);
        assert!(!python.succeeds());
    }
}
