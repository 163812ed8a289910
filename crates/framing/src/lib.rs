//! Cuts a byte stream into messages, and writes messages so that they can be cut out again.
//!
//! It does not open connections, and it does not look into payloads: no encryption, no checksums, no
//! serialising. It does no I/O in its core; drivers for threads and for tokio come with it.
//!
//! # From bytes to frames and back
//!
//! ```
//! use framing::{Decoder, Encoder, Pattern, Prefix};
//!
//! let pattern = Pattern::Prefix(Prefix::U32Be);
//! let mut wire = Vec::new();
//! let encoder = Encoder::new(pattern.clone());
//! encoder.encode(b"hello", &mut wire)?;
//! encoder.encode(b"world", &mut wire)?;
//!
//! let mut decoder = Decoder::new(pattern);
//! let mut frames = Vec::new();
//! for piece in wire.chunks(7) {
//!     decoder.receive(piece); // arrives cut anywhere
//!     while let Some(frame) = decoder.next_frame()? {
//!         frames.push(frame.to_vec());
//!     }
//! }
//! assert_eq!(frames, [b"hello", b"world"]);
//! # Ok::<(), framing::FrameError>(())
//! ```
//!
//! # The six patterns
//!
//! [`Pattern::ToEnd`]: everything until the peer ends its direction. Each direction ends by itself, so
//! one can be a question and the other the answer: a half-close conversation, see
//! [`blocking::exchange`].
//!
//! ```text
//! ┌─────────────────────┐           ┌──────────┐ end ──►
//! │ a l l   o f   i t   │ end       │ question │
//! └─────────────────────┘           └──────────┘     ◄── end ┌────────┐
//!                                                            │ answer │
//!                                                            └────────┘
//! ```
//!
//! [`Pattern::Fixed`]`(4)`: always so many bytes. [`blocking::receive_exactly`] reads one such frame.
//!
//! ```text
//! ┌─────────┬─────────┐
//! │ o n e t │ w o 3 3 │
//! └─────────┴─────────┘
//! ```
//!
//! [`Pattern::Lines`] end with `\n` or `\r\n`, [`Pattern::Delimiter`] with any 1 to 64 bytes:
//!
//! ```text
//! ┌───────┬────┬───────┬───────┐      ┌───────┬───┬───────┬───┐
//! │ o n e │ \n │ t w o │ \r \n │      │ w h y │ ? │ h o w │ ? │
//! └───────┴────┴───────┴───────┘      └───────┴───┴───────┴───┘
//! ```
//!
//! [`Pattern::Prefix`]: the length first, as one of eleven kinds of [`Prefix`]:
//!
//! ```text
//!              ┌─────────────┬────────────┐
//! U32Be        │ 00 00 00 05 │ h e l l o  │
//!              ├─────────────┼────────────┤
//! U16Le        │ 05 00       │ h e l l o  │
//!              ├─────────────┼────────────┤
//! Varint       │ ac 02       │ 300 bytes  │     0x2c + (0x02 << 7)
//!              ├─────────────┼────────────┤
//! Multi-       │ 00 00 00 05 │ h e l l o  │     up to 2³¹ - 1
//! processing   ├─────────────┴───────────┬┴───────────┐
//!              │ ff ff ff ff  u64        │ h e l l o  │     any length
//!              └─────────────────────────┴────────────┘
//! ```
//!
//! [`Pattern::Blocks`]: a message of unknown length in blocks, each with its length; an empty block ends
//! it. This is `hello`:
//!
//! ```text
//! ┌─────────────┬───────┬─────────────┬─────┬─────────────┐
//! │ 00 00 00 03 │ h e l │ 00 00 00 02 │ l o │ 00 00 00 00 │
//! └─────────────┴───────┴─────────────┴─────┴─────────────┘
//! ```
//!
//! Integers inside a payload need nothing from here; what other languages call `struct.pack` is in the
//! standard library:
//!
//! ```
//! // pack(">IH", 7, 1) and pack("<q", -2)
//! let packed = [&7_u32.to_be_bytes()[..], &1_u16.to_be_bytes(), &(-2_i64).to_le_bytes()].concat();
//! // unpack
//! let (seven, rest) = packed.split_first_chunk().unwrap();
//! assert_eq!(u32::from_be_bytes(*seven), 7);
//! let (one, rest) = rest.split_first_chunk().unwrap();
//! assert_eq!(u16::from_be_bytes(*one), 1);
//! assert_eq!(i64::from_le_bytes(rest.try_into().unwrap()), -2);
//! ```
//!
//! # How it works
//!
//! ```text
//!              receive(bytes) ─► ┌─────────┐ ─► next_frame()  a slice of the decoder's buffer
//!                receive_eof ─►  │ Decoder │ ─► next_bytes()  owned, sharing that buffer
//!  handle_timeout(now) ────────► └─────────┘
//!              decode(&mut input) ─────────────► a slice of the input itself
//!
//!  push(payload) ─► FrameQueue ─► write_to(writer), or chunks(…) and advance(n): vectored
//! ```
//!
//! - Payloads are not copied on the way out of a decoder nor on the way through a queue. (Messages in
//!   several blocks are joined, which copies them once.)
//! - However a stream is cut, the frames are the same, and so are the errors.
//! - A delimiter is searched for once per byte, however slowly a line comes.
//! - After an error a decoder is failed, and repeats it.
//! - When the protocol changes in mid-stream, [`Decoder::set_pattern`] goes on with the same bytes (a
//!   head in lines, then a body of known length), and [`Decoder::into_unread`] hands the rest to
//!   somebody else.
//!
//! # Limits
//!
//! All are on by default, and those of receiving and sending are set apart.
//!
//! | limit | default | what happens |
//! |---|---|---|
//! | received payload, [`Limits::max_frame_len`] | 8 MiB; lines and delimiters 64 KiB | [`FrameError::TooLong`] or [`FrameError::Undelimited`] before anything is allocated, or the frame is [skipped](Oversize::Skip) |
//! | sent payload, [`Encoder::with_max_frame_len`] | the same | [`FrameError::TooLong`] |
//! | time for one frame, [`Limits::grace`] and [`Limits::min_rate`] | 10 s, and a second more for each 1024 bytes that came | [`FrameError::TooSlow`] |
//! | queued bytes, [`QueueLimits::max_len`] | 1 MiB | [`FrameError::QueueFull`] |
//! | queued frames, [`QueueLimits::max_frames`] | 16,384 | [`FrameError::QueueFull`] |
//! | congestion, [`QueueLimits::high_water`] and [`low_water`](QueueLimits::low_water) | 256 KiB and 64 KiB | [`FrameQueue::is_congested`] |
//!
//! Memory grows with what arrived, at most to twice of it, whatever length was announced. A browser, a TLS
//! client or an SSH client on the wrong port is named in the error: "peer announced a frame of
//! 1195725856 bytes, the limit is 8388608; this looks like an HTTP request".
//!
//! # Threads, tokio, a readiness loop
//!
//! | | threads | tokio (feature `tokio`) | a readiness loop |
//! |---|---|---|---|
//! | type | [`blocking::FrameStream`] | `framing::tokio::FrameStream` | [`Decoder`] and [`Encoder`] or [`FrameQueue`] |
//! | read | `read_frame()?` | `read_frame().await?` | `decode(&mut input)` on the loop's buffer |
//! | write now | `write_frame(b"…")?` | `write_frame(b"…").await?` | `encode(b"…", &mut out)` |
//! | queue, then write | `send(bytes)?`, `flush()?` | `send(bytes)?`, `flush().await?` | `push(bytes)`, `write_to(&mut socket)` |
//! | slow peers | a read timeout on the socket | the runtime's timers | [`Decoder::poll_timeout`] |
//! | dropped calls | | reading, flushing: nothing is lost | |
//!
//! # Features
//!
//! - `tokio`: the driver for tokio.
//! - `codec`: `FrameCodec` for `tokio_util::codec::Framed`.
//!
//! Both are off by default.
//!
//! # Related blocks
//!
//! `event-loop` is a readiness loop that lends one read buffer to all connections, which is what
//! [`Decoder::decode`] is made for.
#![forbid(unsafe_code)]

pub mod blocking;
#[cfg(feature = "codec")]
mod codec;
mod decoder;
mod encoder;
mod error;
mod limits;
mod parser;
mod pattern;
mod queue;
#[cfg(feature = "tokio")]
pub mod tokio;

#[cfg(feature = "codec")]
pub use codec::FrameCodec;
pub use decoder::Decoder;
pub use encoder::{Encoder, Head};
pub use error::{Direction, Error, FrameError, Opening};
pub use limits::{Limits, Oversize};
pub use pattern::{Delimiter, Pattern, Prefix};
pub use queue::{FrameQueue, QueueLimits};
