//! What a peer can't hold up.
#![cfg(feature = "ring")]

mod certificates;
mod support;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use certificates::{Authority, Leaf};
use support::{LONG, meet_well, pair};
use tls_mixin::{Acceptor, ClientOptions, Connector, Error, ServerOptions};

fn ends(change: impl FnOnce(ServerOptions) -> ServerOptions) -> (Connector, Acceptor) {
    let authority = Authority::new("authority");
    let server = authority.issue(Leaf::server(&["localhost"]));
    let options = change(ServerOptions::new(server.identity()));
    (
        Connector::new(ClientOptions::new(authority.authorities())).expect("the options are right"),
        Acceptor::new(options).expect("the options are right"),
    )
}

/// A connection that tells when something was read from it.
struct Telling {
    stream: TcpStream,
    read: Sender<()>,
}

impl Read for Telling {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let result = self.stream.read(buf);
        let _ = self.read.send(());
        result
    }
}

impl Write for Telling {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Telling {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// As many clients that begin a handshake and then do nothing; each is in its own thread at the server.
fn stalled(acceptor: &Acceptor, count: usize) -> (Vec<TcpStream>, Vec<Accepting>) {
    let (read, was_read) = channel();
    let mut clients = Vec::new();
    let mut servers = Vec::new();
    for _ in 0..count {
        let (mut client, stream) = pair();
        client.write_all(b"\x16\x03\x01").expect("somebody reads");
        let acceptor = acceptor.clone();
        let read = read.clone();
        clients.push(client);
        servers.push(thread::spawn(move || {
            acceptor.accept(Telling { stream, read }).map(drop)
        }));
    }
    for _ in 0..count {
        was_read.recv_timeout(LONG).expect("each begins");
    }
    (clients, servers)
}

type Accepting = thread::JoinHandle<Result<(), Error>>;

#[test]
fn a_hundred_that_stall_do_not_hold_up_a_good_one() {
    let (connector, acceptor) = ends(|options| ServerOptions {
        handshake_timeout: LONG,
        ..options
    });
    let (clients, servers) = stalled(&acceptor, 100);
    let (mut client, mut server) = meet_well(&connector, &acceptor, "localhost");
    server.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    // All of them are still at it.
    assert!(servers.iter().all(|server| !server.is_finished()));
    drop(clients);
    for server in servers {
        let accepted = server.join().unwrap();
        assert!(matches!(accepted, Err(Error::CutOff)), "{accepted:?}");
    }
}

#[test]
fn a_handshake_has_a_deadline_at_both_ends() {
    let timeout = Duration::from_millis(50);
    let (_, acceptor) = ends(|options| ServerOptions {
        handshake_timeout: timeout,
        ..options
    });
    let (_clients, servers) = stalled(&acceptor, 3);
    for server in servers {
        let accepted = server.join().unwrap();
        assert!(
            matches!(accepted, Err(Error::TimedOut { after }) if after == timeout),
            "{accepted:?}"
        );
    }
    let authority = Authority::new("authority");
    let connector = Connector::new(ClientOptions {
        handshake_timeout: timeout,
        ..ClientOptions::new(authority.authorities())
    })
    .unwrap();
    let (client, _server) = pair();
    let connected = connector.connect("localhost", client);
    assert!(
        matches!(connected, Err(Error::TimedOut { after }) if after == timeout),
        "{connected:?}"
    );
}

#[test]
fn a_byte_now_and_then_does_not_put_off_the_deadline() {
    trickle(|acceptor, stream| acceptor.accept(stream).map(drop));
    trickle(|acceptor, stream| acceptor.accept_any(stream).map(drop));
}

/// Sends a handshake byte by byte to a server that gives it 20 ms.
fn trickle(accept: fn(&Acceptor, Telling) -> Result<(), Error>) {
    let (_, acceptor) = ends(|options| ServerOptions {
        handshake_timeout: Duration::from_millis(20),
        ..options
    });
    let (mut client, stream) = pair();
    let (read, was_read) = channel();
    let server = thread::spawn(move || accept(&acceptor, Telling { stream, read }));
    // A handshake message of 16,000 bytes, each of them sent when the one before was read: more than the
    // deadline has room for.
    let head = b"\x16\x03\x01\x3e\x84\x01\x00\x3e\x80";
    for byte in head.iter().chain([0; 16_000].iter()) {
        if client.write_all(&[*byte]).is_err() || was_read.recv_timeout(LONG).is_err() {
            break;
        }
    }
    let accepted = server.join().expect("accepting does not panic");
    assert!(
        matches!(accepted, Err(Error::TimedOut { .. })),
        "{accepted:?}"
    );
}

#[test]
fn no_more_handshakes_than_the_limit_are_under_way() {
    let (connector, acceptor) = ends(|options| ServerOptions {
        max_handshakes: 2,
        handshake_timeout: LONG,
        ..options
    });
    // Who is in does not count.
    let _connected: Vec<_> = (0..3)
        .map(|_| meet_well(&connector, &acceptor, "localhost"))
        .collect();
    let (clients, servers) = stalled(&acceptor, 2);
    let (mut client, server) = pair();
    client.write_all(b"unread").unwrap();
    match acceptor.accept(&server) {
        Err(Error::TooManyHandshakes { pending, limit }) => assert_eq!((pending, limit), (2, 2)),
        other => panic!("{other:?}"),
    }
    // Nothing was taken from it.
    let mut unread = [0; 6];
    (&server).read_exact(&mut unread).unwrap();
    assert_eq!(&unread, b"unread");
    drop(clients);
    for server in servers {
        assert!(server.join().unwrap().is_err());
    }
    meet_well(&connector, &acceptor, "localhost");
}

#[test]
fn a_longer_handshake_message_than_any_is_refused() {
    let (_, acceptor) = ends(|options| options);
    let (mut client, server) = pair();
    // It says that it has 16 MB.
    let mut record = b"\x16\x03\x01\x40\x00\x01\xff\xff\xff".to_vec();
    record.resize(5 + 0x4000, 0);
    let sender = thread::spawn(move || while client.write_all(&record).is_ok() {});
    let accepted = acceptor.accept(server);
    assert!(
        matches!(accepted, Err(Error::Handshake { .. })),
        "{accepted:?}"
    );
    sender.join().unwrap();
}
