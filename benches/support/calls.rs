//! `add(x, y)` over a connection in several ways: servers for processes of their own, and loads for them.
//!
//! Each server binds a free port of the loopback interface, prints it, and serves until it is killed.

mod ours;
mod raw;
mod tarpc;

use std::io;
use std::net::SocketAddr;

/// A way to call.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// In the tables, and for [`serve`].
    pub name: &'static str,
    serve: fn() -> io::Result<()>,
    connect: fn(SocketAddr) -> io::Result<Box<dyn Load>>,
}

/// Calls over one connection.
pub trait Load {
    /// Makes `calls` calls, at most `in_flight` of them unanswered at any time, and looks at each result.
    ///
    /// # Errors
    ///
    /// What the client says, or a wrong sum.
    fn run(&mut self, calls: usize, in_flight: usize) -> io::Result<()>;
}

/// All of them: the limit first, then the peer that the others are measured by.
pub const CONTENDERS: &[Contender] = &[
    Contender {
        name: "bare frames",
        serve: raw::serve,
        connect: raw::connect,
    },
    Contender {
        name: "tarpc",
        serve: tarpc::serve,
        connect: tarpc::connect,
    },
    Contender {
        name: "event loop",
        serve: ours::serve_event_loop,
        connect: ours::connect_blocking,
    },
    Contender {
        name: "threads",
        serve: ours::serve_threads,
        connect: ours::connect_blocking,
    },
    Contender {
        name: "tokio",
        serve: ours::serve_tokio,
        connect: ours::connect_tokio,
    },
    Contender {
        name: "JSON-RPC, event loop",
        serve: ours::serve_json,
        connect: ours::connect_json,
    },
];

impl Contender {
    /// Connects a load.
    ///
    /// # Errors
    ///
    /// What the client says.
    pub fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Load>> {
        (self.connect)(address)
    }
}

/// Runs the server of the contender of this name.
///
/// # Errors
///
/// What the system says; does not return otherwise.
pub fn serve(name: &str) -> io::Result<()> {
    let contender = CONTENDERS.iter().find(|contender| contender.name == name);
    let contender = contender.ok_or_else(|| io::Error::other(format!("no contender {name:?}")))?;
    (contender.serve)()
}

/// The arguments of the call with this number.
fn arguments(number: usize) -> (i64, i64) {
    (number as i64, 1_000_000)
}

fn check(number: usize, sum: i64) -> io::Result<()> {
    let (x, y) = arguments(number);
    if sum == x + y {
        Ok(())
    } else {
        Err(io::Error::other(format!("{x} + {y} came back as {sum}")))
    }
}
