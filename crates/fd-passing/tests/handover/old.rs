//! What the old process does when the new one does not do what it should.

use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use fd_passing::handover::{DecodeError, Error, Message, Offer, Options, Refusal, take, take_with};
use rustix::net::{SendFlags, Shutdown};

use crate::support::{Folder, HALF_A_SECOND, SHORT, null};
use crate::{address, hear, listener, packet_socket, say, wait};

/// An old process, and a listener of its own.
struct Old {
    _folder: Folder,
    path: PathBuf,
    offer: Arc<Offer>,
    listener: TcpListener,
}

impl Old {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let folder = Folder::new();
        let path = folder.path("socket");
        Self {
            offer: Arc::new(Offer::bind_with(&path, options).expect("the path is free")),
            path,
            _folder: folder,
            listener: listener(),
        }
    }

    fn connect(&self) -> OwnedFd {
        let socket = packet_socket();
        rustix::net::connect(&socket, &address(&self.path)).expect("somebody listens");
        socket
    }

    /// What one attempt comes to.
    fn wait(&self) -> crate::Outcome {
        self.offer.wait(&[("tcp", &self.listener)])
    }

    /// It goes on, and can still be taken over.
    fn check(&self) {
        let waiting = wait(&self.offer, &self.listener);
        let taken = take(&self.path).expect("nothing is wrong");
        taken.expect("somebody offers").ready().expect("it waits");
        let handed = waiting.join().expect("it does not panic");
        assert!(handed.expect("nothing is wrong").is_some());
    }
}

fn assert_refused(socket: &OwnedFd, refusal: Refusal) {
    match hear(socket) {
        Some((Message::Refused(found), _)) => assert_eq!(found, refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_that_gives_up() {
    let old = Old::new();
    let waiting = wait(&old.offer, &old.listener);
    drop(take(&old.path).unwrap().expect("somebody offers"));
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::Aborted), "{error}");
    old.check();
}

/// The next one is not told that it is busy with the one before.
#[test]
fn some_that_give_up_at_once() {
    let old = Old::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                assert!(matches!(old.wait(), Err(Error::Aborted)));
            }
        });
        for _ in 0..200 {
            drop(take(&old.path).unwrap().expect("somebody offers"));
        }
    });
    old.check();
}

#[test]
fn one_that_dies_with_the_sockets() {
    let old = Old::new();
    let waiting = wait(&old.offer, &old.listener);
    let socket = old.connect();
    say(&socket, &Message::Hello, &[]);
    let (offer, descriptors) = hear(&socket).unwrap();
    assert_eq!(offer, Message::Offer(vec!["tcp".to_owned()]));
    assert_eq!(descriptors.len(), 1);
    drop(socket);
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::Gone), "{error}");
    old.check();
}

#[test]
fn one_that_dies_before_it_can_be_told_done() {
    let old = Old::new();
    let socket = old.connect();
    say(&socket, &Message::Hello, &[]);
    say(&socket, &Message::Ready, &[]);
    rustix::net::shutdown(&socket, Shutdown::Write).unwrap();
    let error = old.wait().unwrap_err();
    assert!(matches!(error, Error::Gone), "{error}");
    old.check();
}

#[test]
fn one_that_changes_its_mind() {
    let old = Old::new();
    let socket = old.connect();
    say(&socket, &Message::Hello, &[]);
    say(&socket, &Message::Ready, &[]);
    say(&socket, &Message::Abort, &[]);
    let error = old.wait().unwrap_err();
    assert!(matches!(error, Error::Aborted), "{error}");
    old.check();
}

