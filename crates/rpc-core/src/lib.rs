//! Register a function once, call it from anywhere.
//!
//! It opens no sockets (give it streams), finds no servers, keeps nothing on disk and encrypts nothing (`tls-mixin`
//! does, `auth-hmac` says who is there). Calls are made of serde's types; there is no interface language and no
//! generated code.
//!
//! # A server, and a client of it
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::os::unix::net::UnixStream;
//! use std::sync::Arc;
//!
//! use rpc_core::{Arguments, Codec, Error, Fault, Kind, Options, Registry, blocking, native};
//!
//! # #[cfg(not(feature = "postcard"))]
//! # fn main() {}
//! # #[cfg(feature = "postcard")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut registry = Registry::new();
//! registry.register("add", ["x", "y"], |x: i64, y: i64| x + y).doc("The sum of two numbers.");
//! registry.register("div", ["x", "y"], |x: i64, y: i64| {
//!     x.checked_div(y).ok_or_else(|| Fault::new("ZeroDivisionError", "division by zero"))
//! });
//!
//! let (stream, theirs) = UnixStream::pair()?; // or TCP, TLS, the pipes of a child …
//! let options = Options::new(Codec::Postcard);
//! let peer = native::Peer::new(Arc::new(registry), options.clone());
//! let server = std::thread::spawn(move || blocking::serve(&theirs, peer));
//!
//! let client = blocking::Client::new(stream, options)?;
//! let sum: i64 = client.call("add", (2, 3))?;
//! assert_eq!(sum, 5);
//! let quotient: i64 = client.call("div", Arguments::new().keyword("y", &2).keyword("x", &6))?;
//! assert_eq!(quotient, 3);
//! let failed = client.call::<i64>("div", (1, 0));
//! let Err(Error::Fault(fault)) = failed else { panic!("{failed:?}") };
//! assert_eq!(fault.kind, Kind::Application("ZeroDivisionError".into()));
//!
//! drop(client);
//! server.join().expect("the server does not panic")?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! ```text
//!                       ┌─ native::Peer ──┐            ┌─ blocking::serve     a thread
//!  functions ► Registry ┼─ json_rpc::Peer ┼─ Dialect ──┼─ tokio::serve        a task
//!                       └─ your own ──────┘            └─ event_loop::Handler a turn of the loop
//!
//!                         native::Peer ─────────────────┬─ blocking::Client   for threads
//!                                                       └─ Client             for async functions
//! ```
//!
//! - A [`Registry`] knows functions by name: their parameters, what they say about themselves, and how to call them with
//!   arguments of any format that serde knows.
//! - A [`Dialect`] is the protocol of one connection, without I/O: bytes and the time go in, bytes come out, and jobs
//!   for what does not run at once. The same registry serves any number of them: [`native`], the crate's own; and
//!   `json_rpc`, for everybody else.
//! - A driver carries any dialect over a stream: [`blocking`] for threads, `tokio`, `event_loop`.
//! - A client makes calls over the native protocol, in which both ends are the same: each may call the other over one
//!   connection ([`Client::of`], `blocking::Client::of`), and a function may give its own calls what is left of its
//!   deadline (`within`).
//!
//! # Where a function runs
//!
//! | registered with | runs |
//! |---|---|
//! | [`register`](Registry::register) | at once, in the thread that read the call; keep it short |
//! | [`register_with`](Registry::register_with), which sees its [`Context`] | the same, right after what was read |
//! | either, and [`blocking`](Registered::blocking) | on a worker thread |
//! | [`register_async`](Registry::register_async) | as a future: a task of tokio, or polled by the loop or the thread |
//!
//! Calls of one connection are begun in the order in which they came, and answered as they come to an end. An unknown
//! function, wrong arguments, a failure and a panic are four different answers ([`Kind`]), and none ends the
//! connection. A call that is cancelled, or whose deadline has passed, has its future dropped; a function that blocks
//! learns it from [`Context::is_cancelled`].
//!
//! # Types
//!
//! `postcard` and `bincode` don't say what type a value has: both ends must agree, also on the signs of integers. In a
//! call a bare `3` is an `i32`, which is read correctly as any signed integer and wrongly as an unsigned one: write
//! `3_u64`, or let [`proxy!`] give arguments their types. `json`, and a [`Value`] in any codec, say what they hold.
//!
//! # What a failure means
//!
//! [`Error::Fault`] is what the other end answered. All else came up on the way, and
//! [`Error::is_safe_to_repeat`] says whether the function certainly was not run. `Reconnecting`, for threads and for
//! tokio, connects again when it must, and repeats a call only then.
//!
//! # Limits
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | [a message](Options::max_frame_len) | 8 MiB | the connection ends; an answer becomes [`Kind::TooLarge`] |
//! | [calls running](Options::max_in_flight), for each connection | 1024 | [`Error::TooManyCalls`] before they are sent; [`Kind::Overloaded`] for a peer that sends them all the same |
//! | [bytes that wait to be sent](Options::max_queued) | 1 MiB | nothing is read until half of it is gone |
//! | [depth of values](Options::max_depth), [elements](Options::max_elements) | 64; 1,000,000 | [`Kind::WrongArguments`], [`Error::Decode`] |
//! | [time for a call](Options::call_timeout) | 30 s | [`Error::Timeout`]; the function is cancelled |
//! | [time for the first message](Options::hello_timeout) | 10 s | [`Error::NoHello`] |
//! | [time without a sign of life](Options::keep_alive) | 30 s, and 30 s more | [`Error::Silent`] |
//! | metadata of a call | 4 KiB | [`Error::TooLong`] |
//!
//! Memory grows with what arrived, never with what was announced.
//!
//! # Features
//!
//! None is on by default; the native protocol needs one of the codecs.
//!
//! | feature | brings |
//! |---|---|
//! | `postcard` | the codec to choose: compact, maintained |
//! | `bincode` | a codec for those who have it already; [no longer maintained](Codec) |
//! | `json` | a codec that people can read, and the dialect JSON-RPC 2.0 |
//! | `tokio`, `event-loop` | the drivers of these names |
//!
//! The modules of the drivers are called as the crates are, which `use rpc_core::*` would hide: write
//! `rpc_core::tokio::serve`.
//!
//! # Related blocks
//!
//! `framing` cuts the stream into messages. `socket-server` and `event-loop` accept connections; `tls-mixin` and
//! `auth-hmac` go around the stream before it comes here.
#![forbid(unsafe_code)]

