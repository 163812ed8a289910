//! Remote calls as Python programs make them over `multiprocessing.connection`: the name of a function and its
//! arguments, pickled; its result or exception, pickled (feature `rpc-core`).
//!
//! [`Peer`] answers such calls by the functions of an [`rpc_core::Registry`], and [`Client`] makes them, or
//! `tokio::Client` in a runtime. There is no
//! standard for this, only a recipe that many programs follow. Ends that follow it notice no difference. What they can
//! do with it is less than with other dialects: calls have no numbers, so there is one at a time on a connection;
//! nothing can be cancelled, and nobody is told how long a caller waits.
//!
//! # A server
//!
//! ```
//! use std::net::TcpListener;
//! use std::sync::Arc;
//!
//! use mp_connection::rpc::{Client, Options, Peer};
//! use mp_connection::{Address, Auth};
//! use rpc_core::Registry;
//! use rpc_core::blocking::Workers;
//!
//! let mut registry = Registry::new();
//! registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
//! let (registry, workers) = (Arc::new(registry), Workers::default());
//! let auth = Auth::with_legacy_md5("peekaboo")?; // or modern_only, for Python 3.12 and later
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = Address::from(listener.local_addr()?);
//! let for_server = auth.clone();
//! std::thread::spawn(move || {
//!     for stream in listener.incoming() {
//!         let peer = Peer::new(Arc::clone(&registry), Options::default())
//!             .authenticated(&for_server)
//!             .on_login(|generation| println!("a peer logged in the {generation:?} way"));
//!         let workers = workers.clone();
//!         std::thread::spawn(move || workers.serve(&stream?, peer));
//!     }
//! });
//!
//! let mut client = Client::connect(&address, &auth)?;
//! let sum: i64 = client.call("add", (2, 3))?;
//! assert_eq!(sum, 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `Peer` is a [`Dialect`](rpc_core::Dialect): `rpc_core::blocking::serve`, `rpc_core::tokio::serve` and
//! `rpc_core::event_loop::Handler` carry it alike, the login included, so that a client which says nothing costs a
//! connection and no thread. The same registry may serve `native` and JSON-RPC clients at the same time.
//!
//! The Python side is what it always was:
//!
//! ```text
//! class Proxy:
//!     def __init__(self, connection):
//!         self._connection = connection
//!     def __getattr__(self, name):
//!         def call(*args, **kwargs):
//!             self._connection.send(pickle.dumps((name, args, kwargs)))
//!             result = pickle.loads(self._connection.recv())
//!             if isinstance(result, Exception):
//!                 raise result
//!             return result
//!         return call
//!
//! proxy = Proxy(Client(("127.0.0.1", 17000), authkey=b"peekaboo"))
//! proxy.add(2, y=3)
//! ```
//!
//! # On the wire
//!
//! `send` pickles what was pickled already, so a message is the pickle of a byte string that is a pickle:
//!
//! ```text
//! proxy.add(2, 3)
//! ┌─────────────┬───────────────┬──────────────────────────────────────┬────┐
//! │ 00 00 00 2b │ 80 04 … 43 1c │ 80 04 …  ('add', (2, 3), {})         │ 2e │
//! └─ length ────┴─ a byte string ─ of 28 bytes: the inner pickle ───────┴────┘
//! 5
//! ┌─────────────┬─────────────────────┬────────────────┬────┐
//! │ 00 00 00 0d │ 80 04 42 05 00 00 00 │ 80 04 4b 05 2e │ 2e │
//! └─────────────┴─────────────────────┴────────────────┴────┘
//! ```
//!
//! Requests may follow each other without waiting for answers; they are run one after the other and answered in order.
//! An answer is written in the protocol of its request (at most [`pickle::Options::protocol`]), so Python 3.0 to 3.7
//! get protocol 3, and 2.7 gets 2.
//!
//! # Arguments and results
//!
//! A function's parameters are read from positional arguments, then from keywords by their names; one of type `Option`
//! may be left out. How Rust's types are spelled in Python is the table of [`pickle::to_pickle`]. What a function takes
//! or gives without knowing its type is an [`rpc_core::Value`], which keeps tuples, sets and large integers by their
//! tags, or a [`pickle::Value`], which knows Python's types alone.
//!
//! # Exceptions
//!
//! | the call | raises at the other end |
//! |---|---|
//! | of a name that is not registered | `KeyError(name)`, as a dictionary of functions does |
//! | with arguments too many, too few, of another name or type | `TypeError(message)` |
//! | fails with `Fault::new("ValueError", message)`, or another of Python's `Exception`s that a message is enough for | `ValueError(message)` |
//! | fails with another name | `RuntimeError("Name: message")` |
//! | takes longer than [`Options::call_timeout`] | `TimeoutError(message)` |
//! | panics, or has a result that can't be pickled or is too long | `RuntimeError("Panicked: …")`, `"Unencodable: …"`, `"TooLarge: …"` |
//! | comes when there is no thread for it, or the connection is about to be closed; the function was not run | `RuntimeError("Overloaded: …")`, `"ShuttingDown: …"` |
//! | is none: no pickle, one that is no data, not a name, a tuple and a dict | `ValueError(message)` |
//!
//! The [data](rpc_core::Fault::data) of a fault arrives as the attribute `data` of the exception. A tuple,
//! `Value::tagged("tuple", …)`, is the exception's arguments instead: `OSError(2, "no such thing")`.
//!
//! A function that returns an exception, as a [`pickle::Value`], can't be told from one that raises it.
//!
//! # Limits
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | time for the login | 5 s, [`Auth::timeout`](crate::Auth::timeout) | the connection ends |
//! | [a request](Options::max_request_len) | 8 MiB | `ValueError`, and the connection ends |
//! | a request's time, from its first byte | 10 s, and a second for each 1024 bytes that came | the same |
//! | [depth, values, bytes and memory](pickle::Options) of a request | 100; 1,000,000; 64 MiB; 64 MiB | `ValueError` |
//! | [an answer](Options::max_answer_len) | 8 MiB | `RuntimeError` |
//! | [requests that wait](Options::max_waiting) behind one that runs | 1 MiB | nothing more is read |
//! | [answers that wait to be sent](Options::max_queued) | 1 MiB | nothing more is read, no call begins |
//! | [a call](Options::call_timeout) | 30 s | `TimeoutError`; the function is cancelled |
//!
//! Between two calls a client may be silent for as long as it likes. Where connections are few, let the idle timeout of
//! whatever accepts them end it.
//!
//! # Security
//!
//! Whoever has the key may call every function that is registered, and nothing else: names are looked up, never
//! evaluated, and pickles make data, never code. A Python server that follows the recipe runs whatever code a client
//! with the key sends it; its clients run what the server sends. Against somebody between the two the login does
//! not help at all: it proves the key once, and what follows is neither secret nor protected from changes. Put TLS
//! around it, or use Unix sockets; see [`Handshake`](crate::Handshake).

mod answer;
mod call;
mod calls;
mod client;
mod error;
mod exception;
mod login;
mod message;
mod options;
mod peer;
mod request;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use client::Client;
pub use error::Error;
pub use options::Options;
pub use peer::Peer;

#[cfg(doc)]
use crate::pickle;
