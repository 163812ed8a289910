//! What must hold whatever a peer sends. The fuzz targets run it on what the fuzzer makes up, and the tests on the
//! stored corpus.
#![allow(dead_code, reason = "each fuzz target uses one function")]

#[path = "../tests/pickle_support/mod.rs"]
mod pickle_support;

use std::collections::BTreeMap;

use framing::{Decoder, FrameError, Limits, Pattern, Prefix};
use mp_connection::pickle::{Options, Protocol, Value};
use mp_connection::{Auth, AuthError, Generation, Handshake};
use pickle_support::difference;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// What is read as a value can be written in every protocol, and is the same when it is read again. What is read as
/// another type is so, too. An input is a pickle.
pub(crate) fn pickle(input: &[u8]) {
    let options = Options {
        max_values: 10_000,
        ..Options::default()
    };
    // What goes round may be counted otherwise.
    let wide = |protocol| Options {
        protocol,
        max_depth: 1000,
        ..Options::default()
    };
    let value = Value::from_pickle(input, &options);
    assert_eq!(
        value.is_ok(),
        options.from_pickle::<IgnoredAny>(input).is_ok()
    );
    let any = options.from_pickle::<Any>(input);
    let record = options.from_pickle::<Record>(input);
    for protocol in [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::V5] {
        let wide = wide(protocol);
        if let Ok(value) = &value {
            let written = value
                .to_pickle(&wide)
                .expect("what was read can be written");
            let again = Value::from_pickle(&written, &wide);
            let again = again.unwrap_or_else(|error| panic!("{error}: {written:?}"));
            if let Some(found) = difference(value, &again, protocol) {
                panic!("{protocol:?}, {found}: {value} became {again}");
            }
        }
        if let Ok(any) = &any {
            let written = wide.to_pickle(any).expect("what was read can be written");
            let again: Any = wide
                .from_pickle(&written)
                .expect("what was written can be read");
            assert_eq!(format!("{again:?}"), format!("{any:?}"));
        }
        if let Ok(record) = &record {
            let written = wide
                .to_pickle(record)
                .expect("what was read can be written");
            let again: Record = wide
                .from_pickle(&written)
                .expect("what was written can be read");
            assert_eq!(format!("{again:?}"), format!("{record:?}"));
        }
    }
}

