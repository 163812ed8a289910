//! Connections over real sockets.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mp_connection::blocking::{Connection, wait};
use mp_connection::{Address, Auth, AuthError, Error, Generation};
use support::login::{frame, legacy, messages, modern};
use support::{LONG, pair};

fn loopback() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    (listener, address.into())
}

#[test]
fn both_roles_meet_over_sockets_that_are_there() {
    let (left, right) = UnixStream::pair().unwrap();
    let client = thread::spawn(|| Connection::login(left, &legacy()));
    let listener = Connection::accept(right, &modern()).unwrap();
    let client = client.join().expect("it does not panic").unwrap();
    assert_eq!(listener.generation(), Some(Generation::Modern));
    assert_eq!(client.generation(), Some(Generation::Modern));
}

/// The first message can come in the same packet as the last of the login.
#[test]
fn nothing_behind_the_login_is_lost() {
    let (listener, address) = loopback();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client comes");
        let connection = Connection::accept(stream, &modern()).expect("it has the key");
        let mut messages = Vec::new();
        while let Some(message) = connection.recv_bytes().expect("it ends well") {
            messages.push(message);
        }
        messages
    });
    let client = Connection::connect(&address, &modern()).unwrap();
    client.send_bytes(b"one").unwrap();
    client.send_bytes(b"two").unwrap();
    drop(client);
    assert_eq!(server.join().expect("it does not panic"), [b"one", b"two"]);
}

#[test]
fn a_login_takes_no_longer_than_it_may() {
    let auth = modern().with_timeout(Duration::from_millis(100));
    let began = Instant::now();
    let (ours, _silent) = UnixStream::pair().unwrap();
    let error = Connection::accept(ours, &auth).unwrap_err();
    assert!(
        matches!(error, Error::Auth(AuthError::TimedOut { .. })),
        "{error:?}"
    );
    let (ours, mut slow) = UnixStream::pair().unwrap();
    slow.write_all(&messages(&auth)[0][..20]).unwrap();
    let error = Connection::login(ours, &auth).unwrap_err();
    assert!(
        matches!(error, Error::Auth(AuthError::TimedOut { received: 20, .. })),
        "{error:?}"
    );
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(began.elapsed() < LONG);
}

#[test]
fn a_refusal_reaches_the_peer_before_the_end() {
    let (ours, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(&frame(b"{sha256}wrong")).unwrap();
    Connection::accept(ours, &modern()).unwrap_err();
    let mut said = Vec::new();
    peer.read_to_end(&mut said).unwrap();
    assert_eq!(said[63..], frame(b"#FAILURE#"));
}

#[test]
fn a_peer_that_closes_is_told_apart() {
    let (ours, peer) = UnixStream::pair().unwrap();
    drop(peer);
    let error = Connection::login(ours, &modern()).unwrap_err();
    assert!(
        matches!(error, Error::Auth(AuthError::Closed { .. })),
        "{error:?}"
    );
}

#[test]
fn messages_of_all_lengths_go_both_ways() {
    let (listener, address) = loopback();
    let echo = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client comes");
        let connection = Connection::from(stream);
        while let Some(message) = connection.recv_bytes().expect("it ends well") {
            connection.send_bytes(&message).expect("it is read");
        }
    });
    let client = Connection::connect_unauthenticated(&address).unwrap();
    for len in [
        0,
        1,
        31,
        32,
        33,
        1000,
        16_384,
        65_535,
        65_536,
        65_537,
        1 << 20,
        (10 << 20) + 7,
    ] {
        let message: Vec<_> = (0..len).map(|place| place as u8).collect();
        thread::scope(|scope| {
            scope.spawn(|| client.send_bytes(&message).expect("it is read"));
            assert!(client.recv_bytes().unwrap().unwrap() == message, "{len}");
        });
        thread::scope(|scope| {
            scope.spawn(|| client.send_bytes(&message).expect("it is read"));
            let mut buffer = vec![0; len + 3];
            assert_eq!(client.recv_into(&mut buffer).unwrap(), Some(len));
            assert!(buffer[..len] == message, "{len}");
        });
    }
    drop(client);
    echo.join().expect("it does not panic");
}

