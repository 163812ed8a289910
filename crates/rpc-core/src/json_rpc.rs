//! [JSON-RPC 2.0](https://www.jsonrpc.org/specification) over the functions of a registry: for other languages, and
//! for people with `netcat`.
//!
//! [`Peer`] is the answering end of a connection whose messages are lines; the drivers carry it.
//! [`Responder`] is what it does for each message, for whoever has messages from elsewhere. There is no client here.
//!
//! ```text
//! → {"jsonrpc": "2.0", "method": "add", "params": {"x": 2, "y": 3}, "id": 1}
//! ← {"jsonrpc":"2.0","result":5,"id":1}
//! → [{"jsonrpc": "2.0", "method": "add", "params": [2, 3], "id": "a"}, {"jsonrpc": "2.0", "method": "log", "params": ["hi"]}]
//! ← [{"jsonrpc":"2.0","result":5,"id":"a"}]
//! ```
//!
//! # Requests
//!
//! - `params` is an array, an object with the names of parameters, or absent.
//! - `id` is text, a number or `null`, and comes back exactly as it was spelled. A request without one is a
//!   notification: it gets no answer, whatever becomes of it. One with `null` gets an answer.
//! - Unknown members are ignored. A member that is there twice makes the request invalid.
//! - An array is a batch. Its calls run side by side where they can; its answers come together, in any order,
//!   when the last is there. A batch of notifications has no answer.
//! - Names that begin with `rpc.` belong to the specification and are not found.
//!
//! Requests may follow each other without waiting for answers. Then they may run side by side and in any order, as
//! the entries of a batch may: a function that runs at once overtakes one that has to begin elsewhere. Answers come
//! in the order in which they are ready. Who needs one call done before the next waits for its answer.
//!
//! # Errors
//!
//! | code | message | when | `data` |
//! |---|---|---|---|
//! | -32700 | Parse error | the message is not JSON in UTF-8, or a line is too long or too slow | which limit, if it was one |
//! | -32600 | Invalid Request | it is JSON, but no request; or a batch is empty or too large | what is wrong, if it is not plain |
//! | -32601 | Method not found | | |
//! | -32602 | Invalid params | too many, too few, of another name or type, nested too deep | what is wrong |
//! | -32603 | Internal error | the function panicked, or its result can't be expressed in JSON | which of them |
//! | -32000 | the function's | the function failed | `{"kind": "KeyError", "data": …}`: the name of the failure, and what it gave with it, if anything |
//! | -32001 | no result within 30s | the call's [time](Options::call_timeout) was over | |
//! | -32002 | | the call was cancelled | |
//! | -32003 | the limit | too much runs or waits; the function was not run | |
//! | -32004 | | the connection is about to be closed; the function was not run | |
//! | -32005 | both lengths | the result is too long | |
//!
//! # Limits
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | [a line](Options::max_line_len) | 8 MiB | -32700, and the connection ends |
//! | a line's time, from its first byte | 10 s, and a second for each 1024 bytes that came | the same |
//! | [entries of a batch](Options::max_batch) | 1000 | -32600 for the batch; nothing runs |
//! | [nesting](Options::max_depth) and [elements](Options::max_elements) of arguments | 64, 1,000,000 | -32602 |
//! | [running calls](Options::max_in_flight) | 1024 | -32003 |
//! | [bytes of requests that run](Options::max_backlog) | 32 MiB | -32003 |
//! | [an answer](Options::max_answer_len), a batch's as a whole | 8 MiB | -32005 in place of what is too much |
//! | [bytes of answers that wait](Options::max_queued) | 1 MiB | nothing more is read |
//! | the same, with those of calls that were running | 32 MiB | -32005 |
//! | [the time of a call](Options::call_timeout) | 30 s | -32001 |

mod answer;
mod message;
mod options;
mod params;
mod peer;
mod responder;

pub use options::Options;
pub use peer::Peer;
pub use responder::{ExchangeId, Reply, Responder};
