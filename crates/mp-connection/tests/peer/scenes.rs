//! What is played with Python, whatever the driver.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use framing::FrameError;
use mp_connection::pickle::Value;
use mp_connection::{Address, Error};
use serde::{Deserialize, Serialize};

use super::driver::{Listen, Talk};
use super::{
    Folder, KEY, KINDS, Kind, LONG, Python, ROLES, Role, auth, meet, pythons, within_minutes,
};

/// Plays with every Python, in every role, over every kind of socket.
pub(crate) fn everywhere(play: fn(&Path, Role, Kind)) {
    within_minutes(move || {
        for python in pythons() {
            for role in ROLES {
                for kind in KINDS {
                    play(&python, role, kind);
                }
            }
        }
    });
}

/// Plays with every Python, in every role.
pub(crate) fn in_both_roles(play: fn(&Path, Role, Kind)) {
    within_minutes(move || {
        for python in pythons() {
            play(&python, Role::Listener, Kind::Tcp);
            play(&python, Role::Client, Kind::Unix);
        }
    });
}

/// Sends back what comes, in the way that Python asks for, until it ends.
pub(crate) fn obey<C: Talk>(connection: &C) {
    while let Some((part, count)) = connection.recv::<(String, usize)>().expect("what to do") {
        for _ in 0..count {
            match &*part {
                "objects" => {
                    let value = connection.recv_value().expect("data").expect("not the end");
                    connection.send_value(&value).expect("Python is there");
                }
                "bytes" => {
                    let bytes = connection
                        .recv_bytes()
                        .expect("a frame")
                        .expect("not the end");
                    connection.send_bytes(&bytes).expect("Python is there");
                }
                "sums" => {
                    let (x, y): (i64, i64) = connection
                        .recv()
                        .expect("two numbers")
                        .expect("not the end");
                    connection.send(&(x + y)).expect("Python is there");
                }
                other => panic!("{other}"),
            }
        }
    }
}

/// Objects of all types by all protocols, frames of all sizes, exceptions, what is shared, typed values.
pub(crate) fn everything<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(python, role, kind, &["everything"]);
    obey(&connection);
    python.done();
}

/// One message of 100 MB, there and back.
pub(crate) fn a_hundred_megabytes<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(python, role, kind, &["big", "100000000"]);
    obey(&connection.with_max_message_len(100_000_000));
    python.done();
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    name: String,
    price: f64,
    tags: Vec<String>,
    state: State,
    more: Option<BTreeMap<String, i64>>,
    pair: (i8, bool),
    nothing: (),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum State {
    New,
    Sent(u32),
    Lost { place: String },
}

fn repr<C: Talk>(connection: &C, value: &(impl Serialize + ?Sized)) -> String {
    connection.send(&("repr", value)).expect("Python is there");
    connection.recv().expect("a text").expect("not the end")
}

/// Python says what our values are there.
pub(crate) fn our_values<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(python, role, kind, &["answers"]);
    let order = |state| Order {
        id: u64::MAX,
        name: "é€😀".to_owned(),
        price: 0.5,
        tags: vec!["a".to_owned(), String::new()],
        state,
        more: Some(BTreeMap::from([("x".to_owned(), -1)])),
        pair: (-128, true),
        nothing: (),
    };
    assert_eq!(
        repr(&connection, &order(State::Sent(3))),
        "{'id': 18446744073709551615, 'name': 'é€😀', 'price': 0.5, 'tags': ['a', ''], 'state': {'Sent': 3}, \
         'more': {'x': -1}, 'pair': (-128, True), 'nothing': None}"
    );
    assert_eq!(repr(&connection, &()), "None");
    assert_eq!(repr(&connection, &[1, 2]), "(1, 2)");
    assert_eq!(repr(&connection, &vec![1, 2]), "[1, 2]");
    assert_eq!(repr(&connection, &i128::MIN), i128::MIN.to_string());
    assert_eq!(
        repr(&connection, &serde_bytes::Bytes::new(b"\0\xff")),
        r"b'\x00\xff'"
    );
    assert_eq!(repr(&connection, &f64::NEG_INFINITY), "-inf");
    assert_eq!(repr(&connection, &'x'), "'x'");

    for state in [
        State::New,
        State::Sent(7),
        State::Lost {
            place: "here".to_owned(),
        },
    ] {
        let order = order(state);
        connection.say(&("echo", &order));
        assert_eq!(connection.hear::<Order>(), order);
    }
    drop(connection);
    python.says("end EOFError: ");
    python.done();
}

