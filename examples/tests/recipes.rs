//! `sixteen`, `streamer` and `blocks`, with each other, with Python at either end, and with peers that
//! stop short.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;

use rustix::process::Signal;
use support::{DEADLINE, Ended, Program};

/// What the scripts share: `recvall`, and a socket that connects or has accepted.
const PYTHON: &str = r"
import socket, struct, sys

def recvall(peer, length):
    pieces = []
    while length > 0:
        piece = peer.recv(length)
        if not piece:
            raise EOFError('%d bytes are missing' % length)
        pieces.append(piece)
        length -= len(piece)
    return b''.join(pieces)

def accept():
    listener = socket.create_server(('127.0.0.1', 0))
    print('listening on tcp://%s:%d' % listener.getsockname(), flush=True)
    return listener.accept()[0]

def connect():
    return socket.create_connection(('127.0.0.1', int(sys.argv[1])))
";

const ZEN: [&str; 3] = [
    "Beautiful is better than ugly.",
    "Explicit is better than implicit.",
    "Simple is better than complex.",
];

/// A server of ours.
fn server(name: &str) -> Program {
    Program::start(name, &["server", "--listen", "127.0.0.1:0"])
}

/// A client of ours that has ended.
fn client(name: &str, server: &Program, arguments: &[&str]) -> Ended {
    let connect = server.address().to_string();
    let mut all = vec!["client", "--connect", &connect];
    all.extend(arguments);
    Program::start(name, &all).wait()
}

fn python(script: &str, arguments: &[&str]) -> Program {
    let script = format!("{PYTHON}{script}");
    Program::start_command(
        Command::new("python3")
            .args(["-c", &script])
            .args(arguments),
    )
}

/// A Python client that has ended.
fn python_client(script: &str, server: &Program) -> Ended {
    let port = server.address().port().to_string();
    python(script, &[&port]).wait()
}

fn connect(server: &Program) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("the server listens");
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    stream
}

/// Sends these bytes and ends.
fn say(server: &Program, bytes: &[u8]) {
    let mut stream = connect(server);
    stream.write_all(bytes).expect("the server is there");
    stream.shutdown(Shutdown::Write).expect("it is connected");
}

mod sixteen {
    use super::*;

    const SERVER: &str = r"
peer = accept()
print('heard', recvall(peer, 16))
peer.sendall(b'Farewell, client')
peer.close()
";
    const CLIENT: &str = r"
peer = connect()
peer.sendall(b'Hi there, server')
print('heard', recvall(peer, 16))
";

    #[test]
    fn server_and_client() {
        let server = server("sixteen");
        for _ in 0..2 {
            let ended = client("sixteen", &server, &[]);
            assert_eq!(ended.status.code(), Some(0), "{ended:?}");
            assert!(ended.stdout.ends_with(" says \"Farewell, client\"\n"));
        }
        server.signal(Signal::TERM);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(
            ended.stdout.matches(" says \"Hi there, server\"\n").count(),
            2
        );
        assert!(ended.stderr.contains("2 connections served"), "{ended:?}");
    }

    #[test]
    fn python_is_the_client() {
        let server = server("sixteen");
        let ended = python_client(CLIENT, &server);
        assert_eq!(ended.stdout, "heard b'Farewell, client'\n", "{ended:?}");
    }

    #[test]
    fn python_is_the_server() {
        let server = python(SERVER, &[]);
        let ended = client("sixteen", &server, &[]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        server.stdout.wait_for("heard b'Hi there, server'\n");
    }

    #[test]
    fn over_a_unix_socket() {
        let address = format!("unix:@sixteen-{}", std::process::id());
        let server = Program::start("sixteen", &["server", "--listen", &address]);
        server.url();
        let ended = Program::start("sixteen", &["client", "-q", "--connect", &address]).wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(ended.stdout.ends_with(" says \"Farewell, client\"\n"));
        server.stdout.wait_for(" says \"Hi there, server\"\n");
    }

    #[test]
    fn one_byte_at_a_time() {
        let server = server("sixteen");
        let mut stream = connect(&server);
        stream.set_nodelay(true).unwrap();
        for byte in b"Hi there, server" {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"Farewell, client");
    }

    #[test]
    fn clients_that_stop_short_are_reported_and_the_next_is_served() {
        let server = server("sixteen");
        say(&server, b"Hi th");
        server
            .stderr
            .wait_for("was expecting 16 bytes but only received 5 before the stream closed");
        say(&server, b"");
        server.stderr.wait_for("only received 0");
        let ended = client("sixteen", &server, &[]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }

    #[test]
    fn a_server_that_stops_short_is_reported() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = listener.local_addr().unwrap().to_string();
        let client = Program::start("sixteen", &["client", "--connect", &connect]);
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
        stream.write_all(b"Farew").unwrap();
        drop(stream);
        let ended = client.wait();
        assert_eq!(ended.status.code(), Some(1));
        assert_eq!(
            ended.stderr,
            format!(
                "error: tcp://{connect}: was expecting 16 bytes but only received 5 before the stream closed\n"
            )
        );
    }

    #[test]
    fn nobody_there_is_reported() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = listener.local_addr().unwrap().to_string();
        drop(listener);
        for name in ["sixteen", "streamer", "blocks"] {
            let ended = Program::start(name, &["client", "--connect", &connect]).wait();
            assert_eq!(ended.status.code(), Some(1));
            let start = format!("error: cannot connect to tcp://{connect}: ");
            assert!(ended.stderr.starts_with(&start), "{ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1);
        }
    }
}

mod streamer {
    use super::*;

