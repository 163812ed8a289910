//! KV servers, and clients of both dialects in the test's own process.
#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rpc_core::blocking::Client;
use rpc_core::{Codec, Error, Fault, Kind, Options, Value};
use rustix::process::Signal;
use serde_json::json;

use crate::support::{DEADLINE, Ended, Folder, Program, script};

/// A running server: the native dialect at its first address, JSON-RPC at the second.
pub(crate) struct Server {
    pub(crate) program: Program,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        let addresses = ["--listen", "127.0.0.1:0", "--jsonrpc", "127.0.0.1:0"];
        let program = Program::start("kv_server", &[&addresses, options].concat());
        Self { program }
    }

    /// Keeps everything in memory.
    pub(crate) fn in_memory() -> Self {
        Self::start(&["--memory"])
    }

    /// Keeps its data in this folder.
    pub(crate) fn over(folder: &Folder) -> Self {
        Self::start(&["--data", &folder.path("data")])
    }

    pub(crate) fn native_address(&self) -> SocketAddr {
        self.program.nth_address(0)
    }

    pub(crate) fn json_address(&self) -> SocketAddr {
        self.program.nth_address(1)
    }

    pub(crate) fn native(&self) -> Client {
        self.native_by(Codec::Postcard)
    }

    pub(crate) fn native_by(&self, codec: Codec) -> Client {
        client(self.native_address(), codec).expect("the server listens")
    }

    pub(crate) fn json(&self) -> Json {
        Json::new(TcpStream::connect(self.json_address()).expect("the server listens"))
    }

    /// Ends it as an administrator does.
    pub(crate) fn stop(self) -> Ended {
        self.program.signal(Signal::TERM);
        let ended = self.program.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended
    }
}

/// A client of the native dialect.
pub(crate) fn client(address: SocketAddr, codec: Codec) -> Result<Client, Error> {
    let stream = TcpStream::connect(address).map_err(Error::from)?;
    let options = Options {
        call_timeout: Some(DEADLINE),
        ..Options::new(codec)
    };
    Client::new(stream, options)
}

/// A client of JSON-RPC.
pub(crate) struct Json {
    stream: BufReader<TcpStream>,
}

impl Json {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("the deadline is not zero");
        let stream = BufReader::new(stream);
        Self { stream }
    }

    /// The result, or the kind of the fault.
    pub(crate) fn call(
        &mut self,
        method: &str,
        params: serde_json::Value,
    ) -> Result<serde_json::Value, String> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self.exchange(&request);
        match answer.get("error") {
            None => Ok(answer["result"].take()),
            Some(error) => Err(error["data"]["kind"]
                .as_str()
                .map_or_else(|| error.to_string(), str::to_owned)),
        }
    }

    /// Says one message and reads the answer.
    pub(crate) fn exchange(&mut self, message: &serde_json::Value) -> serde_json::Value {
        // At once: what is written in pieces waits for the other end to acknowledge each.
        let line = format!("{message}\n");
        let mut stream = self.stream.get_ref();
        stream.write_all(line.as_bytes()).expect("the server reads");
        self.read().expect("an answer")
    }

    /// The next message; none if the server hung up.
    pub(crate) fn read(&mut self) -> Option<serde_json::Value> {
        let mut line = String::new();
        let count = self.stream.read_line(&mut line).expect("in time");
        (count > 0).then(|| serde_json::from_str(&line).expect("JSON"))
    }
}

/// The kind of a fault that the application named.
pub(crate) fn kind(error: &Error) -> &str {
    match error {
        Error::Fault(Fault {
            kind: Kind::Application(name),
            ..
        }) => name,
        other => panic!("not a fault of the application: {other}"),
    }
}

/// A session in Python with these arguments.
pub(crate) fn python(arguments: &[&str]) -> Ended {
    let mut command = Command::new("python3");
    command.arg(script("kv_json.py")).args(arguments);
    Program::start_command(&mut command).wait()
}

/// What it says.
pub(crate) const SESSION: &str = "\
['brief', 'foo', 'spam']
[1, 2, 3] bar {'x': 2, 'y': 3.5}
False
True baz
True None
KeyError: \"no such key: 'spam'\"
";

/// Looks until it is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
