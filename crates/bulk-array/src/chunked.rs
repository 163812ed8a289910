//! An array in chunks, each with a checksum: a transfer that goes on where it broke, over one connection or several.
//!
//! What arrives lands in its place in the array at once, and is verified while it is in the cache. After a broken
//! connection the receiver keeps what is verified and asks for the rest on the next one. It notices damage, which TCP's
//! own checksum lets through in rare cases, but it is no protection from somebody who means harm: for that there is
//! TLS below it.
//!
//! # A transfer that survives its connections
//!
//! The sender [offers](Offer) an array, and the receiver holds it as a [`Transfer`]. Drivers in
//! [`blocking::chunked`](crate::blocking::chunked) and `tokio::chunked` move it.
//!
//! ```
//! use std::net::{TcpListener, TcpStream};
//! use std::ops::ControlFlow;
//!
//! use bulk_array::blocking::chunked;
//! use bulk_array::chunked::{Checkpoint, Offer, Transfer};
//! use bulk_array::Limits;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! std::thread::spawn(move || {
//!     let values: Vec<f64> = (0..500_000).map(f64::from).collect();
//!     let offer = Offer::new(values, 500_000).expect("the shape is that of the values");
//!     for connection in listener.incoming().flatten() {
//!         // Receivers come and go.
//!         chunked::send(&mut &connection, &offer, |_| ControlFlow::Continue(())).ok();
//!     }
//! });
//!
//! // Stop after the first chunk, and write down how far it got.
//! let transfer = Transfer::<f64>::vec(Vec::new(), &Limits::default());
//! let stopped = chunked::recv(&mut TcpStream::connect(address)?, &transfer, 0, |progress| {
//!     match progress.done {
//!         0 => ControlFlow::Continue(()),
//!         _ => ControlFlow::Break(()),
//!     }
//! });
//! assert!(stopped.is_err());
//! let checkpoint = transfer.checkpoint().expect("the sender has answered").to_string();
//! let beginning = transfer.into_vec();
//!
//! // Later, perhaps in another process:
//! let checkpoint: Checkpoint = checkpoint.parse()?;
//! let transfer = Transfer::vec(beginning, &Limits::default()).with_checkpoint(&checkpoint)?;
//! chunked::recv(&mut TcpStream::connect(address)?, &transfer, 0, |_| ControlFlow::Continue(()))?;
//! let array = transfer.into_array()?;
//! assert_eq!(array.values()[499_999], 499_999.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With [`Transfer::parallel`] several connections fill one slice at the same time; each can break and go on by itself.
//! In a readiness loop, [`Sender`] and [`Receiver`] are the two ends of one connection, without I/O.
//!
//! # The wire
//!
//! All numbers are little-endian. CRC32C is that of iSCSI and SCTP: polynomial 0x1EDC6F41, reflected, all ones before
//! and after.
//!
//! ```text
//! receiver                                              sender
//!     │ ── request        64 bytes ─────────────────────► │
//!     │ ◄─ header         64 bytes, more for many dims ── │
//!     │ ◄─ chunk, chunk … 16 bytes and what it holds ──── │
//!     │ ◄─ end mark       16 bytes ────────────────────── │
//! ```
//!
//! Then the connection is free for another request. A sender that is asked for an id that it does not have answers with its
//! header, so that the receiver sees which it has, and closes.
//!
//! The request:
//!
//! | bytes | |
//! |---|---|
//! | 0–7 | `NBARRAY?` |
//! | 8 | 1, the version |
//! | 9 | 1 if there is an id, else 0 |
//! | 10–11 | the number of this stream, from 0 |
//! | 12–13 | among how many streams the chunks are divided: at least 1 |
//! | 14–15 | 0 |
//! | 16–31 | the id of the array that was begun, or zeros |
//! | 32–39 | the first chunk that is wanted |
//! | 40–59 | 0 |
//! | 60–63 | the CRC32C of the 60 bytes before |
//!
//! The header, filled up with zeros to a multiple of 64 bytes; with one dimension it has 64, at most 576:
//!
//! | bytes | |
//! |---|---|
//! | 0–7 | `NBARRAY!` |
//! | 8 | 1, the version |
//! | 9 | the kind of the elements: `b`, `i`, `u`, `f`, `c` as in [`Kind`](crate::Kind) |
//! | 10 | the bytes of an element |
//! | 11 | `<` for little-endian elements, `>` for big-endian ones |
//! | 12 | `C`, or `F` for Fortran order |
//! | 13 | how many dimensions there are, 0 to 64 |
//! | 14–15 | the length of this header |
//! | 16–31 | the id of the array |
//! | 32–39 | the bytes of the array: the product of the dimensions and the element |
//! | 40–43 | the bytes of a chunk: a multiple of 64 from 1 KiB to 4 MiB |
//! | 44–47 | the stream and how many, as in the request |
//! | 48–… | the dimensions, 8 bytes each |
//! | last 4 | the CRC32C of all bytes before |
//!
//! A chunk. Chunk `k` holds the bytes of the array from `k` times the length of a chunk on; only the last one can be
//! shorter. Stream `i` of `n` carries the chunks `i`, `i + n` and so on, in this order, from the first one that is not
//! before the one asked for:
//!
//! | bytes | |
//! |---|---|
//! | 0–7 | its number |
//! | 8–11 | its length |
//! | 12–15 | the CRC32C of what it holds |
//! | 16–… | what it holds |
//!
//! The end mark looks like a chunk with the number 2⁶⁴ − 1, the length 0 and the CRC32C 0. The receiver knows which
//! chunk must come, and how long: any other number or length is an error, so that no bit of the stream can change and go
//! unnoticed.
//!
//! # Limits
//!
//! | limit | default | what happens |
//! |---|---|---|
//! | bytes of an array that is received into a vector, [`Limits::max_bytes`](crate::Limits::max_bytes) | 1 GiB | [`ArrayError::TooLarge`](crate::ArrayError::TooLarge) on the header |
//! | dimensions, [`Limits::max_dims`](crate::Limits::max_dims) | 32, never more than 64 | [`ArrayError::TooManyDims`](crate::ArrayError::TooManyDims) on the header |
//! | a chunk | 1 MiB; 1 KiB to 4 MiB | [`ChunkedError::ChunkLen`] on the header |
//! | time without a byte, in either direction, [`Transfer::with_stall_timeout`], [`Offer::with_stall_timeout`] | 30 s | [`ChunkedError::Stalled`] |
//!
//! Beside the array an end has 4 bytes to 1 KiB for each connection, and the sender 8, a receiver of several streams 16
//! bytes for each chunk.

mod error;
mod header;
mod id;
mod offer;
mod part;
mod receiver;
mod sender;
mod transfer;
mod wire;

use std::time::Duration;

use crate::error::Error;

pub use error::ChunkedError;
pub use header::Header;
pub use id::{Checkpoint, ParseCheckpointError, TransferId};
pub use offer::Offer;
pub use receiver::Receiver;
pub use sender::Sender;
pub use transfer::Transfer;

/// How much of an array is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// For a receiver the bytes of the array that are verified, over all streams; for a sender those that it has sent
    /// over this connection.
    pub done: u64,
    /// The bytes of the array.
    pub total: u64,
}

impl Progress {
    pub(crate) fn stalled(self, timeout: Duration) -> Error {
        let Self { done, total } = self;
        ChunkedError::Stalled {
            timeout,
            done,
            total,
        }
        .into()
    }

    pub(crate) fn stopped(self) -> Error {
        let Self { done, total } = self;
        ChunkedError::Stopped { done, total }.into()
    }
}

const STALL_TIMEOUT: Duration = Duration::from_secs(30);
