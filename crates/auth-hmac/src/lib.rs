//! Proves that both ends of a stream know a key, and hands out session keys.
//!
//! It hides nothing: no encryption. It has no users and no passwords, only keys that both ends have, and it
//! can't tell two holders of one key apart. It opens no connections, and its core does no I/O; drivers for
//! threads and for tokio come with it.
//!
//! # Two ends that prove themselves
//!
//! ```
//! use std::net::{TcpListener, TcpStream};
//!
//! use auth_hmac::blocking::{SealedStream, initiate, respond};
//! use auth_hmac::{HandshakeOptions, Key, Keyring};
//!
//! let key = Key::new("2026-11", [7; 32])?; // better 32 random bytes
//! let keys = Keyring::from(key.clone());
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = std::thread::spawn(move || {
//!     let (mut stream, _) = listener.accept()?;
//!     let session = respond(&mut stream, &keys, &HandshakeOptions::default())?;
//!     assert_eq!(session.key_id(), b"2026-11");
//!     SealedStream::new(stream, session).write_message(b"welcome")
//! });
//!
//! let mut stream = TcpStream::connect(address)?;
//! let session = initiate(&mut stream, &key, &HandshakeOptions::default())?;
//! let mut messages = SealedStream::new(stream, session);
//! assert_eq!(messages.read_message()?, Some(&b"welcome"[..]));
//! server.join().expect("the server does not panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The handshake
//!
//! [`Handshake`] is mutual. Both nonces, the roles, the version, the id of the key, and the caller's
//! [context and channel binding](HandshakeOptions) are in both proofs, so two ends that differ in any of
//! them refuse each other.
//!
//! ```text
//! initiator                                  responder
//!     │ ── hello      nonce, id of the key ────► │
//!     │ ◄─ challenge  nonce ──────────────────── │
//!     │ ── proof      HMAC of all of it ───────► │  accepts, or answers with a failure
//! accepts ◄─ welcome  HMAC of all of it ──────── │
//! ```
//!
//! The initiator proves itself first: a responder, to which anybody can connect, shows nothing that depends on
//! a key to somebody who has not proved to have it, and an unknown id looks like a wrong key. Keys have at least
//! 16 bytes, which the type [`Key`] sees to; a [`Keyring`] holds several by id, so they can be changed one
//! by one. The book has the specification, with test vectors and a table of attacks:
//! `docs/src/auth-hmac.md`.
//!
//! Both ends then have a [`Session`]. It [exports](Session::export) keys for other uses, and seals
//! messages: each gets a number and a tag, so that one that was changed, repeated, left out, moved or cut is
//! noticed. There is no forward secrecy: who gets hold of the key later can compute the keys of recorded
//! sessions.
//!
//! # The challenge
//!
//! [`Challenge`] is what a recipe of Python's `hmac` module does, byte for byte: the server sends 32 random
//! bytes, the client answers with their HMAC-SHA256, and the server goes on or closes. Its [`ChallengeKey`]
//! may be short, if you say so. What it does not give:
//!
//! - The server proves nothing. Anybody can ask, and be told an answer.
//! - A relay goes unnoticed: who pretends to be the server can pass the challenge of the real one on.
//! - It is not bound to a TLS connection, nor to what follows: who can change packets takes over after it.
//! - A short key is found by trying, from one challenge and its answer.
//!
//! # Limits
//!
//! | limit | default | what happens |
//! |---|---|---|
//! | time for all messages of the peer, [`HandshakeOptions::timeout`], [`ChallengeOptions::timeout`] | 5 s | [`AuthError::TimedOut`] |
//! | a message of the handshake | its exact length; none has more than 100 bytes, and there is room for 256 | [`AuthError::WrongLength`] on its head |
//! | a secret | at least 16 bytes, for [`ChallengeKey::new_short`] one | [`KeyError::TooShort`] |
//! | the id of a key | 64 bytes | [`KeyError::IdTooLong`] |
//! | a sealed message, [`HandshakeOptions::max_message_len`] | 1 MiB | [`SessionError::TooLong`] on its head |
//!
//! The peer is told at most that it failed. [`AuthError`] is for the local log.
//!
//! A handshake belongs into the thread or task of its connection, not into the accept loop, where one silent
//! peer would keep out all others.
//!
//! # Threads, tokio, a readiness loop
//!
//! | | threads | tokio (feature `tokio`) | a readiness loop |
//! |---|---|---|---|
//! | the server's challenge | [`blocking::challenge`] | `tokio::challenge` | [`Challenge::asker`] |
//! | the client's answer | [`blocking::answer`] | `tokio::answer` | [`Challenge::answerer`] |
//! | mutual, who begins | [`blocking::initiate`] | `tokio::initiate` | [`Handshake::initiator`] |
//! | mutual, who is asked | [`blocking::respond`] | `tokio::respond` | [`Handshake::responder`] |
//! | sealed messages | [`blocking::SealedStream`] | `tokio::SealedStream` | [`Session::seal`], [`Session::open`] |
//! | the deadline | read timeouts; see [`blocking::Stream`] | the runtime's timers | [`Handshake::poll_timeout`] |
//! | the nonce | fresh | fresh | [`fresh_nonce`] |
//! | dropped calls | | close the stream; sealed messages: nothing is lost | |
//!
//! None of them reads a byte behind the handshake: what arrives together with it stays in the stream, or with the
//! caller.
//!
//! # Features
//!
//! - `tokio`: the drivers for tokio.
//! - `md5`: `ChallengeKey::new_legacy_md5`, for the recipe under Python up to 3.7.
//!
//! Both are off by default.
//!
//! # Related blocks
//!
//! `tls-mixin` hides what is said, and gives the channel binding; `socket-server` and `event-loop` run the
//! handshake in the turn of its connection and see to a deadline of their own.
#![forbid(unsafe_code)]

pub mod blocking;
mod challenge;
mod deadline;
mod error;
mod handshake;
mod incoming;
mod key;
mod machine;
mod message;
mod nonce;
mod outgoing;
mod schedule;
mod secret;
mod session;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use challenge::{Challenge, ChallengeEvent, ChallengeOptions};
pub use error::{AuthError, Error, KeyError, SessionError};
pub use handshake::{Handshake, HandshakeOptions};
pub use key::{ChallengeKey, Key, Keyring};
pub use nonce::fresh_nonce;
pub use session::{Opened, Opener, Sealer, Session};
