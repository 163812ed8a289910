//! What errors say, and that they stay.

mod support;

use std::error::Error as _;
use std::io;
use std::time::Duration;

use framing::{Decoder, Direction, Error, FrameError, Limits, Opening, Pattern, Prefix};
use support::{by_lending, by_slices};

const HTTP: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const TLS: &[u8] = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
const SSH: &[u8] = b"SSH-2.0-OpenSSH_9.2\r\n";

fn looks_like(pattern: Pattern, wire: &[u8]) -> Option<Opening> {
    let limits = Limits {
        max_frame_len: 10,
        ..Limits::default()
    };
    let whole = by_slices(Decoder::with_limits(pattern.clone(), limits), &[wire]);
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(
        by_lending(Decoder::with_limits(pattern, limits), &bytes),
        whole
    );
    match whole {
        Err(
            FrameError::TooLong { looks_like, .. } | FrameError::Undelimited { looks_like, .. },
        ) => looks_like,
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_protocols_are_recognised() {
    for pattern in [
        Pattern::Prefix(Prefix::U32Be),
        Pattern::Blocks,
        support::delimiter(b"\0\0"),
    ] {
        assert_eq!(looks_like(pattern.clone(), HTTP), Some(Opening::Http));
        assert_eq!(looks_like(pattern.clone(), SSH), Some(Opening::Ssh));
        assert_eq!(looks_like(pattern.clone(), &[b'x'; 30]), None);
    }
    for method in [
        "POST /",
        "PUT /",
        "HEAD /",
        "DELETE /",
        "OPTIONS *",
        "PATCH /",
        "CONNECT a:1",
    ] {
        let opening = looks_like(Pattern::Prefix(Prefix::U32Be), method.as_bytes());
        assert_eq!(opening, Some(Opening::Http), "{method}");
    }
    for prefix in [
        Prefix::U32Be,
        Prefix::U32Le,
        Prefix::Multiprocessing,
        Prefix::U24Be,
    ] {
        assert_eq!(
            looks_like(Pattern::Prefix(prefix), TLS),
            Some(Opening::Tls),
            "{prefix:?}"
        );
    }
}

#[test]
fn only_the_beginning_of_a_stream_is_an_opening() {
    assert_eq!(
        looks_like(
            Pattern::Prefix(Prefix::U32Be),
            b"\0\0\0\x02hiGET / HTTP/1.1"
        ),
        None
    );
}

#[test]
fn errors_are_sentences_with_numbers() {
    let table = [
        (
            FrameError::TooLong {
                declared: 1_195_725_856,
                limit: 8_388_608,
                direction: Direction::Receive,
                looks_like: Some(Opening::Http),
            },
            "peer announced a frame of 1195725856 bytes, the limit is 8388608; \
             this looks like an HTTP request",
        ),
        (
            FrameError::TooLong {
                declared: 256,
                limit: 255,
                direction: Direction::Send,
                looks_like: None,
            },
            "frame to send has 256 bytes, the limit is 255",
        ),
        (
            FrameError::Undelimited {
                limit: 65536,
                looks_like: Some(Opening::Tls),
            },
            "no end of the frame within the limit of 65536 bytes; this looks like a TLS handshake",
        ),
        (
            FrameError::Truncated {
                expected: 16,
                received: 5,
            },
            "was expecting 16 bytes but only received 5 before the stream closed",
        ),
        (
            FrameError::Unterminated { received: 5 },
            "received 5 bytes without a delimiter before the stream closed",
        ),
        (
            FrameError::NegativeLength { length: -2 },
            "peer announced a frame of -2 bytes, which is below -1",
        ),
        (
            FrameError::OverlongVarint,
            "peer announced a length that is not the shortest varint of 64 bits",
        ),
        (
            FrameError::TooSlow {
                received: 3,
                allowed: Duration::from_secs(10),
                looks_like: Some(Opening::Ssh),
            },
            "only 3 bytes of a frame came in the 10s allowed; this looks like an SSH greeting",
        ),
        (
            FrameError::DelimiterInside { at: 7 },
            "payload to send contains the delimiter at byte 7",
        ),
        (
            FrameError::WrongLength {
                expected: 16,
                given: 5,
            },
            "payload to send has 5 bytes where every frame has 16",
        ),
        (
            FrameError::QueueFull {
                added: 10,
                queued: 95,
                max_len: 100,
                frames: 3,
                max_frames: 16,
            },
            "no room for 10 bytes in the queue, which holds 95 of 100 bytes and 3 of 16 frames",
        ),
    ];
    for (error, text) in table {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_failed_decoder_repeats_its_error() {
    let mut decoder = Decoder::new(Pattern::Prefix(Prefix::Multiprocessing));
    let error = FrameError::NegativeLength { length: -2 };
    decoder.receive(b"\0\0\0\x01x\xff\xff\xff\xfe");
    assert_eq!(decoder.next_frame(), Ok(Some(&b"x"[..])));
    assert_eq!(decoder.next_frame(), Err(error.clone()));
    decoder.receive(b"\0\0\0\x01x");
    assert_eq!(decoder.next_frame(), Err(error.clone()));
    assert_eq!(decoder.next_bytes(), Err(error.clone()));
    assert_eq!(decoder.decode(&mut &b"\0\0\0\x01x"[..]), Err(error.clone()));
    decoder.set_pattern(Pattern::Lines, Limits::default());
    decoder.receive_eof();
    assert_eq!(decoder.next_frame(), Err(error));
}

#[test]
fn truncation_repeats_too() {
    let mut decoder = Decoder::new(Pattern::Fixed(16));
    decoder.receive(b"Hi th");
    decoder.receive_eof();
    let error = FrameError::Truncated {
        expected: 16,
        received: 5,
    };
    assert_eq!(decoder.next_frame(), Err(error.clone()));
    assert_eq!(decoder.next_frame(), Err(error));
}

#[test]
fn a_drivers_error_has_its_source() {
    let frame = Error::from(FrameError::OverlongVarint);
    assert_eq!(frame.to_string(), FrameError::OverlongVarint.to_string());
    assert!(
        frame
            .source()
            .is_some_and(|source| source.is::<FrameError>())
    );
    let io = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
    assert!(io.source().is_some_and(|source| source.is::<io::Error>()));
}
