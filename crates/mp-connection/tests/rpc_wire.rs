//! Requests as Python's programs sent them, byte for byte, and answers as they go out.

mod rpc_ends;

use std::sync::Arc;
use std::time::{Duration, Instant};

use framing::FrameError;
use mp_connection::pickle::{self, Value};
use mp_connection::rpc::{Options, Peer};
use rpc_core::{Dialect, Error};
use rpc_ends::{answers, frame, registry, request};

fn peer() -> Peer {
    Peer::new(Arc::new(registry()), Options::default())
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pair = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("hexadecimal digits");
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    };
    digits.chunks(2).map(pair).collect()
}

/// What the peer says to bytes that can be cut into frames.
fn ask(bytes: &[u8]) -> Vec<u8> {
    let mut peer = peer();
    peer.receive(bytes, Instant::now()).expect("whole frames");
    std::mem::take(peer.output())
}

/// `proxy.add(2, 3)` of the recipe's client on Python 3.11.
const ADD_2_3: &str = "0000002b 8004952000000000000000431c
    80049511000000000000008c03616464944b024b0386947d9487942e 942e";
/// `proxy.add(2, y=3)`
const ADD_2_Y_3: &str = "00000030 8004952500000000000000 4321
    80049516000000000000008c0361646494 4b028594 7d948c0179944b0373 87942e 942e";
/// `proxy.nosuch()`
const NOSUCH: &str = "00000029 8004951e00000000000000431a
    8004950f000000000000008c066e6f7375636894297d9487942e 942e";
/// `proxy.add(1)`
const ADD_1: &str = "00000029 8004951e00000000000000431a
    8004950f000000000000008c03616464944b0185947d9487942e 942e";
/// `proxy.foo('foo')`, where the name is mentioned twice and spelled once.
const FOO_FOO: &str = "00000029 8004951e00000000000000431a
    8004950f000000000000008c03666f6f94680085947d9487942e 942e";

#[test]
fn captured_requests_are_answered() {
    // The frame, the outer pickle with its length, and the inner one: 5.
    let five = hex("0000000d 8004 42 05000000 80044b052e 2e");
    assert_eq!(ask(&hex(ADD_2_3)), five);
    assert_eq!(ask(&hex(ADD_2_Y_3)), five);
    assert_eq!(
        answers(&ask(&hex(NOSUCH))),
        [exception("KeyError", "nosuch")]
    );
    assert_eq!(answers(&ask(&hex(FOO_FOO))), [exception("KeyError", "foo")]);
    let message = "add() needs a value for 'y'";
    assert_eq!(
        answers(&ask(&hex(ADD_1))),
        [exception("TypeError", message)]
    );
}

#[test]
fn answers_speak_the_protocol_of_the_request_if_it_is_old() {
    // add(2, 3) as Python 2.7 pickles it, in protocol 0, and its Connection sends it, in protocol 2.
    let inner = b"(S'add'\np1\n(I2\nI3\ntp2\n(dp3\ntp4\n.";
    let len = u8::try_from(inner.len()).expect("it is short");
    let message = [&[0x80, 2, b'U', len], &inner[..], b"q\x00."].concat();
    let answer = ask(&frame(&message));
    assert_eq!(answer[4..6], [0x80, 2]);
    assert_eq!(answers(&answer), [Value::Int(5)]);
    for (asked, answered) in [(3, 3), (4, 4), (5, 4)] {
        let message = [&[0x80, asked, b'C', 28], &hex(ADD_2_3)[17..45], b"."].concat();
        let answer = ask(&frame(&message));
        assert_eq!(answer[4..6], [0x80, answered]);
        assert_eq!(answers(&answer), [Value::Int(5)]);
    }
}

#[test]
fn the_other_spellings_of_a_byte_string_are_taken_too() {
    let inner = &hex(ADD_2_3)[17..45];
    let len32 = 28_u32.to_le_bytes();
    let len64 = 28_u64.to_le_bytes();
    for message in [
        [b"\x80\x03B", &len32[..], inner, b"q\x00."].concat(),
        [b"\x80\x03B", &len32[..], inner, b"r\x00\x00\x00\x00."].concat(),
        [b"\x80\x04\x8e", &len64[..], inner, b"\x94."].concat(),
        [b"\x80\x05\x96", &len64[..], inner, b"."].concat(),
        [b"\x80\x04C\x1c", inner, b"0C\x1c", inner, b"."].concat(),
    ] {
        assert_eq!(
            answers(&ask(&frame(&message))),
            [Value::Int(5)],
            "{message:02x?}"
        );
    }
}

