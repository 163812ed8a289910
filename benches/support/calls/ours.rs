//! `rpc-core` with its drivers.