/// Any thread sends, and no message gets into another.
#[test]
fn threads_share_a_connection() {
    let (left, right) = UnixStream::pair().unwrap();
    let (left, right) = (Connection::from(left), Connection::from(right));
    let mut received = thread::scope(|scope| {
        for sender in 0..8_u8 {
            let left = &left;
            scope.spawn(move || {
                for number in 0..50 {
                    left.send_bytes(&vec![sender; 1 + number * 997])
                        .expect("it is read");
                }
            });
        }
        let receivers = [(); 2].map(|()| {
            scope.spawn(|| {
                let receive = |_| right.recv_bytes().expect("it is sent").expect("it is sent");
                (0..200).map(receive).collect::<Vec<_>>()
            })
        });
        receivers
            .map(|receiver| receiver.join().expect("it does not panic"))
            .concat()
    });
    received.sort();
    let expected =
        (0..8_u8).flat_map(|sender| (0..50).map(move |number| vec![sender; 1 + number * 997]));
    assert!(received == expected.collect::<Vec<_>>());
}

#[test]
fn poll_sees_messages_and_ends() {
    let (connection, mut peer) = pair();
    let began = Instant::now();
    assert!(!connection.poll(Some(Duration::ZERO)).unwrap());
    assert!(!connection.poll(Some(Duration::from_millis(30))).unwrap());
    assert!(began.elapsed() >= Duration::from_millis(30));
    peer.write_all(&frame(b"hello")).unwrap();
    assert!(connection.poll(Some(Duration::MAX)).unwrap());
    connection.recv_bytes().unwrap();
    assert!(!connection.poll(Some(Duration::ZERO)).unwrap());
    drop(peer);
    assert!(connection.poll(None).unwrap());
}

#[test]
fn wait_tells_which() {
    let pairs: Vec<_> = (0..600).map(|_| pair()).collect();
    let connections: Vec<_> = pairs.iter().map(|(connection, _)| connection).collect();
    assert_eq!(wait(&[], None).unwrap(), [0_usize; 0]);
    assert_eq!(
        wait(&connections, Some(Duration::ZERO)).unwrap(),
        [0_usize; 0]
    );
    for place in [599, 3, 500] {
        (&pairs[place].1).write_all(&frame(b"hello")).unwrap();
    }
    assert_eq!(wait(&connections, None).unwrap(), [3, 500, 599]);
    connections[3].recv_bytes().unwrap();
    assert_eq!(wait(&connections, None).unwrap(), [500, 599]);
}

#[test]
fn wait_returns_when_something_comes() {
    let (connection, mut peer) = pair();
    let (ready, is_ready) = mpsc::channel();
    let waiting = thread::spawn(move || {
        ready.send(()).expect("the test waits for it");
        wait(&[&connection], Some(LONG)).map(|places| places == [0])
    });
    is_ready.recv().unwrap();
    peer.write_all(b"\0").unwrap();
    assert!(waiting.join().expect("it does not panic").unwrap());
}

#[test]
fn small_messages_do_not_wait_for_each_other() {
    let (listener, address) = loopback();
    let client = Connection::connect_unauthenticated(&address).unwrap();
    let (stream, _) = listener.accept().unwrap();
    assert!(client.peer_addr().is_some());
    let server = Connection::from(stream);
    for socket in [&client, &server] {
        assert!(rustix::net::sockopt::tcp_nodelay(socket).unwrap());
    }
}

#[test]
fn keys_are_the_same_for_both_or_it_ends() {
    let (left, right) = UnixStream::pair().unwrap();
    let other = Auth::modern_only("peekboo").unwrap();
    let client = thread::spawn(move || Connection::login(left, &other));
    let error = Connection::accept(right, &modern()).unwrap_err();
    assert!(matches!(error, Error::Auth(AuthError::WrongKey)));
    let error = client.join().expect("it does not panic").unwrap_err();
    assert!(matches!(error, Error::Auth(AuthError::Refused)));
}

#[test]
fn nobody_there_is_said_at_once() {
    let (listener, address) = loopback();
    drop(listener);
    let error = Connection::connect(&address, &modern()).unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    let _ = TcpStream::connect("127.0.0.1:0").unwrap_err();
}
