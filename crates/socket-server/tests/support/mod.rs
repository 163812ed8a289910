//! Servers that echo, and clients of them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use socket_server::{Connection, HandlerResult, Limits, Running, Strategy};

/// Long enough for anything that a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Runs the test under each strategy that keeps handlers in this process.
pub(crate) fn each(test: impl Fn(Strategy)) {
    for strategy in [
        Strategy::Serial,
        Strategy::Threads,
        Strategy::Pool { workers: 3 },
    ] {
        println!("{strategy:?}"); // shown when the test fails
        test(strategy);
    }
}

/// The same for those that serve several connections at a time.
pub(crate) fn each_parallel(test: impl Fn(Strategy)) {
    for strategy in [Strategy::Threads, Strategy::Pool { workers: 3 }] {
        println!("{strategy:?}");
        test(strategy);
    }
}

pub(crate) fn echo(connection: &mut Connection) -> HandlerResult {
    let mut buffer = [0; 8192];
    loop {
        match connection.read(&mut buffer)? {
            0 => return Ok(()),
            len => connection.write_all(&buffer[..len])?,
        }
    }
}

/// No deadlines but those that a test sets.
pub(crate) fn patient() -> Limits {
    Limits {
        first_byte_timeout: None,
        idle_timeout: None,
        total_timeout: None,
        ..Limits::default()
    }
}

pub(crate) fn client(running: &Running) -> TcpStream {
    let client = TcpStream::connect(running.address()).expect("the server listens");
    client.set_read_timeout(Some(LONG)).expect("not zero");
    client.set_write_timeout(Some(LONG)).expect("not zero");
    client
}

/// Sends the bytes and waits until they are back.
pub(crate) fn ask(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).expect("the server reads");
    let mut answer = vec![0; bytes.len()];
    client.read_exact(&mut answer).expect("the server answers");
    assert_eq!(answer, bytes);
}

/// What the server still sends until it ends the connection.
pub(crate) fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("an orderly end");
    rest
}

pub(crate) fn receive<T>(channel: &Receiver<T>) -> T {
    match channel.recv_timeout(LONG) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("nothing came"),
        Err(RecvTimeoutError::Disconnected) => panic!("nobody is left to send"),
    }
}
