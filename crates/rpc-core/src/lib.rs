//! Register a function once, call it from anywhere.
#![forbid(unsafe_code)]

mod arguments;
pub mod blocking;
mod client;
#[cfg_attr(
    not(any(feature = "bincode", feature = "postcard", feature = "json")),
    allow(
        dead_code,
        unreachable_code,
        unused_variables,
        clippy::needless_pass_by_ref_mut,
        clippy::ptr_arg,
        reason = "without a codec there is no value of the type to get there with"
    )
)]
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

pub use arguments::{
    ArgumentSink, ArgumentSource, Arguments, Encode, EncodeError, ReadValue, Slot, ToArguments,
};
pub use client::{Client, Pending};
#[doc(hidden)]
pub use codec::Encoded;
pub use codec::{ArgumentReader, ArgumentWriter, Codec};
pub use context::Context;
pub use dialect::{Dialect, Driver};
pub use error::{Error, Reason, Violation};
pub use fault::{Fault, Kind};
pub use function::{AsyncFunction, Function, FunctionWithContext, Parameters, Reply, Signature};
pub use guard::{Budget, DecodeError, DecodeLimits, Guarded};
pub use job::{Answer, Job, JobId, Metadata, Work};
pub use options::Options;
pub use proxy::Caller;
pub use registry::{Call, Invoked, Registered, Registry};
pub use value::{Value, ValueError};
