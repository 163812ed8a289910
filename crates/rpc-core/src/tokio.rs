//! Serving and calling as tasks of a tokio runtime (feature `tokio`).
//!
//! ```
//! # #[cfg(feature = "postcard")] {
//! use std::sync::Arc;
//!
//! use rpc_core::{Codec, Error, Options, Registry, native};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let mut registry = Registry::new();
//! registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
//! let options = Options::new(Codec::Postcard);
//!
//! // In place of the two ends of a connection: TcpStream, UnixStream, TLS, `join(stdin(), stdout())`, …
//! let (near, far) = tokio::io::duplex(64 << 10);
//! let server = native::Peer::new(Arc::new(registry), options.clone());
//! tokio::spawn(rpc_core::tokio::serve(far, server));
//!
//! let client = rpc_core::tokio::connect(near, options).await?;
//! let sum: i64 = client.call("add", (2, 3)).await?;
//! assert_eq!(sum, 5);
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```
//!
//! One task carries a connection. Functions that are quick run in it, between a read and a write; async ones are
//! polled in it once and get a task of their own if they have to wait; blocking ones run on the runtime's threads
//! for blocking work. A call that is cancelled, by its caller or by its deadline, has its future dropped. One on a
//! thread can't be: it may see [`Context::is_cancelled`](crate::Context::is_cancelled), and of those that don't, 64
//! may go on at a time, above which the connection's blocking functions answer `Overloaded`.
//!
//! What many tasks have to say goes out with one write, as do the answers to what one read brought. While more
//! than [`Options::max_queued`](crate::Options::max_queued) bytes wait to be sent, nothing is read until it is half
//! of that. A connection that waits costs about 3.5 KiB with its task and its dialect; it has no read buffer.
//!
//! Time is the runtime's: its timers must be enabled, and with `tokio::time::pause` deadlines pass in no time.
//!
//! For small messages over TCP, set `TCP_NODELAY` on both ends.

mod bell;
mod connection;
mod jobs;
mod outgoing;
mod reconnecting;
mod timer;

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use ::tokio::io::{AsyncRead, AsyncWrite};

use self::bell::{Bell, LastOneOut};
use self::connection::Connection;
pub use self::reconnecting::Reconnecting;
use crate::{Client, Dialect, Error, Options, Registry, native};

/// Carries a connection in any dialect until it ends: the peer has finished, or something is wrong.
///
/// When the peer ends its side at a message's end, the calls that run are still answered.
///
/// # Errors
///
/// What the dialect makes of what the peer sent, or when; or what became of the stream. The peer has been told
/// as far as the dialect has words for it.
///
/// # Cancel safety
///
/// If the future is dropped, so is the connection: running futures are dropped, callers learn that it is lost.
///
/// # Panics
///
/// If the runtime has no timers.
pub fn serve<S, D>(stream: S, dialect: D) -> impl Future<Output = Result<(), Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Dialect,
{
    serve_until(stream, dialect, pending())
}

/// Does what [`serve`] does until `stopping` is ready; then takes no new calls, answers those that run, and
/// returns.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use std::sync::Arc;
///
/// use rpc_core::tokio::serve_until;
/// use rpc_core::{Codec, Error, Options, Registry, native};
/// use tokio::net::TcpListener;
/// use tokio::sync::watch;
///
/// /// Serves until `stopping` turns true; then each connection comes to its end.
/// async fn serve_all(
///     listener: TcpListener,
///     registry: Arc<Registry>,
///     mut stopping: watch::Receiver<bool>,
/// ) -> Result<(), Error> {
///     loop {
///         let (stream, _) = tokio::select! {
///             accepted = listener.accept() => accepted?,
///             _ = stopping.wait_for(|stops| *stops) => return Ok(()),
///         };
///         stream.set_nodelay(true)?;
///         let peer = native::Peer::new(registry.clone(), Options::new(Codec::Postcard));
///         let mut stopping = stopping.clone();
///         tokio::spawn(serve_until(stream, peer, async move {
///             let _ = stopping.wait_for(|stops| *stops).await;
///         }));
///     }
/// }
/// # let _ = serve_all;
/// # }
/// ```
///
/// With `socket-server` the stream is `&connection`, whose idle timeout should be off: a peer may well be silent
/// between two calls, and the keep-alive of the dialect finds out about one that is gone.
///
/// The peer is told which calls were not taken. It has a second to end its side after the last answer. How long
/// the running calls may take is up to their deadlines, or to who drops the future.
///
/// # Errors
///
/// As [`serve`].
///
/// # Cancel safety
///
/// As [`serve`].
///
/// # Panics
///
/// If the runtime has no timers.
pub fn serve_until<S, D>(
    stream: S,
    dialect: D,
    stopping: impl Future<Output = ()>,
) -> impl Future<Output = Result<(), Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Dialect,
{
    // Not in the future, of which the dialect would be the largest part.
    let (dialect, bell) = (Arc::new(Mutex::new(dialect)), Arc::new(Bell::new()));
    D::attach(&dialect, Arc::clone(&bell) as _);
    async move {
        let stopping = pin!(stopping);
        Connection::new(stream, dialect, bell, stopping).run().await
    }
}

/// Begins a native connection that has no functions of its own, and returns when the other end has said hello.
///
/// Its task is spawned on the current runtime. When the last clone of the client is gone, what was sent before is
/// answered, and the connection closed.
///
/// # Errors
///
/// The ends don't suit each other ([`Error::Version`], [`Error::CodecMismatch`], [`Error::Mismatch`]), the other
/// says nothing for [`Options::hello_timeout`], or what became of the stream.
///
/// # Cancel safety
///
/// If the future is dropped, so is the connection.
///
/// # Panics
///
/// Outside of a runtime, or if it has no timers.
pub async fn connect<S>(stream: S, options: Options) -> Result<Client, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    connect_with(
        stream,
        native::Peer::new(Arc::new(Registry::new()), options),
    )
    .await
}

/// Does what [`connect`] does for a peer with functions, which the other end may call over the same connection.
///
/// # Errors
///
/// As [`connect`].
///
/// # Cancel safety
///
/// As [`connect`].
///
/// # Panics
///
/// As [`connect`].
pub async fn connect_with<S>(stream: S, peer: native::Peer) -> Result<Client, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (peer, bell) = (Arc::new(Mutex::new(peer)), Arc::new(Bell::new()));
    native::Peer::attach(&peer, Arc::clone(&bell) as _);
    let client = Client::new(Arc::clone(&peer), Arc::new(LastOneOut(Arc::clone(&bell))));
    ::tokio::spawn(async move {
        let listener = Arc::clone(&bell);
        let abandoned = pin!(poll_fn(move |_| match listener.is_abandoned() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }));
        // The callers are told.
        let _ = Connection::new(stream, peer, bell, abandoned).run().await;
    });
    client.opened().await?;
    Ok(client)
}
