//! Python's `multiprocessing.connection` as the peer.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use framing::blocking::FrameStream;
use framing::{Error, Pattern, Prefix};

/// Sends every message back with its bytes in reverse order.
const PEER: &str = r#"
import socket
from multiprocessing.connection import Connection

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection = Connection(listener.accept()[0].detach())
try:
    while True:
        connection.send_bytes(connection.recv_bytes()[::-1])
except EOFError:
    print("end of stream", flush=True)
"#;

#[test]
fn python_reads_and_writes_the_same_frames() {
    let mut python = Command::new("python3")
        .args(["-c", PEER])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3");
    let outcome = converse(python.stdout.take().expect("its output is piped"));
    if outcome.is_err() {
        // It may still wait for a connection.
        python.kill().expect("a child can be stopped");
    }
    let status = python.wait().expect("a child can be waited for");
    outcome.expect("the conversation goes as written");
    assert!(status.success());
}

fn converse(words: ChildStdout) -> Result<(), Error> {
    let mut words = BufReader::new(words);
    let mut port = String::new();
    words.read_line(&mut port)?;
    let port: u16 = port.trim().parse().map_err(io::Error::other)?;

    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    // The long form is legal for any length.
    stream.write_all(b"\xff\xff\xff\xff\0\0\0\0\0\0\0\x05hello")?;
    let mut stream = FrameStream::new(stream, Pattern::Prefix(Prefix::Multiprocessing));
    assert_eq!(stream.read_frame()?, Some(&b"olleh"[..]));
    // Python writes header and payload in one call up to 16384 bytes, and in two above.
    for len in [0, 1, 16_384, 16_385, 1_000_000_u32] {
        let mut payload: Vec<u8> = (0..len).map(|number| number.to_le_bytes()[0]).collect();
        stream.write_frame(&payload)?;
        payload.reverse();
        assert_eq!(stream.read_frame()?, Some(&payload[..]));
    }
    stream.shutdown()?;
    assert_eq!(stream.read_frame()?, None);
    let mut last = String::new();
    words.read_line(&mut last)?;
    assert_eq!(last, "end of stream\n");
    Ok(())
}
