//! The same over tokio.

mod support;

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use fd_passing::tokio::python::{Acknowledge, receive_handle, send_handle};
use fd_passing::tokio::{receive, receive_all, recipe, send, send_all};
use fd_passing::{Error, MessageError};
use rustix::net::SocketType;
use support::{LONG, NONE, SHORT, many_descriptors, null, pair, wrong};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixDatagram, UnixStream};
use tokio::time::timeout;

#[tokio::test]
async fn over_streams() {
    let (left, right) = UnixStream::pair().unwrap();
    let mut buffer = [0; 16];
    let descriptors = [null()];
    let sending = send(&left, b"hello", &descriptors);
    let (sent, received) = tokio::join!(sending, receive(&right, &mut buffer));
    sent.unwrap();
    let received = received.unwrap().unwrap();
    assert_eq!((received.len, received.descriptors.len()), (5, 1));
    assert_eq!(&buffer[..5], b"hello");
    drop(left);
    assert!(receive(&right, &mut buffer).await.unwrap().is_none());
}

#[tokio::test]
async fn over_datagrams_and_seqpacket() {
    let mut buffer = [0; 16];
    let (left, right) = UnixDatagram::pair().unwrap();
    send(&left, b"hello", &[null()]).await.unwrap();
    let received = receive(&right, &mut buffer).await.unwrap().unwrap();
    assert_eq!((received.len, received.descriptors.len()), (5, 1));

    let (left, right) = pair(SocketType::SEQPACKET);
    let wrap = |socket: OwnedFd| {
        let socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true).unwrap();
        UnixStream::from_std(socket).unwrap()
    };
    let (left, right) = (wrap(left), wrap(right));
    let (sent, received) = tokio::join!(
        async {
            // The other side waits already.
            tokio::task::yield_now().await;
            send(&left, b"hello", &[null(), null()]).await
        },
        receive(&right, &mut buffer)
    );
    sent.unwrap();
    let received = received.unwrap().unwrap();
    assert_eq!((received.len, received.descriptors.len()), (5, 2));
}

#[tokio::test]
async fn mistakes_are_the_same() {
    let (left, right) = UnixStream::pair().unwrap();
    let file = null();
    let error = wrong(send(&left, b"x", &[file.as_fd(); 254]).await);
    let (count, max) = (254, 253);
    assert_eq!(error, MessageError::TooMany { count, max });
    assert_eq!(
        wrong(send(&left, b"", &[null()]).await),
        MessageError::NoBytes
    );
    assert_eq!(wrong(receive(&right, &mut []).await), MessageError::NoBytes);
    let (left, _right) = UnixDatagram::pair().unwrap();
    let error = wrong(receive_all(&left, 1, LONG).await);
    assert_eq!(error, MessageError::WrongSocket);
    let (left, right) = UnixDatagram::pair().unwrap();
    send(&left, b"too long", &[null()]).await.unwrap();
    let error = wrong(receive(&right, &mut [0; 4]).await);
    assert_eq!(error, MessageError::BytesLost { buffer: 4 });
}

/// It would not fit into the socket: the sender must wait several times.
#[tokio::test]
async fn many_bytes_and_many_descriptors() {
    many_descriptors();
    let (left, mut right) = UnixStream::pair().unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let file = null();
    let descriptors = [&file];
    let (sent, received) = tokio::join!(send(&left, &bytes, &descriptors), async {
        let mut arrived = vec![0; 1];
        let first = receive(&right, &mut arrived).await.unwrap().unwrap();
        assert_eq!(first.descriptors.len(), 1);
        arrived.resize(bytes.len(), 0);
        right.read_exact(&mut arrived[1..]).await.unwrap();
        arrived
    });
    sent.unwrap();
    assert!(received == bytes);

    for count in [0, 1, 253, 254, 600] {
        let files = vec![file.as_fd(); count];
        let (sent, received) = tokio::join!(
            send_all(&left, &files, LONG),
            receive_all(&right, 600, LONG)
        );
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap().len(), count);
    }
    let files = vec![file.as_fd(); 600];
    send_all(&left, &files, LONG).await.unwrap();
    let error = wrong(receive_all(&right, 599, LONG).await);
    let (count, max) = (600, 599);
    assert_eq!(error, MessageError::TooMany { count, max });
}

