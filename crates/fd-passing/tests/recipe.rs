//! The recipe's own wire: recorded bytes, and the recipe in Python.

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use fd_passing::{Error, MessageError, receive, recipe, send};
use support::{LONG, SHORT, null, pythons, wrong};

#[test]
fn the_bytes_of_a_sender() {
    let (left, right) = UnixStream::pair().unwrap();
    (&right).write_all(b"OKnext").unwrap();
    recipe::send(&left, null(), LONG).unwrap();
    let mut buffer = [0; 16];
    let received = receive(&right, &mut buffer).unwrap().unwrap();
    assert_eq!(&buffer[..received.len], b"x");
    assert_eq!(received.descriptors.len(), 1);
    let received = receive(&left, &mut buffer).unwrap().unwrap();
    assert_eq!(&buffer[..received.len], b"next");
}

#[test]
fn the_bytes_of_a_receiver() {
    let (left, right) = UnixStream::pair().unwrap();
    send(&left, b"x", &[null()]).unwrap();
    assert!(recipe::receive(&right).unwrap().is_some());
    left.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(recipe::receive(&right).unwrap().is_none());
    drop(right);
    let mut answer = Vec::new();
    (&left).read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"OK");
}

#[test]
fn the_answer_may_come_in_two_pieces() {
    let (left, mut right) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let sender = scope.spawn(|| recipe::send(&left, null(), LONG));
        receive(&right, &mut [0]).unwrap().unwrap();
        right.write_all(b"O").unwrap();
        // Not before the first was read.
        while !sender.is_finished() && rustix::io::ioctl_fionread(&left).unwrap() > 0 {
            thread::yield_now();
        }
        right.write_all(b"K").unwrap();
        sender.join().unwrap().unwrap();
    });
}

#[test]
fn what_is_no_descriptor_is_refused_and_not_answered() {
    let wrong_count = |received, byte| MessageError::WrongCount {
        expected: 1,
        received,
        byte,
    };
    let cases = [
        (b"x", 0, wrong_count(0, b'x')),
        (b"x", 2, wrong_count(2, b'x')),
        (b"x", 253, wrong_count(253, b'x')),
        (
            b"\x01",
            1,
            MessageError::WrongByte {
                expected: b'x',
                found: 1,
            },
        ),
    ];
    for (bytes, count, expected) in cases {
        let (left, right) = UnixStream::pair().unwrap();
        let descriptors: Vec<_> = (0..count).map(|_| null()).collect();
        send(&left, bytes, &descriptors).unwrap();
        let error = wrong(recipe::receive(&right));
        assert_eq!(error, expected);
        drop(right);
        assert!(receive(&left, &mut [0]).unwrap().is_none());
    }
    let text = MessageError::WrongByte {
        expected: b'x',
        found: 1,
    };
    assert!(text.to_string().contains("send_handle"), "{text}");
}

#[test]
fn an_answer_must_come_and_be_one() {
    let (left, right) = UnixStream::pair().unwrap();
    let error = wrong(recipe::send(&left, null(), SHORT));
    assert_eq!(error, MessageError::TimedOut { after: SHORT });

    for (answer, expected, found) in [(b"NO", b'O', b'N'), (b"Ok", b'K', b'k')] {
        (&right).write_all(answer).unwrap();
        let error = wrong(recipe::send(&left, null(), LONG));
        assert_eq!(error, MessageError::NotAcknowledged { expected, found });
    }

    (&right).write_all(b"O").unwrap();
    right.shutdown(std::net::Shutdown::Write).unwrap();
    let error = wrong(recipe::send(&left, null(), LONG));
    assert_eq!(error, MessageError::Ended { missing: 1 });
}

#[test]
fn a_sender_that_is_gone_is_an_error() {
    let (left, right) = UnixStream::pair().unwrap();
    send(&left, b"x", &[null()]).unwrap();
    drop(left);
    match recipe::receive(&right) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
}

fn start(python: &Path, role: &str, count: usize) -> (UnixStream, Child) {
    let (ours, theirs) = UnixStream::pair().expect("sockets can be made");
    let child = Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/python/recipe.py"
        ))
        .args([role, &count.to_string()])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    ours.set_read_timeout(Some(LONG))
        .expect("the time is not zero");
    (ours, child)
}

fn printed(child: Child) -> String {
    let output = child.wait_with_output().expect("it can be waited for");
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn python_receives() {
    for python in pythons() {
        let (connection, child) = start(&python, "receive", 20);
        for _ in 0..20 {
            let (mut reader, writer) = std::io::pipe().unwrap();
            recipe::send(&connection, &writer, LONG).unwrap();
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "seen");
        }
        drop(connection);
        assert_eq!(printed(child), "end", "{}", python.display());
    }
}

#[test]
fn python_sends() {
    for python in pythons() {
        let (connection, child) = start(&python, "send", 20);
        for _ in 0..20 {
            let writer = recipe::receive(&connection).unwrap().unwrap();
            let mut writer = std::io::PipeWriter::from(writer);
            writer.write_all(b"seen").unwrap();
        }
        assert!(recipe::receive(&connection).unwrap().is_none());
        assert_eq!(printed(child), "sent", "{}", python.display());
    }
}
