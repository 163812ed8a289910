//! What Python's `send_handle` and `recv_handle` do: recorded bytes, and the real ones.

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use fd_passing::python::{Acknowledge, TIMEOUT, receive_handle, send_handle};
use fd_passing::{Error, MessageError, receive, send};
use support::{LONG, NONE, SHORT, null, pythons, wrong};

use Acknowledge::{Always, Never};

#[test]
fn what_is_sent_is_what_python_sends() {
    for acknowledge in [Never, Always] {
        let (left, right) = UnixStream::pair().unwrap();
        (&right).write_all(b"Anext").unwrap();
        send_handle(&left, null(), acknowledge, LONG).unwrap();
        let mut buffer = [0; 16];
        let received = receive(&right, &mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..received.len], b"\x01");
        assert_eq!(received.descriptors.len(), 1);
        // Not a byte more is read.
        let expected: &[u8] = match acknowledge {
            Never => b"Anext",
            Always => b"next",
        };
        let received = receive(&left, &mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..received.len], expected);
    }
}

#[test]
fn what_is_answered_is_what_python_answers() {
    for acknowledge in [Never, Always] {
        let (left, right) = UnixStream::pair().unwrap();
        send(&left, b"\x01", &[null()]).unwrap();
        (&left).write_all(b"next").unwrap();
        assert!(receive_handle(&right, acknowledge).unwrap().is_some());
        let mut next = [0; 4];
        (&right).read_exact(&mut next).unwrap();
        assert_eq!(&next, b"next");
        drop(right);
        let mut answer = Vec::new();
        (&left).read_to_end(&mut answer).unwrap();
        let expected: &[u8] = match acknowledge {
            Never => b"",
            Always => b"A",
        };
        assert_eq!(answer, expected);
    }
}

#[test]
fn the_end_is_no_error() {
    let (left, right) = UnixStream::pair().unwrap();
    send_handle(&left, null(), Never, LONG).unwrap();
    drop(left);
    assert!(receive_handle(&right, Always).unwrap().is_some());
    assert!(receive_handle(&right, Always).unwrap().is_none());
}

/// A sender that never reads them must not stop the receiver.
#[test]
fn acknowledgements_that_nobody_reads_do_not_block() {
    let (left, right) = UnixStream::pair().unwrap();
    for _ in 0..2000 {
        send_handle(&left, null(), Never, LONG).unwrap();
        assert!(receive_handle(&right, Always).unwrap().is_some());
    }
}

#[test]
fn what_is_no_handle_is_refused_and_not_acknowledged() {
    let wrong_count = |received, byte| MessageError::WrongCount {
        expected: 1,
        received,
        byte,
    };
    let cases = [
        (b"\x01", 0, wrong_count(0, 1)),
        (b"t", 0, wrong_count(0, b't')),
        (b"\x02", 2, wrong_count(2, 2)),
        (b"\x01", 2, wrong_count(2, 1)),
        (b"\xfd", 253, wrong_count(253, 253)),
        (
            b"\x78",
            1,
            MessageError::WrongByte {
                expected: 1,
                found: 0x78,
            },
        ),
    ];
    for (bytes, count, expected) in cases {
        let (left, right) = UnixStream::pair().unwrap();
        let descriptors: Vec<_> = (0..count).map(|_| null()).collect();
        send(&left, bytes, &descriptors).unwrap();
        let error = wrong(receive_handle(&right, Always));
        assert_eq!(error, expected);
        drop(right);
        assert!(receive(&left, &mut [0]).unwrap().is_none());
    }
    let text = MessageError::WrongByte {
        expected: 1,
        found: 0x78,
    };
    assert!(text.to_string().contains("recipe"), "{text}");
}

#[test]
fn an_acknowledgement_must_come_and_be_one() {
    let (left, right) = UnixStream::pair().unwrap();
    let began = Instant::now();
    let error = wrong(send_handle(&left, null(), Always, SHORT));
    assert_eq!(error, MessageError::TimedOut { after: SHORT });
    assert!(began.elapsed() >= SHORT);

    (&right).write_all(b"B").unwrap();
    let error = wrong(send_handle(&left, null(), Always, LONG));
    let (expected, found) = (b'A', b'B');
    assert_eq!(error, MessageError::NotAcknowledged { expected, found });

    drop(right);
    match send_handle(&left, null(), Always, LONG) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
    let (left, right) = UnixStream::pair().unwrap();
    right.shutdown(Shutdown::Write).unwrap();
    let error = wrong(send_handle(&left, null(), Always, LONG));
    assert_eq!(error, MessageError::Ended { missing: 1 });
}

#[test]
fn a_receiver_that_does_not_receive_is_not_waited_for() {
    let (left, _right) = UnixStream::pair().unwrap();
    let error = loop {
        match send_handle(&left, null(), Never, SHORT) {
            Ok(()) => {}
            error => break wrong(error),
        }
    };
    assert_eq!(error, MessageError::TimedOut { after: SHORT });
}

#[test]
fn a_socket_that_does_not_block_will_do() {
    let (left, right) = UnixStream::pair().unwrap();
    left.set_nonblocking(true).unwrap();
    right.set_nonblocking(true).unwrap();
    match receive_handle(&right, Always) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        other => panic!("{other:?}"),
    }
    std::thread::scope(|scope| {
        scope.spawn(|| send_handle(&left, null(), Always, LONG).unwrap());
        loop {
            match receive_handle(&right, Always) {
                Ok(received) => break assert!(received.is_some()),
                Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                Err(error) => panic!("{error}"),
            }
        }
    });
}