mod arguments;
pub mod blocking;
mod client;
#[cfg_attr(
    not(any(feature = "bincode", feature = "postcard", feature = "json")),
    allow(
        dead_code,
        unreachable_code,
        unused_variables,
        clippy::needless_pass_by_ref_mut,
        clippy::ptr_arg,
        reason = "without a codec there is no value of the type to get there with"
    )
)]
mod codec;
mod context;
mod dialect;
mod error;
#[cfg(feature = "event-loop")]
pub mod event_loop;
mod fault;
mod function;
mod guard;
mod job;
#[cfg(feature = "json")]
pub mod json_rpc;
mod lock;
pub mod native;
mod options;
mod proxy;
mod reason;
mod registry;
mod retry;
#[cfg(feature = "tokio")]
pub mod tokio;
mod value;

pub use arguments::{
    ArgumentSink, ArgumentSource, Arguments, Encode, EncodeError, ReadValue, Slot, ToArguments,
};
pub use client::{Client, Pending};
#[doc(hidden)]
pub use codec::Encoded;
pub use codec::{ArgumentReader, ArgumentWriter, Codec};
pub use context::Context;
pub use dialect::{Dialect, Driver};
pub use error::Error;
pub use fault::{Fault, Kind};
pub use function::{AsyncFunction, Function, FunctionWithContext, Parameters, Reply, Signature};
pub use guard::{Budget, DecodeError, DecodeLimits, Guarded};
pub use job::{Answer, Job, JobId, Metadata, Work};
pub use options::Options;
pub use proxy::Caller;
pub use reason::{Reason, Violation};
pub use registry::{Call, Invoked, Registered, Registry};
pub use value::{Value, ValueError};
