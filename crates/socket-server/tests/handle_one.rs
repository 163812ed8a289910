//! One connection at a time, on the caller's thread.

mod support;

use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use socket_server::Server;
use support::{LONG, ask, echo, rest};

#[test]
fn handles_one_and_comes_back() {
    let mut bound = Server::tcp("127.0.0.1:0").bind().unwrap();
    let address = bound.address().clone();
    assert!(!bound.handle_one(echo, Some(Duration::ZERO)).unwrap());
    for _ in 0..3 {
        let address = address.clone();
        let client = thread::spawn(move || ask(&mut TcpStream::connect(&address).unwrap(), b"one"));
        let here = thread::current().id();
        let handler = move |connection: &mut socket_server::Connection| {
            assert_eq!(thread::current().id(), here);
            echo(connection)
        };
        assert!(bound.handle_one(handler, Some(LONG)).unwrap());
        client.join().unwrap();
    }
    // What was set up for one by one serves in the background, too.
    let mut waiting = TcpStream::connect(&address).unwrap();
    let running = bound.serve(echo).unwrap();
    ask(&mut waiting, b"and on");
    drop(waiting);
    assert_eq!(running.shutdown(Duration::MAX).finished, 4);
}

#[test]
fn the_timeout_ends_the_waiting() {
    let mut bound = Server::tcp("127.0.0.1:0").bind().unwrap();
    let timeout = Duration::from_millis(50);
    let began = Instant::now();
    assert!(!bound.handle_one(echo, Some(timeout)).unwrap());
    assert!(began.elapsed() >= timeout);
}

#[test]
fn a_panic_stays_inside() {
    let (sender, told) = mpsc::channel();
    let mut bound = Server::tcp("127.0.0.1:0")
        .on_error(move |_, failure| sender.send(failure.to_string()).expect("the test listens"))
        .bind()
        .unwrap();
    assert!(!bound.handle_one(echo, Some(Duration::ZERO)).unwrap()); // it listens now
    let mut client = TcpStream::connect(bound.address()).unwrap();
    assert!(bound.handle_one(|_| panic!("oops"), Some(LONG)).unwrap());
    assert_eq!(rest(&mut client), b"");
    assert_eq!(support::receive(&told), "the handler panicked: oops");
}

#[test]
fn one_that_is_not_wanted_counts_as_handled() {
    let mut bound = Server::tcp("127.0.0.1:0").verify(|_| false).bind().unwrap();
    assert!(!bound.handle_one(echo, Some(Duration::ZERO)).unwrap());
    let mut client = TcpStream::connect(bound.address()).unwrap();
    assert!(
        bound
            .handle_one(|_| unreachable!("not wanted"), Some(LONG))
            .unwrap()
    );
    assert_eq!(rest(&mut client), b"");
}

#[test]
fn before_it_listens_nobody_can_connect() {
    let bound = Server::tcp("127.0.0.1:0").bind().unwrap();
    let error = TcpStream::connect(bound.address()).expect_err("it does not listen");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    // Options of the socket can be set meanwhile.
    let socket = socket2::SockRef::from(&bound);
    socket.set_recv_buffer_size(100_000).unwrap();
    let expected = socket.recv_buffer_size().unwrap();
    let running = bound
        .serve(move |connection| {
            let socket = socket2::SockRef::from(&*connection);
            let found = (
                socket.recv_buffer_size()?,
                socket.tcp_nodelay()?,
                socket.keepalive()?,
            );
            assert_eq!(found, (expected, true, true), "inherited");
            connection.write_all(b"good")?;
            Ok(())
        })
        .unwrap();
    assert_eq!(rest(&mut support::client(&running)), b"good");
}