/// Anything, by way of serde's own buffer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Any {
    Nothing,
    Bool(bool),
    Int(i64),
    Large(u64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

/// One field of each kind.
#[derive(Debug, Deserialize, Serialize)]
#[serde(default)]
struct Record {
    id: i64,
    wide: u128,
    name: Option<String>,
    ok: bool,
    score: f32,
    pair: (u8, char),
    raw: [u8; 2],
    names: BTreeMap<i16, String>,
    kind: Kind,
    inner: Option<Box<Self>>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            id: 1,
            wide: 2,
            name: None,
            ok: true,
            score: 1.5,
            pair: (3, 'x'),
            raw: [4, 5],
            names: BTreeMap::new(),
            kind: Kind::Nothing,
            inner: None,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
enum Kind {
    Nothing,
    One(i32),
    Pair(u8, String),
    Named { left: f64, right: () },
}

/// Nobody is let in without the key, and how a stream is cut changes nothing.
///
/// An input is three bytes of settings and a stream: which end it is sent to and which proofs are good enough, and two
/// lengths by which the stream is cut in turn. Key and nonce are fixed, so that the right answer is one of two.
pub(crate) fn handshake(input: &[u8]) {
    let Some((&[end, first, second], stream)) = input.split_first_chunk() else {
        return;
    };
    let takes_md5 = end & 4 != 0;
    let auth = match takes_md5 {
        true => Auth::with_legacy_md5("peekaboo"),
        false => Auth::modern_only("peekaboo"),
    }
    .expect("the key is not empty");
    let machine = || match end % 4 {
        0 => Handshake::listener(&auth, [b'm'; 40]),
        1 => Handshake::client(&auth, [b'm'; 40]),
        2 => Handshake::deliver(&auth, [b'm'; 40]),
        _ => Handshake::answer(&auth),
    };
    let run = |pieces: &[&[u8]]| {
        let mut machine = machine();
        let (mut taken, mut sent) = (0, Vec::new());
        for piece in pieces {
            let wanted = machine.wanted();
            let part = machine.receive(piece);
            assert!(part == piece.len() || machine.wanted() == 0);
            assert!(wanted > 0 || part == 0);
            taken += part;
            machine.poll_transmit(&mut sent);
        }
        machine.receive_eof();
        machine.poll_transmit(&mut sent);
        let outcome = machine.poll_event();
        let again = machine.poll_event();
        assert_eq!(
            again,
            outcome.clone().map(|_| None),
            "told once, errors repeat"
        );
        assert_eq!(machine.wanted(), 0);
        (outcome, sent, taken)
    };
    let (outcome, sent, taken) = run(&[stream]);
    let cut = run(&cut(stream, first, second));
    assert_eq!((&cut.0, &cut.1), (&outcome, &sent));
    assert!(sent.len() <= 200, "{} bytes sent", sent.len());
    match outcome {
        Ok(generation) => {
            // Not a byte more than the handshake is taken, however it comes.
            assert_eq!(cut.2, taken);
            let tag = |tag: &[u8]| stream.windows(tag.len()).any(|part| part == tag);
            match generation.expect("it is at its end") {
                _ if end % 4 == 3 => {}
                Generation::Modern => assert!(tag(&SHA256)),
                Generation::Legacy => assert!(takes_md5 && tag(&MD5)),
            }
        }
        Err(AuthError::WrongKey) => assert!(sent.ends_with(b"#FAILURE#")),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// HMAC-SHA256 of `{sha256}` and 40 times `m` with the key `peekaboo`.
const SHA256: [u8; 32] = [
    0x8e, 0xc9, 0xe3, 0xaf, 0x8f, 0xbb, 0x66, 0xdd, 0x35, 0x47, 0x38, 0x2e, 0xa9, 0xa6, 0xd9, 0xd7,
    0xbf, 0xb6, 0x46, 0xbf, 0x70, 0xfc, 0xd8, 0x4d, 0x83, 0x5a, 0xae, 0xcd, 0x9f, 0xd5, 0xb1, 0xc4,
];
/// HMAC-MD5 of the same.
const MD5: [u8; 16] = [
    0x20, 0x49, 0x9b, 0x74, 0xd9, 0xb5, 0x71, 0xd6, 0x7e, 0xb6, 0xa7, 0xde, 0x10, 0x6f, 0xee, 0x8a,
];

/// What `framing` cuts out of a stream is what a loop does that knows only this one pattern.
///
/// An input is three bytes of settings and a stream: the longest payload, and two lengths by which the stream is cut
/// in turn.
pub(crate) fn frame(input: &[u8]) {
    let Some((&[max, first, second], stream)) = input.split_first_chunk() else {
        return;
    };
    let max = usize::from(max);
    let (expected, is_wrong, rest) = walk(stream, max);
    let limits = Limits {
        max_frame_len: max,
        ..Limits::default()
    };
    for pieces in [vec![stream], cut(stream, first, second)] {
        let mut decoder = Decoder::with_limits(Pattern::Prefix(Prefix::Multiprocessing), limits);
        let mut frames = Vec::new();
        let mut error = None;
        for piece in pieces {
            decoder.receive(piece);
            error = drain(&mut decoder, &mut frames);
        }
        assert_eq!(frames, expected);
        assert_eq!(error.is_some(), is_wrong, "{error:?}");
        if is_wrong {
            let is_known = matches!(
                error,
                Some(FrameError::TooLong { .. } | FrameError::NegativeLength { .. })
            );
            assert!(is_known, "{error:?}");
            continue;
        }
        decoder.receive_eof();
        let end = drain(&mut decoder, &mut frames);
        assert_eq!(frames, expected);
        assert_eq!(end.is_some(), rest > 0, "{end:?}");
    }
}

fn drain(decoder: &mut Decoder, frames: &mut Vec<Vec<u8>>) -> Option<FrameError> {
    loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => frames.push(frame.to_vec()),
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
}

/// The payloads, whether a length is wrong, and how many bytes are left of a frame that is not complete.
fn walk(mut stream: &[u8], max: usize) -> (Vec<Vec<u8>>, bool, usize) {
    let mut frames = Vec::new();
    loop {
        let Some((short, mut behind)) = stream.split_first_chunk() else {
            return (frames, false, stream.len());
        };
        let short = i32::from_be_bytes(*short);
        let mut announced = i128::from(short);
        if short == -1 {
            let Some((long, payload)) = behind.split_first_chunk() else {
                return (frames, false, stream.len());
            };
            announced = u64::from_be_bytes(*long).into();
            behind = payload;
        }
        if announced < 0 || announced > max as i128 {
            return (frames, true, 0);
        }
        let Some((payload, behind)) = behind.split_at_checked(announced as usize) else {
            return (frames, false, stream.len());
        };
        frames.push(payload.to_vec());
        stream = behind;
    }
}

fn cut(mut stream: &[u8], first: u8, second: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    for len in [first, second].into_iter().cycle() {
        if stream.is_empty() {
            return pieces;
        }
        let (piece, rest) = stream.split_at(stream.len().min(usize::from(len).max(1)));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}
