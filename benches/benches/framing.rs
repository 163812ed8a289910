//! `framing` beside `tokio-util`'s codecs and beside a loop written by hand over the same bytes.
//!
//! All contenders get the same stream in the same 8 KiB reads and look at the length and first byte of
//! every frame. They take turns: each round runs all of them, starting with another one, and what is
//! shown is the median over the rounds, with the spread from the first to the third quartile.
//!
//! What would mislead: the stream lies in the cache, so memory bandwidth is not in the figures; payloads
//! are not looked at, so a contender that copies them pays and one that lends them does not, which is
//! what is measured. `LinesCodec` also checks UTF-8. "limit" is what a program would do that knows its
//! one pattern, trusts its peer and needs no limits: copy to a buffer and walk.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::report::take_turns;
use bytes::{Buf, Bytes, BytesMut};
use framing::{Decoder, Encoder, FrameCodec, Pattern, Prefix};
use tokio_util::codec::Encoder as _;
use tokio_util::codec::{AnyDelimiterCodec, LengthDelimitedCodec, LinesCodec};

const READ: usize = 8 * 1024;
const STREAM: usize = 512 * 1024;
/// Some processors copy ten times slower where source and destination lie at nearly the same place in
/// their pages. Buffers tend to begin at the beginning of one, so the stream does not.
const PAD: usize = 1300;
const U32: Pattern = Pattern::Prefix(Prefix::U32Be);

fn main() {
    // Only `cargo bench` passes `--bench`. What is no option names the tables wanted: `lines`, `64`.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let smoke = has("--test") || !has("--bench");
    let wanted = |table: &str| {
        let mut words = arguments
            .iter()
            .filter(|argument| !argument.starts_with("--"));
        words.all(|word| table.split(' ').any(|part| part == word))
    };
    let (rounds, batch) = match smoke {
        true => (1, Duration::from_micros(100)),
        false => (21, Duration::from_millis(8)),
    };
    for size in [64, 1024, 64 * 1024] {
        let payload: &'static [u8] = vec![b'x'; size].leak();
        let count = STREAM / size;
        let prefixed = stream(&Encoder::new(U32), payload, count);
        let lines = stream(&Encoder::new(Pattern::Lines), payload, count);
        let (prefixed, lines) = (&prefixed[PAD..], &lines[PAD..]);
        for (title, contenders) in [
            ("decode", decoders(prefixed)),
            ("encode", encoders(payload, count)),
            ("lines", line_decoders(lines)),
        ] {
            let title = format!("{title} {size}");
            if wanted(&title) {
                report(&title, count, rounds, batch, contenders);
            }
        }
    }
}

/// A contender: its name, and a run over the whole stream that returns how many frames it saw.
type Contender<'a> = (&'static str, Box<dyn FnMut() -> usize + 'a>);

fn decoders(wire: &[u8]) -> Vec<Contender<'_>> {
    let mut slices = Decoder::new(U32);
    let mut owned = Decoder::new(U32);
    let mut lent = Decoder::new(U32);
    let mut codec = (FrameCodec::new(U32), BytesMut::with_capacity(READ));
    let mut theirs = (LengthDelimitedCodec::new(), BytesMut::with_capacity(READ));
    let mut buffer = Vec::with_capacity(READ);
    vec![
        ("limit", Box::new(move || walk(&mut buffer, wire))),
        (
            "tokio-util LengthDelimited",
            Box::new(move || by_codec(&mut theirs.0, &mut theirs.1, wire, |frame| frame)),
        ),
        (
            "framing lent buffer",
            Box::new(move || by_lending(&mut lent, wire)),
        ),
        (
            "framing slices",
            Box::new(move || by_slices(&mut slices, wire)),
        ),
        (
            "framing Bytes",
            Box::new(move || by_bytes(&mut owned, wire)),
        ),
        (
            "framing FrameCodec",
            Box::new(move || by_codec(&mut codec.0, &mut codec.1, wire, |frame| frame)),
        ),
    ]
}

