//! Other implementations, and a server of ours for them.
#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod drivers;
pub(crate) mod openssl;
pub(crate) mod python;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use tls_mixin::rustls::KeyLog;
use tls_mixin::{ServerOptions, Versions};

use crate::certificates::{Authority, Leaf, Pem};
pub(crate) use drivers::Echo;

/// How long a test waits for anything before it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const VERSIONS: [(&str, Versions); 2] =
    [("1.2", Versions::Tls12), ("1.3", Versions::Tls13)];

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