#[tokio::test]
async fn a_message_that_stays_incomplete() {
    let (left, right) = UnixStream::pair().unwrap();
    let file = null();
    let header = b"fds\x01\0\0\x01\0";
    send(&left, header, &[file.as_fd(); 253]).await.unwrap();
    let error = wrong(receive_all(&right, 600, SHORT).await);
    assert_eq!(error, MessageError::TimedOut { after: SHORT });
    send(&left, header, &[file.as_fd(); 253]).await.unwrap();
    drop(left);
    let error = wrong(receive_all(&right, 600, LONG).await);
    assert_eq!(error, MessageError::Ended { missing: 1 });
}

#[tokio::test]
async fn a_dropped_receive_loses_nothing() {
    let (left, right) = UnixStream::pair().unwrap();
    for _ in 0..10 {
        let mut buffer = [0; 16];
        let waited = timeout(Duration::from_millis(1), receive(&right, &mut buffer)).await;
        assert!(waited.is_err());
        send(&left, b"x", &[null()]).await.unwrap();
        let received = receive(&right, &mut buffer).await.unwrap().unwrap();
        assert_eq!((received.len, received.descriptors.len()), (1, 1));
    }
}

#[tokio::test]
async fn the_wire_of_python() {
    for acknowledge in [Acknowledge::Never, Acknowledge::Always] {
        let (left, right) = UnixStream::pair().unwrap();
        let (sent, received) = tokio::join!(
            send_handle(&left, null(), acknowledge, LONG),
            receive_handle(&right, acknowledge)
        );
        sent.unwrap();
        assert!(received.unwrap().is_some());
        drop(left);
        assert!(receive_handle(&right, acknowledge).await.unwrap().is_none());
    }
    let (left, mut right) = UnixStream::pair().unwrap();
    let error = wrong(send_handle(&left, null(), Acknowledge::Always, SHORT).await);
    assert_eq!(error, MessageError::TimedOut { after: SHORT });
    right.write_all(b"B").await.unwrap();
    let error = wrong(send_handle(&left, null(), Acknowledge::Always, LONG).await);
    let (expected, found) = (b'A', b'B');
    assert_eq!(error, MessageError::NotAcknowledged { expected, found });
    let (left, right) = UnixStream::pair().unwrap();
    send(&left, b"t", NONE).await.unwrap();
    let error = wrong(receive_handle(&right, Acknowledge::Always).await);
    assert!(matches!(
        error,
        MessageError::WrongCount { received: 0, .. }
    ));
}

#[tokio::test]
async fn the_wire_of_the_recipe() {
    let (left, mut right) = UnixStream::pair().unwrap();
    let (sent, received) = tokio::join!(recipe::send(&left, null(), LONG), recipe::receive(&right));
    sent.unwrap();
    assert!(received.unwrap().is_some());
    let error = wrong(recipe::send(&left, null(), SHORT).await);
    assert_eq!(error, MessageError::TimedOut { after: SHORT });
    right.write_all(b"O").await.unwrap();
    drop(right);
    match recipe::send(&left, null(), LONG).await {
        Err(Error::Io(error)) => assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
}

/// The blocking functions are at the other end, on a thread; and everything runs on other threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_side_may_be_blocking() {
    let (left, right) = UnixStream::pair().unwrap();
    let right = right.into_std().unwrap();
    right.set_nonblocking(false).unwrap();
    let worker = tokio::task::spawn_blocking(move || {
        let mut count = 0;
        while let Some(descriptor) = fd_passing::recipe::receive(&right).unwrap() {
            std::io::PipeWriter::from(descriptor)
                .write_all(b"seen")
                .unwrap();
            count += 1;
        }
        count
    });
    let sender = tokio::spawn(async move {
        for _ in 0..100 {
            let (mut reader, writer) = std::io::pipe().unwrap();
            recipe::send(&left, &writer, LONG).await.unwrap();
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "seen");
        }
    });
    sender.await.unwrap();
    assert_eq!(worker.await.unwrap(), 100);
}

#[tokio::test]
async fn halves_of_a_split_stream() {
    let (left, right) = UnixStream::pair().unwrap();
    let (_reader, writer) = left.into_split();
    let (reader, _writer) = right.into_split();
    send(writer.as_ref(), b"x", &[null()]).await.unwrap();
    let received = receive(reader.as_ref(), &mut [0]).await.unwrap().unwrap();
    assert_eq!(received.descriptors.len(), 1);
}
