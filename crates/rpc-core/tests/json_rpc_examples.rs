//! Every example of the specification of JSON-RPC 2.0 (section 7), however its functions run and its bytes arrive.

mod json_rpc;

use std::sync::Arc;
use std::time::Instant;

use json_rpc::{answers, async_functions, drive, functions};
use rpc_core::json_rpc::{Options, Peer, Reply, Responder};
use rpc_core::{Dialect, Registry};
use serde_json::Value;

/// Messages and their answers; an empty one is none.
const EXAMPLES: [(&str, &str); 15] = [
    // rpc call with positional parameters
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#,
        r#"{"jsonrpc": "2.0", "result": 19, "id": 1}"#,
    ),
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#,
        r#"{"jsonrpc": "2.0", "result": -19, "id": 2}"#,
    ),
    // rpc call with named parameters
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
        r#"{"jsonrpc": "2.0", "result": 19, "id": 3}"#,
    ),
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#,
        r#"{"jsonrpc": "2.0", "result": 19, "id": 4}"#,
    ),
    // a notification
    (
        r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#,
        "",
    ),
    (r#"{"jsonrpc": "2.0", "method": "foobar"}"#, ""),
    // rpc call of non-existent method
    (
        r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#,
        r#"{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}"#,
    ),
    // rpc call with invalid JSON
    (
        r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#,
        r#"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#,
    ),
    // rpc call with invalid Request object
    (
        r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#,
        r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#,
    ),
    // rpc call Batch, invalid JSON
    (
        r#"[
  {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
  {"jsonrpc": "2.0", "method"
]"#,
        r#"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#,
    ),
    // rpc call with an empty Array
    (
        "[]",
        r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#,
    ),
    // rpc call with an invalid Batch (but not empty)
    (
        "[1]",
        r#"[
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
]"#,
    ),
    // rpc call with invalid Batch
    (
        "[1,2,3]",
        r#"[
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
]"#,
    ),
    // rpc call Batch
    (
        r#"[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
    ]"#,
        r#"[
        {"jsonrpc": "2.0", "result": 7, "id": "1"},
        {"jsonrpc": "2.0", "result": 19, "id": "2"},
        {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
        {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
        {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
    ]"#,
    ),
    // rpc call Batch (all notifications)
    (
        r#"[
        {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
    ]"#,
        "",
    ),
];

/// An answer to compare with another; the answers of a batch may come in any order.
fn sorted(mut answer: Value) -> Value {
    if let Value::Array(answers) = &mut answer {
        answers.sort_by_key(Value::to_string);
    }
    answer
}

fn expected(answer: &str) -> Vec<Value> {
    let parse = |text| sorted(serde_json::from_str(text).expect("the specification is right"));
    (!answer.is_empty())
        .then(|| parse(answer))
        .into_iter()
        .collect()
}

fn registries() -> [Registry; 3] {
    [functions(false), functions(true), async_functions()]
}

#[test]
fn as_lines_cut_anywhere() {
    for registry in registries() {
        let mut peer = Peer::new(Arc::new(registry), Options::default());
        for (message, answer) in EXAMPLES {
            let line = message.replace('\n', " ") + "\n";
            for piece in [line.len(), 1, 7] {
                for bytes in line.as_bytes().chunks(piece) {
                    peer.receive(bytes, Instant::now()).unwrap();
                    drive(&mut peer);
                }
                let answers: Vec<Value> = answers(&mut peer).into_iter().map(sorted).collect();
                assert_eq!(answers, expected(answer), "{message}");
            }
        }
        assert_eq!(peer.in_flight(), 0);
    }
}

#[test]
fn all_in_one_piece() {
    let lines: String = (EXAMPLES.iter())
        .map(|(message, _)| message.replace('\n', " ") + "\r\n")
        .collect();
    let mut peer = Peer::new(Arc::new(functions(false)), Options::default());
    peer.receive(lines.as_bytes(), Instant::now()).unwrap();
    let all: Vec<Value> = EXAMPLES
        .iter()
        .flat_map(|(_, answer)| expected(answer))
        .collect();
    let answers: Vec<Value> = answers(&mut peer).into_iter().map(sorted).collect();
    assert_eq!(answers, all);
}

#[test]
fn as_messages_without_lines() {
    for registry in registries() {
        let mut responder = Responder::new(Arc::new(registry), Options::default());
        for (message, answer) in EXAMPLES {
            let mut out = Vec::new();
            let reply = responder.receive(message.as_bytes(), Instant::now(), &mut out);
            let mut answered = None;
            while let Some(job) = responder.next_job() {
                let answer = json_rpc::run(job.work).expect("they are ready at once");
                let completed = responder.complete(job.id, answer, &mut out);
                answered = answered.or(completed);
            }
            match reply {
                Reply::Pending(exchange) => assert_eq!(answered, Some(exchange)),
                Reply::Nothing => assert_eq!((answered, answer), (None, "")),
                Reply::Answered => assert_eq!(answered, None),
            }
            let answers: Vec<Value> = serde_json::Deserializer::from_slice(&out)
                .into_iter()
                .map(|answer| sorted(answer.unwrap()))
                .collect();
            assert_eq!(answers, expected(answer), "{message}");
        }
    }
}
