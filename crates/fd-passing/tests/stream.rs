//! Over Unix streams.

mod support;

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::thread;

use fd_passing::{Error, Kind, MessageError, peer_credentials, receive, send};
use support::{LONG, NONE, null, wrong};

#[test]
fn what_is_written_on_one_side_is_read_on_the_other() {
    let (left, right) = UnixStream::pair().unwrap();
    let (mut near, far) = UnixStream::pair().unwrap();
    send(&left, b"hello", &[far]).unwrap();
    let mut buffer = [0; 16];
    let mut received = receive(&right, &mut buffer).unwrap().unwrap();
    assert_eq!(&buffer[..received.len], b"hello");
    let mut far = UnixStream::from(received.descriptors.pop().unwrap());
    assert!(received.descriptors.is_empty());
    near.write_all(b"over there").unwrap();
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).unwrap();
    assert_eq!(text, "over there");
}

#[test]
fn several_kinds_come_in_their_order() {
    let (left, right) = UnixStream::pair().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    send(
        &left,
        b"x",
        &[reader.as_fd(), left.as_fd(), null().as_fd(), writer.as_fd()],
    )
    .unwrap();
    let received = receive(&right, &mut [0]).unwrap().unwrap();
    let kinds: Vec<_> = received
        .descriptors
        .iter()
        .map(|descriptor| Kind::of(descriptor).unwrap())
        .collect();
    assert_eq!(
        kinds,
        [Kind::Pipe, Kind::UnixStream, Kind::Device, Kind::Pipe]
    );
}

#[test]
fn the_end_of_the_stream_is_told() {
    let (left, right) = UnixStream::pair().unwrap();
    send(&left, b"x", NONE).unwrap();
    drop(left);
    let mut buffer = [0; 16];
    let received = receive(&right, &mut buffer).unwrap().unwrap();
    assert_eq!((received.len, received.descriptors.len()), (1, 0));
    assert!(receive(&right, &mut buffer).unwrap().is_none());
    assert!(receive(&right, &mut buffer).unwrap().is_none());
}

/// As when a sender of the old Python never reads the acknowledgements.
#[test]
fn a_peer_that_closes_without_reading_is_at_its_end() {
    let (left, right) = UnixStream::pair().unwrap();
    (&right).write_all(b"AAA").unwrap();
    send(&left, b"x", &[null()]).unwrap();
    drop(left);
    let received = receive(&right, &mut [0]).unwrap().unwrap();
    assert_eq!(received.descriptors.len(), 1);
    assert!(receive(&right, &mut [0]).unwrap().is_none());
}

#[test]
fn a_descriptor_arrives_with_the_first_byte_and_only_once() {
    let (left, right) = UnixStream::pair().unwrap();
    send(&left, b"abc", &[null()]).unwrap();
    let mut counts = Vec::new();
    for _ in 0..3 {
        let received = receive(&right, &mut [0]).unwrap().unwrap();
        counts.push((received.len, received.descriptors.len()));
    }
    assert_eq!(counts, [(1, 1), (1, 0), (1, 0)]);
}

#[test]
fn two_messages_with_descriptors_never_come_as_one() {
    let (left, right) = UnixStream::pair().unwrap();
    let mut buffer = [0; 100];
    send(&left, b"before", NONE).unwrap();
    send(&left, b"first", &[null()]).unwrap();
    send(&left, b"between", NONE).unwrap();
    send(&left, b"second", &[null(), null()]).unwrap();
    drop(left);
    let mut messages = Vec::new();
    while let Some(received) = receive(&right, &mut buffer).unwrap() {
        let text = String::from_utf8_lossy(&buffer[..received.len]).into_owned();
        messages.push((text, received.descriptors.len()));
    }
    let bytes: String = messages.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(bytes, "beforefirstbetweensecond");
    let counts: Vec<_> = messages.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts.iter().filter(|&&count| count > 0).count(), 2);
    // What the documentation says of bytes before.
    for (text, count) in messages {
        match count {
            1 => assert!(text.ends_with("first"), "{text}"),
            2 => assert!(text.ends_with("second"), "{text}"),
            _ => assert!(
                !text.contains("first") && !text.contains("second"),
                "{text}"
            ),
        }
    }
}

#[test]
fn one_byte_at_a_time_a_descriptor_can_sit_between_frames() {
    let (left, mut right) = UnixStream::pair().unwrap();
    (&left).write_all(b"\0\0\0\x05hello").unwrap();
    send(&left, b"\x01", &[null()]).unwrap();
    (&left).write_all(b"\0\0\0\x03bye").unwrap();
    let mut frame = [0; 9];
    right.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\0\0\0\x05hello");
    assert_eq!(
        receive(&right, &mut [0])
            .unwrap()
            .unwrap()
            .descriptors
            .len(),
        1
    );
    let mut frame = [0; 7];
    right.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\0\0\0\x03bye");
}

