//! How native conversations begin badly and end well, or badly.
#![cfg(all(feature = "postcard", feature = "json"))]

mod native_ends;

use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use framing::{FrameError, Opening};
use native_ends::{Ends, messages, none, options, registry, written};
use rpc_core::native::{Call, Envelope, FaultMessage, Hello, Keywords, Metadata, Peer, Request};
use rpc_core::{Codec, Dialect, Error, Options, Reason, Registry, Violation};

const HELLO: Envelope<'_> = Envelope::Hello(Hello {
    codec: 2,
    attended: true,
    max_frame_len: 1 << 20,
    max_in_flight: 100,
    fingerprint: 0,
});

fn call<'a>(id: u32, method: &'a str, body: &'a [u8]) -> Envelope<'a> {
    Envelope::Call(Call {
        id,
        timeout: 0,
        method,
        positional: 1,
        keywords: Keywords::default(),
        metadata: Metadata::default(),
        body,
    })
}

/// What a server says to these bytes after its hello, and whether it goes on.
fn said(bytes: &[u8]) -> (Error, Option<Reason>) {
    let now = Instant::now();
    let mut server = Peer::new(Arc::new(registry()), options());
    let error = server
        .receive(bytes, now)
        .expect_err("these bytes are wrong");
    let mut goodbye = None;
    messages(&mut server, &mut |message| {
        if let Envelope::Goodbye { reason, .. } = message {
            goodbye = Some(reason);
        }
    });
    assert!(server.is_finished());
    assert_eq!(
        server
            .receive(&[], now)
            .expect_err("it has failed")
            .to_string(),
        error.to_string(),
        "errors repeat"
    );
    (error, goodbye)
}

#[test]
fn other_protocols_on_the_port_are_recognised() {
    for (bytes, opening, text) in [
        (
            &b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"[..],
            Opening::Http,
            "peer announced a frame of 1195725856 bytes, the limit is 8388608; this looks like an HTTP request",
        ),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            Opening::Tls,
            "peer announced a frame of 369295618 bytes, the limit is 8388608; this looks like a TLS handshake",
        ),
    ] {
        let (error, goodbye) = said(bytes);
        assert_eq!(error.to_string(), text);
        let Error::Frame(FrameError::TooLong {
            looks_like,
            declared,
            ..
        }) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(looks_like, Some(opening));
        assert_eq!(
            goodbye,
            Some(Reason::FrameTooLong {
                len: declared,
                limit: 8 << 20
            })
        );
    }
}

#[test]
fn both_sides_learn_both_versions() {
    let mut hello = written(&[HELLO]);
    hello[4] = 2;
    let (error, goodbye) = said(&hello);
    assert_eq!(
        error.to_string(),
        "the peer speaks version 2 of the protocol, we speak 1"
    );
    assert_eq!(goodbye, Some(Reason::Version { ours: 1, theirs: 2 }));
    // What the other side is told.
    let told = written(&[
        HELLO,
        Envelope::Goodbye {
            last: 0,
            reason: Reason::Version { ours: 2, theirs: 1 },
        },
    ]);
    let (error, goodbye) = said(&told);
    assert_eq!(
        error.to_string(),
        "the peer speaks version 2 of the protocol, we speak 1"
    );
    assert_eq!(goodbye, Some(Reason::Version { ours: 1, theirs: 2 }));
}

#[test]
fn both_sides_learn_both_codecs() {
    let now = Instant::now();
    let mut server = Peer::new(Arc::default(), options());
    let mut client = Peer::new(Arc::default(), Options::new(Codec::Json));
    let (ours, theirs) = (
        std::mem::take(client.output()),
        std::mem::take(server.output()),
    );
    let error = server.receive(&ours, now).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the peer uses the codec json, we use the codec postcard"
    );
    let error = client.receive(&theirs, now).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the peer uses the codec postcard, we use the codec json"
    );
    let Poll::Ready(Err(error)) = client.poll_open(Waker::noop()) else {
        panic!("it has failed");
    };
    assert!(matches!(error, Error::CodecMismatch { ours: 3, theirs: 2 }));
}

