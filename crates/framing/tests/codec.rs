//! The codec for tokio-util.

mod support;

use bytes::{Bytes, BytesMut};
use framing::{Encoder, Error, FrameCodec, FrameError, Limits, Oversize, Pattern, Prefix};
use support::{Frames, cuts, samples};
use tokio_util::codec::{Decoder as _, Encoder as _};

fn frame_error(error: Error) -> FrameError {
    match error {
        Error::Frame(error) => error,
        Error::Io(error) => panic!("{error}"),
    }
}

fn read(mut codec: FrameCodec, pieces: &[&[u8]]) -> Frames {
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(frame) = codec.decode(&mut buffer).map_err(frame_error)? {
            frames.push(frame.to_vec());
        }
    }
    while let Some(frame) = codec.decode_eof(&mut buffer).map_err(frame_error)? {
        frames.push(frame.to_vec());
    }
    Ok(frames)
}

#[test]
fn frames_are_the_same_however_they_are_cut() {
    for sample in samples() {
        for cut in cuts(&sample.wire) {
            let frames = read(FrameCodec::new(sample.pattern.clone()), &cut);
            assert_eq!(frames, sample.frames, "{:?} {cut:?}", sample.pattern);
        }
    }
}

#[test]
fn what_it_writes_is_what_the_encoder_writes() {
    let patterns = [
        Pattern::Lines,
        Pattern::Blocks,
        support::delimiter(b"<>"),
        Pattern::ToEnd,
        Pattern::Fixed(5),
    ];
    let prefixes = [
        Prefix::U8,
        Prefix::U24Le,
        Prefix::U32Be,
        Prefix::U64Be,
        Prefix::Varint,
    ];
    for pattern in patterns.into_iter().chain(prefixes.map(Pattern::Prefix)) {
        let mut wire = Vec::new();
        Encoder::new(pattern.clone())
            .encode(b"hello", &mut wire)
            .unwrap();
        let mut buffer = BytesMut::new();
        let mut codec = FrameCodec::new(pattern.clone());
        codec
            .encode(Bytes::from_static(b"hello"), &mut buffer)
            .unwrap();
        assert_eq!(buffer, wire, "{pattern:?}");
    }
}

#[test]
fn limits_hold_both_ways() {
    let limits = Limits {
        max_frame_len: 4,
        oversize: Oversize::Skip,
        ..Limits::default()
    };
    let encoder = Encoder::with_max_frame_len(Pattern::Prefix(Prefix::U8), 4);
    let mut codec = FrameCodec::with_limits(limits, encoder);
    let mut buffer = BytesMut::new();
    let error = codec
        .encode(Bytes::from_static(b"12345"), &mut buffer)
        .unwrap_err();
    assert!(matches!(
        frame_error(error),
        FrameError::TooLong {
            declared: 5,
            limit: 4,
            ..
        }
    ));
    assert!(buffer.is_empty());
    buffer.extend_from_slice(b"\x0512345\x041234");
    assert_eq!(codec.decode(&mut buffer).unwrap().unwrap(), &b"1234"[..]);
    assert_eq!(codec.skipped(), 1);
}

#[test]
fn an_announced_length_reserves_no_more_than_a_step() {
    let mut codec = FrameCodec::new(Pattern::Prefix(Prefix::U32Be));
    let mut buffer = BytesMut::from(&b"\0\x80\0\0hi"[..]);
    assert!(codec.decode(&mut buffer).unwrap().is_none());
    assert!(buffer.capacity() <= 32 * 1024, "{}", buffer.capacity());
}
