//! The Rust client of a Python server, and of servers that misbehave.

mod rpc_ends;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mp_connection::blocking::Connection;
use mp_connection::pickle::{self, Value};
use mp_connection::rpc::{Client, Error, Options};
use mp_connection::{Address, Auth};
use rpc_core::Arguments;
use rpc_ends::{Driver, KEY, Server, auth, frame, pythons, registry};
use serde_bytes::ByteBuf;

/// A server in Python, until it is dropped.
struct Python {
    child: Child,
    address: Address,
}

impl Python {
    fn new(python: &Path, place: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/rpc_handler.py");
        let mut child = Command::new(python)
            .args([script, place, KEY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs python3");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("it has a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says where it is");
        let place = line.trim_end();
        let address = match place.parse::<u16>() {
            Ok(port) => Address::from(([127, 0, 0, 1], port)),
            Err(_) => Address::Unix(place.into()),
        };
        Self { child, address }
    }

    fn client(&self) -> Client {
        Client::connect(&self.address, &auth()).expect("it lets us in")
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Has a test done with a server in each Python.
fn with_python(test: impl Fn(&mut Client)) {
    for python in pythons() {
        let server = Python::new(&python, "0");
        test(&mut server.client());
    }
}

/// The class and the arguments of what was raised.
fn raised<T: std::fmt::Debug>(result: Result<T, Error>) -> (String, Vec<Value>) {
    match result {
        Err(Error::Raised(exception)) => (
            exception.class().to_owned(),
            exception.args().as_slice().to_vec(),
        ),
        other => panic!("{other:?} instead of an exception"),
    }
}

#[test]
fn functions_of_python_are_called() {
    with_python(|client| {
        let sum: i64 = client.call("add", (2, 3)).expect("a sum");
        assert_eq!(sum, 5);
        let arguments = Arguments::new().positional(&2).keyword("y", &3);
        let sum: i64 = client.call("add", arguments).expect("a sum");
        assert_eq!(sum, 5);
        let text: String = client.call("add", ("a", "b")).expect("a text");
        assert_eq!(text, "ab");
        let arguments = Arguments::new()
            .positional(&"a")
            .positional(&"b")
            .keyword("by", &"-");
        let text: String = client.call("joined", arguments).expect("a text");
        assert_eq!(text, "a-b");
        let text: String = client.call("joined", ()).expect("a text");
        assert_eq!(text, "");
        let big: u128 = client.call("add", (u64::MAX, 1)).expect("a sum");
        assert_eq!(big, 1 << 64);
    });
}

#[test]
fn values_arrive_as_what_they_are_in_python() {
    let described = |client: &mut Client, value: &dyn erased_serde::Serialize| {
        let text: String = client
            .call("describe", Arguments::new().positional(&value))
            .expect("a description");
        text
    };
    with_python(|client| {
        assert_eq!(described(client, &()), "NoneType None");
        assert_eq!(described(client, &(1, 2.5)), "tuple (1, 2.5)");
        assert_eq!(described(client, &vec![1]), "list [1]");
        assert_eq!(described(client, &ByteBuf::from(b"a\0")), "bytes b'a\\x00'");
        assert_eq!(described(client, &Some("x")), "str 'x'");
        assert_eq!(
            described(client, &BTreeMap::from([(1, "a")])),
            "dict {1: 'a'}"
        );
        let point = rpc_ends::Point { x: 3, y: 4 };
        assert_eq!(described(client, &point), "dict {'x': 3, 'y': 4}");
    });
}

#[test]
fn results_are_read_as_what_was_asked_for() {
    with_python(|client| {
        let set: BTreeSet<i64> = client.call("echo", ([3, 1, 2],)).expect("a set");
        assert_eq!(set, BTreeSet::from([1, 2, 3]));
        let nothing: Option<i64> = client.call("echo", (None::<i64>,)).expect("nothing");
        assert_eq!(nothing, None);
        let zeros: ByteBuf = client.call("zeros", (5_000_000,)).expect("bytes");
        assert_eq!(zeros.len(), 5_000_000);
        let value: Value = client.call("kinds", ()).expect("a tuple");
        let again: Value = client.call("echo", (&value,)).expect("a tuple");
        assert_eq!(value, again);
        let Value::Tuple(items) = &value else {
            panic!("{value:?} is no tuple");
        };
        assert!(
            matches!(&items[3], Value::BigInt(big) if big.to_string() == "1180591620717411303424")
        );
        assert!(matches!(&items[11], Value::Set(set) if set.len() == 2));
        // Of another type: that call alone.
        let wrong = client.call::<i64>("echo", ("text",));
        assert!(matches!(wrong, Err(Error::Decode(_))), "{wrong:?}");
        let code = client.call::<Value>("unreadable", ());
        let Err(Error::Decode(pickle::Error::Global { name, .. })) = code else {
            panic!("{code:?} instead of a class");
        };
        assert_eq!(name, "date");
        assert_eq!(client.call::<i64>("add", (2, 3)).expect("a sum"), 5);
    });
}

#[test]
fn exceptions_arrive_with_class_arguments_and_attributes() {
    with_python(|client| {
        let (class, args) = raised(client.call::<Value>("nosuch", ()));
        assert_eq!(
            (&*class, &*args),
            ("KeyError", &[Value::from("nosuch")][..])
        );
        let (class, args) = raised(client.call::<()>("add", (1,)));
        assert_eq!((&*class, args.len()), ("TypeError", 1));
        let (class, args) = raised(client.call::<Option<i64>>("missing", ()));
        assert_eq!(class, "FileNotFoundError");
        assert_eq!(args[0], Value::Int(2));
        let Err(Error::Raised(exception)) = client.call::<i64>("decorated", ()) else {
            panic!("it raises one");
        };
        assert_eq!(
            exception.args().as_slice(),
            [Value::from("too much"), Value::Int(5)]
        );
        assert_eq!(exception.attributes().get("limit"), Some(&Value::Int(4)));
        // A class of the program's own is code, until it is named.
        let private = client.call::<i64>("private", ());
        assert!(matches!(private, Err(Error::Decode(_))), "{private:?}");
        assert!(client.is_usable());
    });
}

#[test]
fn exceptions_of_programs_are_read_if_they_are_named() {
    for python in pythons() {
        let server = Python::new(&python, "0");
        let options = Options {
            pickle: pickle::Options {
                exceptions: vec![("__main__".into(), "Private".into())],
                ..pickle::Options::default()
            },
            ..Options::default()
        };
        let connection = Connection::connect(&server.address, &auth()).expect("it lets us in");
        let mut client = Client::with_options(connection, options);
        let (class, args) = raised(client.call::<()>("private", ()));
        assert_eq!((&*class, &*args), ("Private", &[Value::from("mine")][..]));
    }
}

#[test]
fn many_calls_go_together_and_each_has_its_result() {
    with_python(|client| {
        let results = client.call_all::<i64, _>((0..1000).map(|i| ("add", (i, 1))));
        let sums: Vec<i64> = results.into_iter().map(|sum| sum.expect("a sum")).collect();
        assert_eq!(sums, (1..=1000).collect::<Vec<_>>());
        let mixed =
            client.call_all::<Value, _>([("echo", ("a",)), ("nosuch", ("b",)), ("echo", ("c",))]);
        assert_eq!(mixed[0].as_ref().expect("a text"), &Value::from("a"));
        assert!(matches!(&mixed[1], Err(Error::Raised(error)) if error.class() == "KeyError"));
        assert_eq!(mixed[2].as_ref().expect("a text"), &Value::from("c"));
        // Both ways more than sockets take in.
        let large = ByteBuf::from(vec![b'x'; 300_000]);
        let results = client.call_all::<ByteBuf, _>(vec![("echo", (&large,)); 20]);
        for result in results {
            assert_eq!(result.expect("bytes"), large);
        }
        assert_eq!(client.call::<i64>("add", (2, 3)).expect("a sum"), 5);
    });
}

#[test]
fn a_server_that_goes_breaks_the_client() {
    with_python(|client| {
        let results =
            client.call_all::<i64, _>([("add", (2, 3)), ("leaves", (0, 0)), ("add", (2, 3))]);
        // Nobody knows any more which of those that were sent were run.
        assert!(results.iter().skip(1).all(Result::is_err), "{results:?}");
        assert!(!client.is_usable());
        let refused = client.call::<i64>("add", (2, 3)).expect_err("it is broken");
        assert!(matches!(refused, Error::Broken) && refused.is_safe_to_repeat());
    });
}

#[test]
fn an_answer_that_is_late_breaks_the_client() {
    with_python(|client| {
        client.set_timeout(Some(Duration::from_millis(50)));
        let late = client
            .call::<()>("sleeps", ())
            .expect_err("it never answers");
        assert!(
            matches!(late, Error::Timeout { after, not_run: false } if after.as_millis() == 50)
        );
        assert!(!late.is_safe_to_repeat());
        let refused = client.call::<i64>("add", (2, 3)).expect_err("it is broken");
        assert!(matches!(refused, Error::Broken));
    });
}

#[test]
fn what_can_not_be_sent_is_not_and_the_client_goes_on() {
    let server = Server::new(Driver::Threads, registry(), &Options::default());
    let connection = Connection::connect(&server.address.into(), &auth()).expect("it lets us in");
    let mut client = Client::with_options(
        connection,
        Options {
            max_request_len: 1000,
            ..Options::default()
        },
    );
    let long = client.call::<usize>("length", (ByteBuf::from(vec![0; 1000]),));
    let long = long.expect_err("it is too long");
    assert!(
        matches!(
            long,
            Error::TooLong {
                len: 1000..,
                limit: 1000
            }
        ),
        "{long:?}"
    );
    assert!(long.is_safe_to_repeat());
    let odd = client.call::<()>("echo", (BTreeMap::from([(vec![1], 2)]),));
    let odd = odd.expect_err("a list is no key in Python");
    assert!(
        matches!(odd, Error::Encode(_)) && odd.is_safe_to_repeat(),
        "{odd:?}"
    );
    let results = client.call_all::<usize, _>([
        ("length", (ByteBuf::from(vec![0; 10]),)),
        ("length", (ByteBuf::from(vec![0; 1000]),)),
        ("length", (ByteBuf::from(vec![0; 20]),)),
    ]);
    assert!(
        matches!(&results[..], [Ok(10), Err(Error::TooLong { .. }), Ok(20)]),
        "{results:?}"
    );
}

#[test]
fn a_rust_server_looks_the_same() {
    for driver in rpc_ends::DRIVERS {
        let server = Server::new(driver, registry(), &Options::default());
        let modern = Auth::modern_only(KEY).expect("the key is not empty");
        let mut client = Client::connect(&server.address.into(), &modern).expect("it lets us in");
        for function in ["add", "slow_add", "async_add", "with_context"] {
            let sum: i64 = client.call(function, (2, 3)).expect("a sum");
            assert_eq!(sum, 5);
        }
        let text = "the function failed in a way it didn't foresee";
        for function in ["panics", "slow_panics"] {
            let (class, args) = raised(client.call::<i64>(function, ()));
            let args = args.as_slice();
            assert_eq!(
                (&*class, args),
                (
                    "RuntimeError",
                    &[Value::from(&*format!("Panicked: {text}"))][..]
                )
            );
        }
        let results = client.call_all::<i64, _>((0..1000).map(|i| {
            let function = ["add", "slow_add", "async_add", "with_context"][i % 4];
            (function, (i, 1))
        }));
        let sums: Vec<i64> = results.into_iter().map(|sum| sum.expect("a sum")).collect();
        assert_eq!(sums, (1..=1000).collect::<Vec<_>>());
        let echoed: rpc_core::Value = client
            .call(
                "echo",
                (rpc_core::Value::tagged(
                    "set",
                    rpc_core::Value::List(vec![1.into()]),
                ),),
            )
            .expect("a set");
        assert_eq!(echoed.to_string(), "set([1])");
    }
}

/// A server without a login that answers the first call with these bytes, and then closes.
fn server_that_says(bytes: Vec<u8>) -> (Client, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client comes");
        let mut head = [0; 4];
        stream.read_exact(&mut head).expect("a request");
        let mut request = vec![0; u32::from_be_bytes(head) as usize];
        stream.read_exact(&mut request).expect("a request");
        stream.write_all(&bytes).expect("the client listens");
    });
    let connection = Connection::connect_unauthenticated(&address.into()).expect("it is there");
    (Client::new(connection), server)
}

#[test]
fn answers_that_are_none_break_the_client() {
    let five = frame(b"\x80\x04C\x05\x80\x04K\x05..");
    let (mut client, server) = server_that_says(five.clone());
    assert_eq!(client.call::<i64>("five", ()).expect("an answer"), 5);
    server.join().expect("it does not panic");
    for (bytes, expected) in [
        (Vec::new(), "closed"),
        (five[..6].to_vec(), "closed"),
        (frame(b""), "no pickled byte string"),
        (frame(b"\x80\x04K\x05."), "no pickled byte string"),
        (frame(b"#CHALLENGE#{sha256}"), "login"),
        (vec![0x7f, 0xff, 0xff, 0xff], "2147483647"),
        (vec![0xff, 0xff, 0xff, 0xfe], "-2"),
    ] {
        let (mut client, server) = server_that_says(bytes);
        let error = client.call::<i64>("five", ()).expect_err("it is no answer");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.is_safe_to_repeat());
        assert!(!client.is_usable());
        server.join().expect("it does not panic");
    }
}

#[test]
fn an_answer_that_nobody_asked_for_breaks_the_client() {
    let five = frame(b"\x80\x04C\x05\x80\x04K\x05..");
    let (mut client, server) = server_that_says(five.repeat(2));
    assert_eq!(client.call::<i64>("five", ()).expect("an answer"), 5);
    server.join().expect("it does not panic");
    let refused = client
        .call::<i64>("five", ())
        .expect_err("an answer too many");
    assert!(matches!(refused, Error::Broken));
}
