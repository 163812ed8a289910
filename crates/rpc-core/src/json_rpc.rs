//! JSON-RPC 2.0 over lines.

mod answer;
mod message;
mod options;
mod params;
mod peer;
mod responder;

pub use options::Options;
pub use peer::Peer;
pub use responder::{ExchangeId, Reply, Responder};
