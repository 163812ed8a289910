//! What a worker does with what it is handed.

mod fd_support;
mod support;

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use fd_passing::python::{self, Acknowledge};
use fd_passing::recipe;
use fd_support::{server, stop, worker};
use rustix::process::Signal;
use support::strategies::{connect, echo, exchange, read_to_end};
use support::{DEADLINE, Folder};

#[test]
fn what_is_no_connection_does_not_harm_a_worker() {
    let folder = Folder::new("kinds");
    let path = folder.path("workers");
    let listener = UnixListener::bind(&path).unwrap();
    for dialect in ["recipe", "python"] {
        let worker = worker(&path, dialect, &[]);
        let (link, _) = listener.accept().unwrap();
        let give = |descriptor: &dyn AsFd| match dialect {
            "recipe" => recipe::send(&link, descriptor.as_fd(), DEADLINE),
            _ => python::send_handle(&link, descriptor.as_fd(), Acknowledge::Always, DEADLINE),
        };
        let clients = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let others: [(&dyn AsFd, &str); 4] = [
            (&file, "a device"),
            (&clients, "a TCP listener"),
            (&udp, "a UDP socket"),
            (&listener, "a Unix listener"),
        ];
        for (other, kind) in others {
            give(other).expect("it is acknowledged");
            worker.stderr.wait_for(&format!("the descriptor is {kind}"));
        }
        let client = TcpStream::connect(clients.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        // The worker makes it block, whatever it was here.
        let (connection, _) = clients.accept().unwrap();
        connection.set_nonblocking(true).unwrap();
        give(&connection).expect("it is acknowledged");
        drop(connection);
        assert_eq!(exchange(&client, b"hello"), b"hello");
        drop(link);
        let ended = worker.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(
            ended.stderr.ends_with(" 5 connections served\n"),
            "{ended:?}"
        );
    }
}

#[test]
fn a_server_that_says_something_else_is_left() {
    let folder = Folder::new("else");
    let path = folder.path("workers");
    let listener = UnixListener::bind(&path).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let cases: [(&str, &[u8], usize, &str); 5] = [
        ("recipe", b"x", 0, "one with 0 came"),
        ("recipe", b"x", 2, "one with 2 came"),
        ("recipe", b"\x01", 1, "looks like Python's send_handle"),
        ("python", b"x", 1, "looks like the recipe's own wire"),
        ("python", b"\x02", 253, "one with 253 came"),
    ];
    for (dialect, bytes, count, why) in cases {
        let worker = worker(&path, dialect, &[]);
        let (link, _) = listener.accept().unwrap();
        let descriptors = vec![file.as_fd(); count];
        fd_passing::send(&link, bytes, &descriptors).unwrap();
        let ended = worker.wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains(why), "{ended:?}");
        // Nothing was acknowledged.
        assert_eq!(read_to_end(&link), b"");
    }
}

#[test]
fn a_signal_lets_the_conversations_of_a_worker_finish() {
    let folder = Folder::new("signal");
    let path = folder.path("workers");
    let server = server(&path, "recipe", &[]);
    let first = worker(&path, "recipe", &[]);
    let client = connect(&server);
    echo(&client, b"hello");
    first.signal(Signal::TERM);
    first.stderr.wait_for("stopping");
    server.stderr.wait_for("has gone");
    // The next connection goes to the next worker.
    let second = worker(&path, "recipe", &[]);
    assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
    echo(&client, b"still here");
    assert_eq!(exchange(&client, b"bye"), b"bye");
    let ended = first.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(
        ended.stderr.ends_with(" 1 connections served\n"),
        "{ended:?}"
    );

    let client = connect(&server);
    echo(&client, b"hello");
    second.signal(Signal::TERM);
    second.stderr.wait_for("stopping");
    second.signal(Signal::INT);
    assert_eq!(second.wait().status.code(), Some(130));
    stop(server);
}