#[test]
fn both_sides_learn_both_fingerprints() {
    let now = Instant::now();
    let print = registry().fingerprint();
    let suits = Options {
        expect: Some(print),
        ..options()
    };
    assert!(Ends::with(suits, options()).client.peer_fingerprint() == Some(print));

    let mut server = Peer::new(Arc::new(registry()), options());
    let other = Options {
        expect: Some(0x1234),
        ..options()
    };
    let mut client = Peer::new(Arc::default(), other);
    server
        .receive(&std::mem::take(client.output()), now)
        .unwrap();
    let text = format!(
        "the fingerprint of one end's functions is {print:016x}, the other end expects 0000000000001234: the programs \
         were built from different interfaces"
    );
    let error = client
        .receive(&std::mem::take(server.output()), now)
        .unwrap_err();
    assert_eq!(error.to_string(), text);
    let error = server
        .receive(&std::mem::take(client.output()), now)
        .unwrap_err();
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_frame_that_is_too_long_is_refused_on_its_length() {
    let mut bytes = written(&[HELLO]);
    bytes.extend_from_slice(&[0, 0x80, 0, 1]);
    let (error, goodbye) = said(&bytes);
    assert_eq!(
        error.to_string(),
        "peer announced a frame of 8388609 bytes, the limit is 8388608"
    );
    let reason = Reason::FrameTooLong {
        len: (8 << 20) + 1,
        limit: 8 << 20,
    };
    assert_eq!(goodbye, Some(reason));
    // Who sent it is told.
    let (error, goodbye) = said(&written(&[HELLO, Envelope::Goodbye { last: 0, reason }]));
    assert_eq!(
        error.to_string(),
        "the peer ended the connection: a frame of 8388609 bytes came, its limit is 8388608"
    );
    assert_eq!(goodbye, None);
}

#[test]
fn what_breaks_the_protocol_is_named() {
    let answer = Envelope::Answer { id: 7, body: b"" };
    let fault = Envelope::Fault(FaultMessage {
        id: 8,
        code: 1,
        name: "",
        message: "",
        data: b"",
    });
    for (messages, violation) in [
        (vec![call(1, "add", b"")], Violation::HelloExpected),
        (vec![Envelope::Ping { id: 1 }], Violation::HelloExpected),
        (vec![HELLO, HELLO], Violation::SecondHello),
        (vec![HELLO, answer], Violation::UnknownId { id: 7 }),
        (vec![HELLO, fault], Violation::UnknownId { id: 8 }),
        (vec![HELLO, call(0, "add", b"")], Violation::ZeroId),
        (
            vec![HELLO, call(5, "slow", b"\x02"), call(5, "add", b"")],
            Violation::DuplicateId { id: 5 },
        ),
    ] {
        let (error, goodbye) = said(&written(&messages));
        let Error::Protocol(found) = error else {
            panic!("{error:?}");
        };
        assert_eq!((found, goodbye), (violation, Some(Reason::Protocol)));
    }
    // An id is free again when its call is answered.
    let mut server = Peer::new(Arc::new(registry()), options());
    let messages = [HELLO, call(5, "add", b""), call(5, "add", b"")];
    server.receive(&written(&messages), Instant::now()).unwrap();
}

#[test]
fn every_field_of_a_message_is_checked() {
    let hello = written(&[HELLO]);
    let plain = written(&[HELLO, call(5, "add", b"")]);
    let at = hello.len();
    let change = |index: usize, value: u8| {
        let mut bytes = plain.clone();
        bytes[at + 4 + index] = value;
        bytes
    };
    let frame = |payload: &[u8]| {
        let mut bytes = hello.clone();
        bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    };
    let (announced, found) = (255, 3);
    for (bytes, violation) in [
        (change(1, 0), Violation::Field { at: 2 }),
        (change(1, 11), Violation::Field { at: 2 }),
        (change(12, 255), Violation::Short { announced, found }),
        (change(13, 1), Violation::Field { at: 13 }),
        (
            change(3, 1),
            Violation::Short {
                announced: 1,
                found: 0,
            },
        ),
        (
            change(14, 255),
            Violation::Metadata {
                len: 0xff00,
                limit: 4096,
            },
        ),
        (
            change(15, 1),
            Violation::Short {
                announced: 1,
                found: 0,
            },
        ),
        (change(16, 0xff), Violation::NotText { len: 3 }),
        (
            frame(&[]),
            Violation::Length {
                kind: 0,
                expected: 8,
                found: 0,
            },
        ),
        (
            frame(&[1, 2, 3]),
            Violation::Length {
                kind: 2,
                expected: 8,
                found: 3,
            },
        ),
        (
            frame(&[1, 2, 0, 0, 0, 0, 0, 1]),
            Violation::Length {
                kind: 2,
                expected: 16,
                found: 8,
            },
        ),
        (frame(&[1, 4, 1, 0, 0, 0, 0, 1]), Violation::Field { at: 2 }),
        (
            frame(&[1, 99, 0, 0, 0, 0, 0, 1]),
            Violation::UnknownKind { kind: 99 },
        ),
        (
            frame(&[1, 6, 0, 0, 0, 0, 0, 1, 0]),
            Violation::Length {
                kind: 6,
                expected: 8,
                found: 9,
            },
        ),
        (
            frame(&[1, 10, 0, 0, 0, 0, 0, 0, 2]),
            Violation::Field { at: 8 },
        ),
        (
            frame(&[1, 10, 0, 0, 0, 0, 0, 1, 1]),
            Violation::Field { at: 4 },
        ),
        (
            frame(&[1, 5, 0, 0, 0, 0, 0, 1, 11, 0, 0, 0, 0, 0, 0, 0]),
            Violation::Field { at: 8 },
        ),
        (
            frame(&[1, 5, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 65]),
            Violation::Field { at: 9 },
        ),
        (
            frame(&[1, 5, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0]),
            Violation::Field { at: 10 },
        ),
        (
            frame(&[1, 5, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 255, 0, 0, 0]),
            Violation::Short {
                announced: 0xff00_0000,
                found: 0,
            },
        ),
        (
            frame(&[1, 9, 0, 0, 0, 0, 0, 1]),
            Violation::Length {
                kind: 9,
                expected: 25,
                found: 8,
            },
        ),
    ] {
        let (error, _) = said(&bytes);
        let Error::Protocol(found) = error else {
            panic!("{error:?} instead of {violation}");
        };
        assert_eq!(found, violation);
    }
    for index in [8, 9, 10, 11, 12] {
        let mut bytes = hello.clone();
        bytes[index] = 0xee;
        let (error, _) = said(&bytes);
        let fits = match index {
            8..12 => matches!(error, Error::Protocol(Violation::Field { at: 4 })),
            _ => matches!(
                error,
                Error::CodecMismatch {
                    ours: 2,
                    theirs: 0xee
                }
            ),
        };
        assert!(fits, "{error:?}");
    }
    let mut small = hello.clone();
    small[16..20].copy_from_slice(&1023_u32.to_be_bytes());
    assert!(matches!(
        said(&small).0,
        Error::Protocol(Violation::Field { at: 12 })
    ));
}

#[test]
fn calls_behind_a_goodbye_are_not_run_and_those_before_it_are_answered() {
    let mut ends = Ends::new();
    let before = ends.start("slow", (1,));
    ends.exchange();
    ends.server.drain(ends.now);
    assert!(!ends.server.is_finished());
    // They cross with the goodbye.
    let behind = [ends.start("slow", (2,)), ends.start("add", (2, 3))];
    ends.client
        .notify(&Request::new("add"), &(2, 3), ends.now)
        .unwrap();
    ends.exchange();
    for id in behind {
        let error = ends.answer::<i64>(id).unwrap_err();
        assert!(matches!(error, Error::Closing), "{error:?}");
        assert!(error.is_safe_to_repeat());
    }
    assert_eq!(ends.server.in_flight(), 1);
    let error = ends
        .client
        .call(&Request::new("add"), &(2, 3), ends.now)
        .unwrap_err();
    assert!(matches!(error, Error::Closing) && error.is_safe_to_repeat());
    assert!(!ends.client.is_finished());
    ends.finish_job();
    assert_eq!(ends.answer::<i64>(before).unwrap(), 1);
    assert!(ends.server.is_finished() && ends.client.is_finished());
}

#[test]
fn an_idle_end_that_drains_is_finished() {
    let mut ends = Ends::new();
    ends.client.drain(ends.now);
    assert!(ends.client.is_finished());
    ends.exchange();
    assert!(ends.server.is_finished());
    // Saying it twice is saying it once.
    ends.client.drain(ends.now);
    assert!(ends.client.output().is_empty());
}

#[test]
fn what_runs_while_an_end_drains_may_call_back() {
    let server = Peer::new(Arc::new(registry()), options());
    let mut ends = Ends::of(Peer::new(Arc::new(registry()), options()), server);
    let id = ends.start("slow", (1,));
    ends.exchange();
    ends.server.drain(ends.now);
    let back = ends
        .server
        .call(&Request::new("add"), &(2, 3), ends.now)
        .unwrap();
    ends.exchange();
    assert!(matches!(
        ends.server.poll_answer(back, Waker::noop()),
        Poll::Ready(Ok(_))
    ));
    ends.finish_job();
    assert_eq!(ends.answer::<i64>(id).unwrap(), 1);
    let error = ends
        .server
        .call(&Request::new("add"), &(2, 3), ends.now)
        .unwrap_err();
    assert!(matches!(error, Error::Closing));
}

#[test]
fn an_end_between_messages_is_no_error_and_inside_one_is() {
    let mut ends = Ends::new();
    let id = ends.start("slow", (1,));
    ends.exchange();
    ends.client.receive_eof(ends.now).unwrap();
    let error = ends.answer::<i64>(id).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the connection was lost; the call may have been run"
    );
    assert!(!error.is_safe_to_repeat());
    assert!(ends.client.is_finished());
    assert!(matches!(
        ends.client.call(&Request::new("add"), &(2, 3), ends.now),
        Err(Error::Closing)
    ));

    let mut ends = Ends::new();
    ends.start("add", (2, 3));
    let bytes = std::mem::take(ends.client.output());
    ends.server.receive(&bytes[..10], ends.now).unwrap();
    let error = ends.server.receive_eof(ends.now).unwrap_err();
    assert_eq!(
        error.to_string(),
        "was expecting 21 bytes but only received 6 before the stream closed"
    );
}

