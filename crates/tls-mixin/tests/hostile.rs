//! Peers that do not speak TLS, speak it wrongly, or do not speak.
#![cfg(feature = "ring")]

mod certificates;
mod peers;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use peers::drivers::at_once;
use peers::{DEADLINE, Echo, Scene};
use tls_mixin::rustls::AlertDescription;
use tls_mixin::{
    Acceptor, ClientOptions, Connector, Error, Plaintext, ServerOptions, TlsStream, Versions,
};

fn connector(scene: &Scene) -> Connector {
    Connector::new(ClientOptions::new(scene.authority.authorities()))
        .expect("the options are right")
}

/// What a client says first.
fn client_hello(scene: &Scene) -> Vec<u8> {
    let mut captured = Captured(Vec::new());
    let ended = connector(scene).connect_any("localhost", &mut captured);
    assert!(matches!(ended, Err(Error::CutOff)), "{ended:?}");
    captured.0
}

/// Takes what is written; there is nothing to read.
#[derive(Debug)]
struct Captured(Vec<u8>);

impl Read for Captured {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client that a server never hears TLS from: it says this, and stays.
fn refusal(echo: &Echo, says: &[u8]) -> Error {
    let mut client = echo.connect();
    // The server may hang up before it has heard all.
    let _ = client.write_all(says);
    // An alert at most, and then the end.
    let mut heard = Vec::new();
    let ended = client.read_to_end(&mut heard);
    assert!(heard.len() <= 7 || says.starts_with(&[22, 3]), "{heard:?}");
    if let Err(error) = ended {
        // What it did not read resets the connection.
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    drop(client);
    echo.refusal()
}

/// After all this, the server is as good as before.
fn assert_serves(echo: &Echo, scene: &Scene) {
    let mut stream = connector(scene)
        .connect("localhost", echo.connect())
        .expect("it serves");
    stream.write_all(b"hello").expect("it reads");
    stream.read_exact(&mut [0; 5]).expect("it echoes");
    part(stream);
    echo.served();
}

/// Ends in order: nothing is left unread, which would reset the connection.
fn part<S: Read + Write>(mut stream: TlsStream<S>) {
    stream.finish().expect("the server is still there");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("it ends in order");
}

#[test]
fn plain_text_is_called_by_its_name() {
    let scene = Scene::new("hostile_plain");
    at_once(|driver| {
        let echo = Echo::under(driver, scene.options());
        for (says, is, hint) in [
            (
                &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
                Plaintext::Http,
                "HTTP",
            ),
            (b"POST /x HTTP/1.0\r\n\r\n", Plaintext::Http, "HTTP"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Plaintext::Ssh, "SSH"),
            (b"hello\n", Plaintext::Text, "text"),
        ] {
            let error = refusal(&echo, says);
            assert!(
                matches!(error, Error::Handshake { plaintext: Some(plaintext), .. } if plaintext == is),
                "{error:?}"
            );
            assert!(error.to_string().contains(hint), "{error}");
        }
        assert_serves(&echo, &scene);
    });
}

#[test]
fn a_server_of_plain_text_is_called_by_its_name() {
    let scene = Scene::new("hostile_plain_server");
    for (says, is) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Plaintext::Http),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Plaintext::Ssh),
        (b"220 mail.example.org ESMTP\r\n", Plaintext::Text),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client comes");
            stream.read_exact(&mut [0; 100]).expect("it says hello");
            stream.write_all(says).expect("it listens");
            // Until the client hangs up.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let error = connector(&scene).connect("localhost", stream).unwrap_err();
        assert!(
            matches!(error, Error::Handshake { plaintext: Some(plaintext), .. } if plaintext == is),
            "{error:?}"
        );
        server.join().unwrap();
    }
}

