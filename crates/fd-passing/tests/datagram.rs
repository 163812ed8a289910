//! Over sockets that keep messages apart: datagram and seqpacket.

mod support;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use fd_passing::{
    Kind, MessageError, peer_credentials, python, receive, receive_all, recipe, send, send_all,
};
use rustix::net::{SendFlags, SocketType};
use support::{LONG, NONE, null, pair, wrong};

#[test]
fn each_message_keeps_its_bytes_and_descriptors() {
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        let (left, right) = pair(kind);
        send(&left, b"first", &[null()]).unwrap();
        send(&left, b"second", NONE).unwrap();
        send(&left, b"third", &[null(), null()]).unwrap();
        let mut buffer = [0; 100];
        for (text, count) in [("first", 1), ("second", 0), ("third", 2)] {
            let received = receive(&right, &mut buffer).unwrap().unwrap();
            assert_eq!(&buffer[..received.len], text.as_bytes());
            assert_eq!(received.descriptors.len(), count);
        }
    }
}

#[test]
fn between_two_that_have_names() {
    let folder = support::Folder::new();
    let server = UnixDatagram::bind(folder.path("server")).unwrap();
    let client = UnixDatagram::unbound().unwrap();
    client.connect(folder.path("server")).unwrap();
    send(&client, b"x", &[null()]).unwrap();
    let received = receive(&server, &mut [0]).unwrap().unwrap();
    assert_eq!(Kind::of(&received.descriptors[0]).unwrap(), Kind::Device);
}

#[test]
fn what_does_not_fit_the_buffer_is_an_error() {
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        let (left, right) = pair(kind);
        send(&left, b"too long", &[null()]).unwrap();
        send(&left, b"next", &[null()]).unwrap();
        let mut buffer = [0; 4];
        let error = wrong(receive(&right, &mut buffer));
        assert_eq!(error, MessageError::BytesLost { buffer: 4 });
        let received = receive(&right, &mut buffer).unwrap().unwrap();
        assert_eq!((&buffer, received.len), (b"next", 4));
    }
}

#[test]
fn an_empty_datagram_is_no_end() {
    let (left, right) = pair(SocketType::DGRAM);
    rustix::net::send(&left, b"", SendFlags::empty()).unwrap();
    let received = receive(&right, &mut [0]).unwrap().unwrap();
    assert_eq!((received.len, received.descriptors.len()), (0, 0));
}

#[test]
fn seqpacket_has_an_end() {
    let (left, right) = pair(SocketType::SEQPACKET);
    send(&left, b"x", &[null()]).unwrap();
    // Unread here, which the other side learns as a reset.
    send(&right, b"unread", &[null()]).unwrap();
    drop(left);
    let received = receive(&right, &mut [0]).unwrap().unwrap();
    assert_eq!(received.descriptors.len(), 1);
    assert!(receive(&right, &mut [0]).unwrap().is_none());
}

#[test]
fn what_takes_several_steps_needs_a_connection() {
    let (left, _right) = UnixDatagram::pair().unwrap();
    let acknowledge = python::Acknowledge::Always;
    for error in [
        wrong(send_all(&left, &[null()], LONG)),
        wrong(receive_all(&left, 1, LONG)),
        wrong(python::send_handle(&left, null(), acknowledge, LONG)),
        wrong(python::receive_handle(&left, acknowledge)),
        wrong(recipe::send(&left, null(), LONG)),
        wrong(recipe::receive(&left)),
        wrong(peer_credentials(&left)),
    ] {
        assert_eq!(error, MessageError::WrongSocket);
    }
}

#[test]
fn the_wires_of_the_recipes_go_over_seqpacket_too() {
    let (left, right) = pair(SocketType::SEQPACKET);
    let second = Duration::from_secs(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let acknowledge = python::Acknowledge::Always;
            assert!(
                python::receive_handle(&right, acknowledge)
                    .unwrap()
                    .is_some()
            );
            assert!(recipe::receive(&right).unwrap().is_some());
        });
        python::send_handle(&left, null(), python::Acknowledge::Always, second).unwrap();
        recipe::send(&left, null(), second).unwrap();
    });
}