    const SERVER: &str = r"
peer = accept()
peer.shutdown(socket.SHUT_WR)
text = b''
while True:
    piece = peer.recv(8192)
    if not piece:
        break
    text += piece
print(text.decode('ascii'), end='')
";
    const CLIENT: &str = r"
peer = connect()
peer.shutdown(socket.SHUT_RD)
for line in b'one\n', b'two\n':
    peer.sendall(line)
peer.close()
";

    #[test]
    fn server_and_client() {
        let server = server("streamer");
        let ended = client("streamer", &server, &[]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let text = ZEN.map(|line| format!("{line}\\n")).concat();
        server
            .stdout
            .wait_for(&format!(" sent 96 bytes: \"{text}\"\n"));
        client("streamer", &server, &["one line"]);
        server.stdout.wait_for(" sent 9 bytes: \"one line\\n\"\n");
    }

    #[test]
    fn python_is_the_client() {
        let server = server("streamer");
        let ended = python_client(CLIENT, &server);
        assert!(ended.status.success(), "{ended:?}");
        server.stdout.wait_for(" sent 8 bytes: \"one\\ntwo\\n\"\n");
    }

    #[test]
    fn python_is_the_server() {
        let server = python(SERVER, &[]);
        let ended = client("streamer", &server, &[]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let text = ZEN.map(|line| format!("{line}\n")).concat();
        server.stdout.wait_for(&text);
    }

    #[test]
    fn nothing_and_too_much() {
        let server = Program::start(
            "streamer",
            &["server", "--listen", "127.0.0.1:0", "--max-len", "10"],
        );
        say(&server, b"");
        server.stdout.wait_for(" sent 0 bytes: \"\"\n");
        say(&server, b"ten bytes!");
        server.stdout.wait_for(" sent 10 bytes: \"ten bytes!\"\n");
        say(&server, b"eleven byte");
        server
            .stderr
            .wait_for("no end of the frame within the limit of 10 bytes");
        say(&server, b"\x1b[2J");
        server.stdout.wait_for(" sent 4 bytes: \"\\x1b[2J\"\n");
    }
}

mod blocks {
    use super::*;

    const SERVER: &str = r"
peer = accept()
peer.shutdown(socket.SHUT_WR)
while True:
    length, = struct.unpack('!I', recvall(peer, 4))
    if length == 0:
        break
    print('block', repr(recvall(peer, length)))
peer.close()
print('end')
";
    const CLIENT: &str = r"
peer = connect()
peer.shutdown(socket.SHUT_RD)
for block in b'one', b'two', b'':
    peer.send(struct.pack('!I', len(block)))
    peer.send(block)
peer.close()
";

    #[test]
    fn server_and_client() {
        let server = server("blocks");
        let ended = client("blocks", &server, &[]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        for line in ZEN {
            server.stdout.wait_for(&format!(" says \"{line}\"\n"));
        }
        server.stderr.wait_for(" sent 3 blocks");
    }

    #[test]
    fn python_is_the_client() {
        let server = server("blocks");
        let ended = python_client(CLIENT, &server);
        assert!(ended.status.success(), "{ended:?}");
        server.stdout.wait_for(" says \"one\"\n");
        server.stdout.wait_for(" says \"two\"\n");
        server.stderr.wait_for(" sent 2 blocks");
    }

    #[test]
    fn python_is_the_server() {
        let server = python(SERVER, &[]);
        let ended = client("blocks", &server, &[]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let heard = server.wait().stdout;
        let blocks = ZEN.map(|line| format!("block b'{line}'\n")).concat();
        assert!(heard.ends_with(&format!("{blocks}end\n")), "{heard}");
    }

    #[test]
    fn peers_that_stop_short_or_say_too_much() {
        let server = server("blocks");
        say(&server, b"\0\0\0\x03one\0\0\0\x05tw");
        server.stdout.wait_for(" says \"one\"\n");
        server
            .stderr
            .wait_for("was expecting 5 bytes but only received 2");
        say(&server, b"\0\0");
        server
            .stderr
            .wait_for("was expecting 4 bytes but only received 2");
        say(&server, b"\0\0\0\x03two");
        server.stdout.wait_for(" says \"two\"\n");
        server
            .stderr
            .wait_for("closed without an empty block, after 1 others");
        say(&server, b"\xff\xff\xff\xff");
        server
            .stderr
            .wait_for("announced a frame of 4294967295 bytes, the limit is 65536");
        say(&server, b"GET / HTTP/1.1\r\n\r\n");
        server.stderr.wait_for("this looks like an HTTP request");
        say(&server, &b"\0\0\0\x01x".repeat(1001));
        server.stderr.wait_for("sent more than 1000 blocks");
        say(&server, b"\0\0\0\x02\x1b\n\0\0\0\0");
        server.stdout.wait_for(" says \"\\x1b\\n\"\n");
        let memory = server.memory();
        assert!(memory < 16 << 20, "{memory} bytes");
    }

    #[test]
    fn an_empty_block_cannot_be_sent_as_content() {
        let ended = Program::start("blocks", &["client", ""]).wait();
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    }
}
