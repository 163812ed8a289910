//! Frames on the wire: what is written, what is read, and how it can go wrong.

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use framing::{FrameError, Opening};
use mp_connection::Error;
use mp_connection::blocking::Connection;
use support::{frame_error, pair};

/// Python writes `-1` and 64 bits only for what is longer than 2³¹ - 1, and reads it for anything.
#[test]
fn both_forms_of_the_length_are_read() {
    let (connection, mut peer) = pair();
    peer.write_all(b"\0\0\0\x05hello\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\x05world")
        .unwrap();
    peer.write_all(b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0").unwrap();
    for expected in [&b"hello"[..], b"", b"world", b""] {
        assert_eq!(connection.recv_bytes().unwrap().unwrap(), expected);
    }
}

#[test]
fn a_message_is_written_in_one_piece() {
    // Packets keep the boundaries of writes.
    let (left, right) = support::packets();
    let connection = Connection::from(left);
    for len in [0, 1, 5, 16_384, 16_385, 100_000] {
        let message = vec![7; len];
        connection.send_bytes(&message).unwrap();
        let mut packet = vec![0; 200_000];
        let (read, _) =
            rustix::net::recv(&right, &mut packet[..], rustix::net::RecvFlags::empty()).unwrap();
        let head = u32::try_from(len).unwrap().to_be_bytes();
        assert_eq!(packet[..read], [&head[..], &message].concat());
    }
}

#[test]
fn lengths_below_minus_one_are_refused() {
    for length in [-2, -3, i32::MIN] {
        let (connection, mut peer) = pair();
        peer.write_all(&length.to_be_bytes()).unwrap();
        peer.write_all(b"\0\0\0\x05hello").unwrap();
        for _ in 0..2 {
            let error = frame_error(connection.recv_bytes());
            assert_eq!(error, FrameError::NegativeLength { length });
        }
    }
}

#[test]
fn a_message_that_is_too_long_ends_receiving_alone() {
    let (connection, mut peer) = pair();
    peer.write_all(b"\0\0\0\x04okay\0\0\0\x05hello\0\0\0\x01x")
        .unwrap();
    assert_eq!(connection.recv_bytes_max(4).unwrap().unwrap(), b"okay");
    for _ in 0..2 {
        let FrameError::TooLong {
            declared, limit, ..
        } = frame_error(connection.recv_bytes_max(4))
        else {
            panic!("it is too long");
        };
        assert_eq!((declared, limit), (5, 4));
    }
    // Whatever is asked for: the message was not taken out of the stream.
    frame_error(connection.recv_bytes());
    frame_error(connection.recv_into(&mut [0; 10]));
    connection.send_bytes(b"still").unwrap();
    let mut sent = [0; 9];
    peer.read_exact(&mut sent).unwrap();
    assert_eq!(&sent, b"\0\0\0\x05still");
}

#[test]
fn the_longest_message_can_be_set() {
    let (connection, mut peer) = pair();
    peer.write_all(&((64 << 20) + 1_u32).to_be_bytes()).unwrap();
    let text = frame_error(connection.recv_bytes()).to_string();
    assert!(
        text.contains("67108865") && text.contains("67108864"),
        "{text}"
    );

    let (connection, mut peer) = pair();
    let connection = connection.with_max_message_len(5);
    peer.write_all(b"\0\0\0\x05hello\0\0\0\x06").unwrap();
    assert_eq!(connection.recv_bytes_max(100).unwrap().unwrap(), b"hello");
    frame_error(connection.recv_bytes_max(100));
}

#[test]
fn other_protocols_are_recognised() {
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\n"[..], Opening::Http),
        (b"\x16\x03\x01\x02\x00\x01", Opening::Tls),
    ] {
        let (connection, mut peer) = pair();
        peer.write_all(bytes).unwrap();
        let FrameError::TooLong { looks_like, .. } = frame_error(connection.recv_bytes()) else {
            panic!("it is too long");
        };
        assert_eq!(looks_like, Some(expected));
    }
}

#[test]
fn an_end_is_one_only_between_messages() {
    let stream = b"\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0\0\0\0\x02cd";
    for cut in 0..=stream.len() {
        let (connection, mut peer) = pair();
        peer.write_all(&stream[..cut]).unwrap();
        drop(peer);
        let mut whole = 0;
        let end = loop {
            match connection.recv_bytes() {
                Ok(Some(_)) => whole += 1,
                end => break end,
            }
        };
        match (cut, end) {
            (0, Ok(None)) => assert_eq!(whole, 0),
            (6, Ok(None)) => assert_eq!(whole, 1),
            (20, Ok(None)) => assert_eq!(whole, 2),
            (0 | 6 | 20, other) => panic!("{other:?} after {cut} bytes"),
            (_, end) => {
                let (expected, received) = match cut {
                    1..4 => (4, cut),
                    4 | 5 => (2, cut - 4),
                    7..10 => (4, cut - 6),
                    10..18 => (12, cut - 6),
                    _ => (2, cut - 18),
                };
                let (expected, received) = (expected as u64, received as u64);
                assert_eq!(
                    frame_error(end),
                    FrameError::Truncated { expected, received }
                );
                frame_error(connection.recv_bytes());
            }
        }
    }
}

#[test]
fn a_clean_end_remains_one() {
    let (connection, peer) = pair();
    drop(peer);
    for _ in 0..3 {
        assert!(connection.recv_bytes().unwrap().is_none());
        assert!(connection.recv_into(&mut [0; 1]).unwrap().is_none());
        assert!(connection.poll(None).unwrap());
    }
}

