//! Listening sockets go from one process to the next: here between threads, over a real socket file.

#[path = "../support/mod.rs"]
mod support;

mod new;
mod old;
mod path;
mod stranger;

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use fd_passing::handover::{DecodeError, Error, Handed, Message, Offer, take};
use fd_passing::{Kind, tcp_listener, udp_socket};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use support::Folder;

type Outcome = Result<Option<Handed>, Error>;

/// Offers one listener on a thread.
fn wait(offer: &Arc<Offer>, listener: &TcpListener) -> JoinHandle<Outcome> {
    let offer = Arc::clone(offer);
    let listener = listener.try_clone().expect("descriptors are left");
    thread::spawn(move || offer.wait(&[("tcp", listener)]))
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port is free")
}

fn packet_socket() -> OwnedFd {
    let kind = SocketType::SEQPACKET;
    rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .expect("sockets can be made")
}

fn address(path: &Path) -> SocketAddrUnix {
    SocketAddrUnix::new(path).expect("the path is short")
}

/// Sends a message by hand.
fn say(socket: &OwnedFd, message: &Message, descriptors: &[BorrowedFd<'_>]) {
    let packet = message.encode().expect("the names are good");
    fd_passing::send(socket, &packet, descriptors).expect("the other side is there");
}

/// Receives one by hand; `None` at the end.
fn hear(socket: &OwnedFd) -> Option<(Message, Vec<OwnedFd>)> {
    let mut packet = vec![0; 20_000];
    let received = fd_passing::receive(socket, &mut packet).expect("a message or the end")?;
    let message = Message::decode(&packet[..received.len]).expect("this crate has sent it");
    Some((message, received.descriptors))
}

#[test]
fn the_next_process_has_the_listener() {
    let folder = Folder::new();
    let path = folder.path("socket");
    assert!(take(&path).unwrap().is_none());
    let first = listener();
    let address = first.local_addr().unwrap();
    let old = Arc::new(Offer::bind(&path).unwrap());
    let waiting = wait(&old, &first);

    let mut taken = take(&path).unwrap().expect("somebody offers");
    assert_eq!(taken.names().collect::<Vec<_>>(), ["tcp"]);
    assert_eq!(taken.peer().pid, Some(std::process::id()));
    assert!(taken.take("udp").is_none());
    let second = tcp_listener(taken.take("tcp").unwrap()).unwrap();
    assert!(taken.take("tcp").is_none());
    taken.ready().unwrap();
    // As soon as that returns.
    let next = Offer::bind(&path).unwrap();
    let handed = waiting.join().unwrap().unwrap().expect("it was handed");
    assert_eq!(handed.peer.pid, Some(std::process::id()));
    assert!(wait(&old, &first).join().unwrap().unwrap().is_none());
    drop(old);
    assert!(path.exists(), "the old process leaves the new one's socket");

    drop(first);
    let client = TcpStream::connect(address).unwrap();
    let (_, peer) = second.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    drop(next);
    assert!(!path.exists());
}

#[test]
fn twenty_times_in_a_row() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let mut listener = listener();
    let address = listener.local_addr().unwrap();
    let mut offer = Arc::new(Offer::bind(&path).unwrap());
    for _ in 0..20 {
        let waiting = wait(&offer, &listener);
        let mut taken = take(&path).unwrap().expect("somebody offers");
        listener = tcp_listener(taken.take("tcp").unwrap()).unwrap();
        taken.ready().unwrap();
        offer = Arc::new(Offer::bind(&path).unwrap());
        assert!(waiting.join().unwrap().unwrap().is_some());
        // What connects at any time is accepted.
        let _client = TcpStream::connect(address).unwrap();
        listener.accept().unwrap();
    }
}

#[test]
fn as_many_as_a_message_takes_each_by_its_name() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let offer = Offer::bind(&path).unwrap();
    let (tcp, udp) = (listener(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let null = support::null();
    let names: Vec<String> = (0..251).map(|n| format!("{n:064}")).collect();
    let mut sockets: Vec<(&str, BorrowedFd<'_>)> =
        names.iter().map(|name| (&name[..], null.as_fd())).collect();
    sockets.push(("udp", udp.as_fd()));
    sockets.push(("tcp", tcp.as_fd()));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| offer.wait(&sockets));
        let mut taken = take(&path).unwrap().expect("somebody offers");
        assert_eq!(taken.names().count(), 253);
        let taken_udp = udp_socket(taken.take("udp").unwrap()).unwrap();
        assert_eq!(taken_udp.local_addr().unwrap(), udp.local_addr().unwrap());
        let taken_tcp = tcp_listener(taken.take("tcp").unwrap()).unwrap();
        assert_eq!(taken_tcp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let device = taken.take(&names[17]).unwrap();
        assert_eq!(Kind::of(&device).unwrap(), Kind::Device);
        taken.ready().unwrap();
        assert!(waiting.join().unwrap().unwrap().is_some());
    });
}

#[test]
fn what_can_t_be_offered_is_refused_at_once() {
    let folder = Folder::new();
    let offer = Offer::bind(folder.path("socket")).unwrap();
    let null = support::null();
    let names: Vec<String> = (0..254).map(|n| n.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (&name[..], &null)).collect();
    let long = "n".repeat(65);
    let cases = [
        (many, DecodeError::WrongCount { count: 254 }),
        (vec![], DecodeError::WrongCount { count: 0 }),
        (vec![("", &null)], DecodeError::WrongName { index: 0 }),
        (
            vec![("a", &null), (&long, &null)],
            DecodeError::WrongName { index: 1 },
        ),
        (
            vec![("a", &null), ("b", &null), ("a", &null)],
            DecodeError::WrongName { index: 2 },
        ),
    ];
    for (sockets, expected) in cases {
        match offer.wait(&sockets) {
            Err(Error::Decode(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
    }
}
