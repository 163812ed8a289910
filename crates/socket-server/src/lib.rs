//! Accepts connections and datagrams and runs a handler on each, in the structure you choose, within
//! limits, until told to stop.
//!
//! # Strategies
#![deny(unsafe_code)]

mod acceptor;
pub mod activation;
mod address;
mod bound;
mod connection;
mod crew;
mod datagram;
mod datagram_limits;
mod datagram_server;
mod failure;
mod gate;
mod limits;
mod lines;
mod peer;
mod process;
mod proxy;
mod registry;
mod running;
mod server;
mod service;
mod socket;
mod sources;
mod stats;
mod strategy;
mod watchdog;

pub use address::Address;
pub use bound::Bound;
pub use connection::Connection;
pub use datagram::{Datagram, ReplyError};
pub use datagram_limits::{DatagramLimits, Rate};
pub use datagram_server::DatagramStats;
pub use failure::{Failure, Refused, Timeout};
pub use limits::Limits;
pub use lines::Lines;
pub use peer::Peer;
pub use process::is_worker;
pub use running::Running;
pub use server::Server;
pub use service::HandlerResult;
pub use stats::Stats;
pub use strategy::Strategy;
