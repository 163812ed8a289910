//! Streams of every pattern, and ways to feed them.
#![allow(dead_code, reason = "each test file uses its part")]

use framing::{Decoder, Delimiter, FrameError, Pattern, Prefix};

/// What a stream is cut into.
pub(crate) type Frames = Result<Vec<Vec<u8>>, FrameError>;

pub(crate) struct Sample {
    pub(crate) pattern: Pattern,
    pub(crate) wire: Vec<u8>,
    pub(crate) frames: Frames,
}

pub(crate) fn delimiter(bytes: &[u8]) -> Pattern {
    Pattern::Delimiter(Delimiter::new(bytes).expect("1 to 64 bytes"))
}

/// Valid and broken streams, short enough to be cut at every byte.
pub(crate) fn samples() -> Vec<Sample> {
    let long = [0xab; 300];
    let frames = |list: &[&[u8]]| Ok(list.iter().map(|frame| frame.to_vec()).collect());
    let sample = |pattern: Pattern, wire: &[u8], frames: Frames| Sample {
        pattern,
        wire: wire.to_vec(),
        frames,
    };
    let truncated = |expected, received| Err(FrameError::Truncated { expected, received });
    let prefix = Pattern::Prefix;
    vec![
        sample(Pattern::ToEnd, b"", frames(&[])),
        sample(Pattern::ToEnd, b"all of it", frames(&[b"all of it"])),
        sample(Pattern::Fixed(4), b"onetwo33", frames(&[b"onet", b"wo33"])),
        sample(Pattern::Fixed(16), b"Hi th", truncated(16, 5)),
        sample(
            Pattern::Lines,
            b"a\nbc\r\n\n\r\nd\re\nlast",
            frames(&[b"a", b"bc", b"", b"", b"d\re", b"last"]),
        ),
        sample(Pattern::Lines, b"x\r\r\nend\r", frames(&[b"x\r", b"end\r"])),
        sample(
            delimiter(b"?"),
            b"why?how??",
            frames(&[b"why", b"how", b""]),
        ),
        sample(
            delimiter(b"--=="),
            b"a---==-=--==----==",
            frames(&[b"a-", b"-=", b"--"]),
        ),
        sample(delimiter(b"aa"), b"aaabaa", frames(&[b"", b"ab"])),
        sample(
            delimiter(b"?"),
            b"why?how",
            Err(FrameError::Unterminated { received: 3 }),
        ),
        sample(
            prefix(Prefix::U8),
            b"\x03one\0\x02tw",
            frames(&[b"one", b"", b"tw"]),
        ),
        sample(
            prefix(Prefix::U16Be),
            b"\0\x03one\0\0",
            frames(&[b"one", b""]),
        ),
        sample(
            prefix(Prefix::U16Le),
            b"\x03\0one\0\0",
            frames(&[b"one", b""]),
        ),
        sample(
            prefix(Prefix::U24Be),
            b"\0\0\x03one\0\0\0",
            frames(&[b"one", b""]),
        ),
        sample(
            prefix(Prefix::U24Le),
            b"\x03\0\0one\0\0\0",
            frames(&[b"one", b""]),
        ),
        sample(
            prefix(Prefix::U32Be),
            b"\0\0\0\x03one\0\0\0\0",
            frames(&[b"one", b""]),
        ),
        sample(
            prefix(Prefix::U32Be),
            &[b"\0\0\x01\x2c", &long[..]].concat(),
            frames(&[&long]),
        ),
        sample(prefix(Prefix::U32Be), b"\0\0\0\x10Hi th", truncated(16, 5)),
        sample(prefix(Prefix::U32Be), b"\0\0\0", truncated(4, 3)),
        sample(
            prefix(Prefix::U32Le),
            b"\x03\0\0\0one\0\0\0\0",
            frames(&[b"one", b""]),
        ),
        sample(
            prefix(Prefix::U64Be),
            b"\0\0\0\0\0\0\0\x03one",
            frames(&[b"one"]),
        ),
        sample(
            prefix(Prefix::U64Le),
            b"\x03\0\0\0\0\0\0\0one",
            frames(&[b"one"]),
        ),
        sample(
            prefix(Prefix::Varint),
            &[b"\x03one\0\xac\x02", &long[..]].concat(),
            frames(&[b"one", b"", &long]),
        ),
        sample(
            prefix(Prefix::Varint),
            b"\x80\0",
            Err(FrameError::OverlongVarint),
        ),
        sample(
            prefix(Prefix::Multiprocessing),
            b"\0\0\0\x05hello\0\0\0\0",
            frames(&[b"hello", b""]),
        ),
        sample(
            prefix(Prefix::Multiprocessing),
            b"\xff\xff\xff\xff\0\0\0\0\0\0\0\x05hello\0\0\0\x01!",
            frames(&[b"hello", b"!"]),
        ),
        sample(
            prefix(Prefix::Multiprocessing),
            b"\xff\xff\xff\xff\0\0",
            truncated(12, 6),
        ),
        sample(
            prefix(Prefix::Multiprocessing),
            b"\xff\xff\xff\xfe",
            Err(FrameError::NegativeLength { length: -2 }),
        ),
        sample(
            Pattern::Blocks,
            b"\0\0\0\x03one\0\0\0\x02tw\0\0\0\0\0\0\0\0\0\0\0\x01x\0\0\0\0",
            frames(&[b"onetw", b"", b"x"]),
        ),
        sample(Pattern::Blocks, b"\0\0\0\x03one", truncated(4, 0)),
        sample(
            Pattern::Blocks,
            b"\0\0\0\x03one\0\0\0\x10Hi th",
            truncated(16, 5),
        ),
    ]
}

