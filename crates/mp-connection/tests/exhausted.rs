//! A process without descriptors. Alone in its file, since the limit is for the whole process.

mod support;

use std::fs::File;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use mp_connection::Address;
use mp_connection::blocking::{Connection, Listener};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::LONG;
use support::login::modern;

/// Whoever could not be taken waits in the queue until there are descriptors again. Logins go on meanwhile.
#[test]
fn accepting_rests_when_no_descriptors_are_left() {
    let any = Address::from(([127, 0, 0, 1], 0));
    let mut listener = Listener::bind(&any, &modern()).unwrap();
    let Address::Tcp(address) = *listener.address() else {
        panic!("it is TCP");
    };
    let early = TcpStream::connect(address).unwrap();
    let late = TcpStream::connect(address).unwrap();

    let limit = getrlimit(Resource::Nofile);
    let current = Some(64);
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    files.pop();

    // One descriptor is left.
    let began = Instant::now();
    let waited = Duration::from_millis(250);
    assert!(listener.accept_timeout(waited).unwrap().is_none());
    assert!(began.elapsed() >= waited);
    assert!(is_challenged(&early));
    assert!(!is_challenged(&late));
    let client = thread::spawn(|| Connection::login(early, &modern()));
    let connection = listener.accept().unwrap();
    connection.send_bytes(b"hello").unwrap();
    let client = client.join().expect("it does not panic").unwrap();
    assert_eq!(client.recv_bytes().unwrap().unwrap(), b"hello");

    files.clear();
    let client = thread::spawn(|| Connection::login(late, &modern()));
    assert!(listener.accept_timeout(LONG).unwrap().is_some());
    client.join().expect("it does not panic").unwrap();
}

fn is_challenged(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("it is a socket");
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).expect("it is a socket");
    match peeked {
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
        Ok(_) => true,
    }
}
