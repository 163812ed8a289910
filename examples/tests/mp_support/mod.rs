//! Python's side of `multiprocessing.connection`, and what no Python would send.
#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

use std::ffi::OsStr;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use mp_connection::blocking::Connection;
use mp_connection::{Address, Auth};

use crate::support::{DEADLINE, Ended, Program, script};

/// The recipe's key. It is short, which servers warn of.
pub(crate) const KEY: &str = "peekaboo";

/// A script of ours, under this Python.
pub(crate) fn start(python: &OsStr, name: &str, arguments: &[&str]) -> Program {
    Program::start_command(Command::new(python).arg(script(name)).args(arguments))
}

/// A program that is given as text.
pub(crate) fn run(python: &OsStr, program: &str, arguments: &[&str]) -> Ended {
    Program::start_command(Command::new(python).args(["-c", program]).args(arguments)).wait()
}

/// Whether this Python can only prove itself by HMAC-MD5.
pub(crate) fn is_legacy(python: &OsStr) -> bool {
    is_below(python, "3, 12")
}

/// Whether its workers say that they have a descriptor.
pub(crate) fn acknowledges(python: &OsStr) -> bool {
    !is_below(python, "3, 14")
}

fn is_below(python: &OsStr, version: &str) -> bool {
    let program = format!("import sys; sys.exit(sys.version_info >= ({version}))");
    let status = Command::new(python).args(["-c", &program]).status();
    status.expect("it starts").success()
}

/// The address of a program that says where it listens, as our clients and scripts take it.
pub(crate) fn address(server: &Program) -> String {
    let url = server.url();
    let address = url.strip_prefix("tcp://").unwrap_or(&url);
    match address.strip_prefix("unix://") {
        Some(path) => format!("unix:{path}"),
        None => address.to_owned(),
    }
}

/// Logs in as Python up to 3.11 does, sends the pickle of 1 and prints what comes: ADDRESS KEY
pub(crate) const LEGACY: &str = r##"
import hmac, socket, struct, sys
host, port = sys.argv[1].rsplit(":", 1)
key = sys.argv[2].encode()
stream = socket.create_connection((host, int(port))).makefile("rwb")
def say(message):
    stream.write(struct.pack("!i", len(message)) + message)
    stream.flush()
def hear():
    head = stream.read(4)
    return stream.read(*struct.unpack("!i", head)) if head else b"the end"
def prefix(message):
    return message[len(b"#CHALLENGE#"):]
say(hmac.new(key, prefix(hear()), "md5").digest())
welcome = hear()
if welcome == b"#WELCOME#":
    say(b"#CHALLENGE#" + b"m" * 20)
    assert hear() == hmac.new(key, b"m" * 20, "md5").digest()
    say(b"#WELCOME#")
    say(b"\x80\x04K\x01.")
print(welcome, hear())
"##;

/// A connection of the test's own.
pub(crate) fn connect(server: &Program) -> Connection {
    let auth = Auth::modern_only(KEY).expect("it has bytes");
    let address = Address::from(server.address());
    Connection::connect(&address, &auth).expect("it listens, and knows the key")
}

/// Connects and says nothing; the challenge has come.
pub(crate) fn silent(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let deadline = Some(DEADLINE);
    stream.set_read_timeout(deadline).expect("it is not zero");
    stream.read_exact(&mut [0; 63]).expect("a challenge");
    stream
}

/// How long it takes to be served beside one hundred that are silent.
pub(crate) fn served_beside_the_silent(server: &Program, serve: impl FnOnce()) -> Duration {
    let _silent: Vec<_> = (0..100).map(|_| silent(server.address())).collect();
    let began = Instant::now();
    serve();
    began.elapsed()
}

/// Pickles that a data-only reader refuses; the first ones would make that file.
pub(crate) fn hostile_pickles(canary: &str) -> Vec<Vec<u8>> {
    let touch = format!("touch {canary}");
    let text = |text: &str| {
        [
            b"X",
            &(text.len() as u32).to_le_bytes()[..],
            text.as_bytes(),
        ]
        .concat()
    };
    let system = [&text("os")[..], &text("system"), b"\x93"].concat();
    let argument = text(&touch);
    let called = |by: &[u8]| [b"\x80\x04", &system[..], &argument, by].concat();
    vec![
        format!("cos\nsystem\n(S'{touch}'\ntR.").into_bytes(),
        format!("(S'{touch}'\nios\nsystem\n.").into_bytes(),
        [b"(cos\nsystem\n", &argument[..], b"o."].concat(),
        called(b"\x85R."),
        called(b"\x85\x81."),
        called(b"\x85}\x92."),
        format!("c__builtin__\neval\n(S'open(\"{canary}\", \"w\")'\ntR.").into_bytes(),
        format!("c_codecs\nlookup\n(S'{touch}'\ntR.").into_bytes(),
        b"\x80\x04N}\x8c\x09__class__NsbN.".to_vec(),
        // A long memo, a long text, a deep list, a wide tuple of tuples, more values than there may be.
        b"\x80\x02Nr\0\0\0\x10.".to_vec(),
        b"\x80\x04\x8e\0\0\0\0\0\0\0\x40.".to_vec(),
        b"\x80\x04\x95\0\0\0\0\0\0\0\x40N.".to_vec(),
        [&b"]".repeat(1_000_000)[..], &b"a".repeat(999_999), b"."].concat(),
        [b"\x80\x04K\x01", &b"\x94h\0h\0\x86".repeat(60)[..], b"."].concat(),
        [b"\x80\x04(", &b"]".repeat(16 << 20)[..], b"t."].concat(),
        [b"I", &b"9".repeat(1_000_000)[..], b"\n."].concat(),
        // Itself inside itself, an end that is none, nothing at all.
        b"\x80\x04]\x94h\0a.".to_vec(),
        b"\x80\x04K\x01".to_vec(),
        b"\x80\x04K\x01.K\x01.".to_vec(),
        b"\x80\x09K\x01.".to_vec(),
        b".".to_vec(),
        Vec::new(),
    ]
}
