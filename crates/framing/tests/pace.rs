//! Deadlines of partial frames, on a clock moved by hand.

use std::time::{Duration, Instant};

use framing::{Decoder, FrameError, Limits, Oversize, Pattern, Prefix};

fn limits() -> Limits {
    Limits {
        grace: Duration::from_secs(10),
        min_rate: 100,
        ..Limits::default()
    }
}

fn decoder() -> Decoder {
    Decoder::with_limits(Pattern::Prefix(Prefix::U32Be), limits())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn between_frames_there_is_no_deadline() {
    let now = Instant::now();
    let mut decoder = decoder();
    assert_eq!(decoder.poll_timeout(now), None);
    decoder.receive(b"\0\0\0\x01x");
    assert_eq!(decoder.next_frame(), Ok(Some(&b"x"[..])));
    assert_eq!(decoder.next_frame(), Ok(None));
    assert_eq!(decoder.poll_timeout(now), None);
    assert_eq!(decoder.handle_timeout(now + seconds(1000)), Ok(()));
}

#[test]
fn a_silent_peer_has_the_grace_and_a_steady_one_more() {
    let start = Instant::now();
    let mut decoder = decoder();
    decoder.receive(b"\0\0\x10\0");
    assert_eq!(decoder.next_frame(), Ok(None));
    assert_eq!(
        decoder.poll_timeout(start),
        Some(start + seconds(10) + Duration::from_millis(40))
    );
    // The beginning stays, and 100 bytes buy a second.
    decoder.receive(&[0; 496]);
    assert_eq!(decoder.next_frame(), Ok(None));
    assert_eq!(
        decoder.poll_timeout(start + seconds(9)),
        Some(start + seconds(15))
    );
    assert_eq!(decoder.handle_timeout(start + seconds(14)), Ok(()));
    let error = FrameError::TooSlow {
        received: 500,
        allowed: seconds(15),
        looks_like: None,
    };
    assert_eq!(
        decoder.handle_timeout(start + seconds(15)),
        Err(error.clone())
    );
    assert_eq!(decoder.next_frame(), Err(error));
    assert_eq!(decoder.poll_timeout(start), None);
}

#[test]
fn every_frame_has_its_own_time() {
    let start = Instant::now();
    let mut decoder = decoder();
    decoder.receive(b"\0\0\0\x02a");
    assert_eq!(decoder.next_frame(), Ok(None));
    assert!(decoder.poll_timeout(start).is_some());
    decoder.receive(b"b\0\0");
    assert_eq!(decoder.next_frame(), Ok(Some(&b"ab"[..])));
    assert_eq!(decoder.poll_timeout(start), None, "not looked at yet");
    assert_eq!(decoder.next_frame(), Ok(None));
    let later = start + seconds(9);
    assert_eq!(
        decoder.poll_timeout(later),
        Some(later + seconds(10) + Duration::from_millis(20))
    );
}

#[test]
fn frames_that_wait_to_be_fetched_have_none() {
    let start = Instant::now();
    let mut decoder = decoder();
    decoder.receive(b"\0\0\0\x01a\0\0\0\x01b");
    assert_eq!(decoder.next_frame(), Ok(Some(&b"a"[..])));
    assert_eq!(decoder.handle_timeout(start + seconds(100)), Ok(()));
    assert_eq!(decoder.next_frame(), Ok(Some(&b"b"[..])));
}

#[test]
fn lent_buffers_keep_time_too() {
    let start = Instant::now();
    let mut decoder = Decoder::with_limits(Pattern::Lines, limits());
    assert_eq!(decoder.decode(&mut &b"GET / HTT"[..]), Ok(None));
    assert!(decoder.poll_timeout(start).is_some());
    let error = decoder.handle_timeout(start + seconds(11)).unwrap_err();
    let text =
        "only 9 bytes of a frame came in the 10.09s allowed; this looks like an HTTP request";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_frame_that_is_skipped_or_joined_keeps_its_pace() {
    let start = Instant::now();
    let limits = Limits {
        max_frame_len: 10,
        oversize: Oversize::Skip,
        ..limits()
    };
    for (pattern, wire, received) in [
        (
            Pattern::Prefix(Prefix::U8),
            &b"\xc8aaaaaaaaaaaaaaaaaaaa"[..],
            20,
        ),
        (Pattern::Lines, b"aaaaaaaaaaaaaaaaaaaa", 20),
        (Pattern::Blocks, b"\0\0\0\x02aa\0\0\0\x06aaa", 13),
    ] {
        let mut decoder = Decoder::with_limits(pattern.clone(), limits);
        decoder.receive(wire);
        assert_eq!(decoder.next_frame(), Ok(None));
        let deadline = decoder.poll_timeout(start).unwrap();
        assert_eq!(
            deadline,
            start + seconds(10) + Duration::from_millis(10 * received),
            "{pattern:?}"
        );
        let error = decoder.handle_timeout(deadline).unwrap_err();
        assert!(matches!(error, FrameError::TooSlow { received: r, .. } if r == received));
    }
}

#[test]
fn no_rate_is_no_deadline() {
    let now = Instant::now();
    for limits in [
        Limits {
            min_rate: 0,
            ..Limits::default()
        },
        Limits {
            grace: Duration::MAX,
            ..Limits::default()
        },
    ] {
        let mut decoder = Decoder::with_limits(Pattern::Lines, limits);
        decoder.receive(b"hel");
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(decoder.poll_timeout(now), None);
        assert_eq!(decoder.handle_timeout(now + seconds(1 << 30)), Ok(()));
    }
}
