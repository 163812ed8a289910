//! However a stream is cut, the frames are the same.

mod support;

use framing::{Decoder, FrameError, Limits, Oversize, Pattern, Prefix};
use support::{Frames, by_bytes, by_lending, by_slices, by_turns, cuts, samples};

fn check(feed: fn(Decoder, &[&[u8]]) -> Frames) {
    for sample in samples() {
        for cut in cuts(&sample.wire) {
            let frames = feed(Decoder::new(sample.pattern.clone()), &cut);
            assert_eq!(frames, sample.frames, "{:?} {cut:?}", sample.pattern);
        }
    }
}

#[test]
fn slices() {
    check(by_slices);
}

#[test]
fn bytes() {
    check(by_bytes);
}

#[test]
fn lent_buffer() {
    check(by_lending);
}

#[test]
fn slices_bytes_and_lent_buffer_in_turn() {
    check(by_turns);
}

#[test]
fn oversized_frames_are_skipped_wherever_they_are_cut() {
    let limits = Limits {
        max_frame_len: 4,
        oversize: Oversize::Skip,
        ..Limits::default()
    };
    let table: [(Pattern, &[u8], u64); 5] = [
        (Pattern::Prefix(Prefix::U8), b"\x01a\x05abcde\x04four\x09123456789", 2),
        (Pattern::Lines, b"a\nabcde\r\nfour\r\n123456789\n", 2),
        (support::delimiter(b"<>"), b"a<>abc<d<><four<><<<four<>", 3),
        (
            Pattern::Blocks,
            b"\0\0\0\x01a\0\0\0\0\0\0\0\x03abc\0\0\0\x02de\0\0\0\0\0\0\0\x04four\0\0\0\0\0\0\0\x05abcde\0\0\0\0",
            2,
        ),
        (Pattern::Lines, b"a\nfour\n123456789", 1),
    ];
    for (pattern, wire, skipped) in table {
        for cut in cuts(wire) {
            for feed in [by_slices, by_bytes, by_lending, by_turns] {
                let frames = feed(Decoder::with_limits(pattern.clone(), limits), &cut).unwrap();
                let expected: &[&[u8]] = match skipped {
                    3 => &[b"a"],
                    _ => &[b"a", b"four"],
                };
                assert_eq!(frames, expected, "{pattern:?} {cut:?}");
            }
            let mut decoder = Decoder::with_limits(pattern.clone(), limits);
            for piece in cut {
                decoder.receive(piece);
                while decoder.next_frame().unwrap().is_some() {}
            }
            decoder.receive_eof();
            while decoder.next_frame().unwrap().is_some() {}
            assert_eq!(decoder.skipped(), skipped, "{pattern:?}");
        }
    }
}

#[test]
fn a_skipped_frame_can_be_truncated() {
    let limits = Limits {
        max_frame_len: 4,
        oversize: Oversize::Skip,
        ..Limits::default()
    };
    for cut in cuts(b"\x10Hi th") {
        let decoder = Decoder::with_limits(Pattern::Prefix(Prefix::U8), limits);
        let truncated = FrameError::Truncated {
            expected: 16,
            received: 5,
        };
        assert_eq!(by_slices(decoder, &cut), Err(truncated));
    }
}

#[test]
fn an_empty_fixed_frame_comes_once() {
    for feed in [by_slices, by_bytes, by_lending] {
        assert_eq!(
            feed(Decoder::new(Pattern::Fixed(0)), &[b""]),
            Ok(vec![vec![]])
        );
    }
}
