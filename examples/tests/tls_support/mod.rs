//! Certificates for tests, and clients that speak TLS in the test's own process.
#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use tls_mixin::{Authorities, ClientOptions, Connector, Identity, TlsStream, Versions};

use crate::support::{DEADLINE, Program};

/// A folder with what `make_certs` makes. It is removed with this.
pub(crate) struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// For `localhost`, `127.0.0.1` and `::1`.
    pub(crate) fn make() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("certificates-{}-{count}", std::process::id()));
        let path = dir.display().to_string();
        let ended = Program::start("make_certs", &["--dir", &path, "--force"]).wait();
        assert!(ended.status.success(), "{ended:?}");
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    pub(crate) fn authority(&self) -> String {
        self.path("ca_cert.pem")
    }

    /// The options of a server that is this one.
    pub(crate) fn of_server(&self) -> [String; 4] {
        self.options("server")
    }

    /// The options of a client that is this one.
    pub(crate) fn of_client(&self) -> [String; 4] {
        self.options("client")
    }

    fn options(&self, who: &str) -> [String; 4] {
        let certificate = self.path(&format!("{who}_cert.pem"));
        let key = self.path(&format!("{who}_key.pem"));
        ["--tls-cert".into(), certificate, "--tls-key".into(), key]
    }

    /// Takes over another one's certificate and key, as one should: file by file, each at once.
    pub(crate) fn become_like(&self, other: &Self) {
        for name in ["server_key.pem", "server_cert.pem"] {
            let new = self.dir.join("new");
            fs::copy(other.path(name), &new).expect("a file can be copied");
            fs::rename(new, self.path(name)).expect("a file can be renamed");
        }
    }

    /// Writes a file anew in place.
    pub(crate) fn overwrite(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("a file can be written");
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file can be read")
    }

    pub(crate) fn authorities(&self) -> Authorities {
        Authorities::from_pem_file(self.authority()).expect("the authority's certificate")
    }

    pub(crate) fn identity(&self, who: &str) -> Identity {
        let path = |what| self.path(&format!("{who}_{what}.pem"));
        Identity::from_pem_files(path("cert"), path("key")).expect("a certificate and its key")
    }

    /// A client that trusts this authority.
    pub(crate) fn connector(&self, versions: Versions, identity: Option<Identity>) -> Connector {
        Connector::new(ClientOptions {
            versions,
            identity,
            ..ClientOptions::new(self.authorities())
        })
        .expect("these options fit together")
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // Only a nuisance if it stays.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub(crate) type Stream = TlsStream<TcpStream>;

/// Connects and shakes hands.
pub(crate) fn connect(
    connector: &Connector,
    address: SocketAddr,
) -> Result<Stream, tls_mixin::Error> {
    let socket = TcpStream::connect(address).expect("the server listens");
    socket
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    connector.connect("localhost", socket)
}

/// Says `request` and no more; returns all of the answer.
pub(crate) fn exchange(stream: &mut Stream, request: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(request)?;
    stream.finish()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Runs a Python script with these arguments and this standard input.
pub(crate) fn python(script: &str, arguments: &[&str], input: &[u8]) -> crate::support::Ended {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("python")
        .join(script);
    let mut command = std::process::Command::new("python3");
    let mut python = Program::start_command(command.arg(path).args(arguments));
    // One that is refused may not read all of it.
    let _ = python.take_stdin().write_all(input);
    python.wait()
}

/// For `Command`, and for joining with others.
pub(crate) fn texts(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}
