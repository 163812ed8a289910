//! Other implementations, and a server of ours for them.
#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod openssl;
pub(crate) mod python;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use tls_mixin::rustls::KeyLog;
use tls_mixin::{Acceptor, Error, ServerOptions, Session, TlsStream, Versions};

use crate::certificates::{Authority, Leaf, Pem};

/// How long a test waits for anything before it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const VERSIONS: [(&str, Versions); 2] =
    [("1.2", Versions::Tls12), ("1.3", Versions::Tls13)];

/// A server that echoes what each client says, up to its end. Every client has a thread.
pub(crate) struct Echo {
    pub(crate) port: u16,
    outcomes: Receiver<Result<Served, Error>>,
}

/// What came of a client with whom the handshake was done.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) session: Session,
    /// How many bytes of its came.
    pub(crate) heard: usize,
    pub(crate) end: io::Result<()>,
}

impl Echo {
    pub(crate) fn start(options: ServerOptions) -> Self {
        Self::serve(options, |stream| echo(stream, usize::MAX))
    }

    /// A server that hangs up after so many bytes, without saying that this is the end.
    pub(crate) fn that_hangs_up_after(bytes: usize, options: ServerOptions) -> Self {
        Self::serve(options, move |stream| match echo(stream, bytes) {
            (heard, Ok(())) => {
                let _ = stream.get_ref().shutdown(std::net::Shutdown::Both);
                (heard, Ok(()))
            }
            failed => failed,
        })
    }

    fn serve(
        options: ServerOptions,
        handler: impl Fn(&mut TlsStream<TcpStream>) -> (usize, io::Result<()>) + Clone + Send + 'static,
    ) -> Self {
        let acceptor = Acceptor::new(options).expect("the options are right");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let (tell, outcomes) = mpsc::channel();
        let serve = move |stream: TcpStream, tell: Sender<_>| {
            let outcome = acceptor.accept(stream).map(|mut stream| {
                let (heard, end) = handler(&mut stream);
                let session = stream.session().clone();
                Served {
                    session,
                    heard,
                    end,
                }
            });
            // The test may be over.
            let _ = tell.send(outcome);
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("it came from the queue");
                stream.set_nodelay(true).expect("a TCP socket");
                let (serve, tell) = (serve.clone(), tell.clone());
                thread::spawn(move || serve(stream, tell));
            }
        });
        Self { port, outcomes }
    }

    /// Connects without TLS.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
        stream
    }

    /// What came of the next client that it was done with.
    pub(crate) fn outcome(&self) -> Result<Served, Error> {
        self.outcomes
            .recv_timeout(DEADLINE)
            .expect("the server is done with a client")
    }

    /// The next client got a session, and ended it in order.
    pub(crate) fn served(&self) -> Served {
        let served = self.outcome().expect("the handshake is done");
        match &served.end {
            Ok(()) => served,
            Err(error) => panic!("it did not end well: {error}"),
        }
    }

    /// The next client was not let in: its handler was never called.
    pub(crate) fn refusal(&self) -> Error {
        match self.outcome() {
            Err(error) => error,
            Ok(served) => panic!("it was let in: {served:?}"),
        }
    }
}

/// Echoes until the end or until so many bytes have come; then says goodbye if it was the end.
fn echo(stream: &mut TlsStream<TcpStream>, limit: usize) -> (usize, io::Result<()>) {
    let mut heard = 0;
    let mut buffer = vec![0; 65536];
    while heard < limit {
        match stream.read(&mut buffer) {
            Ok(0) => return (heard, stream.finish()),
            Ok(count) => {
                heard += count;
                if let Err(error) = stream.write_all(&buffer[..count]) {
                    return (heard, Err(error));
                }
            }
            Err(error) => return (heard, Err(error)),
        }
    }
    (heard, Ok(()))
}

/// The keys of connections, as they are told.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<BTreeSet<String>>);

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (random, secret): (String, String) = (hex(client_random), hex(secret));
        let mut lines = self.0.lock().expect("nobody panics with it");
        lines.insert(format!("{label} {random} {secret}"));
    }
}

impl Log {
    /// The other side has written the same keys to a file.
    pub(crate) fn assert_same_as(&self, file: &str, version: &str) {
        let theirs = std::fs::read_to_string(file).expect("it was written");
        let theirs = theirs.lines().filter(|line| !line.starts_with('#'));
        let theirs: BTreeSet<String> = theirs.map(str::to_lowercase).collect();
        let ours = self.0.lock().expect("nobody panics with it");
        let ours: BTreeSet<String> = ours.iter().map(|line| line.to_lowercase()).collect();
        let labels: &[&str] = match version {
            "1.2" => &["client_random "],
            _ => &["client_traffic_secret_0 ", "server_traffic_secret_0 "],
        };
        for label in labels {
            assert!(ours.iter().any(|line| line.starts_with(label)), "{ours:?}");
        }
        assert_eq!(ours, theirs);
    }
}

/// An authority, a server and a client, and files with them.
pub(crate) struct Scene {
    folder: PathBuf,
    pub(crate) authority: Authority,
    pub(crate) server: Pem,
    pub(crate) client: Pem,
}

impl Scene {
    /// `name` is that of the folder, so one of the test's own.
    pub(crate) fn new(name: &str) -> Self {
        let authority = Authority::new("the authority");
        let server = authority.issue(Leaf::server(&["localhost", "127.0.0.1"]));
        let client = authority.issue(Leaf::client("the client"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("the target folder can be written to");
        let scene = Self {
            folder,
            authority,
            server,
            client,
        };
        scene.write("ca.pem", &scene.authority.pem());
        scene
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.folder.join(name);
        path.into_os_string()
            .into_string()
            .expect("the target folder is UTF-8")
    }

    /// Writes a file; returns its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the folder is there");
        path
    }

    /// The authority's certificate.
    pub(crate) fn ca(&self) -> String {
        self.path("ca.pem")
    }

    /// Writes a certificate and its key; returns both paths.
    pub(crate) fn files(&self, name: &str, pem: &Pem) -> (String, String) {
        (
            self.write(&format!("{name}_cert.pem"), &pem.certificate),
            self.write(&format!("{name}_key.pem"), &pem.key),
        )
    }

    /// The server's options.
    pub(crate) fn options(&self) -> ServerOptions {
        ServerOptions::new(self.server.identity())
    }
}