#[test]
fn one_that_is_too_slow() {
    let old = Old::with(Options {
        ready_timeout: SHORT,
        ..Options::default()
    });
    let waiting = wait(&old.offer, &old.listener);
    let taken = take(&old.path).unwrap().expect("somebody offers");
    match waiting.join().unwrap().unwrap_err() {
        Error::TimedOut { after } => assert_eq!(after, SHORT),
        other => panic!("{other}"),
    }
    match taken.ready() {
        Err(Error::Refused(refusal)) => assert_eq!(refusal, Refusal::Late),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_that_says_nothing() {
    let old = Old::with(Options {
        hello_timeout: HALF_A_SECOND,
        ..Options::default()
    });
    let silent = old.connect();
    let began = Instant::now();
    match old.wait().unwrap_err() {
        Error::TimedOut { after } => assert_eq!(after, HALF_A_SECOND),
        other => panic!("{other}"),
    }
    assert!(began.elapsed() >= HALF_A_SECOND);
    assert_refused(&silent, Refusal::Late);
    old.check();
}

#[test]
fn some_that_leave_without_a_word() {
    let old = Old::new();
    for _ in 0..10 {
        drop(old.connect());
    }
    old.check();
}

#[test]
fn a_second_one_at_the_same_time() {
    let old = Old::new();
    let waiting = wait(&old.offer, &old.listener);
    let taken = take(&old.path).unwrap().expect("somebody offers");
    for _ in 0..20 {
        match take(&old.path) {
            Err(Error::Refused(refusal)) => assert_eq!(refusal, Refusal::Busy),
            other => panic!("{other:?}"),
        }
    }
    taken.ready().unwrap();
    assert!(waiting.join().unwrap().unwrap().is_some());
}

#[test]
fn one_that_waits_behind_a_silent_one_has_its_turn() {
    let old = Old::with(Options {
        hello_timeout: HALF_A_SECOND,
        ..Options::default()
    });
    let _silent = old.connect();
    thread::scope(|scope| {
        let new = scope.spawn(|| take(&old.path).unwrap().expect("somebody offers").ready());
        assert!(matches!(old.wait(), Err(Error::TimedOut { .. })));
        assert!(old.wait().unwrap().is_some());
        new.join().unwrap().unwrap();
    });
}

#[test]
fn some_that_talk_nonsense() {
    let cases: [(&[u8], Refusal, DecodeError); 6] = [
        (
            b"GET / HTTP/1.1\r\n\r\n",
            Refusal::Unexpected,
            DecodeError::Foreign,
        ),
        (
            b"hand",
            Refusal::Unexpected,
            DecodeError::WrongLength { len: 4 },
        ),
        (
            b"hand\x02h",
            Refusal::Version { theirs: 1 },
            DecodeError::OtherVersion { ours: 1, theirs: 2 },
        ),
        (
            b"hand\x01?",
            Refusal::Unexpected,
            DecodeError::UnknownType(b'?'),
        ),
        (
            b"hand\x01hello",
            Refusal::Unexpected,
            DecodeError::WrongLength { len: 10 },
        ),
        (
            &[b'h'; 30_000],
            Refusal::Unexpected,
            DecodeError::WrongLength { len: 16_453 },
        ),
    ];
    let old = Old::new();
    for (packet, refusal, expected) in cases {
        let socket = old.connect();
        rustix::net::send(&socket, packet, SendFlags::NOSIGNAL).unwrap();
        match old.wait() {
            Err(Error::Decode(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
        assert_refused(&socket, refusal);
        assert!(hear(&socket).is_none());
    }
    for message in [Message::Ready, Message::Abort, Message::Done] {
        let socket = old.connect();
        say(&socket, &message, &[null().as_fd()]);
        match old.wait() {
            Err(Error::Unexpected(found)) => assert_eq!(found, message),
            other => panic!("{other:?}"),
        }
        assert_refused(&socket, Refusal::Unexpected);
    }
    let socket = old.connect();
    say(&socket, &Message::Hello, &[]);
    say(&socket, &Message::Hello, &[]);
    match old.wait() {
        Err(Error::Unexpected(found)) => assert_eq!(found, Message::Hello),
        other => panic!("{other:?}"),
    }
    old.check();
}

#[test]
fn closing_ends_the_wait_and_tells_the_new_one() {
    // Nobody there.
    let old = Old::new();
    let waiting = wait(&old.offer, &old.listener);
    old.offer.close();
    assert!(waiting.join().unwrap().unwrap().is_none());
    assert!(take(&old.path).unwrap().is_none());

    // One that says nothing yet.
    let old = Old::new();
    let silent = old.connect();
    let waiting = wait(&old.offer, &old.listener);
    old.offer.close();
    assert!(waiting.join().unwrap().unwrap().is_none());
    assert_refused(&silent, Refusal::Closed);

    // One that has the sockets already.
    let old = Old::new();
    let waiting = wait(&old.offer, &old.listener);
    let taken = take(&old.path).unwrap().expect("somebody offers");
    old.offer.close();
    assert!(waiting.join().unwrap().unwrap().is_none());
    match taken.ready() {
        Err(Error::Refused(refusal)) => assert_eq!(refusal, Refusal::Closed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_one_waits_no_longer_than_it_wants() {
    let old = Old::new();
    let options = Options {
        offer_timeout: SHORT,
        ..Options::default()
    };
    // Nobody calls `wait`.
    match take_with(&old.path, options) {
        Err(Error::TimedOut { after }) => assert_eq!(after, SHORT),
        other => panic!("{other:?}"),
    }
}
