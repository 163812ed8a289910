//! The native protocol: calls in both directions over one stream of bytes.
//!
//! [`Peer`] is one end of it, without a socket, a clock or a thread. The rest of this page is the protocol's
//! specification, for whoever writes an end in another language.
//!
//! # Messages
//!
//! A message is a frame: its length as four bytes, and so many bytes. Every message begins with the same eight. All
//! numbers are big-endian, all names and texts UTF-8; what must be 0 is checked to be.
//!
//! ```text
//!  0      1      2           3         4          8
//! ┌──────┬──────┬───────────┬─────────┬──────────┬ ─ ─ ─ ─
//! │ 1    │ kind │ arguments │ keywords│ id       │ by kind
//! └──────┴──────┴───────────┴─────────┴──────────┴ ─ ─ ─ ─
//!  version       of calls, else 0      4 bytes
//! ```
//!
//! | kind | message | id | from byte 8 on |
//! |---|---|---|---|
//! | 1 | hello | `nbrp` | 8: codec (1 bincode, 2 postcard, 3 JSON) · 9: 1 if this end reads all the time, else 0 · 10: two times 0 · 12: the longest frame that it takes, 4 bytes, at least 1024 · 16: how many calls it takes at a time, 4 bytes · 20: [fingerprint](crate::Registry::fingerprint), 8 bytes |
//! | 2 | call | of the call, not 0 | 8: timeout in milliseconds, 4 bytes, 0 is for ever · 12: length of the function's name · 13: 0 · 14: length of the metadata, 2 bytes, at most 4096 · 16: the name, then the names of the keyword arguments, each after its length in a byte, then the metadata, then the values |
//! | 3 | one-way call | 0 | as a call |
//! | 4 | answer | of the call | the result |
//! | 5 | fault | of the call | 8: what kind · 9: length of its name, 0 but for kind 3 · 10: two times 0 · 12: length of the message, 4 bytes · 16: name, message, and perhaps data: a [`Value`](crate::Value) |
//! | 6 | cancel | of the call | nothing |
//! | 7 | ping | any | nothing |
//! | 8 | pong | of the ping | nothing |
//! | 9 | goodbye | of the last call taken, 0 if none was | 8: reason · 9: two numbers of 8 bytes |
//! | 10 | attended | 0 | 8: what byte 9 of the hello would say now |
//!
//! The metadata is pairs: a name after its length in a byte, and a value after its length in two. Values and results are
//! encoded by the codec: positional arguments first, then those with names in the order of the names. Bincode and
//! postcard put them one after the other, JSON into one array; in the first two, what is read must be of the type that was
//! written.
//!
//! Faults: 1 unknown function · 2 wrong arguments · 3 the application's own, by name · 4 panicked · 5 deadline exceeded ·
//! 6 cancelled · 7 overloaded · 8 shutting down · 9 too large · 10 unencodable. After 1, 2, 7 and 8 the function was not run.
//!
//! Reasons of a goodbye, and their numbers: 0 takes no more calls · 1 another version (the sender's, the receiver's) · 2
//! another codec (the same) · 3 another fingerprint (the one expected, the one found) · 4 a frame too long (its length, the
//! limit) · 5 the protocol was broken · 6 too slow (milliseconds allowed). Numbers that are not named are 0.
//!
//! # A conversation
//!
//! A client (`>`) calls `add(2, 3)` at a server (`<`), then `ad()`, and leaves:
//!
//! ```text
//! > 00 00 00 1c 01 01 00 00 6e 62 72 70 02 01 00 00 00 80 00 00 00 00 04 00 cb f2 9c e4 84 22 23 25
//!   hello: postcard, reads all the time, frames of 8 MiB, 1024 calls, no functions
//! < 00 00 00 1c 01 01 00 00 6e 62 72 70 02 01 00 00 00 80 00 00 00 00 04 00 3d 4d bf e8 eb ac f2 1c
//!   hello: the same, with the functions whose signatures are "add(x, y)\n"
//! > 00 00 00 15 01 02 02 00 00 00 00 01 00 00 75 30 03 00 00 00 61 64 64 04 06
//!   call 1: two arguments, 30 000 ms, a name of 3 bytes, "add", 2 and 3 in postcard's zigzag
//! < 00 00 00 09 01 04 00 00 00 00 00 01 0a
//!   answer to 1: 5
//! > 00 00 00 12 01 02 00 00 00 00 00 02 00 00 75 30 02 00 00 00 61 64
//!   call 2: no arguments, "ad"
//! < 00 00 00 26 01 05 00 00 00 00 00 02 01 00 00 00 00 00 00 16 6e 6f 20 73 75 63 68 20 66 75 6e 63 74 69 6f 6e 3a 20 27 61 64 27
//!   fault of 2: unknown function, a message of 22 bytes, "no such function: 'ad'"
//! > 00 00 00 19 01 09 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
//!   goodbye: none of the server's calls was taken, and no more will be
//! ```
//!
//! # Rules
//!
//! ```text
//!              ┌─────────┐ the peer's hello ┌──────┐ goodbye sent or received ┌──────────┐ nothing in flight
//!  hello sent →│ opening │─────────────────→│ open │─────────────────────────→│ draining │──────────────────→ close
//!              └─────────┘                  └──────┘                          └──────────┘
//!    any: a goodbye with a reason above 0, sent or received; the end of the stream → close
//! ```
//!
//! 1. Each end sends its hello first, without waiting for the other's, and no call before it has read that. An end that
//!    can't or won't speak with the other sends a goodbye that says why, and closes.
//! 2. Each call is answered once, by an answer or a fault, in any order; a cancelled one too. Its id is the caller's: any but
//!    that of a call not yet answered. Ids go up by one, past those that are in flight, so that a goodbye can be understood;
//!    after `ffffffff` comes 1. The ends number their calls independently.
//! 3. A caller that no longer waits sends a cancel, at most once for a call. The callee answers with fault 6, unless the
//!    answer is on its way: a cancel for a call that does not run is ignored. The caller drops what comes, and counts the call
//!    as in flight until then.
//! 4. A callee answers with fault 5 when the timeout has passed since it read the call. The caller looks at its own clock too.
//! 5. No end has more calls in flight than the other's hello allows. One more is answered with fault 7. A one-way call counts
//!    while it runs; one more is dropped.
//! 6. No message is longer than the receiver's hello allows. In place of an answer that would be, fault 9 is sent; a fault
//!    loses its data and the end of its message.
//! 7. After a goodbye with reason 0 its sender runs none of the calls behind the one it names, and answers those up to it.
//!    Their caller can make them again elsewhere. Once nothing is in flight either end closes. The sender of the goodbye may
//!    itself call, as long as it runs a call that may need it.
//! 8. A ping is answered by a pong at once. An end may send one to a peer that reads all the time and has been quiet, and
//!    close when nothing at all has come for as long again.
//! 9. What this page doesn't allow breaks the protocol: an unknown kind, a field with a wrong value, an answer that is not
//!    due, the id of a call that runs, anything before the hello or a second one. Who sees it sends a goodbye with reason 5
//!    and closes.
//!
//! # Limits
//!
//! [`Options`](crate::Options) has them, with their defaults. What an end keeps of a call that ran at once is its answer,
//! and of one that runs 200 bytes and its arguments; of a message that is not complete, what came of it; of its own calls,
//! a slot of 100 bytes each until they are answered and fetched.

mod envelope;
mod fields;
mod peer;
mod pending;
mod request;
mod running;
mod session;

pub use envelope::{Call, Envelope, FaultMessage, Hello, VERSION};
pub use fields::{Keywords, MAX_METADATA_LEN, Metadata};
pub(crate) use peer::Link;
pub use peer::Peer;
pub use pending::CallId;
pub(crate) use request::Terms;
pub use request::{Body, Request};
