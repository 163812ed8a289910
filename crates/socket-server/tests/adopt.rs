//! Sockets that exist already, and ports that are shared.

mod support;

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::time::Duration;

use socket_server::{Address, Server};
use support::{ask, client, each, echo, receive};

#[test]
fn a_listener_of_the_standard_library() {
    each(|strategy| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let running = Server::adopt(listener)
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        assert_eq!(*running.address(), Address::Tcp(address));
        ask(&mut client(&running), b"hello");
        assert_eq!(running.shutdown(Duration::MAX).finished, 1);
    });
}

#[test]
fn a_unix_listener_whose_file_is_not_ours_to_remove() {
    let path = format!(
        "{}/adopted-{}",
        env!("CARGO_TARGET_TMPDIR"),
        std::process::id()
    );
    let running = Server::adopt(UnixListener::bind(&path).unwrap())
        .serve(echo)
        .unwrap();
    assert_eq!(running.address().to_string(), format!("unix://{path}"));
    drop(running);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_descriptor_that_is_bound_and_does_not_listen() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let running = Server::adopt(OwnedFd::from(socket)).serve(echo).unwrap();
    ask(&mut client(&running), b"hello");
}

#[test]
fn a_datagram_socket_has_no_connections() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let bound = Server::adopt(socket).bind().unwrap();
    assert!(bound.address().to_string().starts_with("udp://127.0.0.1:"));
    let error = bound.serve(echo).expect_err("no connections");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_is_no_socket_is_refused() {
    let file = File::open("/dev/null").unwrap();
    let error = Server::adopt(file).bind().expect_err("not a socket");
    assert_eq!(error.raw_os_error(), Some(88)); // ENOTSOCK
}

#[test]
fn a_listener_that_fails_for_good_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = listener.try_clone().unwrap();
    let running = Server::adopt(listener).serve(echo).unwrap();
    ask(&mut client(&running), b"hello");
    socket2::SockRef::from(&ours)
        .shutdown(std::net::Shutdown::Both)
        .unwrap();
    assert_eq!(running.wait().raw_os_error(), Some(22)); // EINVAL
}

#[test]
fn two_servers_may_share_a_port() {
    let (sender, served) = mpsc::channel();
    let serve = |address: &Address, name| {
        let sender = sender.clone();
        let server = Server::tcp(address).reuse_port(true);
        server.serve(move |connection| {
            sender.send(name)?;
            echo(connection)
        })
    };
    let first = serve(&Address::Tcp(([127, 0, 0, 1], 0).into()), 1).unwrap();
    let second = serve(first.address(), 2).unwrap();
    assert_eq!(first.address(), second.address());
    let error = Server::tcp(first.address())
        .bind()
        .expect_err("not asked to share");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let mut seen = [0, 0, 0];
    while seen[1] == 0 || seen[2] == 0 {
        ask(&mut TcpStream::connect(first.address()).unwrap(), b"hello");
        seen[receive(&served)] += 1;
    }
}

#[test]
fn an_address_that_is_taken_or_unknown() {
    let running = Server::tcp("127.0.0.1:0").serve(echo).unwrap();
    let error = Server::tcp(running.address())
        .serve(echo)
        .expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let error = Server::tcp("no port here").bind().expect_err("nonsense");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let none: &[SocketAddr] = &[];
    let error = Server::tcp(none).bind().expect_err("nothing to bind");
    assert_eq!(error.to_string(), "the name has no address");
    // Of several the first that can be had is taken.
    let taken = running.address().socket_addr().expect("TCP");
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let second = Server::tcp(&[taken, free][..]).bind().unwrap();
    assert_ne!(second.address(), running.address());
}
