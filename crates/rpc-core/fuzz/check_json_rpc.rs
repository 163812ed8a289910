//! What must hold of any bytes that arrive in JSON-RPC: the first says how the others are cut. The fuzz target runs it
//! on what the fuzzer makes up, and the tests on the stored corpus.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use rpc_core::json_rpc::{Options, Peer};
use rpc_core::{Dialect, Fault, Registry, Value, Work};
use serde::de::IgnoredAny;

pub(crate) fn json_rpc(input: &[u8]) {
    let Some((&cut, stream)) = input.split_first() else {
        return;
    };
    let whole = answers(&[stream]);
    let pieces: Vec<&[u8]> = stream.chunks(usize::from(cut).max(1)).collect();
    assert_eq!(answers(&pieces), whole, "in pieces of {cut} bytes");

    // Lines that are JSON are understood as such, and others are not.
    let lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
    for line in lines.iter().filter(|line| line.len() <= MAX_LINE_LEN) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let is_json = std::str::from_utf8(line)
            .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        let answers = answers(&[line]);
        let is_refused = answers
            .iter()
            .any(|answer| answer.contains(r#""error":{"code":-32700,"#));
        assert_eq!(is_refused, !is_json, "{answers:?}");
        assert!(answers.len() <= 1, "{answers:?}");
    }
}

/// All that is answered, line by line; in each, something that is an answer.
fn answers(pieces: &[&[u8]]) -> Vec<String> {
    let mut peer = Peer::new(Arc::clone(&REGISTRY), options());
    let now = Instant::now();
    let mut output = Vec::new();
    let mut is_open = true;
    for piece in pieces {
        is_open = is_open && peer.receive(piece, now).is_ok();
        drive(&mut peer, &mut output);
    }
    if is_open {
        // The last line may be too long.
        is_open = peer.receive_eof(now).is_ok();
        drive(&mut peer, &mut output);
    }
    assert_eq!(peer.in_flight(), 0);
    assert!(peer.is_finished() || !is_open);
    let text = String::from_utf8(output).expect("answers are text");
    assert!(text.is_empty() || text.ends_with('\n'));
    let mut answers: Vec<String> = text.lines().map(str::to_owned).collect();
    answers.iter().for_each(|answer| check(answer));
    // Those that end later come in an order that depends on how the bytes were cut.
    answers.sort();
    answers
}

fn drive(peer: &mut Peer, output: &mut Vec<u8>) {
    loop {
        let mut is_idle = peer.output().is_empty();
        assert!(
            peer.output().len() < 2 * MAX_OUTPUT,
            "{}",
            peer.output().len()
        );
        output.append(peer.output());
        while let Some(job) = peer.next_job() {
            is_idle = false;
            let (Work::Quick(work) | Work::Blocking(work)) = job.work else {
                unreachable!("there are no futures here");
            };
            peer.complete(job.id, work(), Instant::now());
        }
        if is_idle {
            return;
        }
        // What is wrong with the rest shows in the answers.
        if peer.receive(&[], Instant::now()).is_err() {
            output.append(peer.output());
            return;
        }
    }
}

fn check(line: &str) {
    assert!(
        line.len() <= MAX_OUTPUT,
        "an answer of {} bytes",
        line.len()
    );
    assert!(serde_json::from_str::<IgnoredAny>(line).is_ok(), "{line}");
    if line.starts_with('[') {
        assert_ne!(line, "[]");
    } else {
        let is_answer = line.starts_with(r#"{"jsonrpc":"2.0","result":"#)
            || line.starts_with(r#"{"jsonrpc":"2.0","error":{"code":-32"#);
        assert!(is_answer && line.contains(r#","id":"#), "{line}");
    }
}

fn options() -> Options {
    Options {
        max_line_len: MAX_LINE_LEN,
        max_answer_len: 4096,
        max_batch: 16,
        max_elements: 1000,
        max_queued: 4096,
        ..Options::default()
    }
}

static REGISTRY: LazyLock<Arc<Registry>> = LazyLock::new(|| Arc::new(registry()));

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: Option<i64>| {
        x.checked_add(y.unwrap_or(1))
            .ok_or_else(|| Fault::from("too large"))
    });
    registry.register("echo", ["value"], |value: Value| value);
    registry
        .register("slow", ["value"], |value: Value| value)
        .blocking();
    registry.register("zeros", ["count"], |count: u16| vec![0_u8; count.into()]);
    registry.introspection();
    registry
}

const MAX_LINE_LEN: usize = 64 << 10;
/// An answer, and what a batch of small errors takes beyond the room that an answer has.
const MAX_OUTPUT: usize = 4 * MAX_LINE_LEN;
