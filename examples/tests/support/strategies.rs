//! The server strategies, and clients for whatever they serve.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::{DEADLINE, Program};

/// Every value of `--strategy`.
pub(crate) const STRATEGIES: &[&str] = &[
    "serial", "threads", "pool", "fork", "prefork", "loop", "tokio",
];

/// Runs a test for all strategies at the same time, each on a thread named after it.
pub(crate) fn at_once(test: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        for &strategy in STRATEGIES {
            let test = &test;
            std::thread::Builder::new()
                .name(strategy.to_owned())
                .spawn_scoped(scope, move || test(strategy))
                .expect("room for seven threads");
        }
    });
}

/// Starts a server on any free port.
pub(crate) fn start(server: &str, strategy: &str, options: &[&str]) -> Program {
    let arguments = ["--listen", "127.0.0.1:0", "--strategy", strategy];
    Program::start(server, &[&arguments, options].concat())
}

pub(crate) fn connect(server: &Program) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("the server listens");
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

/// Says `request` and no more; returns all of the answer.
pub(crate) fn exchange(mut stream: &TcpStream, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).expect("the server takes it");
    stream.shutdown(Shutdown::Write).expect("still connected");
    read_to_end(stream)
}

/// Says `request` to an echo server and reads it back.
pub(crate) fn echo(mut stream: &TcpStream, request: &[u8]) {
    stream.write_all(request).expect("the server takes it");
    let mut echoed = vec![0; request.len()];
    stream.read_exact(&mut echoed).expect("the echo in time");
    assert!(echoed == request, "{:?}", echoed.escape_ascii().to_string());
}

/// Reads until the server ends the stream.
pub(crate) fn read_to_end(mut stream: impl Read) -> Vec<u8> {
    let mut read = Vec::new();
    stream
        .read_to_end(&mut read)
        .expect("the server ends the stream");
    read
}