#[test]
fn a_message_too_long_for_the_buffer_is_still_there() {
    let (connection, mut peer) = pair();
    peer.write_all(b"\0\0\0\x05hello\0\0\0\x05world\0\0\0\0")
        .unwrap();
    let mut buffer = [0; 5];
    for room in 0..5 {
        let result = connection.recv_into(&mut buffer[..room]);
        let Err(Error::BufferTooShort { len: 5, room: told }) = result else {
            panic!("{result:?}");
        };
        assert_eq!(told, room);
    }
    assert_eq!(connection.recv_into(&mut buffer).unwrap(), Some(5));
    assert_eq!(&buffer, b"hello");
    connection.recv_into(&mut buffer[..1]).unwrap_err();
    assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"world");
    assert_eq!(connection.recv_into(&mut []).unwrap(), Some(0));
}

/// What came before the time-out is kept, for whichever call comes next.
#[test]
fn a_time_out_loses_nothing() {
    let message = b"\0\0\0\x05hello";
    for cut in 0..message.len() {
        for into in [false, true] {
            let (connection, mut peer) = pair();
            let connection = connection.with_read_timeout(Some(Duration::from_millis(1)));
            peer.write_all(&message[..cut]).unwrap();
            let mut buffer = [0; 8];
            let late = match into {
                true => connection.recv_into(&mut buffer).map(drop),
                false => connection.recv_bytes().map(drop),
            };
            assert!(matches!(late, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut));
            peer.write_all(&message[cut..]).unwrap();
            let connection = connection.with_read_timeout(Some(support::LONG));
            if (cut + usize::from(into)) % 2 == 0 {
                assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"hello");
            } else {
                assert_eq!(connection.recv_into(&mut buffer).unwrap(), Some(5));
                assert_eq!(&buffer[..5], b"hello");
            }
        }
    }
}

#[test]
fn a_message_sent_in_part_is_the_last() {
    let (connection, mut peer) = pair();
    let connection = connection.with_write_timeout(Some(Duration::from_millis(1)));
    let message = vec![7; 10 << 20];
    let error = connection.send_bytes(&message).unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::TimedOut));
    for _ in 0..2 {
        let Error::Cut { sent, len } = connection.send_bytes(b"more").unwrap_err() else {
            panic!("nothing can follow");
        };
        assert_eq!(len, message.len() + 4);
        assert!(sent > 0 && sent < len);
    }
    peer.write_all(b"\0\0\0\x02ok").unwrap();
    assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"ok");
}

#[test]
fn nothing_sent_is_no_harm() {
    let (connection, mut peer) = pair();
    let connection = connection.with_write_timeout(Some(Duration::from_millis(1)));
    let message = [7; 1000];
    let mut sent = 0;
    while connection.send_bytes(&message).is_ok() {
        sent += 1;
    }
    // The last one may be in there in part; then it says so.
    let is_cut = matches!(connection.send_bytes(&message), Err(Error::Cut { .. }));
    let mut whole = vec![0; sent * 1004];
    peer.read_exact(&mut whole).unwrap();
    if !is_cut {
        connection.send_bytes(b"more").unwrap();
        let mut more = [0; 8];
        peer.read_exact(&mut more).unwrap();
        assert_eq!(&more, b"\0\0\0\x04more");
    }
}

#[test]
fn a_peer_that_has_gone_is_an_error_and_no_signal() {
    let (connection, peer) = pair();
    drop(peer);
    let error = connection.send_bytes(b"hello").unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::BrokenPipe));
}

/// Half an ending: the peer will send no more, and still listens.
#[test]
fn each_direction_ends_by_itself() {
    let (connection, mut peer) = pair();
    peer.shutdown(Shutdown::Write).unwrap();
    assert!(connection.recv_bytes().unwrap().is_none());
    connection.send_bytes(b"bye").unwrap();
    let mut sent = [0; 7];
    peer.read_exact(&mut sent).unwrap();
    assert_eq!(&sent, b"\0\0\0\x03bye");
}

/// What Python gets from `Pipe(duplex=False)`.
#[test]
fn pipes_go_one_way() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (reader, writer) = (
        Connection::from(std::os::fd::OwnedFd::from(reader)),
        Connection::from(std::os::fd::OwnedFd::from(writer)),
    );
    assert!(!reader.poll(Some(Duration::ZERO)).unwrap());
    writer.send_bytes(b"hello").unwrap();
    assert!(reader.poll(None).unwrap());
    assert_eq!(reader.recv_bytes().unwrap().unwrap(), b"hello");
    reader.send_bytes(b"no").unwrap_err();
    writer.recv_bytes().unwrap_err();
    drop(writer);
    assert!(reader.recv_bytes().unwrap().is_none());
}

/// What is announced and does not come costs nothing.
#[test]
fn memory_follows_what_arrives() {
    let (connection, mut peer) = pair();
    let connection = connection
        .with_max_message_len(usize::MAX)
        .with_read_timeout(Some(Duration::from_millis(1)));
    peer.write_all(b"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff some of it")
        .unwrap();
    let late = connection.recv_bytes().unwrap_err();
    assert!(matches!(late, Error::Io(error) if error.kind() == ErrorKind::TimedOut));
    drop(peer);
    let FrameError::Truncated { expected, received } = frame_error(connection.recv_bytes()) else {
        panic!("it ended");
    };
    assert_eq!((expected, received), (i64::MAX as u64, 11));
}

#[test]
fn a_stream_may_be_in_either_mode() {
    let (left, right) = UnixStream::pair().unwrap();
    left.set_nonblocking(true).unwrap();
    right.set_nonblocking(true).unwrap();
    let (left, right) = (Connection::from(left), Connection::from(right));
    let message = vec![7; 3 << 20];
    std::thread::scope(|scope| {
        scope.spawn(|| left.send_bytes(&message).expect("it is read"));
        assert!(right.recv_bytes().unwrap().unwrap() == message);
    });
}
