//! Hands open descriptors to another process, over a Unix socket (Unix only).
//!
//! A connection, a listener, a file: the other process gets the same open one, under a number of its own. It
//! starts no processes, it does not encrypt or authenticate, and it does not serve what it has received. Python objects
//! that hold sockets are not unpickled: `python` passes descriptors, and nothing else.
//!
//! # A connection for a worker
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//! use std::os::unix::net::UnixStream;
//!
//! use fd_passing::{receive, send, tcp_stream};
//!
//! let (server, worker) = UnixStream::pair()?; // or UnixListener and UnixStream::connect
//! let worker = std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     let mut buffer = [0; 1];
//!     while let Some(received) = receive(&worker, &mut buffer)? {
//!         for descriptor in received.descriptors {
//!             tcp_stream(descriptor)?.write_all(b"hello from the worker")?;
//!         }
//!     }
//!     Ok(())
//! });
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut client = TcpStream::connect(listener.local_addr()?)?;
//! let (connection, _) = listener.accept()?;
//! send(&server, b"x", &[connection])?; // closed here, open there
//!
//! let mut text = String::new();
//! client.read_to_string(&mut text)?;
//! assert_eq!(text, "hello from the worker");
//! # drop(server);
//! # worker.join().expect("it does not panic").map_err(|error| error.to_string())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! ```text
//! sender                                    kernel                    receiver
//! send(socket, "x", [7, 9])  ──►  byte 'x' + the two open files  ──►  receive: 1 byte, [4, 5]
//! ```
//!
//! - [`send`] takes anything that is [`AsFd`](std::os::fd::AsFd) and leaves it open; [`receive`] gives
//!   [`OwnedFd`](std::os::fd::OwnedFd)s. No number is ever handled.
//! - What is received is closed when another program is executed, from the first moment: there is none in which a
//!   thread that starts a program would leak it.
//! - There is always room for as many descriptors as the kernel delivers. If it can't deliver all, those that came are
//!   closed and [`MessageError::DescriptorsLost`] says so. No error leaves a descriptor open.
//! - [`tcp_stream`] and its like look what a descriptor stands for before they say that it is that; who does not trust
//!   the sender looks at [`peer_credentials`] too.
//!
//! # Which function
//!
//! | to pass | over | blocking | tokio (feature `tokio`) |
//! |---|---|---|---|
//! | up to 253, with bytes of your own | stream, datagram, seqpacket | [`send`], [`receive`] | `tokio::send`, `tokio::receive` |
//! | any number | stream, seqpacket | [`send_all`], [`receive_all`] | `tokio::send_all`, `tokio::receive_all` |
//! | one, to or from Python's `multiprocessing` | stream | [`python`] | `tokio::python` |
//! | one, as the recipe with `sendmsg` does it | stream | [`recipe`] | `tokio::recipe` |
//! | the listeners of a process to its successor | a path | [`handover`] | on a thread |
//! | waits | | as the socket does; where a time-out is given, so long | the task |
//! | dropped calls | | | `receive` and its like lose nothing; else close |
//!
//! [`send`], [`receive`] and the receivers of one descriptor do one system call for the message, and up to two that
//! look at the socket. They work on sockets that do not block, so an event loop can use them too: `WouldBlock` then
//! means that nothing has happened.
//!
//! # Limits
//!
//! | limit | value | at the limit |
//! |---|---|---|
//! | descriptors in a message, [`MAX_DESCRIPTORS`] | 253, the kernel's | [`MessageError::TooMany`], nothing is sent |
//! | descriptors in several messages | the argument of [`receive_all`] | [`MessageError::TooMany`] on the header |
//! | open descriptors of the receiver | its `RLIMIT_NOFILE` | [`MessageError::DescriptorsLost`] |
//! | descriptors on their way, of one user | `RLIMIT_NOFILE`, the kernel's | [`Error::Io`], `ETOOMANYREFS` |
//! | until an acknowledgement | an argument; [`python::TIMEOUT`], 5 s | [`MessageError::TimedOut`] |
//! | until the rest of several messages | an argument | [`MessageError::TimedOut`] |
//! | a datagram | the buffer | [`MessageError::BytesLost`] |
//! | steps, names and sockets of a handover | see [`handover`] | |
//!
//! # Pitfalls
//!
//! - **Open modes are shared.** Position, append mode and the non-blocking flag belong to the open file, not to the
//!   descriptor: `set_nonblocking` in one process holds in the other.
//! - **A stream has no messages.** Descriptors come with a byte, and a buffered reader that takes that byte with `read`
//!   drops them. Receive where they are expected, and read nothing ahead; [`receive`] with a buffer of one byte takes
//!   that one alone.
//! - **A descriptor on its way is open.** A connection sent to a worker that does not receive it is held by the
//!   socket: its client waits. It is closed when the socket is.
//! - **Sent is not received.** [`send`] returns when the kernel has the message. If it matters, wait for an answer before
//!   you close your own, as [`recipe`] does.
//! - **Everything comes along.** The receiver of a listener can accept from it for ever; there is no taking back.
//! - **Only Unix sockets do it.** Others send the bytes and drop the descriptors without a word; here that is
//!   [`MessageError::NotUnix`].
//!
//! Tested on Linux, for which it is written; other Unix systems lack some of what it asks of the kernel.
//!
//! # Features
//!
//! - `tokio`: the same over tokio's sockets. Off by default.
//!
//! # Related blocks
//!
//! `socket-server` serves a listener that was handed over (`Server::adopt`), and passes sockets to processes of its own.
#![forbid(unsafe_code)]

mod credentials;
mod deadline;
mod error;
pub mod handover;
mod kind;
mod many;
mod message;
pub mod python;
pub mod recipe;
mod socket;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use credentials::{Credentials, peer_credentials};
pub use error::{Error, MessageError};
pub use kind::{
    Kind, WrongKind, tcp_listener, tcp_stream, udp_socket, unix_datagram, unix_listener,
    unix_stream,
};
pub use many::{receive_all, send_all};
pub use message::{MAX_DESCRIPTORS, Received, receive, send};
