//! The array programs.
#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

use rustix::process::Signal;

use crate::support::{Ended, Program};

/// A server on any free port.
pub(crate) fn server(options: &[&str]) -> Program {
    let listen = ["--listen", "127.0.0.1:0"];
    let server = Program::start("array_server", &[&listen, options].concat());
    server.url();
    server
}

pub(crate) fn client(address: &str, options: &[&str]) -> Program {
    Program::start("array_client", &[&["--connect", address], options].concat())
}

/// Runs a client of this server.
pub(crate) fn receive(server: &Program, options: &[&str]) -> Ended {
    client(&server.address().to_string(), options).wait()
}

/// Stops a server in order.
pub(crate) fn stop(server: Program) -> Ended {
    server.signal(Signal::TERM);
    server.wait()
}

/// What a client prints when it has found the first `count` numbers of the recipe.
pub(crate) fn told(count: usize) -> String {
    let last = count - 1;
    format!("f8 ({count},): 0.0, 1.0, 2.0, …, {last}.0\nall are the recipe's\n")
}

/// The first `count` numbers of the recipe as bytes.
pub(crate) fn recipe(count: usize) -> Vec<u8> {
    (0..count).flat_map(|n| (n as f64).to_le_bytes()).collect()
}
