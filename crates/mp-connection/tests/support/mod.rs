//! What several tests need.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod login;