/// What Python raises arrives as a value, or as an error that names it.
pub(crate) fn raised<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (_python, connection) = meet::<C>(python, role, kind, &["answers"]);
    connection.say(&("raise", "KeyError", ("foo",)));
    let value = (connection.recv_value())
        .expect("a good object")
        .expect("not the end");
    let Value::Exception(exception) = &value else {
        panic!("{value:?}");
    };
    assert_eq!(exception.class(), "KeyError");
    connection.say(&("raise", "KeyError", ("foo",)));
    let error = connection.recv::<i64>().expect_err("it must fail");
    assert!(error.to_string().contains("KeyError"), "{error}");
    // Nothing is lost with it.
    connection.say(&("echo", 5));
    assert_eq!(connection.hear::<i64>(), 5);
}

/// Frames of all sizes that we begin, with the border at which Python writes in two pieces.
pub(crate) fn our_frames<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(python, role, kind, &["answers"]);
    let sizes = [0, 1, 4, 16_383, 16_384, 16_385, 65_536, 1_000_000, 0];
    connection.say(&("bytes", sizes.len()));
    for size in sizes {
        let bytes: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
        connection.say_bytes(&bytes);
        assert!(connection.has_come(LONG));
        assert!(connection.hear_bytes() == bytes, "{size}");
    }
    assert!(!connection.has_come(Duration::ZERO));
    drop(connection);
    python.says("end EOFError: ");
    python.done();
}

/// What Python says about our messages that are too long for it, or empty, or no pickle.
pub(crate) fn python_s_limits<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(python, role, kind, &["limits"]);
    for bytes in [&b"five."[..], b"five.", b"six..."] {
        connection.say_bytes(bytes);
    }
    python.says("got b'five.'");
    python.says("got 5");
    python.says("too short six...");
    connection.say_bytes(b"");
    python.says("error EOFError: Ran out of input");
    connection.say_bytes(b"#");
    python.says("error UnpicklingError: invalid load key, '#'.");
    connection.say(&(1, "x"));
    python.says("got (1, 'x')");
    connection.say_bytes(b"six...");
    python.says("error OSError: bad message length");
    python.says("error OSError: connection is write-only");
    python.says("False True");
    assert_eq!(connection.hear_bytes(), b"still");
    python.done();
}

/// A message longer than we take: no further one is read, but we can still write.
pub(crate) fn our_maximum<C: Talk>(path: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(path, role, kind, &["long"]);
    let error = connection.recv_bytes_max(9).expect_err("it must fail");
    assert!(is_too_long(&error, 10, 9), "{error:?}");
    let error = connection.recv_bytes().expect_err("it must fail");
    assert!(is_too_long(&error, 10, 9), "{error:?}");
    connection.say_bytes(b"sorry");
    python.says("got b'sorry'");
    python.done();

    let (mut python, connection) = meet::<C>(path, role, kind, &["long"]);
    assert_eq!(
        connection.recv_bytes_max(10).expect("just so long"),
        Some(b"0123456789".to_vec())
    );
    assert_eq!(connection.hear_bytes(), b"1");
    connection.say_bytes(b"thanks");
    python.says("got b'thanks'");
    python.done();
}

fn is_too_long(error: &Error, len: u64, max: u64) -> bool {
    matches!(
        error,
        Error::Frame(FrameError::TooLong { declared, limit, .. }) if (*declared, *limit) == (len, max)
    )
}

/// A buffer that is too small, empty frames and rubbish end nothing.
pub(crate) fn what_can_be_gone_on_after<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(python, role, kind, &["short"]);
    let mut buffer = [0; 5];
    let error = connection.recv_into(&mut buffer).expect_err("it must fail");
    assert!(
        matches!(error, Error::BufferTooShort { len: 6, room: 5 }),
        "{error:?}"
    );
    // It is still there.
    assert_eq!(connection.hear_bytes(), b"012345");
    assert_eq!(
        connection.recv_into(&mut buffer).expect("just so long"),
        Some(5)
    );
    assert_eq!(&buffer, b"01234");
    for _ in 0..2 {
        let error = connection.recv_value().expect_err("it must fail");
        assert!(matches!(error, Error::Pickle(_)), "{error:?}");
    }
    assert_eq!(connection.hear::<String>(), "good");
    drop(connection);
    python.says("error EOFError: ");
    python.done();
}

