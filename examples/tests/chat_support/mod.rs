//! A member of the chat for tests, on a plain blocking socket.
#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::{DEADLINE, Program};

/// A chat server on a free port.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let listen = ["--listen", "127.0.0.1:0"];
        let program = Program::start("chat_server", &[&listen, arguments].concat());
        let address = program.address();
        Self { program, address }
    }

    /// Connects, and says nothing.
    pub(crate) fn connect(&self) -> Member {
        Member::connect(self.address)
    }

    /// Connects and logs in.
    pub(crate) fn join(&self, name: &str) -> Member {
        let mut member = self.connect();
        member.say(&format!("NAME: {name}"));
        member.expect("CLIENT: 127.0.0.1");
        member
    }

    /// Logs in two members; both know of it.
    pub(crate) fn alice_and_bob(&self) -> (Member, Member) {
        let mut alice = self.join("alice");
        let bob = self.join("bob");
        alice.expect("\n(Connected: New client (2) from bob@127.0.0.1)");
        (alice, bob)
    }
}

/// One end of a conversation. Reading gives up at the deadline.
pub(crate) struct Member(pub(crate) BufReader<TcpStream>);

impl Member {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("the server listens"))
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a timeout is possible");
        stream
            .set_write_timeout(Some(DEADLINE))
            .expect("a timeout is possible");
        Self(BufReader::new(stream))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0
            .get_mut()
            .write_all(bytes)
            .expect("the server reads in time");
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.write(&frame(text.as_bytes()));
    }

    /// The next message; `None` is the end of the stream.
    pub(crate) fn hear(&mut self) -> Option<String> {
        let mut header = [0; 4];
        match self.0.read(&mut header[..1]) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => panic!("nothing to hear: {error}"),
        }
        self.0
            .read_exact(&mut header[1..])
            .expect("a whole header comes");
        let mut text = vec![0; u32::from_be_bytes(header) as usize];
        self.0.read_exact(&mut text).expect("a whole message comes");
        Some(String::from_utf8(text).expect("the server speaks UTF-8"))
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        assert_eq!(self.hear().as_deref(), Some(text));
    }

    /// Expects to be told why it must go, and then the end. Returns the reason.
    #[track_caller]
    pub(crate) fn expect_refusal(&mut self) -> String {
        let told = self.hear().expect("a reason");
        let why = told
            .strip_prefix("\n(Refused: ")
            .and_then(|told| told.strip_suffix(")"));
        let why = why.unwrap_or_else(|| panic!("a refusal, not {told:?}"));
        assert_eq!(self.hear(), None);
        why.to_owned()
    }
}

pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short");
    [&length.to_be_bytes(), payload].concat()
}
