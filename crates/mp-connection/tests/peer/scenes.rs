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
        connection.send(&("echo", &order)).expect("Python is there");
        assert_eq!(connection.recv::<Order>().unwrap().unwrap(), order);
    }
    drop(connection);
    python.says("end EOFError: ");
    python.done();
}

/// What Python raises arrives as a value, or as an error that names it.
pub(crate) fn raised<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (_python, connection) = meet::<C>(python, role, kind, &["answers"]);
    connection.send(&("raise", "KeyError", ("foo",))).unwrap();
    let value = connection.recv_value().unwrap().unwrap();
    let Value::Exception(exception) = &value else {
        panic!("{value:?}");
    };
    assert_eq!(exception.class(), "KeyError");
    connection.send(&("raise", "KeyError", ("foo",))).unwrap();
    let error = connection.recv::<i64>().unwrap_err();
    assert!(error.to_string().contains("KeyError"), "{error}");
    // Nothing is lost with it.
    connection.send(&("echo", 5)).unwrap();
    assert_eq!(connection.recv::<i64>().unwrap(), Some(5));
    connection.send_value(&value).unwrap();
}

/// Frames of all sizes that we begin, with the border at which Python writes in two pieces.
pub(crate) fn our_frames<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(python, role, kind, &["answers"]);
    let sizes = [0, 1, 4, 16_383, 16_384, 16_385, 65_536, 1_000_000, 0];
    connection.send(&("bytes", sizes.len())).unwrap();
    for size in sizes {
        let bytes: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
        connection.send_bytes(&bytes).unwrap();
        assert!(connection.poll(LONG).unwrap());
        assert!(connection.recv_bytes().unwrap().unwrap() == bytes, "{size}");
    }
    assert!(!connection.poll(Duration::ZERO).unwrap());
    drop(connection);
    python.says("end EOFError: ");
    python.done();
}

/// What Python says about our messages that are too long for it, or empty, or no pickle.
pub(crate) fn python_s_limits<C: Talk>(python: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(python, role, kind, &["limits"]);
    for bytes in [&b"five."[..], b"five.", b"six..."] {
        connection.send_bytes(bytes).unwrap();
    }
    python.says("got b'five.'");
    python.says("got 5");
    python.says("too short six...");
    connection.send_bytes(b"").unwrap();
    python.says("error EOFError: Ran out of input");
    connection.send_bytes(b"#").unwrap();
    python.says("error UnpicklingError: invalid load key, '#'.");
    connection.send(&(1, "x")).unwrap();
    python.says("got (1, 'x')");
    connection.send_bytes(b"six...").unwrap();
    python.says("error OSError: bad message length");
    python.says("error OSError: connection is write-only");
    python.says("False True");
    assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"still");
    python.done();
}

/// A message longer than we take: no further one is read, but we can still write.
pub(crate) fn our_maximum<C: Talk>(path: &Path, role: Role, kind: Kind) {
    let (mut python, connection) = meet::<C>(path, role, kind, &["long"]);
    let error = connection.recv_bytes_max(9).unwrap_err();
    assert!(is_too_long(&error, 10, 9), "{error:?}");
    let error = connection.recv_bytes().unwrap_err();
    assert!(is_too_long(&error, 10, 9), "{error:?}");
    connection.send_bytes(b"sorry").unwrap();
    python.says("got b'sorry'");
    python.done();

    let (mut python, connection) = meet::<C>(path, role, kind, &["long"]);
    assert_eq!(
        connection.recv_bytes_max(10).unwrap().unwrap(),
        b"0123456789"
    );
    assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"1");
    connection.send_bytes(b"thanks").unwrap();
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
    let error = connection.recv_into(&mut buffer).unwrap_err();
    assert!(
        matches!(error, Error::BufferTooShort { len: 6, room: 5 }),
        "{error:?}"
    );
    // It is still there.
    assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"012345");
    assert_eq!(connection.recv_into(&mut buffer).unwrap(), Some(5));
    assert_eq!(&buffer, b"01234");
    for _ in 0..2 {
        let error = connection.recv_value().unwrap_err();
        assert!(matches!(error, Error::Pickle(_)), "{error:?}");
    }
    assert_eq!(connection.recv::<String>().unwrap().unwrap(), "good");
    drop(connection);
    python.says("error EOFError: ");
    python.done();
}

/// The end: between two frames it is one, inside of one an error.
pub(crate) fn endings<C: Talk>(python: &Path, role: Role, kind: Kind) {
    // Python ends.
    let (mut peer, connection) = meet::<C>(python, role, kind, &["closing"]);
    peer.done();
    assert_eq!(connection.recv_bytes().unwrap(), None);
    assert_eq!(connection.recv_bytes().unwrap(), None);
    assert!(connection.poll(Duration::ZERO).unwrap(), "the end is there");

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
        let error = connection.recv_bytes().unwrap_err();
        assert!(
            matches!(error, Error::Frame(FrameError::Truncated { .. })),
            "{bytes}: {error:?}"
        );
    }

    // The long form for a short message, which it understands and never writes.
    let bytes = "ffffffff0000000000000005 68656c6c6f".replace(' ', "");
    let (mut peer, connection) = meet::<C>(python, role, kind, &["raw", &bytes]);
    peer.done();
    assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"hello");
    assert_eq!(connection.recv_bytes().unwrap(), None);

    // Lengths that are none.
    let (mut peer, connection) = meet::<C>(python, role, kind, &["raw", "fffffffe00", "open"]);
    let error = connection.recv_bytes().unwrap_err();
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
        connections[index].send(&format!("hello {index}")).unwrap();
        python.says(&format!("{index} hello {index}"));
    }
    for index in (0..4).rev() {
        drop(connections.pop());
        python.says(&format!("{index} ended"));
    }
}

/// Our `wait` over several connections of Python's.
pub(crate) fn we_wait<C: Talk>(python: &Path) {
    let mut listener = C::Listener::bind(&Address::from(([127, 0, 0, 1], 0)), &auth()).unwrap();
    let address = listener.address().to_string();
    let mut python = Python::start(python, "mp_wait.py", &["connect", &address, KEY, "4"]);
    let connections: Vec<C> = (0..4).map(|_| listener.accept().unwrap()).collect();
    assert_eq!(C::wait(&connections, Duration::ZERO).unwrap(), []);
    for place in [2, 0, 3, 1, 1] {
        python.tell(&format!("{place} hello"));
        assert_eq!(C::wait(&connections, LONG).unwrap(), [place]);
        assert_eq!(
            connections[place].recv::<String>().unwrap().unwrap(),
            "hello"
        );
    }
    python.tell("1 still there");
    assert_eq!(C::wait(&connections, LONG).unwrap(), [1]);
    python.tell("3");
    assert!(connections[3].poll(LONG).unwrap());
    assert_eq!(C::wait(&connections, LONG).unwrap(), [1, 3]);
    assert_eq!(connections[3].recv_bytes().unwrap(), None);
}

/// A listener that many Pythons talk to at a time, and each gets its own answers.
pub(crate) fn a_crowd<C: Talk>(python: &Path, kind: Kind) {
    let folder = Folder::new();
    let mut listener = C::Listener::bind(&kind.address(&folder), &auth()).unwrap();
    let mut crowd: Vec<_> = (0..4)
        .map(|_| Python::connect(python, &listener.address(), KEY, &["sums"]))
        .collect();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let connection = listener.accept().unwrap();
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