#[test]
fn garbage_is_refused() {
    let scene = Scene::new("hostile_garbage");
    at_once(|driver| {
        let echo = Echo::under(driver, scene.options());
        let mut state = 0x2545_f491_u32;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        for round in 0..200 {
            let len = 1 + random() as usize % 4096;
            let mut garbage: Vec<u8> = (0..len).map(|_| random().to_le_bytes()[0]).collect();
            // Half of it begins like a record.
            if round % 2 == 0 {
                let body = u16::try_from(len).expect("below 4097").to_be_bytes();
                garbage.splice(0..0, [22, 3, 1, body[0], body[1]]);
            }
            let mut client = echo.connect();
            let _ = client.write_all(&garbage);
            let _ = client.shutdown(Shutdown::Write);
            let error = echo.refusal();
            assert!(
                matches!(error, Error::Handshake { .. } | Error::CutOff),
                "{error:?}"
            );
        }
        for (what, says) in [
            (
                "a record too long",
                [[22, 3, 1, 0xff, 0xff], [0; 5]].concat(),
            ),
            ("an unknown kind of record", vec![99, 3, 3, 0, 1, 0]),
            (
                "a message too long",
                vec![22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff],
            ),
            ("no hello", vec![22, 3, 1, 0, 4, 2, 0, 0, 0]),
            ("data at once", vec![23, 3, 3, 0, 1, 0]),
            (
                "SSL 2",
                vec![0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10, 1, 0, 0x80],
            ),
            ("nothing, often", [22, 3, 1, 0, 0].repeat(10_000)),
        ] {
            let error = refusal(&echo, &says);
            assert!(
                matches!(error, Error::Handshake { .. }),
                "{what}: {error:?}"
            );
        }
        assert_serves(&echo, &scene);
    });
}

#[test]
fn a_hello_that_breaks_off_is_cut_off() {
    let scene = Scene::new("hostile_truncated");
    at_once(|driver| {
        let echo = Echo::under(driver, scene.options());
        let hello = client_hello(&scene);
        for len in 0..hello.len() {
            let mut client = echo.connect();
            client.write_all(&hello[..len]).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let error = echo.refusal();
            assert!(
                matches!(error, Error::CutOff),
                "after {len} bytes: {error:?}"
            );
        }
        assert_serves(&echo, &scene);
    });
}

#[test]
fn a_hello_in_pieces_is_a_hello() {
    let scene = Scene::new("hostile_fragments");
    at_once(|driver| {
        let echo = Echo::under(driver, scene.options());
        for (record, write) in [(1, usize::MAX), (1, 1), (7, 3), (100, 50), (usize::MAX, 1)] {
            let stream = Pieces {
                stream: echo.connect(),
                record,
                write,
            };
            stream.stream.set_nodelay(true).unwrap();
            let mut stream = connector(&scene)
                .connect_any("localhost", stream)
                .unwrap_or_else(|error| panic!("records of {record}, writes of {write}: {error}"));
            stream.write_all(b"hello").unwrap();
            part(stream);
            assert_eq!(echo.served().heard, 5);
        }
    });
}

