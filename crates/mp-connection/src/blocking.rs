//! Python's `multiprocessing.connection` over blocking sockets.
//!
//! | Python | here |
//! |---|---|
//! | `Listener(address, authkey=key)` | [`Listener::bind`]`(&address, &auth)` |
//! | `Listener(address)` | [`Listener::bind_unauthenticated`]`(&address)` |
//! | `listener.accept()` | [`listener.accept()`](Listener::accept) |
//! | `Client(address, authkey=key)` | [`Connection::connect`]`(&address, &auth)` |
//! | `Client(address)` | [`Connection::connect_unauthenticated`]`(&address)` |
//! | an end of a `Pipe()` | `Connection::from(descriptor)` |
//! | `connection.send(object)` | [`send`](Connection::send), [`send_value`](Connection::send_value) |
//! | `connection.recv()` | [`recv`](Connection::recv), [`recv_value`](Connection::recv_value) |
//! | `connection.send_bytes(message)` | [`send_bytes`](Connection::send_bytes) |
//! | `connection.recv_bytes(maxlength)` | [`recv_bytes`](Connection::recv_bytes), [`recv_bytes_max`](Connection::recv_bytes_max) |
//! | `connection.recv_bytes_into(buffer)` | [`recv_into`](Connection::recv_into) |
//! | `connection.poll(timeout)` | [`poll`](Connection::poll) |
//! | `wait(connections, timeout)` | [`wait()`] |
//! | `EOFError` | `Ok(None)` |
//! | `connection.close()` | it is dropped |
//!
//! A message costs two reads, of its header and of exactly what the header says, and one write.

mod connection;
#[cfg(feature = "fd-passing")]
mod handle;
mod listener;
mod login;
mod object;
mod pending;
mod readiness;
mod socket;
mod wait;

pub use connection::Connection;
pub use listener::Listener;
pub use wait::wait;

#[cfg(feature = "rpc-core")]
pub(crate) use socket::Socket;
