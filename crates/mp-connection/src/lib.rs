//! Python's `multiprocessing.connection`, both roles, without Python.
//!
//! A program in Python that calls `Client` or `Listener` notices no difference when the other end becomes Rust: the same
//! sockets, the same login, the same objects. It runs no code of a peer, whatever a pickle asks for. It does not encrypt,
//! it starts no processes, and it has none of the rest of `multiprocessing`: no queues, no managers, no shared memory.
//!
//! # A server and a client
//!
//! ```
//! use mp_connection::Auth;
//! use mp_connection::blocking::{Connection, Listener};
//!
//! let auth = Auth::with_legacy_md5("peekaboo")?; // or modern_only: Python 3.12 and later
//! let mut listener = Listener::bind(&"127.0.0.1:0".parse()?, &auth)?;
//! let address = listener.address().clone();
//! let server = std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     let connection = listener.accept()?;
//!     while let Some((x, y)) = connection.recv::<(i64, i64)>()? {
//!         connection.send(&(x + y))?;
//!     }
//!     Ok(())
//! });
//!
//! let connection = Connection::connect(&address, &auth)?;
//! connection.send(&(2, 3))?;
//! assert_eq!(connection.recv::<i64>()?, Some(5));
//! drop(connection);
//! server.join().expect("the server does not panic").map_err(|error| error.to_string())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Either end may as well be this:
//!
//! ```python
//! from multiprocessing.connection import Client
//!
//! with Client(("127.0.0.1", 25000), authkey=b"peekaboo") as connection:
//!     connection.send((2, 3))
//!     print(connection.recv())
//! ```
//!
//! # How it works
//!
//! ```text
//! listener                                              client
//!    │ ── #CHALLENGE#{sha256} and 40 random bytes ────────► │   each message with its length in front:
//!    │ ◄─ {sha256} and the HMAC of it ───────────────────── │   4 bytes, big-endian
//!    │ ── #WELCOME# ──────────────────────────────────────► │
//!    │ ◄─ #CHALLENGE#… ───────── and the other way round ── │
//!    │ ── {sha256}… ──────────────────────────────────────► │
//!    │ ◄─ #WELCOME# ─────────────────────────────────────── │
//!    │ ◄─ 80 04 95 … a pickle ───────────────────────────── │   or any bytes: send_bytes
//! ```
//!
//! - [`Auth`] is the key and the policy. Python up to 3.11 knows only HMAC-MD5, and [`Auth`] is made by saying whether
//!   that is good enough.
//! - [`Handshake`] is the login without I/O. A [`blocking::Listener`] runs many of them at a time, so that a client
//!   that says nothing stops nobody.
//! - A connection never reads a byte behind a message: a descriptor may come next.
//! - [`pickle`] reads and writes objects: by `serde`, or as [`pickle::Value`]s, which keep what Python keeps.
//!
//! # What is where
//!
//! | Python | threads: [`blocking`] | tokio: `tokio` (feature `tokio`) |
//! |---|---|---|
//! | `Listener(address, authkey=key)`, `accept()` | [`Listener::bind`](blocking::Listener::bind), [`accept`](blocking::Listener::accept) | the same, async |
//! | `Client(address, authkey=key)` | [`Connection::connect`](blocking::Connection::connect) | the same, async |
//! | a socket that somebody else has accepted | [`Connection::accept`](blocking::Connection::accept) | the same, async |
//! | `send`, `recv` | `send`, `recv`; `send_value`, `recv_value` | the same, async |
//! | `send_bytes`, `recv_bytes`, `recv_bytes_into` | `send_bytes`, `recv_bytes`, `recv_into` | the same, async |
//! | `poll(timeout)`, `wait([…])` | `poll`, [`wait`](blocking::wait()) | the same, async |
//! | `send_handle`, `recv_handle` | the same (feature `fd-passing`) | the same, async |
//! | calls, as the recipe makes them | `rpc` (feature `rpc-core`) | its dialect, under `rpc_core::tokio` |
//!
//! # What the login is worth
//!
//! It shows that both ends know the key at the moment at which it happens. It has no roles and is bound to no
//! connection: somebody in the middle can pass it on, and what follows is neither hidden nor protected. A key that a person
//! chose can be guessed from one login that was overheard. Take it on `127.0.0.1` and Unix sockets, or inside TLS.
//!
//! # Limits
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | time for a login, [`Auth::with_timeout`] | 5 s | [`AuthError::TimedOut`] |
//! | logins under way at a listener | 128 | the oldest is refused: [`AuthError::Displaced`] |
//! | a message of the login | 256 bytes | [`AuthError::Frame`] on its length |
//! | a key | 1 byte at least | [`EmptyKey`] |
//! | a message | 64 MiB | an error on its length; nothing more is read |
//! | a pickle: depth, values, bytes, memory | 100; 1,000,000; 64 MiB; 64 MiB | see [`pickle::Options`] |
//!
//! Memory grows with what arrived, never with what was announced.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | brings |
//! |---|---|
//! | `tokio` | the module `tokio` |
//! | `rpc-core` | the module `rpc` |
//! | `fd-passing` | `send_handle` and `recv_handle`, on Unix sockets |
//!
//! # Related blocks
//!
//! `rpc-core` has the registry of functions, and other protocols for it; `fd-passing` what travels beside the messages;
//! `tls-mixin` goes around both ends where a network is between them. `auth-hmac` is the login to take where no end is
//! Python.
#![forbid(unsafe_code)]

mod address;
mod auth;
pub mod blocking;
mod digest;
mod error;
mod frame;
mod handshake;
mod incoming;
pub mod pickle;
mod place;
#[cfg(feature = "rpc-core")]
pub mod rpc;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use address::{Address, AddressError};
pub use auth::{Auth, EmptyKey, fresh_nonce};
pub use error::{AcceptError, AuthError, Error, LoginMessage};
pub use handshake::{Generation, Handshake};
