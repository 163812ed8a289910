//! Objects as messages.

mod support;

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use mp_connection::blocking::{Connection, Listener};
use mp_connection::pickle::{self, Limit, Options, Protocol, Value};
use mp_connection::{Address, Error};
use serde::{Deserialize, Serialize};
use support::login::{frame, modern};
use support::pair;

fn connections() -> (Connection, Connection) {
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    (left.into(), right.into())
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
    price: Option<f64>,
}

#[test]
fn types_of_rust_go_through() {
    let (left, right) = connections();
    let order = Order {
        item: "spam".into(),
        count: 3,
        price: Some(1.5),
    };
    left.send(&order).unwrap();
    left.send("text").unwrap();
    left.send(&vec![order]).unwrap();
    let received: Order = right.recv().unwrap().unwrap();
    assert_eq!(
        (&received.item[..], received.count, received.price),
        ("spam", 3, Some(1.5))
    );
    assert_eq!(right.recv::<String>().unwrap().unwrap(), "text");
    assert_eq!(right.recv::<Vec<Order>>().unwrap().unwrap(), [received]);
    drop(left);
    assert!(right.recv::<Order>().unwrap().is_none());
    assert!(right.recv_value().unwrap().is_none());
}

#[test]
fn what_a_value_shares_it_shares_on_the_other_side() {
    let (left, right) = connections();
    let shared = Value::list([1, 2]);
    left.send_value(&Value::list([shared.clone(), shared]))
        .unwrap();
    let Value::List(lists) = right.recv_value().unwrap().unwrap() else {
        panic!("a list was sent");
    };
    match &lists[..] {
        [Value::List(one), Value::List(two)] => assert!(Arc::ptr_eq(one, two)),
        other => panic!("{other:?}"),
    }
}

/// As in Python: `recv` on an empty message, or on what is no pickle, takes it out of the stream.
#[test]
fn what_is_no_object_is_taken_all_the_same() {
    let (connection, mut peer) = pair();
    for wrong in [
        &b""[..],
        b"hello",
        b"\x80\x04",
        b"cos\nsystem\n(S'true'\ntR.",
    ] {
        peer.write_all(&frame(wrong)).unwrap();
        let error = connection.recv_value().unwrap_err();
        assert!(matches!(error, Error::Pickle(_)), "{error:?}");
    }
    peer.write_all(&frame(b"\x80\x04K\x07.")).unwrap();
    assert_eq!(connection.recv::<i64>().unwrap(), Some(7));
}

#[test]
fn limits_are_the_connection_s_own() {
    let (left, right) = connections();
    let options = Options {
        max_values: 3,
        protocol: Protocol::V2,
        ..Options::default()
    };
    let right = right.with_pickle_options(options);
    left.send(&[1, 2, 3, 4]).unwrap();
    let error = right.recv::<Vec<i64>>().unwrap_err();
    let Error::Pickle(pickle::Error::TooLarge { what, limit, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!((what, limit), (Limit::Values, 3));
    right.send(&1).unwrap();
    assert!(left.recv_bytes().unwrap().unwrap().starts_with(b"\x80\x02"));
}

/// In Python this is `UnpicklingError: invalid load key, '#'`.
#[test]
fn a_client_without_a_key_learns_that_it_needs_one() {
    let mut listener = Listener::bind(&Address::from(([127, 0, 0, 1], 0)), &modern()).unwrap();
    let client = Connection::connect_unauthenticated(listener.address()).unwrap();
    assert!(
        listener
            .accept_timeout(Duration::from_millis(1))
            .unwrap()
            .is_none()
    );
    while !client.poll(Some(Duration::ZERO)).unwrap() {
        assert!(
            listener
                .accept_timeout(Duration::from_millis(1))
                .unwrap()
                .is_none()
        );
    }
    let error = client.recv_value().unwrap_err();
    assert!(matches!(error, Error::LoginWanted), "{error:?}");
    assert!(error.to_string().contains("no key"), "{error}");
}
