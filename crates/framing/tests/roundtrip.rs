//! What an encoder writes, a decoder reads; and no input makes a decoder misbehave.

mod support;

use framing::{Decoder, Encoder, FrameError, Limits, Oversize, Pattern, Prefix};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{by_bytes, by_lending, by_slices, delimiter};

fn any_pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        Just(Pattern::ToEnd),
        (0..20_usize).prop_map(Pattern::Fixed),
        Just(Pattern::Lines),
        vec(0..3_u8, 1..6).prop_map(|bytes| delimiter(&bytes)),
        any_prefix().prop_map(Pattern::Prefix),
        Just(Pattern::Blocks),
    ]
}

fn any_prefix() -> impl Strategy<Value = Prefix> {
    prop::sample::select(vec![
        Prefix::U8,
        Prefix::U16Be,
        Prefix::U16Le,
        Prefix::U24Be,
        Prefix::U24Le,
        Prefix::U32Be,
        Prefix::U32Le,
        Prefix::U64Be,
        Prefix::U64Le,
        Prefix::Varint,
        Prefix::Multiprocessing,
    ])
}

/// Bytes that delimiters are made of come often.
fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(0..4_u8, 0..40),
        vec(any::<u8>(), 0..300),
        vec(b'\n'..=b'\r', 0..10)
    ]
}

fn cut<'a>(wire: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = wire;
    for size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn encode_then_decode(
        pattern in any_pattern(),
        payloads in vec(any_payload(), 1..6),
        sizes in vec(1..50_usize, 1..6),
    ) {
        let encoder = Encoder::new(pattern.clone());
        let mut wire = Vec::new();
        let mut sent = Vec::new();
        for payload in payloads {
            let before = wire.len();
            match encoder.encode(&payload, &mut wire) {
                Ok(()) => sent.push(payload),
                Err(FrameError::TooLong { .. } | FrameError::DelimiterInside { .. } | FrameError::WrongLength { .. }) => {
                    prop_assert_eq!(wire.len(), before);
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
        match pattern {
            Pattern::ToEnd if wire.is_empty() => sent.clear(),
            Pattern::ToEnd => sent = vec![sent.concat()],
            Pattern::Fixed(0) => sent = vec![vec![]],
            _ => {}
        }
        let pieces = cut(&wire, &sizes);
        for feed in [by_slices, by_bytes, by_lending] {
            let frames = feed(Decoder::new(pattern.clone()), &pieces);
            prop_assert_eq!(frames.as_ref(), Ok(&sent));
        }
    }

    #[test]
    fn any_bytes_give_the_same_however_cut(
        pattern in any_pattern(),
        wire in any_payload(),
        sizes in vec(1..50_usize, 1..6),
        max_frame_len in 0..40_usize,
        oversize in prop::sample::select(vec![Oversize::Fail, Oversize::Skip]),
    ) {
        let limits = Limits { max_frame_len, oversize, ..Limits::default() };
        let decoder = || Decoder::with_limits(pattern.clone(), limits);
        let whole = by_slices(decoder(), &[&wire]);
        if let Ok(frames) = &whole {
            prop_assert!(frames.iter().all(|frame| frame.len() <= max_frame_len));
        }
        let pieces = cut(&wire, &sizes);
        for feed in [by_slices, by_bytes, by_lending] {
            prop_assert_eq!(&feed(decoder(), &pieces), &whole);
        }
    }

    #[test]
    fn a_drained_decoder_holds_one_partial_frame(
        pattern in any_pattern(),
        wire in any_payload(),
        sizes in vec(1..50_usize, 1..6),
    ) {
        // Behind the one empty frame, everything is kept for the next pattern.
        prop_assume!(pattern != Pattern::Fixed(0));
        let limits = Limits { max_frame_len: 30, oversize: Oversize::Skip, ..Limits::default() };
        let mut decoder = Decoder::with_limits(pattern, limits);
        for piece in cut(&wire, &sizes) {
            decoder.receive(piece);
            let drained = loop {
                match decoder.next_frame() {
                    Ok(Some(_)) => {}
                    other => break other.is_ok(),
                }
            };
            if !drained {
                break;
            }
            prop_assert!(decoder.buffered() <= 30 + 12, "{}", decoder.buffered());
        }
    }
}
