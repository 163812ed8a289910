//! Adds TLS to any stream, listener or handler, either side.
//!
//! It opens no sockets, makes no certificates (`rcgen` and `openssl` do), and asks no authority for them
//! (ACME). It does not look whether a certificate was revoked (CRL, OCSP). There is no TLS before 1.2, no
//! renegotiation, no early data, no DTLS and no QUIC. The protocol itself is [rustls]; this crate is the way
//! from files and sockets to it, with limits.
//!
//! # A server, and a client of it
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//!
//! use tls_mixin::{Acceptor, Authorities, ClientOptions, Connector, Identity, ServerOptions};
//!
//! # #[cfg(not(feature = "ring"))]
//! # fn main() {}
//! # #[cfg(feature = "ring")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let files = std::env::temp_dir().join(format!("tls-mixin-front-{}", std::process::id()));
//! # std::fs::create_dir_all(&files)?;
//! # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # std::fs::write(files.join("server_cert.pem"), made.cert.pem())?;
//! # std::fs::write(files.join("server_key.pem"), made.signing_key.serialize_pem())?;
//! // Who the server is, in the folder `files`: its certificate, and the private key of that.
//! let identity =
//!     Identity::from_pem_files(files.join("server_cert.pem"), files.join("server_key.pem"))?;
//! let acceptor = Acceptor::new(ServerOptions::new(identity))?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = std::thread::spawn(move || {
//!     let (tcp, _) = listener.accept()?;
//!     let mut stream = acceptor.accept(tcp)?; // the handshake
//!     let mut said = String::new();
//!     stream.read_to_string(&mut said)?;
//!     stream.write_all(said.as_bytes())?;
//!     stream.finish() // tells the client that this was all
//! });
//!
//! // Whom the client trusts: an authority, or, as here, a certificate that vouches for itself.
//! let authorities = Authorities::from_pem_file(files.join("server_cert.pem"))?;
//! let connector = Connector::new(ClientOptions::new(authorities))?;
//! let mut stream = connector.connect("localhost", TcpStream::connect(address)?)?;
//! stream.write_all(b"hello")?;
//! stream.finish()?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert_eq!(answer, "hello");
//! assert_eq!(stream.session().version().to_string(), "TLSv1.3");
//! server.join().expect("the server does not panic")?;
//! # std::fs::remove_dir_all(&files)?;
//! # Ok(())
//! # }
//! ```
//!
//! For trying things out, `openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext
//! subjectAltName=DNS:localhost -keyout server_key.pem -out server_cert.pem` makes these two files, and the
//! example `make_certs` a whole family.
//!
//! # How it works
//!
//! ```text
//! files ─► Identity ───┐
//!          (who I am)  ├─► ServerOptions ─► Acceptor ──┐
//! files ─► Authorities │                               ├─ handshake ─► TlsStream ─► Session
//!        (whom I trust)┴─► ClientOptions ─► Connector ─┘     │         Read, Write  (who the peer is,
//!                                                            │         finish        what was agreed)
//!                        a stream that is connected ─────────┘
//! ```
//!
//! - All mistakes in options and files show in [`Acceptor::new`] and [`Connector::new`], with the file and
//!   the reason: a key that belongs to another certificate, a date that has passed, an order that is wrong.
//! - The handshake runs where it is called: in the connection's own thread, task or turn, never in the
//!   accept loop, and within a deadline. A peer that is refused is told an alert, and no more; [`Error`] is
//!   for the local log. It says so when the peer speaks HTTP, SSH or the like instead of TLS.
//! - A client is verified when the options say so ([`ClientCertificates`]), a server always. Only
//!   alternative names count, never the common name. [`dangerous`] is the only way around that.
//! - [`Session`] says who the peer is ([`Certificate`]), the version, cipher suite and protocol, whether the
//!   session was resumed, and the [channel binding](Session::channel_binding) that `auth-hmac` takes.
//! - A stream ends cleanly when the peer has said so, and only then is a read `Ok(0)`. A stream that was cut
//!   is an error. See [`TlsStream`].
//!
//! # Threads, tokio, the event loop
//!
//! | | threads | tokio (feature `tokio`) | `event-loop` (feature `event-loop`) |
//! |---|---|---|---|
//! | server | [`Acceptor::accept`] | `tokio::accept` | `event_loop::server` |
//! | client | [`Connector::connect`] | `tokio::connect` | `event_loop::client` |
//! | what you get | [`TlsStream`]: `Read + Write` | `tokio::TlsStream`: `AsyncRead + AsyncWrite` | your handler, inside TLS |
//! | the end of this side | [`TlsStream::finish`] | `shutdown` | `out.end()` |
//! | both ways at once | [`TlsStream::split`], two threads | `tokio::io::split` | always |
//! | the deadline | `poll` on the descriptor | the runtime's timers | the loop's timers |
//!
//! A handler of `socket-server` gets TLS by its type: [`Acceptor::mixin`] takes a handler of
//! `TlsStream<&Connection>` and returns one of `Connection`. In a server on tokio the handler calls
//! `tokio::accept(&acceptor, &connection)` first.
//!
//! # Reload
//!
//! [`Acceptor::reload`] reads the files again, for instance at `SIGHUP`; [`ServerOptions::check_files`] does
//! it when they have changed. What is new is checked as at the start and then taken all at once; when
//! something is wrong with it, a half-written key for instance, everything stays as it was. Handshakes under
//! way end as they began, and no connection is lost.
//!
//! | after a reload | |
//! |---|---|
//! | new connections | get the new certificates, and are verified by the new authorities |
//! | connections from before | go on, or with [`ServerOptions::retire_after`] end with [`Error::Retired`] at their next use after that time |
//! | tickets from before | are void: those clients do a whole handshake |
//! | tickets in general | a client's certificate is verified again whenever its ticket is used, so that none outlives its certificate |
//!
//! # Limits
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | [time for a handshake](ServerOptions::handshake_timeout), either side | 10 s | [`Error::TimedOut`] |
//! | [handshakes at a time](ServerOptions::max_handshakes), of one [`Acceptor`] and its clones | 256 | [`Error::TooManyHandshakes`], before anything is read |
//! | a message of the handshake | 64 KiB, by rustls | [`Error::Handshake`] |
//! | a record | 16 KiB, by the protocol | [`Error::Handshake`] |
//! | taken by `write` and not yet sent | 64 KiB | `write` blocks, or says `WouldBlock` |
//! | received and not yet read | 32 KiB as it came, 16 KiB decrypted | the peer's sending blocks |
//! | life of a ticket | 12 hours | a whole handshake |
//! | tickets that a client keeps | for 256 servers | the oldest goes |
//! | a file of certificates or keys | 4 MiB | [`Flaw::TooLong`] |
//!
//! After the handshake the deadlines are those of the stream below: its timeouts, or those of the server.
//!
//! # Features
//!
//! - `ring` (default): the provider [`Provider::ring`].
//! - `aws-lc-rs`: the provider `Provider::aws_lc_rs`, for post-quantum key exchange. It builds a C library,
//!   which takes a minute. With both features `ring` stays the default of the options.
//! - `tokio`: module `tokio`.
//! - `event-loop`: module `event_loop`.
//! - `webpki-roots`: `Authorities::webpki`, Mozilla's authorities compiled in.
//! - `platform-roots`: `Authorities::platform`, the authorities that the system trusts.
//!
//! What the process has installed as rustls' default provider is neither used nor changed. Unix only.
//!
//! # Related blocks
//!
//! `socket-server` and `event-loop` run the connections, and have deadlines of their own; `auth-hmac` proves
//! that both ends know a key, bound to this channel; `cidr` keeps addresses out before the handshake.
#![forbid(unsafe_code)]

mod acceptor;
mod authorities;
mod certificate;
mod connector;
pub mod dangerous;
mod error;
#[cfg(feature = "event-loop")]
pub mod event_loop;
mod handshake;
mod identity;
mod machine;
mod options;
mod pem;
mod plaintext;
mod provider;
mod reload;
mod session;
mod shake;
mod sni;
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;
mod verify;

pub use rustls;

pub use acceptor::Acceptor;
pub use authorities::Authorities;
pub use certificate::{AlternativeName, Certificate, KeyKind, NameMismatch};
pub use connector::Connector;
pub use error::{Error, Flaw};
pub use identity::Identity;
pub use options::{ClientCertificates, ClientOptions, ServerOptions, Versions};
pub use plaintext::Plaintext;
pub use provider::Provider;
pub use session::{Session, Version};
pub use stream::{Duplex, TlsStream};
