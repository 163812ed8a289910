//! What the benches share: servers in processes of their own, load for them, and tables.
#![forbid(unsafe_code)]

pub mod bulk;
pub mod calls;
pub mod echo;
pub mod load;
pub mod matchers;
pub mod networks;
pub mod objects;
pub mod process;
pub mod report;
pub mod room;
pub mod servers;
pub mod visit;