/// Cuts handshake messages into records of so many bytes, and those into so many writes.
struct Pieces {
    stream: TcpStream,
    record: usize,
    write: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Pieces {
    /// Takes whole records, as TLS writes them.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut said = Vec::new();
        let mut rest = bytes;
        while let [kind, major, minor, high, low, records @ ..] = rest {
            let (body, others) = records.split_at(u16::from_be_bytes([*high, *low]).into());
            // What is encrypted can't be cut.
            let size = if *kind == 22 { self.record } else { usize::MAX };
            for piece in body.chunks(size) {
                let len = u16::try_from(piece.len())
                    .expect("part of a record")
                    .to_be_bytes();
                said.extend([*kind, *major, *minor, len[0], len[1]]);
                said.extend(piece);
            }
            rest = others;
        }
        assert!(rest.is_empty(), "TLS writes whole records");
        for piece in said.chunks(self.write) {
            self.stream.write_all(piece)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[test]
fn an_end_in_the_middle_of_a_handshake_ends_it() {
    const CLOSE_NOTIFY: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];
    const FATAL: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
    let scene = Scene::new("hostile_close_notify");
    at_once(|driver| {
        let echo = Echo::under(
            driver,
            ServerOptions {
                handshake_timeout: Duration::from_secs(1),
                ..scene.options()
            },
        );
        let hello = client_hello(&scene);
        for says in [
            CLOSE_NOTIFY.to_vec(),
            [&hello[..], &CLOSE_NOTIFY].concat(),
            CLOSE_NOTIFY.repeat(1000),
        ] {
            // The client stays. Such a word proves nothing before there are keys, so it may be as if it had
            // said nothing; but the server's turn ends.
            let error = refusal(&echo, &says);
            assert!(
                matches!(
                    error,
                    Error::TimedOut { .. } | Error::Refused { .. } | Error::Handshake { .. }
                ),
                "{error:?}"
            );
        }
        let error = refusal(&echo, &FATAL);
        let alert = AlertDescription::HandshakeFailure;
        assert!(
            matches!(error, Error::Refused { alert: told } if told == alert),
            "{error:?}"
        );
        assert_serves(&echo, &scene);
    });
}

/// Such a word once sent rustls round and round (RUSTSEC-2024-0336).
#[test]
fn an_end_in_the_middle_of_a_handshake_keeps_nobody_busy() {
    const CLOSE_NOTIFY: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];
    let scene = Scene::new("hostile_busy");
    let hello = client_hello(&scene);
    for versions in [Versions::Tls12, Versions::Tls13, Versions::Tls12And13] {
        let acceptor = Acceptor::new(ServerOptions {
            versions,
            ..scene.options()
        })
        .unwrap();
        for says in [
            CLOSE_NOTIFY.to_vec(),
            [&hello[..], &CLOSE_NOTIFY].concat(),
            [&CLOSE_NOTIFY, &hello[..]].concat(),
        ] {
            let mut script = Script { says, reads: 0 };
            acceptor.accept_any(&mut script).unwrap_err();
            assert!(script.reads <= 2, "{} reads", script.reads);
        }
    }
}

/// Says all at once, and then no more.
#[derive(Debug)]
struct Script {
    says: Vec<u8>,
    reads: usize,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.says.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(self.says.len());
        buffer[..count].copy_from_slice(&self.says[..count]);
        self.says.drain(..count);
        Ok(count)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_hundred_that_stall_keep_nobody_waiting() {
    let scene = Scene::new("hostile_stalled");
    let timeout = Duration::from_secs(2);
    at_once(|driver| {
        let echo = Echo::under(
            driver,
            ServerOptions {
                handshake_timeout: timeout,
                ..scene.options()
            },
        );
        let hello = client_hello(&scene);
        let began = Instant::now();
        let mut stalled: Vec<TcpStream> = (0..100).map(|_| echo.connect()).collect();
        for (client, len) in stalled.iter_mut().zip((0..hello.len()).cycle()) {
            client.write_all(&hello[..len]).unwrap();
        }
        // One of them says a little now and then.
        let mut trickling = echo.connect();
        let trickle = thread::spawn(move || {
            trickling
                .set_read_timeout(Some(Duration::from_millis(100)))
                .expect("not zero");
            let mut hello = hello.iter();
            while let Err(error) = trickling.read(&mut [0]) {
                if error.kind() != io::ErrorKind::WouldBlock {
                    return;
                }
                let next = hello.next().expect("it is cut long before the end");
                if trickling.write_all(&[*next]).is_err() {
                    return;
                }
            }
        });
        // The first that the server is done with.
        assert_serves(&echo, &scene);
        for _ in 0..101 {
            let error = echo.refusal();
            assert!(
                matches!(error, Error::TimedOut { after } if after == timeout),
                "{error:?}"
            );
        }
        let took = began.elapsed();
        assert!(took >= timeout && took < DEADLINE, "{took:?}");
        trickle.join().unwrap();
        for mut client in stalled {
            // It is told, or not; then the server has hung up.
            assert!(client.read_to_end(&mut Vec::new()).unwrap_or(0) <= 7);
        }
        assert_serves(&echo, &scene);
    });
}

#[test]
fn so_many_may_stall_and_no_more() {
    let scene = Scene::new("hostile_crowd");
    at_once(|driver| {
        let echo = Echo::under(
            driver,
            ServerOptions {
                max_handshakes: 3,
                ..scene.options()
            },
        );
        let stalled: Vec<TcpStream> = (0..4).map(|_| echo.connect()).collect();
        let error = echo.refusal();
        assert!(
            matches!(
                error,
                Error::TooManyHandshakes {
                    pending: 3,
                    limit: 3
                }
            ),
            "{error:?}"
        );
        // There is room again when one has gone.
        drop(stalled);
        for _ in 0..3 {
            assert!(matches!(echo.refusal(), Error::CutOff | Error::Io(_)));
        }
        assert_serves(&echo, &scene);
    });
}

#[test]
fn garbage_after_the_handshake_ends_it() {
    let scene = Scene::new("hostile_later");
    at_once(|driver| {
        let echo = Echo::under(driver, scene.options());
        for says in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[23, 3, 3, 0, 20, 0, 0, 0][..],
            &[0xff; 30],
        ] {
            let mut stream = connector(&scene)
                .connect("localhost", echo.connect())
                .unwrap();
            stream.write_all(b"hello").unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
            let mut below = stream.get_ref();
            below.write_all(says).unwrap();
            below.shutdown(Shutdown::Write).unwrap();
            drop(stream);
            let served = echo.outcome().unwrap();
            assert_eq!(served.heard, 5);
            let error = served.end.unwrap_err();
            assert!(
                matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ),
                "{error:?}"
            );
        }
        assert_serves(&echo, &scene);
    });
}
