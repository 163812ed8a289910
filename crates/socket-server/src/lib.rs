//! Accepts connections and datagrams and runs a handler on each, in the structure you choose, within
//! limits, until told to stop.
//!
//! It does not parse (give what arrives to a decoder such as `framing`'s), it does not encrypt or
//! authenticate (wrap the connection inside the handler), it makes no outgoing connections, and it
//! catches no signals.
//!
//! # An echo server, and a client of it
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::time::Duration;
//! use socket_server::{Connection, HandlerResult, Server, Strategy};
//!
//! fn echo(connection: &mut Connection) -> HandlerResult {
//!     let (mut input, mut out) = connection.split();
//!     std::io::copy(&mut input, &mut out)?;
//!     Ok(())
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let running = Server::tcp("127.0.0.1:0").strategy(Strategy::Threads).serve(echo)?;
//! println!("listening on {}", running.address()); // tcp://127.0.0.1:34567
//!
//! let mut client = TcpStream::connect(running.address())?;
//! client.write_all(b"hello")?;
//! client.shutdown(Shutdown::Write)?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert_eq!(answer, "hello");
//!
//! let stats = running.shutdown(Duration::from_secs(5));
//! assert_eq!((stats.accepted, stats.finished), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! By lines, as with `rfile` and `wfile` in Python:
//!
//! ```
//! # use std::io::Write;
//! # use socket_server::{Connection, HandlerResult};
//! fn echo_lines(connection: &mut Connection) -> HandlerResult {
//!     let (mut lines, mut out) = connection.lines();
//!     while let Some(line) = lines.next_line()? {
//!         out.write_all(line)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! A handler is any `Fn(&mut Connection) -> HandlerResult`. A mixin is a function that takes a handler
//! for a wrapped stream and returns one for the connection; what it does before the conversation
//! belongs into [`Connection::handshake`].
//!
//! # How it works
//!
//! ```text
//! Server ─ bind ─► Bound ─ serve ─► Running ─ suspend, resume, set_limits ─► shutdown(grace) ─► Stats
//!                 (options)            │
//!            ┌─────────────────────────┘
//!            ▼                                       in the connection's own thread or process
//!  wait for a place ─► accept ─► count ─┬─►│ proxy header? ─► verify ─► handler ─► close in order │─► count
//!            ▲                          │  │                            │                         │
//!            └── pause: no descriptors  └─►│ refusal, close             └─ error, panic, deadline │
//! ```
//!
//! - Accepting never waits for a client: proxy headers, [`verify`](Server::verify) and handshakes have
//!   the connection's own thread and a deadline.
//! - The thread that has accepted a connection serves it; another one accepts meanwhile. A connection
//!   costs two system calls to get (wait, accept) and one or two to end; options are inherited from the
//!   listener, and deadlines cost none: one thread looks after all of them.
//! - The end is orderly: bytes that arrived unread are taken off the socket, since closing would
//!   otherwise turn into a reset that can cost the peer the last answer.
//! - A handler that panics or fails costs its own connection. That needs unwinding: with
//!   `panic = "abort"` the process ends.
//!
//! # Strategies
//!
//! | | handlers run | take it | a slow client |
//! |---|---|---|---|
//! | [`Serial`](Strategy::Serial) | one after the other | for tools, tests, state without locks | holds up all others until its deadline |
//! | [`Threads`](Strategy::Threads) | each on a thread | by default; up to some thousands of connections | costs a thread |
//! | [`Pool`](Strategy::Pool) | on so many threads | for short conversations, and to bound memory and load | occupies a worker until its deadline |
//! | [`Processes`](Strategy::Processes) | each in a process | where one must not harm another, or leaks; dear: a program start each | costs a process |
//! | [`Prefork`](Strategy::Prefork) | in so many processes | for the same at the price of a thread, one connection after the other in each | occupies a worker until its deadline |
//! | `serve_tokio` (feature) | each as a task | for thousands of connections that are mostly idle | costs some memory |
//!
//! Processes are started anew, not forked: the program's `main` runs in them too, up to where it serves.
//! Make such a server before anything else in `main`; [`is_worker`] tells which one it is.
//!
//! # Limits
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | [connections](Limits::max_connections) | 4096 | newcomers wait, or get the [refusal](Limits::refusal) |
//! | [from one address](Limits::max_per_address) (IPv4 address, IPv6 /64) | 1024 | refused |
//! | [handshakes at a time](Limits::max_handshakes) | 256 | refused |
//! | [handshake](Limits::handshake_timeout) | 10 s | cut, error `TimedOut` |
//! | [first byte](Limits::first_byte_timeout) | 30 s | reading ends with `TimedOut`, writing goes on |
//! | [idle, reading](Limits::idle_timeout) | 5 min | the same |
//! | [idle, writing](Limits::idle_timeout) | 5 min | cut, error `TimedOut` |
//! | [in all](Limits::total_timeout) | 24 h | cut, error `TimedOut` |
//! | [a line](Limits::max_line_len) | 64 KiB | error `InvalidData` |
//! | [backlog](Server::backlog) | 4096 | the system makes newcomers wait |
//! | unread when the handler is done | 1 MiB, 1 s | closed |
//! | out of descriptors, memory or threads | | accepting rests for 10 ms, doubling up to 1 s |
//! | [datagrams](DatagramLimits) | | answered at the asker's own expense only |
//!
//! Deadlines are exact to some milliseconds. A connection waits for its peer without any buffer;
//! [`Connection::lines`] has one of 8 KiB and the line.
//!
//! # Datagrams
//!
//! ```
//! use std::net::UdpSocket;
//! use socket_server::{DatagramLimits, Server};
//!
//! # fn main() -> std::io::Result<()> {
//! // A clock: any datagram asks for the time, even an empty one.
//! let limits = DatagramLimits { min_allowance: 24, ..DatagramLimits::default() };
//! let running = Server::udp("0.0.0.0:0").datagram_limits(limits).serve_datagrams(|datagram| {
//!     datagram.reply(b"Sat Nov 21 02:29:12 2026")?;
//!     Ok(())
//! })?;
//! let port = running.address().socket_addr().unwrap().port();
//!
//! let client = UdpSocket::bind("127.0.0.1:0")?;
//! client.send_to(b"", ("127.0.0.2", port))?;
//! let mut answer = [0; 64];
//! let (len, from) = client.recv_from(&mut answer)?;
//! assert_eq!(&answer[..len], b"Sat Nov 21 02:29:12 2026");
//! assert_eq!(from, ([127, 0, 0, 2], port).into()); // the address that was asked
//! # Ok(())
//! # }
//! ```
//!
//! Threads receive from one socket, up to 32 datagrams at a time and fewer while handlers are slow.
//! Anybody can put somebody else's address on a datagram, so answers are limited; [`Datagram::reply`]
//! says when one was not sent, and [`DatagramStats`] counts them.
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | [answers for each byte asked](DatagramLimits::max_amplification) | 1 byte | [`ReplyError::TooLong`] |
//! | [answers, however short the request](DatagramLimits::min_allowance) | 0 bytes | the same |
//! | [answers to one datagram](DatagramLimits::max_answers) | 16 | [`ReplyError::TooMany`] |
//! | [answers to one source](DatagramLimits::rate) (IPv4 address, IPv6 /64) | 8000 at once, 8000/s | [`ReplyError::TooOften`] |
//! | [the same in the long run](DatagramLimits::long_run_rate) | 500,000 at once, 20/s | the same |
//! | [to ports below 1024 or equal to its own](DatagramLimits::answers_servers) | none | [`ReplyError::ToServer`] |
//! | [payload](DatagramLimits::max_payload_len) | 65,535 bytes | cut, [`Datagram::is_truncated`] |
//! | sources remembered | 16,384 places of 16 bytes | sources may share a place |
//!
//! # Behind a proxy, under a service manager
//!
//! A load balancer that speaks the PROXY protocol (version 1 or 2) says whom each connection is from:
//! [`Server::proxied`] names the addresses from which that is believed, and required.
//! [`activation`] takes the sockets that systemd and its like have opened; [`Server::adopt`] serves them.
//!
//! # On tokio
//!
//! `Server::serve_tokio` (feature `tokio`) runs an `async` handler in a task for each connection:
//!
//! | | blocking | tokio |
//! |---|---|---|
//! | handler | `fn(&mut Connection) -> HandlerResult` | `async fn(tokio::Connection) -> HandlerResult` |
//! | connection | `Read + Write`, and by `&Connection` | `AsyncRead + AsyncWrite`, and by `&Connection` |
//! | shutting down | `running.shutdown(grace)` | `running.shutdown(grace).await` |
//! | after the grace | sockets are cut | sockets are cut, then handlers cancelled |
//! | limits, deadlines, hooks, counts | the same | the same |
//! | an idle connection | a thread | 1.5 KB, 1.0 KB of it tokio's own |
//!
//! # Coming from Python's `socketserver`
//!
//! | Python | here |
//! |---|---|
//! | `TCPServer`, `UnixStreamServer`, `UDPServer` | [`Server::tcp`], [`Server::unix`], [`Server::udp`] |
//! | `BaseRequestHandler.handle` | the handler; [`Connection`] is `self.request` |
//! | `StreamRequestHandler`: `rfile`, `wfile` | [`Connection::lines`] |
//! | `DatagramRequestHandler` | [`Datagram`] |
//! | `setup`, `finish` | the first and last lines of the handler |
//! | `client_address` | [`Connection::peer`] |
//! | `ThreadingMixIn`, `ForkingMixIn`, `max_children` | [`Strategy::Threads`], [`Strategy::Processes`], its `max` |
//! | `bind_and_activate=False`, `server_bind`, `server_activate` | [`Server::bind`], options through `AsFd`, [`Bound::serve`] |
//! | `serve_forever`, `shutdown` | [`Server::serve`], [`Running::shutdown`] |
//! | `handle_request`, `timeout`, `handle_timeout` | [`Bound::handle_one`] and what it returns |
//! | `verify_request`, `handle_error` | [`Server::verify`], [`Server::on_error`] |
//! | `request_queue_size` (5), `allow_reuse_address` (no), `allow_reuse_port` | [`Server::backlog`] (4096), [`reuse_address`](Server::reuse_address) (yes), [`reuse_port`](Server::reuse_port) |
//! | `StreamRequestHandler.timeout` | [`Limits::idle_timeout`], [`Connection::set_idle_timeout`] |
//! | `disable_nagle_algorithm` | always |
//! | `daemon_threads` | [`Running::detach`] |
//! | `block_on_close` | [`Running::shutdown`] with `Duration::MAX` |
//! | `max_packet_size` (8192) | [`DatagramLimits::max_payload_len`] |
//!
//! # Features
//!
//! - `tokio`: `Server::serve_tokio` and module `tokio`: handlers as tasks of a tokio runtime. Off by
//!   default.
//!
//! # Platforms
//!
//! Linux.
//!
//! # Related blocks
//!
//! `event-loop` serves many connections on one thread by callbacks. `framing` cuts the bytes that arrive
//! into messages, `auth-hmac` lets a peer in that knows a key, `cidr` decides who may
//! [connect](Server::verify) and who is a [proxy](Server::proxied).
#![deny(unsafe_code)]

mod acceptor;
pub mod activation;
mod address;
mod bound;
mod connection;
mod crew;
mod datagram;
mod datagram_limits;
mod datagram_server;
mod failure;
mod gate;
mod limits;
mod lines;
mod peer;
mod process;
mod proxy;
mod registry;
mod running;
mod server;
mod service;
mod socket;
mod sources;
mod stats;
mod strategy;
#[cfg(feature = "tokio")]
pub mod tokio;
mod watchdog;

pub use address::Address;
pub use bound::Bound;
pub use connection::Connection;
pub use datagram::{Datagram, ReplyError};
pub use datagram_limits::{DatagramLimits, Rate};
pub use datagram_server::DatagramStats;
pub use failure::{Failure, Refused, Timeout};
pub use limits::Limits;
pub use lines::Lines;
pub use peer::Peer;
pub use process::is_worker;
pub use running::Running;
pub use server::Server;
pub use service::HandlerResult;
pub use stats::Stats;
pub use strategy::Strategy;