#[test]
fn tcp_connections_pass_no_descriptors() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let error = wrong(send_handle(&client, null(), Never, TIMEOUT));
    assert_eq!(error, MessageError::NotUnix);
    let error = wrong(receive_handle(&client, Never));
    assert_eq!(error, MessageError::NotUnix);
}

#[test]
fn a_pickle_tells_the_generation() {
    assert_eq!(Acknowledge::of_pickle(b"\x80\x03K\x01."), Some(Never));
    assert_eq!(Acknowledge::of_pickle(b"\x80\x05K\x01."), Some(Always));
    for other in [&b""[..], b"\x80", b"\x80\x01", b"I1\n.", b"x"] {
        assert_eq!(Acknowledge::of_pickle(other), None);
    }
}

/// A Python at the other end. It has sent its process id, in a frame.
struct Peer {
    python: PathBuf,
    connection: UnixStream,
    child: Child,
    acknowledge: Acknowledge,
}

impl Peer {
    fn start(python: &Path, arguments: &[&str]) -> Self {
        let (mut connection, theirs) = UnixStream::pair().expect("sockets can be made");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/handles.py");
        let child = Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        connection
            .set_read_timeout(Some(LONG))
            .expect("the time is not zero");
        let pickle = frame(&mut connection);
        Self {
            python: python.to_owned(),
            connection,
            child,
            acknowledge: Acknowledge::of_pickle(&pickle).expect("a pickled number"),
        }
    }

    /// Sends one end of a pipe and returns what Python writes into it.
    fn send(&self) -> String {
        let (mut reader, writer) = std::io::pipe().expect("descriptors are left");
        send_handle(&self.connection, &writer, self.acknowledge, LONG)
            .unwrap_or_else(|error| panic!("{}: {error}", self.python.display()));
        drop(writer);
        let mut text = String::new();
        reader
            .read_to_string(&mut text)
            .expect("a pipe can be read");
        text
    }

    /// Receives one end of a pipe and writes into it.
    fn receive(&self, acknowledge: Acknowledge) {
        let writer = receive_handle(&self.connection, acknowledge)
            .unwrap_or_else(|error| panic!("{}: {error}", self.python.display()))
            .expect("not the end");
        std::io::PipeWriter::from(writer)
            .write_all(b"seen")
            .expect("Python reads it");
    }

    /// Closes our side of the connection and returns what Python has printed.
    fn end(self) -> String {
        // The other direction stays open for an acknowledgement that nobody waits for.
        (self.connection.shutdown(Shutdown::Write)).expect("the connection is there");
        let output = self.child.wait_with_output().expect("it can be waited for");
        assert!(output.status.success(), "{}", self.python.display());
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

fn frame(connection: &mut UnixStream) -> Vec<u8> {
    let mut len = [0; 4];
    connection.read_exact(&mut len).expect("a frame comes");
    let mut frame = vec![0; u32::from_be_bytes(len) as usize];
    connection.read_exact(&mut frame).expect("it is complete");
    frame
}

#[test]
fn python_receives() {
    for python in pythons() {
        let peer = Peer::start(&python, &["receive", "20"]);
        for _ in 0..20 {
            assert_eq!(peer.send(), "seen");
        }
        assert_eq!(peer.end(), "end", "{}", python.display());
    }
}

/// Acknowledged whatever the version, and more often than an old one leaves room for.
#[test]
fn python_sends() {
    for python in pythons() {
        let peer = Peer::start(&python, &["send", "400"]);
        for _ in 0..400 {
            peer.receive(Always);
        }
        assert!(receive_handle(&peer.connection, Always).unwrap().is_none());
        assert_eq!(peer.end(), "sent", "{}", python.display());
    }
}

#[test]
fn handles_travel_between_frames() {
    for python in pythons() {
        let mut peer = Peer::start(&python, &["between"]);
        for _ in 0..2 {
            assert_eq!(frame(&mut peer.connection), b"mine");
            peer.receive(peer.acknowledge);
            let (mut reader, writer) = std::io::pipe().unwrap();
            send_handle(&peer.connection, writer, peer.acknowledge, LONG).unwrap();
            peer.connection.write_all(b"\0\0\0\x05yours").unwrap();
            let mut text = [0; 5];
            reader.read_exact(&mut text).unwrap();
            assert_eq!(&text, b"yours");
        }
        assert_eq!(peer.end(), "end", "{}", python.display());
    }
}

#[test]
fn an_old_python_acknowledges_nothing() {
    for python in pythons() {
        let peer = Peer::start(&python, &["receive", "1"]);
        let (_reader, writer) = std::io::pipe().unwrap();
        let send = |timeout| send_handle(&peer.connection, &writer, Always, timeout);
        match peer.acknowledge {
            Always => send(LONG).unwrap(),
            Never => {
                let error = wrong(send(support::HALF_A_SECOND));
                assert!(matches!(error, MessageError::TimedOut { .. }));
            }
        }
        assert_eq!(peer.end(), "end", "{}", python.display());
    }
}

/// What the documentation says that Python says.
#[test]
fn python_refuses_in_these_words() {
    for python in pythons() {
        let peer = Peer::start(&python, &["refuse"]);
        send(&peer.connection, b"x", &[null()]).unwrap();
        assert_eq!(peer.end(), "AssertionError: Len is 1 but msg[0] is 120");
        let peer = Peer::start(&python, &["refuse"]);
        send(&peer.connection, b"x", NONE).unwrap();
        assert_eq!(peer.end(), "RuntimeError: received 0 items of ancdata");
    }
}