#[test]
fn requests_may_be_cut_anywhere() {
    let all = [hex(ADD_2_3), hex(NOSUCH), hex(ADD_2_Y_3)].concat();
    let expected = ask(&all);
    for at in 0..all.len() {
        let mut peer = peer();
        for part in [&all[..at], &all[at..]] {
            peer.receive(part, Instant::now()).expect("whole frames");
        }
        assert_eq!(peer.output(), &expected, "cut at {at}");
    }
    let mut peer = peer();
    for byte in &all {
        peer.receive(&[*byte], Instant::now())
            .expect("whole frames");
    }
    assert_eq!(peer.output(), &expected);
}

#[test]
fn what_is_no_request_gets_a_value_error_and_the_connection_goes_on() {
    let mut peer = peer();
    let wrong: [&[u8]; 6] = [
        b"",
        b"\x80\x04N.",
        b"\x80\x04C\x04\x80\x04N..",
        b"\x80\x04C\x02\x80\x04.",
        b"\x80\x04C\xff.",
        b"\x80\x04C\x09cos\nfork\n..",
    ];
    for message in wrong {
        peer.receive(&frame(message), Instant::now())
            .expect("a whole frame");
    }
    peer.receive(&request("add", (2, 3)), Instant::now())
        .expect("a whole frame");
    let mut answers = answers(peer.output());
    assert_eq!(answers.pop(), Some(Value::Int(5)));
    assert_eq!(answers.len(), wrong.len());
    for answer in answers {
        let Value::Exception(exception) = answer else {
            panic!("{answer:?} is no exception");
        };
        assert_eq!(exception.class(), "ValueError");
    }
}

#[test]
fn what_can_not_be_cut_into_frames_is_answered_once_and_is_the_end() {
    let now = Instant::now();
    for (head, what) in [
        (&0x0080_0001_u32.to_be_bytes()[..], "8388609"),
        (&[0xff, 0xff, 0xff, 0xfe], "-2"),
        (
            &[0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0],
            "72057594037927936",
        ),
    ] {
        let mut peer = peer();
        let bytes = [&request("add", (2, 3)), head].concat();
        let error = peer.receive(&bytes, now).expect_err("the head is wrong");
        assert!(matches!(error, Error::Frame(_)), "{error}");
        assert!(error.to_string().contains(what), "{error}");
        assert!(peer.receive(b"more", now).is_err());
        let answers = answers(peer.output());
        assert_eq!(answers[0], Value::Int(5));
        assert_eq!(answers[1..], [exception("ValueError", &error.to_string())]);
    }
}

#[test]
fn a_frame_that_comes_too_slowly_is_the_end() {
    let mut peer = peer();
    let now = Instant::now();
    assert_eq!(peer.poll_timeout(), None);
    peer.receive(&request("add", (2, 3))[..9], now)
        .expect("the rest may come");
    let due = peer.poll_timeout().expect("the rest is due");
    assert!(due > now && due <= now + Duration::from_secs(11));
    peer.handle_timeout(due - Duration::from_millis(1))
        .expect("there is time");
    let error = peer.handle_timeout(due).expect_err("it is late");
    assert!(matches!(error, Error::Frame(FrameError::TooSlow { .. })));
    assert_eq!(answers(peer.output()).len(), 1);
}

#[test]
fn the_end_may_come_between_requests_and_not_inside() {
    let now = Instant::now();
    let mut whole = peer();
    whole.receive(&request("add", (2, 3)), now).expect("whole");
    assert!(!whole.is_finished());
    whole.receive_eof(now).expect("nothing is missing");
    assert!(whole.is_finished());
    let mut cut = peer();
    cut.receive(&request("add", (2, 3))[..9], now)
        .expect("the rest may come");
    let error = cut.receive_eof(now).expect_err("the rest is missing");
    assert!(matches!(error, Error::Frame(FrameError::Truncated { .. })));
}

fn exception(class: &str, message: &str) -> Value {
    Value::from(pickle::Exception::new(class.to_owned(), [message]))
}