#[test]
fn a_client_that_closes_its_side_gets_its_answers() {
    let mut ends = Ends::new();
    let (one, two) = (ends.start("slow", (1,)), ends.start("add", (2, 3)));
    let bytes = std::mem::take(ends.client.output());
    ends.server.receive(&bytes, ends.now).unwrap();
    ends.server.receive_eof(ends.now).unwrap();
    ends.exchange();
    assert!(!ends.server.is_finished());
    ends.finish_job();
    assert!(ends.server.is_finished());
    assert_eq!(ends.answer::<i64>(one).unwrap(), 1);
    assert_eq!(ends.answer::<i64>(two).unwrap(), 5);
}

#[test]
fn a_stream_that_ends_while_answers_wait_for_room_is_read_to_its_end() {
    let short = Options {
        max_queued: 100,
        ..options()
    };
    let mut ends = Ends::with(options(), short);
    let ids: Vec<_> = (0..10)
        .map(|_| ends.start("repeat", ("x", 90_usize)))
        .collect();
    let bytes = std::mem::take(ends.client.output());
    ends.server.receive(&bytes, ends.now).unwrap();
    ends.server.receive_eof(ends.now).unwrap();
    while !ends.server.is_finished() {
        let bytes = std::mem::take(ends.server.output());
        ends.client.receive(&bytes, ends.now).unwrap();
        ends.server.receive(&[], ends.now).unwrap();
    }
    ends.exchange();
    for id in ids {
        assert_eq!(ends.answer::<String>(id).unwrap().len(), 90);
    }
}

