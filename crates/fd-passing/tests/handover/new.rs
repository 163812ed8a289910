//! What the new process does when the old one does not do what it should.

use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::thread;

use fd_passing::handover::{DecodeError, Error, Message, Options, Refusal, Taken, take, take_with};
use rustix::net::SendFlags;

use crate::support::{Folder, HALF_A_SECOND, SHORT, null};
use crate::{address, hear, listener, packet_socket, say};

/// An old process played by hand.
struct Old {
    _folder: Folder,
    path: PathBuf,
    socket: OwnedFd,
    listener: TcpListener,
}

impl Old {
    fn new() -> Self {
        let folder = Folder::new();
        let path = folder.path("socket");
        let socket = packet_socket();
        rustix::net::bind(&socket, &address(&path)).expect("the path is free");
        rustix::net::listen(&socket, 1).expect("it is bound");
        Self {
            _folder: folder,
            path,
            socket,
            listener: listener(),
        }
    }

    /// Accepts a new process and hears its hello.
    fn accept(&self) -> OwnedFd {
        let connection = rustix::net::accept(&self.socket).expect("somebody connects");
        assert_eq!(hear(&connection).expect("not the end").0, Message::Hello);
        connection
    }

    fn offer(&self, connection: &OwnedFd) {
        let names = Message::Offer(vec!["tcp".to_owned()]);
        say(connection, &names, &[self.listener.as_fd()]);
    }

    /// What `take` comes to if the old one does this after hello.
    fn take(&self, then: impl FnOnce(&OwnedFd) + Send) -> Result<Option<Taken>, Error> {
        thread::scope(|scope| {
            scope.spawn(|| then(&self.accept()));
            take(&self.path)
        })
    }

    /// What `ready` comes to if the old one does this after it.
    fn ready(&self, then: impl FnOnce(&OwnedFd) + Send) -> Result<(), Error> {
        thread::scope(|scope| {
            scope.spawn(|| {
                let connection = self.accept();
                self.offer(&connection);
                assert_eq!(hear(&connection).expect("not the end").0, Message::Ready);
                then(&connection);
            });
            take(&self.path)?.expect("somebody offers").ready()
        })
    }
}

#[test]
fn one_that_dies_before_the_offer() {
    let error = Old::new().take(|_| {}).unwrap_err();
    assert!(matches!(error, Error::Gone), "{error}");
}

#[test]
fn one_that_dies_before_done() {
    Old::new().ready(|_| {}).unwrap();
}

#[test]
fn one_that_refuses_at_either_time() {
    for refusal in [
        Refusal::Busy,
        Refusal::Version { theirs: 1 },
        Refusal::Stranger,
        Refusal::Late,
        Refusal::Closed,
        Refusal::Unexpected,
    ] {
        let refuse = |connection: &OwnedFd| say(connection, &Message::Refused(refusal), &[]);
        match Old::new().take(refuse) {
            Err(Error::Refused(found)) => assert_eq!(found, refusal),
            other => panic!("{other:?}"),
        }
        match Old::new().ready(refuse) {
            Err(Error::Refused(found)) => assert_eq!(found, refusal),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_of_another_version_can_say_so() {
    let result = Old::new().take(|connection| {
        rustix::net::send(connection, b"hand\x07n\x02", SendFlags::NOSIGNAL).unwrap();
    });
    match result {
        Err(Error::Refused(Refusal::Version { theirs })) => assert_eq!(theirs, 7),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_that_offers_nonsense() {
    let old = Old::new();
    let names = Message::Offer(vec!["a".to_owned(), "b".to_owned()]);
    for (count, expected) in [(0, 0), (1, 1), (3, 3)] {
        let null = null();
        match old.take(|connection| say(connection, &names, &vec![null.as_fd(); count])) {
            Err(Error::WrongCount { names, descriptors }) => {
                assert_eq!((names, descriptors), (2, expected));
            }
            other => panic!("{other:?}"),
        }
    }
    let packets: [(&[u8], DecodeError); 7] = [
        (b"hello", DecodeError::Foreign),
        (
            b"hand\x02o\x01\x01a",
            DecodeError::OtherVersion { ours: 1, theirs: 2 },
        ),
        (b"hand\x01o\x01\x02a", DecodeError::WrongLength { len: 9 }),
        (b"hand\x01o\x01\x01ab", DecodeError::WrongLength { len: 10 }),
        (b"hand\x01o\0", DecodeError::WrongCount { count: 0 }),
        (
            b"hand\x01o\x01\x01\xff",
            DecodeError::WrongName { index: 0 },
        ),
        (b"hand\x01n\x09", DecodeError::UnknownReason(9)),
    ];
    for (packet, expected) in packets {
        let result = old.take(|connection| {
            fd_passing::send(connection, packet, &[null()]).unwrap();
        });
        match result {
            Err(Error::Decode(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
    }
    for message in [Message::Hello, Message::Done, Message::Ready] {
        match old.take(|connection| say(connection, &message, &[])) {
            Err(Error::Unexpected(found)) => assert_eq!(found, message),
            other => panic!("{other:?}"),
        }
        match old.ready(|connection| say(connection, &message, &[])) {
            Ok(()) => assert_eq!(message, Message::Done),
            Err(Error::Unexpected(found)) => assert_eq!(found, message),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_that_hangs() {
    let old = Old::new();
    let options = Options {
        offer_timeout: SHORT,
        ..Options::default()
    };
    let timed_out = |error: Error| match error {
        Error::TimedOut { after } => assert_eq!(after, SHORT),
        other => panic!("{other}"),
    };
    // Before the offer.
    timed_out(take_with(&old.path, options).unwrap_err());
    drop(old.accept());
    // Before done: it learns that it can't rely on the new one.
    thread::scope(|scope| {
        scope.spawn(|| {
            let connection = old.accept();
            old.offer(&connection);
            assert_eq!(hear(&connection).unwrap().0, Message::Ready);
            assert_eq!(hear(&connection).unwrap().0, Message::Abort);
            assert!(hear(&connection).is_none());
        });
        let options = Options {
            offer_timeout: HALF_A_SECOND,
            ..options
        };
        let taken = take_with(&old.path, options).unwrap();
        match taken.expect("somebody offers").ready() {
            Err(Error::TimedOut { after }) => assert_eq!(after, HALF_A_SECOND),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn many_that_wait_already() {
    let old = Old::new();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let socket = packet_socket();
            rustix::io::ioctl_fionbio(&socket, true).unwrap();
            let connected = rustix::net::connect(&socket, &address(&old.path));
            (socket, connected)
        })
        .collect();
    assert!(waiting.iter().any(|(_, connected)| connected.is_err()));
    match take(&old.path) {
        Err(Error::Refused(refusal)) => assert_eq!(refusal, Refusal::Busy),
        other => panic!("{other:?}"),
    }
}
