//! What arrives is what it should be, or is given back.

mod support;

use std::fs::File;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use fd_passing::{
    Kind, WrongKind, tcp_listener, tcp_stream, udp_socket, unix_datagram, unix_listener,
    unix_stream,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use support::{Folder, pair};

/// One of each kind.
fn all(folder: &Folder) -> Vec<(Kind, OwnedFd)> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (left, _) = pair(SocketType::SEQPACKET);
    let netlink = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    );
    let (reader, _) = std::io::pipe().expect("descriptors are left");
    let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC);
    vec![
        (
            Kind::TcpStream,
            TcpStream::connect(address).expect("it listens").into(),
        ),
        (Kind::TcpListener, listener.into()),
        (
            Kind::UdpSocket,
            UdpSocket::bind("127.0.0.1:0")
                .expect("a port is free")
                .into(),
        ),
        (
            Kind::UnixListener,
            UnixListener::bind(folder.path("listener"))
                .expect("the name is free")
                .into(),
        ),
        (
            Kind::UnixStream,
            UnixStream::pair().expect("sockets can be made").0.into(),
        ),
        (
            Kind::UnixDatagram,
            UnixDatagram::unbound().expect("sockets can be made").into(),
        ),
        (Kind::UnixSeqpacket, left),
        (Kind::OtherSocket, netlink.expect("sockets can be made")),
        (
            Kind::File,
            File::create(folder.path("file"))
                .expect("it can be written")
                .into(),
        ),
        (
            Kind::Directory,
            File::open("/").expect("it can be listed").into(),
        ),
        (Kind::Pipe, reader.into()),
        (Kind::Device, support::null().into()),
        (Kind::Other, event.expect("descriptors are left")),
    ]
}

fn check<T: Into<OwnedFd>>(expected: Kind, take: fn(OwnedFd) -> Result<T, WrongKind>) {
    let folder = Folder::new();
    for (kind, descriptor) in all(&folder) {
        match take(descriptor) {
            Ok(socket) => {
                assert_eq!(kind, expected);
                let descriptor: OwnedFd = socket.into();
                assert_eq!(Kind::of(&descriptor).expect("it is open"), kind);
            }
            Err(error) => {
                assert_ne!(kind, expected);
                assert_eq!((error.expected, error.found), (expected, kind));
                // Given back, not closed.
                assert_eq!(Kind::of(&error.descriptor).expect("it is open"), kind);
                let text = error.to_string();
                assert!(text.contains(&kind.to_string()), "{text}");
                assert!(text.contains(&expected.to_string()), "{text}");
            }
        }
    }
}

#[test]
fn each_kind_is_told_from_the_others() {
    let folder = Folder::new();
    for (kind, descriptor) in all(&folder) {
        assert_eq!(Kind::of(&descriptor).unwrap(), kind);
    }
}

#[test]
fn tcp_listeners() {
    check(Kind::TcpListener, tcp_listener);
}

#[test]
fn tcp_streams() {
    check(Kind::TcpStream, tcp_stream);
}

#[test]
fn udp_sockets() {
    check(Kind::UdpSocket, udp_socket);
}

#[test]
fn unix_listeners() {
    check(Kind::UnixListener, unix_listener);
}

#[test]
fn unix_streams() {
    check(Kind::UnixStream, unix_stream);
}

#[test]
fn unix_datagram_sockets() {
    check(Kind::UnixDatagram, unix_datagram);
}

#[test]
fn ipv6_is_tcp_too() {
    // Not every machine has it.
    if let Ok(listener) = TcpListener::bind("[::1]:0") {
        assert_eq!(Kind::of(&listener).unwrap(), Kind::TcpListener);
    }
}

/// A client that went while its connection was on its way is no reason to refuse it.
#[test]
fn a_connection_that_was_reset_is_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    rustix::net::sockopt::set_socket_linger(&client, Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    assert!(tcp_stream(server.into()).is_ok());
}