#[test]
fn a_lost_stream_wakes_everybody_with_its_cause() {
    let mut ends = Ends::new();
    let id = ends.start("slow", (1,));
    ends.exchange();
    let reset = io::Error::new(io::ErrorKind::ConnectionReset, "reset by the peer");
    ends.client.connection_lost(Some(reset.into()));
    let error = ends.answer::<i64>(id).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the connection was lost (reset by the peer); the call may have been run"
    );
    let error = io::Error::from(
        ends.client
            .call(&Request::new("add"), &(), ends.now)
            .unwrap_err(),
    );
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    assert_eq!(
        error.to_string(),
        "the connection was lost (reset by the peer); the call was not run"
    );
    // The server's functions learn it too.
    ends.server.connection_lost(None);
    assert_eq!(ends.server.next_cancelled(), Some(ends.jobs[0].id));
    assert_eq!(
        (ends.server.in_flight(), ends.server.is_finished()),
        (0, true)
    );
}

#[test]
fn after_a_goodbye_that_complains_calls_behind_it_are_safe_to_repeat() {
    let mut ends = Ends::new();
    let (one, two) = (ends.start("slow", (1,)), ends.start("slow", (2,)));
    let goodbye = Envelope::Goodbye {
        last: 1,
        reason: Reason::TooSlow { allowed_ms: 500 },
    };
    let error = ends
        .client
        .receive(&written(&[goodbye]), ends.now)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the peer ended the connection: what it waited for did not come within 500 ms"
    );
    assert!(!ends.answer::<i64>(one).unwrap_err().is_safe_to_repeat());
    assert!(ends.answer::<i64>(two).unwrap_err().is_safe_to_repeat());
}

#[test]
fn calls_before_the_hello_are_not_sent() {
    let mut peer = Peer::new(Arc::new(Registry::new()), options());
    let error = peer
        .call(&Request::new("add"), &none(), Instant::now())
        .unwrap_err();
    assert!(matches!(error, Error::NotOpen) && error.is_safe_to_repeat());
    peer.receive_eof(Instant::now() + Duration::from_secs(1))
        .unwrap();
    assert!(matches!(
        peer.poll_open(Waker::noop()),
        Poll::Ready(Err(Error::Lost { not_run: true, .. }))
    ));
    assert!(peer.is_finished());
}
