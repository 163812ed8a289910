//! What must hold of any bytes that reach an end of the native protocol. The fuzz targets run it on what the fuzzer
//! makes up, and the tests on the stored corpus.
#![allow(dead_code, reason = "each fuzz target uses one function")]

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use rpc_core::native::{Envelope, Hello, Peer, Request};
use rpc_core::{Codec, Dialect, Options, Registry};

const MAX_FRAME_LEN: usize = 1024;

/// What is read as a message is written as the same bytes.
pub(crate) fn envelope(input: &[u8]) {
    let Ok(message) = Envelope::parse(input) else {
        return;
    };
    let mut out = Vec::new();
    message.write(&mut out);
    assert_eq!(out[4..], *input);
    assert_eq!(out[..4], (input.len() as u32).to_be_bytes());
    if let Envelope::Call(call) | Envelope::OneWay(call) = message {
        assert_eq!(call.keywords.into_iter().count(), call.keywords.len());
        assert_eq!(
            call.metadata.is_empty(),
            call.metadata.into_iter().count() == 0
        );
    }
}

/// An input is four bytes of settings and a stream: how many calls may run, how many bytes may wait, how the stream is
/// cut, and whether it comes behind a hello.
pub(crate) fn peer(input: &[u8]) {
    let Some((&[max_in_flight, max_queued, cut, greeted], stream)) = input.split_first_chunk()
    else {
        return;
    };
    let options = Options {
        max_frame_len: MAX_FRAME_LEN,
        max_in_flight: max_in_flight.into(),
        max_queued: max_queued.into(),
        ..Options::new(Codec::Postcard)
    };
    let mut bytes = Vec::new();
    if greeted % 2 == 1 {
        hello().write(&mut bytes);
    }
    bytes.extend_from_slice(stream);

    let whole = serve(&options, &[&bytes]);
    let pieces: Vec<_> = bytes.chunks(usize::from(cut).max(1)).collect();
    assert_eq!(serve(&options, &pieces), whole);
    client(&options, &pieces);
}

/// All that a server says, how many jobs it has then, and its error.
fn serve(options: &Options, pieces: &[&[u8]]) -> (Vec<u8>, usize, Option<String>) {
    let now = Instant::now();
    let mut server = Peer::new(registry(), options.clone());
    let mut said = std::mem::take(server.output());
    let mut error = None;
    for piece in pieces {
        let mut piece = *piece;
        while error.is_none() {
            error = server.receive(piece, now).err();
            piece = &[];
            // One answer more than may wait, and a goodbye.
            let most = options.max_queued + MAX_FRAME_LEN + 100;
            assert!(server.output().len() <= most, "{}", server.output().len());
            assert!(server.in_flight() <= options.max_in_flight);
            if server.output().is_empty() {
                break;
            }
            said.append(server.output());
        }
    }
    if let Some(error) = &error {
        let again = server.receive(&[], now).expect_err("errors repeat");
        assert_eq!(again.to_string(), error.to_string());
        assert!(server.is_finished());
    }
    readable(&said);
    let jobs: Vec<_> = std::iter::from_fn(|| server.next_job()).collect();
    let outcome = (said, jobs.len(), error.map(|error| error.to_string()));
    for job in jobs.into_iter().step_by(2) {
        server.complete(job.id, Ok(vec![0]), now);
    }
    let _ = server.handle_timeout(now + Duration::from_secs(20));
    let _ = server.receive_eof(now);
    server.drain(now);
    readable(server.output());
    outcome
}

/// A client that waits for answers takes the same bytes for those.
fn client(options: &Options, pieces: &[&[u8]]) {
    let now = Instant::now();
    let mut client = Peer::new(Arc::default(), options.clone());
    let mut greeting = Vec::new();
    hello().write(&mut greeting);
    client.output().clear();
    client.receive(&greeting, now).expect("a hello is taken");
    let calls: Vec<_> = (0..5)
        .map(|x| {
            client
                .call(&Request::new("add"), &(x, 1), now)
                .expect("five are few")
        })
        .collect();
    client.forget(calls[4]);
    let failed = pieces
        .iter()
        .any(|piece| client.receive(piece, now).is_err());
    if !failed {
        let _ = client.handle_timeout(now + Duration::from_secs(60));
        client.connection_lost(None);
    }
    for id in &calls[..4] {
        let Poll::Ready(answer) = client.poll_answer(*id, Waker::noop()) else {
            panic!("nobody waits when the conversation is over");
        };
        let _ = answer.map(|body| body.decode::<i64>());
    }
    readable(client.output());
}

fn readable(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((len, behind)) = rest.split_first_chunk::<4>() {
        let (frame, behind) = behind.split_at(u32::from_be_bytes(*len) as usize);
        assert!(frame.len() <= MAX_FRAME_LEN);
        Envelope::parse(frame).expect("what a peer writes can be read");
        rest = behind;
    }
    assert!(rest.is_empty());
}

fn hello() -> Envelope<'static> {
    Envelope::Hello(Hello {
        codec: 2,
        attended: true,
        max_frame_len: MAX_FRAME_LEN as u32,
        max_in_flight: 5,
        fingerprint: 0,
    })
}

fn registry() -> Arc<Registry> {
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x.checked_add(y));
    registry.register(
        "echo",
        ["text", "more"],
        |text: String, more: Option<Vec<u8>>| (text, more),
    );
    registry.register("twice", ["list"], |list: Vec<u64>| {
        [&list[..], &list].concat()
    });
    registry.register("fail", ["text"], |text: String| -> Result<(), String> {
        Err(text)
    });
    registry.register("slow", [], || ()).blocking();
    registry.register_async("async", [], |cx: rpc_core::Context| async move {
        cx.metadata().len()
    });
    registry.introspection();
    Arc::new(registry)
}
