//! The event-loop driver: one [`Handler`] for each connection, on the loop of the crate `event-loop`.

mod bell;
mod handler;
mod jobs;

pub use handler::{Handler, Message};