#[test]
fn many_bytes_go_whole() {
    let (left, right) = UnixStream::pair().unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut descriptors = 0;
    let mut arrived = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            send(&left, &bytes, &[null()]).unwrap();
            left.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut buffer = vec![0; 10_000];
        while let Some(received) = receive(&right, &mut buffer).unwrap() {
            arrived.extend_from_slice(&buffer[..received.len]);
            descriptors += received.descriptors.len();
        }
    });
    assert_eq!(arrived, bytes);
    assert_eq!(descriptors, 1);
}

#[test]
fn a_socket_that_does_not_block_says_how_much_went() {
    let (left, right) = UnixStream::pair().unwrap();
    left.set_nonblocking(true).unwrap();
    right.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 1_000_000];
    match receive(&right, &mut buffer) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        other => panic!("{other:?}"),
    }
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[2]).collect();
    let gone = match send(&left, &bytes, &[null()]) {
        Err(Error::Cut { sent, len, error }) => {
            assert_eq!((len, error.kind()), (1_000_000, ErrorKind::WouldBlock));
            sent
        }
        other => panic!("{other:?}"),
    };
    match send(&left, &bytes[gone..], NONE) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        other => panic!("{other:?}"),
    }
    // The rest needs no descriptors.
    left.set_nonblocking(false).unwrap();
    right.set_nonblocking(false).unwrap();
    let mut arrived = Vec::new();
    let mut descriptors = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            (&left).write_all(&bytes[gone..]).unwrap();
            left.shutdown(std::net::Shutdown::Write).unwrap();
        });
        while let Some(received) = receive(&right, &mut buffer).unwrap() {
            arrived.extend_from_slice(&buffer[..received.len]);
            descriptors += received.descriptors.len();
        }
    });
    assert_eq!((arrived == bytes, descriptors), (true, 1));
}

#[test]
fn a_time_out_of_the_socket_holds() {
    let (left, right) = UnixStream::pair().unwrap();
    right.set_read_timeout(Some(support::SHORT)).unwrap();
    match receive(&right, &mut [0]) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        other => panic!("{other:?}"),
    }
    drop(left);
}

#[test]
fn a_closed_peer_is_an_error_and_no_signal() {
    let (left, right) = UnixStream::pair().unwrap();
    drop(right);
    match send(&left, b"x", &[null()]) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_refused_before_it_is_sent() {
    let (left, right) = UnixStream::pair().unwrap();
    assert_eq!(wrong(send(&left, b"", &[null()])), MessageError::NoBytes);
    assert_eq!(wrong(receive(&right, &mut [])), MessageError::NoBytes);
    right.set_nonblocking(true).unwrap();
    assert!(matches!(receive(&right, &mut [0]), Err(Error::Io(_))));
}

#[test]
fn other_sockets_would_lose_the_descriptors() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(wrong(send(&client, b"x", &[null()])), MessageError::NotUnix);
    assert_eq!(wrong(peer_credentials(&client)), MessageError::NotUnix);
    assert!(matches!(send(null(), b"x", &[null()]), Err(Error::Io(_))));
}

#[test]
fn the_sender_may_close_its_own_at_once() {
    let (left, right) = UnixStream::pair().unwrap();
    let (mut near, far) = UnixStream::pair().unwrap();
    send(&left, b"x", &[far]).unwrap();
    drop(left);
    near.write_all(b"still there").unwrap();
    let mut received = receive(&right, &mut [0]).unwrap().unwrap();
    let mut far = UnixStream::from(received.descriptors.remove(0));
    let mut text = [0; 11];
    far.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"still there");
}

#[test]
fn who_is_at_the_other_end() {
    let (left, _right) = UnixStream::pair().unwrap();
    let peer = peer_credentials(&left).unwrap();
    assert_eq!(peer.pid, Some(std::process::id()));
    assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
    assert_eq!(peer.gid, rustix::process::getegid().as_raw());
}

/// Eight threads send on one socket: no message is mixed with another, each has its own descriptor.
#[test]
fn threads_may_send_at_the_same_time() {
    const THREADS: u8 = 8;
    const EACH: usize = 200;
    const LEN: usize = 1000;
    let (left, right) = UnixStream::pair().unwrap();
    right.set_read_timeout(Some(LONG)).unwrap();
    let folder = support::Folder::new();
    let files: Vec<File> = (0..THREADS)
        .map(|n| File::create(folder.path(&n.to_string())).unwrap())
        .collect();
    let inodes: HashMap<u64, u8> = (0..THREADS)
        .map(|n| (files[usize::from(n)].metadata().unwrap().ino(), n))
        .collect();
    thread::scope(|scope| {
        for n in 0..THREADS {
            let (left, files) = (&left, &files);
            scope.spawn(move || {
                for _ in 0..EACH {
                    send(left, &[n; LEN], &[&files[usize::from(n)]]).unwrap();
                }
            });
        }
        let mut buffer = [0; LEN];
        for _ in 0..usize::from(THREADS) * EACH {
            let mut received = receive(&right, &mut buffer).unwrap().unwrap();
            assert_eq!(received.len, LEN);
            let descriptor: OwnedFd = received.descriptors.remove(0);
            let inode = File::from(descriptor).metadata().unwrap().ino();
            assert_eq!(buffer, [inodes[&inode]; LEN]);
            assert!(received.descriptors.is_empty());
        }
    });
}
