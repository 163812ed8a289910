//! Listener and connection on tokio's sockets (feature `tokio`): those of [`blocking`](crate::blocking) by the same
//! names.
//!
//! ```
//! use mp_connection::tokio::{Connection, Listener};
//! use mp_connection::{Address, Auth};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let auth = Auth::with_legacy_md5("peekaboo")?;
//! let mut listener = Listener::bind(&Address::from(([127, 0, 0, 1], 0)), &auth)?;
//! let address = listener.address().clone();
//! let server = tokio::spawn(async move {
//!     let connection = listener.accept().await?;
//!     while let Some((x, y)) = connection.recv::<(i64, i64)>().await? {
//!         connection.send(&(x + y)).await?;
//!     }
//!     Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! });
//!
//! let client = Connection::connect(&address, &auth).await?;
//! client.send(&(2, 3)).await?;
//! assert_eq!(client.recv::<i64>().await?, Some(5));
//! drop(client);
//! server.await?.map_err(|error| error.to_string())?;
//! # Ok(())
//! # }
//! ```
//!
//! What receives or accepts is cancel safe: it can stand in `select!`, or below a timeout, and nothing is lost. What
//! sends is not: a message that was cut could not be followed by another one, so that further ones are refused.
//!
//! The runtime must have its I/O and time drivers enabled.

mod connection;
#[cfg(feature = "fd-passing")]
mod handle;
mod listener;
mod login;
mod object;
mod socket;
mod wait;

pub use connection::Connection;
pub use listener::Listener;
pub use wait::wait;
