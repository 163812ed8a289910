//! For threads: serving a connection, and calling the other end of one.
//!
//! [`serve`] carries any dialect over a stream, in the thread that calls it.

use std::sync::Arc;

use crate::{Dialect, Error};

mod batch;
mod client;
mod line;
mod mailbox;
mod outgoing;
mod parker;
mod pending;
mod reconnecting;
mod serve;
mod stream;
mod task;
mod wait;
mod workers;

pub use batch::Batch;
pub use client::Client;
use mailbox::Mailbox;
pub use pending::Pending;
pub use reconnecting::Reconnecting;
pub use stream::{Pair, Stream};
pub use workers::Workers;

/// Serves one connection in this thread until it ends.
///
/// Quick functions run in this thread, and so
/// does polling the futures of others; functions that [block](crate::Registered::blocking) run on [`Workers`] of this
/// connection's own, at most 16: with many connections share some by [`Workers::serve`].
///
/// While nothing runs and the dialect waits for nothing but the peer, the thread is in a plain read, so deadlines of
/// the stream itself hold: those of `socket-server` for idle peers, for example. While something runs they don't, for
/// then the peer is right to wait. Writing blocks, and nothing is read meanwhile: a peer that does not read its
/// answers is not listened to either.
///
/// Memory: 64 KiB to read, and the dialect's. System calls: one read and one write for all calls that arrive together,
/// and a poll while jobs run.
///
/// # Errors
/// Those of the dialect; of the stream, as [`Error`] has them. `Ok` when the peer has finished and has been answered.
pub fn serve(stream: &(impl Stream + ?Sized), dialect: impl Dialect) -> Result<(), Error> {
    let mailbox = Arc::new(Mailbox::new());
    serve::Connection::new(stream, dialect, mailbox, Workers::default()).carry()
}