fn line_decoders(wire: &[u8]) -> Vec<Contender<'_>> {
    let mut slices = Decoder::new(Pattern::Lines);
    let mut owned = Decoder::new(Pattern::Lines);
    let mut lent = Decoder::new(Pattern::Lines);
    let mut codec = (
        FrameCodec::new(Pattern::Lines),
        BytesMut::with_capacity(READ),
    );
    let mut lines = (
        LinesCodec::new_with_max_length(64 * 1024),
        BytesMut::with_capacity(READ),
    );
    let any = AnyDelimiterCodec::new_with_max_length(b"\n".into(), b"\n".into(), 64 * 1024);
    let mut any = (any, BytesMut::with_capacity(READ));
    let mut buffer = Vec::with_capacity(READ);
    vec![
        ("limit", Box::new(move || walk_lines(&mut buffer, wire))),
        (
            "tokio-util Lines",
            Box::new(move || by_codec(&mut lines.0, &mut lines.1, wire, String::into_bytes)),
        ),
        (
            "tokio-util AnyDelimiter",
            Box::new(move || by_codec(&mut any.0, &mut any.1, wire, |frame| frame)),
        ),
        (
            "framing lent buffer",
            Box::new(move || by_lending(&mut lent, wire)),
        ),
        (
            "framing slices",
            Box::new(move || by_slices(&mut slices, wire)),
        ),
        (
            "framing Bytes",
            Box::new(move || by_bytes(&mut owned, wire)),
        ),
        (
            "framing FrameCodec",
            Box::new(move || by_codec(&mut codec.0, &mut codec.1, wire, |frame| frame)),
        ),
    ]
}

