//! Moves numeric arrays between memory and a stream without copying them.
//!
//! It does not open connections, and it does not compute: an array is a slice or a vector of numbers, and perhaps a shape. It
//! does not encrypt; streams inside TLS are streams. Its core does no I/O; drivers for threads and for tokio come with it.
//!
//! # From one end to the other
//!
//! ```
//! use std::net::{TcpListener, TcpStream};
//!
//! use bulk_array::blocking::{npy, raw};
//! use bulk_array::{ByteOrder, Limits};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let sender = std::thread::spawn(move || -> Result<(), bulk_array::Error> {
//!     let (mut stream, _) = listener.accept()?;
//!     let values: Vec<f64> = (0..10_000).map(f64::from).collect();
//!     raw::send_slice(&mut stream, &values, ByteOrder::Little)?;
//!     npy::send_slice(&mut stream, &values, [100, 100])
//! });
//!
//! let mut stream = TcpStream::connect(address)?;
//! // Both ends know that these are 10,000 f64 …
//! let values = raw::recv_vec::<f64>(&mut stream, 10_000, ByteOrder::Little)?;
//! assert_eq!(values[9_999], 9_999.0);
//! // … or it comes with the array.
//! let matrix = npy::recv_vec::<f64>(&mut stream, &Limits::default())?;
//! assert_eq!(matrix.get(&[99, 98]), Some(&9_998.0));
//! sender.join().expect("the sender does not panic")?;
//! # Ok::<(), bulk_array::Error>(())
//! ```
//!
//! Either end may as well be Python:
//!
//! ```python
//! sock.sendall(memoryview(values).cast("B"))        # raw; values is an array or contiguous in numpy
//! numpy.lib.format.write_array(sock.makefile("wb"), values)             # npy
//! values = numpy.lib.format.read_array(sock.makefile("rb"))
//! ```
//!
//! # The wires
//!
//! | | [`raw`] | [`npy`] | [`chunked`] |
//! |---|---|---|---|
//! | on the wire | the elements | numpy's header, then the elements | a header, chunks with checksums |
//! | both ends know before | type, byte order, number | nothing | nothing |
//! | wrong type or shape | can't be seen | [`ArrayError`] that names both | the same |
//! | a connection breaks | from the start | from the start | from the last good chunk |
//! | several connections | | | for one array |
//! | the other end | anything | numpy, `.npy` files | this crate |
//!
//! Each has the same functions, in [`blocking`] and in `tokio`: `send_slice`; `recv_vec`, which makes a new vector; and
//! `recv_into` a slice that is there. [`raw`] and [`npy`] have `recv_reusing`, which receives into the memory of a vector;
//! [`chunked`] has an [`Offer`](chunked::Offer) and a [`Transfer`](chunked::Transfer), which outlive connections. And each
//! has a `Sender` and a `Receiver` without I/O.
//!
//! # How it works
//!
//! ```text
//!  &[T] ─► Sender ─► poll_transmit(): &[u8] of the elements themselves ─► write ─► advance(n)
//!
//!  read ─► fill(|spare| …): the spare memory of the vector ─► Receiver ─► finish(): Vec<T>
//! ```
//!
//! - Elements are sent from where they are, and received where they stay. Only an order of bytes that is not the machine's
//!   needs more: sending has a copy of 64 KiB, receiving turns numbers round in place, while they are in the cache.
//! - A new vector is not zeroed before. Readers of the standard library can't write to such memory, so vectors are received
//!   from a [`Source`]: sockets, files and pipes are, and anything else as [`Reader`]`(stream)`.
//! - Memory grows with what arrived, by doubling, and is never more than the array. Growing moves pages where the system can.
//! - An [`Element`] is any number of a size that the wires know; pairs are complex, bools are `u8`.
//! - What comes behind an array is not read, so arrays, and anything else, may follow one another.
//!
//! # Limits
//!
//! For [`npy`] and [`chunked`], where the peer says what comes; the length of a raw array is the caller's.
//!
//! | limit | default | at the limit |
//! |---|---|---|
//! | bytes of the elements, [`Limits::max_bytes`] | 1 GiB | [`ArrayError::TooLarge`] |
//! | dimensions, [`Limits::max_dims`] | 32 | [`ArrayError::TooManyDims`] |
//! | header, [`Limits::max_header_len`] | 64 KiB | [`ArrayError::HeaderTooLong`] before it is read |
//!
//! [`raw`] and [`npy`] have no deadlines: set a read timeout on the socket, or take `tokio::time::timeout`. [`chunked`] gives up
//! a connection that stalls.
//!
//! # Threads, tokio, an event loop
//!
//! | | threads | tokio (feature `tokio`) | an event loop |
//! |---|---|---|---|
//! | send | `raw::send_slice(&mut stream, …)?` | `raw::send_slice(&mut stream, …).await?` | [`raw::Sender`], [`npy::Sender`], [`chunked::Sender`] |
//! | receive | `raw::recv_vec(&mut stream, …)?` | `raw::recv_vec(&mut stream, …).await?` | [`raw::Receiver`], [`npy::Receiver`], [`chunked::Receiver`] |
//! | dropped calls | | the stream is of no use any more | |
//!
//! In the loop, `receiver.fill(|spare| …)` reads from the socket when that is readable, and `sender.poll_transmit()` is what to
//! write when it is writable.
//!
//! # Features
//!
//! - `tokio`: the driver for tokio. Off by default.
//!
//! # Related blocks
//!
//! `framing` is for messages of bytes, `mp-connection` for Python's objects, `tls-mixin` for what goes around a stream.
#![deny(unsafe_code)]

mod array;
pub mod blocking;
pub mod chunked;
mod dtype;
mod element;
mod error;
mod limits;
#[cfg(target_os = "linux")]
pub mod linux;
mod memory;
pub mod npy;
mod order;
pub mod raw;
mod shape;
mod source;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use array::Array;
pub use dtype::{Dtype, Kind};
pub use element::Element;
pub use error::{ArrayError, Error};
pub use limits::Limits;
pub use order::ByteOrder;
pub use shape::{Order, Shape};
pub use source::{Reader, Source};
