//! Lengths that a hostile peer announces, and the memory they cost.

mod support;

use framing::{Decoder, Direction, Encoder, FrameError, Limits, Pattern, Prefix};
use support::{by_bytes, by_lending, by_slices, cuts, delimiter};

fn small() -> Limits {
    Limits {
        max_frame_len: 1000,
        ..Limits::default()
    }
}

fn too_long(declared: u64) -> FrameError {
    let direction = Direction::Receive;
    FrameError::TooLong {
        declared,
        limit: 1000,
        direction,
        looks_like: None,
    }
}

#[test]
fn announced_lengths_are_refused_before_any_body() {
    let table: &[(Prefix, &[u8], FrameError)] = &[
        (Prefix::U16Be, b"\x03\xe9", too_long(1001)),
        (Prefix::U16Le, b"\xe9\x03", too_long(1001)),
        (Prefix::U24Be, b"\xff\xff\xff", too_long(0xff_ffff)),
        (Prefix::U24Le, b"\xe9\x03\0", too_long(1001)),
        (Prefix::U32Be, b"\0\0\x03\xe9", too_long(1001)),
        (Prefix::U32Be, b"\x80\0\0\0", too_long(1 << 31)),
        (
            Prefix::U32Be,
            b"\xff\xff\xff\xff",
            too_long(u64::from(u32::MAX)),
        ),
        (
            Prefix::U32Le,
            b"\xff\xff\xff\xff",
            too_long(u64::from(u32::MAX)),
        ),
        (Prefix::U64Be, b"\x80\0\0\0\0\0\0\0", too_long(1 << 63)),
        (Prefix::U64Be, &[0xff; 8], too_long(u64::MAX)),
        (Prefix::U64Le, &[0xff; 8], too_long(u64::MAX)),
        (Prefix::Varint, b"\xe9\x07", too_long(1001)),
        (
            Prefix::Varint,
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            too_long(u64::MAX),
        ),
        (
            Prefix::Varint,
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            FrameError::OverlongVarint,
        ),
        (Prefix::Varint, &[0x80; 10], FrameError::OverlongVarint),
        (Prefix::Varint, &[0xff; 11], FrameError::OverlongVarint),
        (Prefix::Varint, b"\x85\0", FrameError::OverlongVarint),
        (
            Prefix::Multiprocessing,
            b"\x7f\xff\xff\xff",
            too_long(0x7fff_ffff),
        ),
        (
            Prefix::Multiprocessing,
            b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0",
            too_long(1 << 63),
        ),
        (Prefix::Multiprocessing, &[0xff; 12], too_long(u64::MAX)),
        (
            Prefix::Multiprocessing,
            b"\xff\xff\xff\xfe",
            FrameError::NegativeLength { length: -2 },
        ),
        (
            Prefix::Multiprocessing,
            b"\x80\0\0\0",
            FrameError::NegativeLength { length: i32::MIN },
        ),
    ];
    for (prefix, wire, error) in table {
        for cut in cuts(wire) {
            for feed in [by_slices, by_bytes, by_lending] {
                let decoder = Decoder::with_limits(Pattern::Prefix(*prefix), small());
                assert_eq!(
                    feed(decoder, &cut).as_ref(),
                    Err(error),
                    "{prefix:?} {wire:x?}"
                );
            }
        }
    }
}

#[test]
fn the_longest_frame_passes_and_one_byte_more_does_not() {
    let patterns = [
        Pattern::ToEnd,
        Pattern::Lines,
        delimiter(b"--"),
        Pattern::Prefix(Prefix::U16Be),
        Pattern::Prefix(Prefix::Varint),
        Pattern::Prefix(Prefix::Multiprocessing),
        Pattern::Blocks,
    ];
    for pattern in patterns {
        let encoder = Encoder::new(pattern.clone());
        for (len, fits) in [(1000, true), (1001, false)] {
            let payload = vec![b'x'; len];
            let mut wire = Vec::new();
            encoder.encode(&payload, &mut wire).unwrap();
            for pieces in [
                vec![&wire[..]],
                wire.chunks(1).collect(),
                wire.chunks(99).collect(),
            ] {
                for feed in [by_slices, by_bytes, by_lending] {
                    let decoder = Decoder::with_limits(pattern.clone(), small());
                    let frames = feed(decoder, &pieces);
                    assert_eq!(frames.is_ok(), fits, "{pattern:?} {len} {frames:?}");
                }
            }
        }
    }
}

#[test]
fn the_line_end_does_not_count() {
    for end in ["\n", "\r\n"] {
        let line = [&[b'x'; 1000][..], end.as_bytes()].concat();
        let frames = by_slices(Decoder::with_limits(Pattern::Lines, small()), &[&line]);
        assert_eq!(frames.unwrap()[0].len(), 1000);
        let line = [b"x", &line[..]].concat();
        let frames = by_slices(Decoder::with_limits(Pattern::Lines, small()), &[&line]);
        assert_eq!(
            frames,
            Err(FrameError::Undelimited {
                limit: 1000,
                looks_like: None
            })
        );
    }
}

