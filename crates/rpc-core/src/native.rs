//! The native protocol.

mod envelope;
mod peer;
mod pending;
mod request;
mod running;
mod session;

pub use envelope::{
    Call, Envelope, FaultMessage, Hello, Keywords, MAX_METADATA_LEN, Metadata, VERSION,
};
pub(crate) use peer::Link;
pub use peer::Peer;
pub use pending::CallId;
pub use request::{Body, Request};