/// Frames are appended until the outgoing buffer has [`READ`] bytes, and then it is emptied, as if
/// written.
fn encoders(payload: &'static [u8], count: usize) -> Vec<Contender<'static>> {
    let encoder = Encoder::new(U32);
    let mut out = Vec::with_capacity(READ);
    let mut codec = (FrameCodec::new(U32), BytesMut::with_capacity(READ));
    let mut theirs = (LengthDelimitedCodec::new(), BytesMut::with_capacity(READ));
    let mut buffer = Vec::with_capacity(READ);
    vec![
        (
            "limit",
            Box::new(move || {
                for _ in 0..count {
                    let payload = black_box(payload);
                    buffer.extend_from_slice(&(payload.len() as u32).to_be_bytes());
                    buffer.extend_from_slice(payload);
                    if buffer.len() >= READ {
                        black_box(&buffer).len();
                        buffer.clear();
                    }
                }
                count
            }),
        ),
        (
            "tokio-util LengthDelimited",
            Box::new(move || {
                let (codec, out) = &mut theirs;
                for _ in 0..count {
                    codec
                        .encode(Bytes::from_static(black_box(payload)), out)
                        .expect("fits");
                    if out.len() >= READ {
                        black_box(&out).len();
                        out.clear();
                    }
                }
                count
            }),
        ),
        (
            "framing Encoder",
            Box::new(move || {
                for _ in 0..count {
                    encoder.encode(black_box(payload), &mut out).expect("fits");
                    if out.len() >= READ {
                        black_box(&out).len();
                        out.clear();
                    }
                }
                count
            }),
        ),
        (
            "framing FrameCodec",
            Box::new(move || {
                let (codec, out) = &mut codec;
                for _ in 0..count {
                    codec
                        .encode(Bytes::from_static(black_box(payload)), out)
                        .expect("fits");
                    if out.len() >= READ {
                        black_box(&out).len();
                        out.clear();
                    }
                }
                count
            }),
        ),
    ]
}

fn stream(encoder: &Encoder, payload: &[u8], count: usize) -> Vec<u8> {
    let mut wire = vec![0; PAD];
    for _ in 0..count {
        encoder
            .encode(payload, &mut wire)
            .expect("the payload is within the limit");
    }
    wire
}

fn look(frame: &[u8]) -> usize {
    black_box((frame.len(), frame.first()));
    1
}

fn by_slices(decoder: &mut Decoder, wire: &[u8]) -> usize {
    let mut count = 0;
    for read in wire.chunks(READ) {
        decoder.receive(read);
        while let Some(frame) = decoder.next_frame().expect("the stream is valid") {
            count += look(frame);
        }
    }
    count
}

fn by_bytes(decoder: &mut Decoder, wire: &[u8]) -> usize {
    let mut count = 0;
    for read in wire.chunks(READ) {
        decoder.receive(read);
        while let Some(frame) = decoder.next_bytes().expect("the stream is valid") {
            count += look(&frame);
        }
    }
    count
}

fn by_lending(decoder: &mut Decoder, wire: &[u8]) -> usize {
    let mut count = 0;
    for mut read in wire.chunks(READ) {
        while let Some(frame) = decoder.decode(&mut read).expect("the stream is valid") {
            count += look(frame);
        }
    }
    count
}

fn by_codec<C: tokio_util::codec::Decoder, F: AsRef<[u8]>>(
    codec: &mut C,
    buffer: &mut BytesMut,
    wire: &[u8],
    frame: fn(C::Item) -> F,
) -> usize
where
    C::Error: std::fmt::Debug,
{
    let mut count = 0;
    for read in wire.chunks(READ) {
        buffer.extend_from_slice(read);
        while let Some(item) = codec.decode(buffer).expect("the stream is valid") {
            count += look(frame(item).as_ref());
        }
    }
    count
}

fn walk(buffer: &mut Vec<u8>, wire: &[u8]) -> usize {
    let mut count = 0;
    for read in wire.chunks(READ) {
        buffer.extend_from_slice(read);
        let mut rest = &buffer[..];
        while let Some((mut header, behind)) = rest.split_at_checked(4)
            && let Some((frame, behind)) = behind.split_at_checked(header.get_u32() as usize)
        {
            count += look(frame);
            rest = behind;
        }
        let done = buffer.len() - rest.len();
        buffer.drain(..done);
    }
    count
}

fn walk_lines(buffer: &mut Vec<u8>, wire: &[u8]) -> usize {
    let mut count = 0;
    for read in wire.chunks(READ) {
        let mut scanned = buffer.len();
        buffer.extend_from_slice(read);
        let mut start = 0;
        while let Some(index) = memchr::memchr(b'\n', &buffer[scanned..]) {
            count += look(&buffer[start..scanned + index]);
            start = scanned + index + 1;
            scanned = start;
        }
        buffer.drain(..start);
    }
    count
}

fn report(
    title: &str,
    count: usize,
    rounds: usize,
    batch: Duration,
    mut contenders: Vec<Contender<'_>>,
) {
    let Ok(mut figures) = take_turns(rounds, contenders.len(), |index| {
        let (name, run) = &mut contenders[index];
        assert_eq!(run(), count, "{name} sees every frame");
        let mut runs = 0;
        let start = Instant::now();
        while start.elapsed() < batch {
            runs += black_box(run()) / count;
        }
        Ok::<_, Infallible>(start.elapsed().as_secs_f64() * 1e9 / (runs * count) as f64)
    });
    for figures in &mut figures {
        figures.sort_by(f64::total_cmp);
    }
    let median = |index: usize| figures[index][rounds / 2];
    // The peer that is best today is the one to beat.
    let best_peer = (0..contenders.len())
        .filter(|&index| contenders[index].0.starts_with("tokio-util"))
        .map(median)
        .fold(f64::INFINITY, f64::min);
    println!(
        "\n{title:28} {:>10} {:>19} {:>9} {:>9}",
        "ns/frame", "quartiles", "x limit", "x peer"
    );
    for (index, (name, _)) in contenders.iter().enumerate() {
        let quartiles = format!(
            "{:.1}-{:.1}",
            figures[index][rounds / 4],
            figures[index][rounds * 3 / 4]
        );
        println!(
            "{name:28} {:10.1} {quartiles:>19} {:9.2} {:9.2}",
            median(index),
            median(index) / median(0),
            best_peer / median(index),
        );
    }
}