#[test]
fn a_limit_of_zero_lets_empty_frames_pass() {
    let limits = Limits {
        max_frame_len: 0,
        ..Limits::default()
    };
    let table: [(Pattern, &[u8]); 5] = [
        (Pattern::Lines, b"\r\n\n"),
        (delimiter(b"<>"), b"<><>"),
        (Pattern::Prefix(Prefix::U16Be), b"\0\0\0\0"),
        (Pattern::Prefix(Prefix::Varint), b"\0\0"),
        (Pattern::Blocks, b"\0\0\0\0\0\0\0\0"),
    ];
    for (pattern, wire) in table {
        for cut in cuts(wire) {
            for feed in [by_slices, by_bytes, by_lending] {
                let frames = feed(Decoder::with_limits(pattern.clone(), limits), &cut);
                assert_eq!(
                    frames.as_deref(),
                    Ok(&[vec![], vec![]][..]),
                    "{pattern:?} {cut:?}"
                );
            }
        }
    }
}

#[test]
fn many_small_blocks_count_together() {
    let mut wire = Vec::new();
    for _ in 0..1001 {
        wire.extend_from_slice(b"\0\0\0\x01x");
    }
    let decoder = Decoder::with_limits(Pattern::Blocks, small());
    assert_eq!(by_slices(decoder, &[&wire]), Err(too_long(1001)));
}

#[test]
fn nothing_is_buffered_beyond_what_arrived() {
    // 8 MiB are announced and allowed, and six bytes are there.
    let mut decoder = Decoder::new(Pattern::Prefix(Prefix::U32Be));
    decoder.receive(b"\0\x80\0\0hi");
    assert_eq!(decoder.next_frame(), Ok(None));
    let unread = decoder.into_unread();
    assert_eq!(unread, &b"\0\x80\0\0hi"[..]);
    let capacity = unread.try_into_mut().unwrap().capacity();
    assert!(capacity < 1024, "{capacity}");
}

#[test]
fn a_line_that_comes_byte_by_byte_is_searched_once() {
    // Searching from the start each time would look at 32 GiB.
    let limits = Limits {
        max_frame_len: 256 * 1024,
        ..Limits::default()
    };
    for pattern in [Pattern::Lines, delimiter(b"\r\n")] {
        let mut decoder = Decoder::with_limits(pattern, limits);
        for _ in 0..256 * 1024 {
            decoder.receive(b"x");
            assert_eq!(decoder.next_frame(), Ok(None));
        }
        decoder.receive(b"\r\n");
        assert_eq!(decoder.next_frame().unwrap().unwrap().len(), 256 * 1024);
    }
}

#[test]
fn sending_has_its_own_limit() {
    let mut out = b"before".to_vec();
    let encoder = Encoder::with_max_frame_len(Pattern::Prefix(Prefix::U32Be), 4);
    let direction = Direction::Send;
    assert_eq!(
        encoder.encode(b"hello", &mut out),
        Err(FrameError::TooLong {
            declared: 5,
            limit: 4,
            direction,
            looks_like: None
        })
    );
    let encoder = Encoder::new(Pattern::Prefix(Prefix::U8));
    assert_eq!(
        encoder.encode(&[0; 256], &mut out),
        Err(FrameError::TooLong {
            declared: 256,
            limit: 255,
            direction,
            looks_like: None
        })
    );
    assert_eq!(out, b"before");
}

#[test]
fn what_would_be_read_otherwise_is_not_written() {
    let mut out = Vec::new();
    let inside = |at| Err(FrameError::DelimiterInside { at });
    let lines = Encoder::new(Pattern::Lines);
    assert_eq!(lines.encode(b"a\nb", &mut out), inside(1));
    assert_eq!(lines.encode(b"ab\r", &mut out), inside(2));
    assert_eq!(
        Encoder::new(delimiter(b"--")).encode(b"a--b", &mut out),
        inside(1)
    );
    // The delimiter's first byte would end a delimiter that begins in the payload.
    assert_eq!(
        Encoder::new(delimiter(b"--")).encode(b"a-", &mut out),
        inside(1)
    );
    assert_eq!(
        Encoder::new(delimiter(b"aab")).encode(b"xaa", &mut out),
        Ok(())
    );
    let wrong = FrameError::WrongLength {
        expected: 4,
        given: 3,
    };
    assert_eq!(
        Encoder::new(Pattern::Fixed(4)).encode(b"abc", &mut out),
        Err(wrong)
    );
    assert_eq!(out, b"xaaaab");
}
