//! What must hold of any stream. The fuzz targets run it on what the fuzzer makes up, and the tests on
//! the stored corpus.
//!
//! An input is five bytes of settings and a stream: the pattern, the longest frame, whether longer ones
//! are skipped, and two lengths by which the stream is cut in turn.
#![allow(dead_code, reason = "each fuzz target uses one function")]

use framing::{Decoder, Delimiter, Encoder, FrameError, Limits, Oversize, Pattern, Prefix};

const PREFIXES: [Prefix; 11] = [
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
];

pub(crate) fn prefix(input: &[u8]) {
    check(input, |kind, _| {
        Pattern::Prefix(PREFIXES[usize::from(kind) % PREFIXES.len()])
    });
}

pub(crate) fn delimited(input: &[u8]) {
    check(input, |kind, stream| match kind % 8 {
        0 => Pattern::ToEnd,
        1 => Pattern::Lines,
        2 => Pattern::Fixed(usize::from(kind / 8)),
        // A delimiter from the stream itself will come again.
        len => {
            let start = &stream[..stream.len().min(usize::from(len) - 2)];
            Pattern::Delimiter(
                Delimiter::new(start)
                    .unwrap_or_else(|| Delimiter::new(b"\r\n").expect("two bytes are a delimiter")),
            )
        }
    });
}

pub(crate) fn blocks(input: &[u8]) {
    check(input, |_, _| Pattern::Blocks);
}

fn check(input: &[u8], pattern: fn(u8, &[u8]) -> Pattern) {
    let Some((&[kind, max_frame_len, skip, first, second], stream)) = input.split_first_chunk()
    else {
        return;
    };
    let pattern = pattern(kind, stream);
    let max_frame_len = usize::from(max_frame_len);
    let oversize = if skip % 2 == 0 {
        Oversize::Fail
    } else {
        Oversize::Skip
    };
    let limits = Limits {
        max_frame_len,
        oversize,
        ..Limits::default()
    };
    let decoder = || Decoder::with_limits(pattern.clone(), limits);

    let whole = run(decoder(), &[stream], |_| 0);
    assert!(
        whole
            .frames
            .iter()
            .all(|frame| frame.len() <= max_frame_len)
    );
    let mut pieces = Vec::new();
    let mut rest = stream;
    for size in [first, second].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(usize::from(size).max(1)));
        pieces.push(piece);
        rest = behind;
    }
    // Owned, by slices, from a lent buffer, and all of them in turn.
    for way in [|_| 0, |_| 1, |_| 2, |round| round % 3] {
        let cut = run(decoder(), &pieces, way);
        assert_eq!(cut.frames, whole.frames);
        assert_eq!(cut.skipped, whole.skipped);
        match (&cut.error, &whole.error) {
            (Some(cut), Some(whole)) => assert_eq!(without_hint(cut), without_hint(whole)),
            (cut, whole) => assert_eq!(cut, whole),
        }
    }

    // What was read can be written, except a last line that ends with `\r`, and is read again.
    let encoder = Encoder::new(pattern.clone());
    let mut wire = Vec::new();
    let written: Vec<_> = whole
        .frames
        .iter()
        .filter(|frame| encoder.encode(frame, &mut wire).is_ok())
        .collect();
    if !matches!(pattern, Pattern::Lines | Pattern::Fixed(0)) {
        assert_eq!(written.len(), whole.frames.len());
    }
    let again = run(decoder(), &[&wire], |_| 0);
    assert!(again.frames.iter().eq(written));
}

#[derive(Debug)]
struct Outcome {
    frames: Vec<Vec<u8>>,
    skipped: u64,
    error: Option<FrameError>,
}

fn run(mut decoder: Decoder, pieces: &[&[u8]], way: fn(usize) -> usize) -> Outcome {
    let mut frames = Vec::new();
    let mut error = None;
    let ended: &[u8] = &[];
    for (round, piece) in pieces.iter().chain([&ended]).enumerate() {
        let mut input = *piece;
        if round == pieces.len() {
            decoder.receive_eof();
        }
        if way(round) != 2 {
            decoder.receive(input);
        }
        loop {
            let next = match way(round) {
                0 => decoder
                    .next_bytes()
                    .map(|frame| frame.map(|frame| frame.to_vec())),
                1 => decoder.next_frame().map(|frame| frame.map(<[u8]>::to_vec)),
                _ => decoder
                    .decode(&mut input)
                    .map(|frame| frame.map(<[u8]>::to_vec)),
            };
            match next {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(found) => {
                    assert_eq!(decoder.next_frame(), Err(found.clone()), "errors repeat");
                    let skipped = decoder.skipped();
                    error = Some(found);
                    return Outcome {
                        frames,
                        skipped,
                        error,
                    };
                }
            }
        }
    }
    Outcome {
        frames,
        skipped: decoder.skipped(),
        error,
    }
}

/// Short prefixes are judged by as much of the stream as is there, so the hint depends on the cut.
fn without_hint(error: &FrameError) -> FrameError {
    match error.clone() {
        FrameError::TooLong {
            declared,
            limit,
            direction,
            ..
        } => FrameError::TooLong {
            declared,
            limit,
            direction,
            looks_like: None,
        },
        FrameError::Undelimited { limit, .. } => FrameError::Undelimited {
            limit,
            looks_like: None,
        },
        other => other,
    }
}
