//! Register a function once, call it from anywhere.
#![forbid(unsafe_code)]

mod arguments;
pub mod blocking;
mod client;
mod codec;
mod context;
mod dialect;
mod error;
#[cfg(feature = "event-loop")]
pub mod event_loop;
mod fault;
mod function;
mod guard;
mod job;
#[cfg(feature = "json")]
pub mod json_rpc;
pub mod native;
mod options;
mod proxy;
mod registry;
#[cfg(feature = "tokio")]
pub mod tokio;
mod value;
