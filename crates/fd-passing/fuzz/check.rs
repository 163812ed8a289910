//! What must hold for every input. The fuzz targets and the test that replays the stored inputs share it.
#![allow(dead_code, reason = "each fuzz target uses one function")]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use fd_passing::handover::Message;
use fd_passing::python::{Acknowledge, receive_handle};
use fd_passing::{MAX_DESCRIPTORS, receive, receive_all, recipe, send};

/// A packet of the handover: what can be read is what would be written.
pub(crate) fn handover(packet: &[u8]) {
    let Ok(message) = Message::decode(packet) else {
        return;
    };
    if let Message::Offer(names) = &message {
        assert!((1..=MAX_DESCRIPTORS).contains(&names.len()));
        assert!(names.iter().all(|name| (1..=64).contains(&name.len())));
    }
    let encoded = message.encode().expect("it was decoded");
    assert_eq!(Message::decode(&encoded), Ok(message));
    // A refusal may be of another version.
    assert_eq!((&encoded[..4], &encoded[5..]), (&packet[..4], &packet[5..]));
}

/// Messages on a stream, for each of its readers. The first byte says which; then each message begins with one that
/// says how many descriptors (the upper half) and bytes (the lower one, and one more) it has.
pub(crate) fn wires(input: &[u8]) {
    let Some((&reader, mut rest)) = input.split_first() else {
        return;
    };
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    let null = File::open("/dev/null").expect("there is one");
    let mut sent = 0;
    let mut sent_bytes = 0;
    while let Some((&head, more)) = rest.split_first() {
        let len = (usize::from(head & 15) + 1).min(more.len());
        if len == 0 || sent_bytes > 1000 {
            break;
        }
        let (bytes, more) = more.split_at(len);
        let count = usize::from(head >> 4);
        send(&left, bytes, &vec![null.as_fd(); count]).expect("there is room");
        sent += count;
        sent_bytes += len;
        rest = more;
    }
    drop(left);
    let mut received = 0;
    match reader % 4 {
        0 => {
            let mut buffer = [0; 7];
            let mut bytes = 0;
            while let Some(message) = receive(&right, &mut buffer).expect("nothing is too long") {
                received += message.descriptors.len();
                bytes += message.len;
            }
            assert_eq!((received, bytes), (sent, sent_bytes));
        }
        1 => {
            while let Ok(Some(descriptors)) = receive_all(&right, 20, Duration::from_secs(5)) {
                assert!(descriptors.len() <= 20);
                received += descriptors.len();
            }
        }
        2 => {
            while let Ok(Some(_descriptor)) = receive_handle(&right, Acknowledge::Always) {
                received += 1;
            }
        }
        _ => {
            // The other side is gone, so at the latest the answer fails.
            assert!(!matches!(recipe::receive(&right), Ok(Some(_))));
        }
    }
    assert!(received <= sent);
}
