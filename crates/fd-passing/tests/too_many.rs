//! As many as one message takes, one more, and the wire for more.

mod support;

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::thread;

use fd_passing::{MAX_DESCRIPTORS, MessageError, receive, receive_all, send, send_all};
use rustix::net::SocketType;
use support::{Folder, LONG, NONE, SHORT, many_descriptors, null, pair, wrong};

const KINDS: [SocketType; 2] = [SocketType::STREAM, SocketType::SEQPACKET];

#[test]
fn a_message_takes_253() {
    many_descriptors();
    let file = null();
    for kind in [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET] {
        let (left, right) = pair(kind);
        send(&left, b"x", &[file.as_fd(); MAX_DESCRIPTORS]).unwrap();
        let received = receive(&right, &mut [0]).unwrap().unwrap();
        assert_eq!(received.descriptors.len(), 253);
    }
}

#[test]
fn one_more_is_refused_before_anything_is_sent() {
    let (left, right) = UnixStream::pair().unwrap();
    let file = null();
    let error = wrong(send(&left, b"x", &[file.as_fd(); MAX_DESCRIPTORS + 1]));
    assert_eq!(
        error,
        MessageError::TooMany {
            count: 254,
            max: 253
        }
    );
    drop(left);
    assert!(receive(&right, &mut [0]).unwrap().is_none());
}

/// Every count at which the number of messages changes; the order is kept.
#[test]
fn any_number_in_several_messages() {
    many_descriptors();
    let folder = Folder::new();
    let files: Vec<File> = (0..760)
        .map(|n| File::create(folder.path(&n.to_string())).unwrap())
        .collect();
    let inode = |file: &File| file.metadata().unwrap().ino();
    for kind in KINDS {
        let (left, right) = pair(kind);
        for count in [0, 1, 252, 253, 254, 506, 507, 760] {
            thread::scope(|scope| {
                scope.spawn(|| send_all(&left, &files[..count], LONG).unwrap());
                let descriptors = receive_all(&right, 760, LONG).unwrap().unwrap();
                let received: Vec<u64> = descriptors
                    .into_iter()
                    .map(|descriptor| inode(&File::from(descriptor)))
                    .collect();
                let sent: Vec<u64> = files[..count].iter().map(inode).collect();
                assert_eq!(received, sent);
            });
        }
        // Nothing behind the last is read.
        send_all(&left, &files[..300], LONG).unwrap();
        send(&left, b"!", NONE).unwrap();
        assert_eq!(receive_all(&right, 300, LONG).unwrap().unwrap().len(), 300);
        let mut byte = [0];
        receive(&right, &mut byte).unwrap().unwrap();
        assert_eq!(&byte, b"!");
        drop(left);
        assert!(receive_all(&right, 300, LONG).unwrap().is_none());
    }
}

#[test]
fn the_receiver_says_how_many_it_wants() {
    many_descriptors();
    for kind in KINDS {
        let (left, right) = pair(kind);
        let file = null();
        send_all(&left, &[file.as_fd(); 300], LONG).unwrap();
        let error = wrong(receive_all(&right, 299, LONG));
        let (count, max) = (300, 299);
        assert_eq!(error, MessageError::TooMany { count, max });
    }
    let (left, right) = UnixStream::pair().unwrap();
    send(&left, b"fds\x01\xff\xff\xff\xff", &[null()]).unwrap();
    let error = wrong(receive_all(&right, 1000, LONG));
    let (count, max) = (u32::MAX.into(), 1000);
    assert_eq!(error, MessageError::TooMany { count, max });
}

#[test]
fn a_header_may_arrive_in_pieces() {
    let (mut left, right) = UnixStream::pair().unwrap();
    send(&left, b"f", &[null(), null()]).unwrap();
    left.write_all(b"ds\x01\0\0\0").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(receive_all(&right, 2, LONG).unwrap().unwrap().len(), 2));
        left.write_all(b"\x02").unwrap();
    });
}

/// Bytes, and how many descriptors.
type Sent = (&'static [u8], usize);

#[test]
fn what_is_no_message_of_it_is_refused() {
    many_descriptors();
    let wrong_byte = |expected, found| MessageError::WrongByte { expected, found };
    let wrong_count = |expected, received, byte| MessageError::WrongCount {
        expected,
        received,
        byte,
    };
    let ended = |missing| MessageError::Ended { missing };
    let cases: [(&[Sent], MessageError); 11] = [
        (&[(b"GET / HT", 0)], wrong_byte(b'f', b'G')),
        (&[(b"x", 1)], wrong_byte(b'f', b'x')),
        (&[(b"fds\x02\0\0\0\x01", 1)], wrong_byte(1, 2)),
        (&[(b"fds\x01\0\0\0\x01", 0)], wrong_count(1, 0, b'f')),
        (&[(b"fds\x01\0\0\0\x01", 2)], wrong_count(1, 2, b'f')),
        (&[(b"fds\x01\0\0\0\0", 1)], wrong_count(0, 1, b'f')),
        (&[(b"fds\x01\0\0\x01\0", 252)], wrong_count(253, 252, b'f')),
        (&[(b"fds\x01\0\0", 1)], ended(2)),
        (&[(b"fds\x01\0\0\x01\0", 253)], ended(1)),
        (
            &[(b"fds\x01\0\0\x01\0", 253), (b"+", 2)],
            wrong_count(3, 2, b'+'),
        ),
        (
            &[(b"fds\x01\0\0\x01\0", 253), (b"-", 3)],
            wrong_byte(b'+', b'-'),
        ),
    ];
    let file = null();
    for kind in KINDS {
        for (messages, expected) in &cases {
            let (left, right) = pair(kind);
            for (bytes, count) in *messages {
                send(&left, bytes, &vec![file.as_fd(); *count]).unwrap();
            }
            drop(left);
            assert_eq!(wrong(receive_all(&right, 1000, LONG)), *expected);
        }
    }
}

#[test]
fn neither_side_waits_for_ever() {
    many_descriptors();
    let (left, right) = UnixStream::pair().unwrap();
    let file = null();
    send(&left, b"fds\x01\0\0\x01\0", &[file.as_fd(); 253]).unwrap();
    let error = wrong(receive_all(&right, 1000, SHORT));
    assert_eq!(error, MessageError::TimedOut { after: SHORT });

    let error = loop {
        match send_all(&left, &[&file], SHORT) {
            Ok(()) => {}
            error => break wrong(error),
        }
    };
    assert_eq!(error, MessageError::TimedOut { after: SHORT });
}
