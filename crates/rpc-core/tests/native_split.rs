//! However the bytes of a native conversation are cut, the same happens.
#![cfg(feature = "postcard")]

mod native_ends;

use std::sync::Arc;
use std::time::Instant;

use native_ends::{options, registry};
use proptest::prelude::*;
use rpc_core::native::{Call, Envelope, Hello, Keywords, Metadata, Peer};
use rpc_core::{Dialect, Options};

/// What a client may say: good calls, bad ones, and what breaks the protocol.
fn conversation(choices: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Envelope::Hello(Hello {
        codec: 2,
        attended: true,
        max_frame_len: 2048,
        max_in_flight: 10,
        fingerprint: 0,
    })
    .write(&mut out);
    for (id, choice) in (1..).zip(choices) {
        let (method, body): (_, &[u8]) = match choice % 8 {
            0 => ("add", b"\x02\x04"),
            1 => ("add", b"\x02"),
            2 => ("repeat", b"\x02ab\x80\x04"),
            3 => ("repeat", b"\x02ab\x80\x40"),
            4 => ("fail", b""),
            5 => ("nothing", b"\xff"),
            6 => {
                Envelope::Ping { id }.write(&mut out);
                continue;
            }
            _ => ("slow", b"\x06"),
        };
        let call = Call {
            id,
            timeout: 1000,
            method,
            positional: if body.len() > 1 { 2 } else { body.len() as u8 },
            keywords: Keywords::default(),
            metadata: Metadata::default(),
            body,
        };
        match choice {
            250.. => Envelope::Answer { id, body }.write(&mut out),
            200.. => Envelope::OneWay(Call { id: 0, ..call }).write(&mut out),
            150.. => Envelope::Cancel { id: id - 1 }.write(&mut out),
            _ => Envelope::Call(call).write(&mut out),
        }
    }
    out
}

/// All that a server says, its jobs and its error.
fn said(pieces: &[&[u8]]) -> (Vec<u8>, usize, Option<String>) {
    let now = Instant::now();
    let few = Options {
        max_in_flight: 3,
        ..options()
    };
    let mut server = Peer::new(Arc::new(registry()), few);
    let mut output = std::mem::take(server.output());
    let mut error = None;
    for piece in pieces {
        error = server.receive(piece, now).err();
        output.append(server.output());
    }
    let jobs = std::iter::from_fn(|| server.next_job()).count();
    (output, jobs, error.map(|error| error.to_string()))
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        choices in prop::collection::vec(any::<u8>(), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = conversation(&choices);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let whole = said(&[&bytes]);
        prop_assert_eq!(&said(&pieces), &whole);
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(&said(&single), &whole);
    }

    #[test]
    fn what_is_read_is_written_the_same(frame in prop::collection::vec(any::<u8>(), 0..60), kind in 1_u8..=10) {
        let mut frame = frame;
        if let [version, found, ..] = &mut frame[..] {
            (*version, *found) = (1, kind);
        }
        if let Ok(message) = Envelope::parse(&frame) {
            let mut out = Vec::new();
            message.write(&mut out);
            prop_assert_eq!(&out[4..], &frame[..]);
        }
    }
}
