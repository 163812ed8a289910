//! Hands open descriptors to another process (Unix only).
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
