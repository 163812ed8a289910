//! Two ends on loopback.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tls_mixin::{Acceptor, Connector, Error, TlsStream};

/// For what must happen, and would hang a test if it did not.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) type Stream = TlsStream<TcpStream>;

/// A client's end and a server's.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let client = TcpStream::connect(address).expect("somebody listens");
    let (server, _) = listener.accept().expect("somebody has connected");
    for end in [&client, &server] {
        end.set_read_timeout(Some(LONG)).expect("not zero");
        end.set_write_timeout(Some(LONG)).expect("not zero");
    }
    (client, server)
}

/// What both ends make of a handshake, the client's first.
pub(crate) fn meet(
    connector: &Connector,
    acceptor: &Acceptor,
    name: &str,
) -> (Result<Stream, Error>, Result<Stream, Error>) {
    let (client, server) = pair();
    let acceptor = acceptor.clone();
    let server = thread::spawn(move || acceptor.accept(server));
    let client = connector.connect(name, client);
    (client, server.join().expect("accepting does not panic"))
}

/// The same when both must like it.
pub(crate) fn meet_well(
    connector: &Connector,
    acceptor: &Acceptor,
    name: &str,
) -> (Stream, Stream) {
    let (client, server) = meet(connector, acceptor, name);
    (
        client.expect("the server is good"),
        server.expect("the client is good"),
    )
}

/// A folder of this test's own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the folder for tests is writable");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the folder for tests is writable");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