/// Every way a stream is cut in these tests: whole, in two at every byte, and into single bytes.
pub(crate) fn cuts(wire: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut cuts = vec![
        vec![wire],
        wire.chunks(1).collect(),
        wire.chunks(3).collect(),
    ];
    for at in 1..wire.len() {
        cuts.push(vec![&wire[..at], &wire[at..]]);
    }
    cuts
}

/// Fetches all frames by slices.
pub(crate) fn by_slices(mut decoder: Decoder, pieces: &[&[u8]]) -> Frames {
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.receive(piece);
        while let Some(frame) = decoder.next_frame()? {
            frames.push(frame.to_vec());
        }
    }
    decoder.receive_eof();
    while let Some(frame) = decoder.next_frame()? {
        frames.push(frame.to_vec());
    }
    Ok(frames)
}

/// Fetches all frames as `Bytes`.
pub(crate) fn by_bytes(mut decoder: Decoder, pieces: &[&[u8]]) -> Frames {
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.receive(piece);
        while let Some(frame) = decoder.next_bytes()? {
            frames.push(frame);
        }
    }
    decoder.receive_eof();
    while let Some(frame) = decoder.next_bytes()? {
        frames.push(frame);
    }
    Ok(frames.iter().map(|frame| frame.to_vec()).collect())
}

/// Fetches all frames from a lent buffer.
pub(crate) fn by_lending(mut decoder: Decoder, pieces: &[&[u8]]) -> Frames {
    let mut frames = Vec::new();
    for mut piece in pieces.iter().copied() {
        while let Some(frame) = decoder.decode(&mut piece)? {
            frames.push(frame.to_vec());
        }
    }
    decoder.receive_eof();
    while let Some(frame) = decoder.decode(&mut &[][..])? {
        frames.push(frame.to_vec());
    }
    Ok(frames)
}

/// Fetches by all three, in turn.
pub(crate) fn by_turns(mut decoder: Decoder, pieces: &[&[u8]]) -> Frames {
    let mut frames = Vec::new();
    for (round, mut piece) in pieces.iter().copied().enumerate() {
        match round % 3 {
            0 => {
                while let Some(frame) = decoder.decode(&mut piece)? {
                    frames.push(frame.to_vec());
                }
            }
            1 => {
                decoder.receive(piece);
                while let Some(frame) = decoder.next_frame()? {
                    frames.push(frame.to_vec());
                }
            }
            _ => {
                decoder.receive(piece);
                while let Some(frame) = decoder.next_bytes()? {
                    frames.push(frame.to_vec());
                }
            }
        }
    }
    decoder.receive_eof();
    while let Some(frame) = decoder.next_frame()? {
        frames.push(frame.to_vec());
    }
    Ok(frames)
}
