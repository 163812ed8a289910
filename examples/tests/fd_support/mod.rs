//! Starts the server that hands its connections over, and its workers.
#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

use rustix::process::Signal;

use crate::support::{Ended, Program};

pub(crate) fn server(path: &str, dialect: &str, options: &[&str]) -> Program {
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--worker-socket",
        path,
        "--dialect",
        dialect,
    ];
    let server = Program::start("fd_server", &[&arguments, options].concat());
    // Workers can come once it listens.
    server.address();
    server
}

pub(crate) fn worker(path: &str, dialect: &str, options: &[&str]) -> Program {
    let arguments = ["-v", "--worker-socket", path, "--dialect", dialect];
    Program::start("fd_worker", &[&arguments, options].concat())
}

/// Ends it by a signal, in order.
pub(crate) fn stop(program: Program) -> Ended {
    program.signal(Signal::TERM);
    let ended = program.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    ended
}
