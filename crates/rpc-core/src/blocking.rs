//! For threads: serving a connection, and calling the other end of one.
//!
//! ```
//! # #[cfg(feature = "postcard")] {
//! use std::net::{TcpListener, TcpStream};
//! use std::sync::Arc;
//! use std::thread;
//!
//! use rpc_core::blocking::{Client, Workers};
//! use rpc_core::{Codec, Options, Registry, native};
//!
//! let mut registry = Registry::new();
//! registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
//! let (registry, options) = (Arc::new(registry), Options::new(Codec::Postcard));
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let (workers, for_server) = (Workers::default(), options.clone());
//! let serving = workers.clone();
//! let server = thread::spawn(move || {
//!     let (stream, _) = listener.accept()?;
//!     serving.serve(&stream, native::Peer::new(registry, for_server))
//! });
//!
//! let client = Client::new(TcpStream::connect(address)?, options)?;
//! let sum: i64 = client.call("add", (2, 3))?;
//! assert_eq!(sum, 5);
//! workers.drain();
//! server.join().expect("it does not panic")?;
//! # }
//! # Ok::<(), rpc_core::Error>(())
//! ```
//!
//! | to | take | threads |
//! |---|---|---|
//! | serve one connection, in any dialect | [`serve`] | the one that calls it, and up to 16 for functions that block |
//! | serve many, and drain them together | [`Workers`] | one for each connection, and one pool for all that blocks |
//! | call the other end | [`Client`] | those that wait for answers |
//! | be called by it too | [`Client::run`] | one more, and a pool |
//! | outlive a connection | [`Reconnecting`] | those of [`Client`] |
//!
//! The stream is anything with a descriptor that can be read and written through a shared reference; see [`Stream`].
//! A peer that stops in the middle of a TLS record holds up its own connection for as long: the descriptor says that
//! there is something to read, and then there is not.

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