/// The end: between two frames it is one, inside of one an error.
pub(crate) fn endings<C: Talk>(python: &Path, role: Role, kind: Kind) {
    // Python ends.
    let (mut peer, connection) = meet::<C>(python, role, kind, &["closing"]);
    peer.done();
    connection.is_over();
    connection.is_over();
    assert!(connection.has_come(Duration::ZERO), "the end is there");

    // It dies in the middle of what it sends.
    for bytes in [
        "00",
        "000000",
        "00000005",
        "0000000501020304",
        "ffffffff0000",
    ] {
        let (mut peer, connection) = meet::<C>(python, role, kind, &["raw", bytes]);
        peer.done();
        let error = connection.recv_bytes().expect_err("it must fail");
        assert!(
            matches!(error, Error::Frame(FrameError::Truncated { .. })),
            "{bytes}: {error:?}"
        );
    }

    // The long form for a short message, which it understands and never writes.
    let bytes = "ffffffff0000000000000005 68656c6c6f".replace(' ', "");
    let (mut peer, connection) = meet::<C>(python, role, kind, &["raw", &bytes]);
    peer.done();
    assert_eq!(connection.hear_bytes(), b"hello");
    connection.is_over();

    // Lengths that are none.
    let (mut peer, connection) = meet::<C>(python, role, kind, &["raw", "fffffffe00", "open"]);
    let error = connection.recv_bytes().expect_err("it must fail");
    assert!(
        matches!(
            error,
            Error::Frame(FrameError::NegativeLength { length: -2 })
        ),
        "{error:?}"
    );
    drop(connection);
    // It has sent what nobody has read, which its system may tell it by a reset.
    let line = peer.line();
    assert!(
        [
            "error EOFError: ",
            "error ConnectionResetError: [Errno 104] Connection reset by peer"
        ]
        .contains(&&*line),
        "{line}"
    );
    peer.done();

    // We end.
    let (mut peer, connection) = meet::<C>(python, role, kind, &["ending"]);
    drop(connection);
    peer.says("error EOFError: ");
    peer.done();
    let (mut peer, connection) = meet::<C>(python, role, kind, &["late"]);
    drop(connection);
    peer.says("error EOFError: ");
    let line = peer.line();
    assert!(
        ["error BrokenPipeError", "error ConnectionResetError"].contains(&&*line),
        "{line}"
    );
    peer.done();
}

/// Python's `wait` over several of our connections.
pub(crate) fn python_waits<C: Talk>(python: &Path) {
    let mut python = Python::start(python, "mp_wait.py", &["listen", "127.0.0.1:0", KEY, "4"]);
    let address = python.ready();
    let mut connections: Vec<C> = (0..4)
        .map(|_| C::connect(&address, &auth()).expect("it listens"))
        .collect();
    python.says("all");
    for index in [2, 0, 3, 1, 1] {
        connections[index].say(&format!("hello {index}"));
        python.says(&format!("{index} hello {index}"));
    }
    for index in (0..4).rev() {
        drop(connections.pop());
        python.says(&format!("{index} ended"));
    }
}

/// Our `wait` over several connections of Python's.
pub(crate) fn we_wait<C: Talk>(python: &Path) {
    let mut listener =
        C::Listener::bind(&Address::from(([127, 0, 0, 1], 0)), &auth()).expect("it is free");
    let address = listener.address().to_string();
    let python = Python::start(python, "mp_wait.py", &["connect", &address, KEY, "4"]);
    // Whose login is finished first need not have come first.
    let mut connections: Vec<(usize, C)> = (0..4)
        .map(|_| listener.accept().expect("it logs in"))
        .map(|connection| (connection.hear(), connection))
        .collect();
    connections.sort_by_key(|(place, _)| *place);
    let connections: Vec<C> = (connections.into_iter())
        .map(|(_, connection)| connection)
        .collect();
    let ready = C::wait(&connections, Duration::ZERO).expect("good connections");
    assert!(ready.is_empty(), "{ready:?}");
    for place in [2, 0, 3, 1, 1] {
        python.tell(&format!("{place} hello"));
        assert_eq!(
            C::wait(&connections, LONG).expect("good connections"),
            [place]
        );
        assert_eq!(connections[place].hear::<String>(), "hello");
    }
    python.tell("1 still there");
    assert_eq!(C::wait(&connections, LONG).expect("good connections"), [1]);
    python.tell("3");
    assert!(connections[3].has_come(LONG));
    assert_eq!(
        C::wait(&connections, LONG).expect("good connections"),
        [1, 3]
    );
    connections[3].is_over();
}

/// A listener that many Pythons talk to at a time, and each gets its own answers.
pub(crate) fn a_crowd<C: Talk>(python: &Path, kind: Kind) {
    let folder = Folder::new();
    let mut listener = C::Listener::bind(&kind.address(&folder), &auth()).expect("it is free");
    let mut crowd: Vec<_> = (0..4)
        .map(|_| Python::connect(python, &listener.address(), KEY, &["sums"]))
        .collect();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let connection = listener.accept().expect("it logs in");
            std::thread::spawn(move || obey(&connection))
        })
        .collect();
    for python in &mut crowd {
        python.connected();
        python.done();
    }
    for thread in threads {
        thread.join().expect("nothing goes wrong");
    }
}
