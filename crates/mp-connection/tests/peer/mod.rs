//! Python as the other end: processes that are started, listened to and ended.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod driver;
pub(crate) mod scenes;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use mp_connection::{Address, Auth};

use driver::{Listen, Talk};

/// Long enough for anything that a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const KEY: &str = "peekaboo";

/// Takes every Python.
pub(crate) fn auth() -> Auth {
    Auth::with_legacy_md5(KEY)
        .expect("it is not empty")
        .with_timeout(LONG)
}

/// `python3`, and those that `NETBLOCKS_PYTHONS` names: paths with colons between them.
pub(crate) fn pythons() -> Vec<PathBuf> {
    let named = std::env::var_os("NETBLOCKS_PYTHONS").unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    std::iter::once("python3".into()).chain(named).collect()
}

/// Runs a test that must not take for ever.
pub(crate) fn within_minutes(test: impl FnOnce() + Send + 'static) {
    let (over, is_over) = channel();
    let thread = std::thread::spawn(move || {
        test();
        // Nobody listens any more if it took too long.
        let _ = over.send(());
    });
    match is_over.recv_timeout(5 * LONG) {
        Err(RecvTimeoutError::Timeout) => panic!("it takes longer than {:?}", 5 * LONG),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Which role is ours.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Listener,
    Client,
}

pub(crate) const ROLES: [Role; 2] = [Role::Listener, Role::Client];

/// Which kind of socket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Tcp,
    Unix,
    Abstract,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Tcp, Kind::Unix, Kind::Abstract];

impl Kind {
    /// An address that nobody else has.
    pub(crate) fn address(self, folder: &Folder) -> Address {
        match self {
            Self::Tcp => Address::from(([127, 0, 0, 1], 0)),
            Self::Unix => Address::Unix(folder.path("socket")),
            Self::Abstract => Address::Abstract(unique("abstract").into_bytes()),
        }
    }
}

/// A script of `tests/python` under way, ended when dropped.
#[derive(Debug)]
pub(crate) struct Python {
    interpreter: PathBuf,
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    /// 3.11 is (3, 11).
    pub(crate) version: (u32, u32),
}

impl Python {
    /// Starts `mp_peer.py` as a client that plays a scene.
    pub(crate) fn connect(
        interpreter: &Path,
        address: &Address,
        key: &str,
        scene: &[&str],
    ) -> Self {
        let address = address.to_string();
        let mut arguments = vec!["connect", &*address, key];
        arguments.extend(scene);
        Self::start(interpreter, "mp_peer.py", &arguments)
    }

    /// Starts `mp_peer.py` as a listener that plays a scene with everybody, and tells where it listens.
    pub(crate) fn listen(
        interpreter: &Path,
        address: &Address,
        key: &str,
        scene: &[&str],
    ) -> (Self, Address) {
        let address = address.to_string();
        let mut arguments = vec!["listen", &*address, key];
        arguments.extend(scene);
        let mut python = Self::start(interpreter, "mp_peer.py", &arguments);
        let address = python.ready();
        (python, address)
    }

    pub(crate) fn start(interpreter: &Path, script: &str, arguments: &[&str]) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/");
        let mut child = Command::new(interpreter)
            // No files beside the scripts.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(format!("{folder}{script}"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("this test needs {}: {error}", interpreter.display());
            });
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let (line, lines) = channel();
        std::thread::spawn(move || {
            // Ends with the script, or when nobody listens any more.
            for text in output.lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    break;
                }
            }
        });
        let mut python = Self {
            interpreter: interpreter.to_owned(),
            child,
            lines,
            said: Vec::new(),
            version: (0, 0),
        };
        python.version = python.greeting();
        python
    }

    fn greeting(&mut self) -> (u32, u32) {
        let line = self.line();
        let version = line.strip_prefix("python ").and_then(|version| {
            let (major, minor) = version.split_once(' ')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        version.unwrap_or_else(|| panic!("no version: {line}"))
    }

    /// Where it listens.
    pub(crate) fn ready(&mut self) -> Address {
        let line = self.line();
        let address = line
            .strip_prefix("ready ")
            .and_then(|text| text.parse().ok());
        address.unwrap_or_else(|| panic!("{self:?}: no address: {line}"))
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(LONG) {
            Ok(line) => {
                self.said.push(line.clone());
                line
            }
            Err(error) => panic!(
                "{} says no more ({error}) after {:#?}",
                self.interpreter.display(),
                self.said
            ),
        }
    }

    /// It prints just this next.
    #[track_caller]
    pub(crate) fn says(&mut self, expected: &str) {
        let line = self.line();
        assert_eq!(line, expected, "{}", self.interpreter.display());
    }

    /// It has logged in, and says how long that took.
    #[track_caller]
    pub(crate) fn connected(&mut self) -> Duration {
        let line = self.line();
        let seconds = line
            .strip_prefix("connected ")
            .and_then(|seconds| seconds.parse().ok());
        Duration::from_secs_f64(
            seconds.unwrap_or_else(|| panic!("{}: {line}", self.interpreter.display())),
        )
    }

    /// It has done everything.
    #[track_caller]
    pub(crate) fn done(&mut self) {
        self.says("done");
    }

    /// Writes a line to its input.
    pub(crate) fn tell(&self, line: &str) {
        let mut input = self.child.stdin.as_ref().expect("its input is piped");
        writeln!(input, "{line}").expect("it is there");
    }

    /// Whether its login is that of Python 3.12 and later.
    pub(crate) fn is_modern(&self) -> bool {
        self.version >= (3, 12)
    }

    /// Whether it acknowledges descriptors, and waits for that.
    pub(crate) fn acknowledges(&self) -> bool {
        self.version >= (3, 14)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python and a connection to it.
pub(crate) fn meet<C: Talk>(
    interpreter: &Path,
    role: Role,
    kind: Kind,
    scene: &[&str],
) -> (Python, C) {
    let folder = Folder::new();
    let address = kind.address(&folder);
    let (mut python, connection) = match role {
        Role::Listener => {
            let mut listener = C::Listener::bind(&address, &auth()).expect("it is free");
            let python = Python::connect(interpreter, &listener.address(), KEY, scene);
            (python, listener.accept().expect("Python has the key"))
        }
        Role::Client => {
            let (python, address) = Python::listen(interpreter, &address, KEY, scene);
            (
                python,
                C::connect(&address, &auth()).expect("we have the key"),
            )
        }
    };
    python.connected();
    (python, connection)
}

fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("mp-connection-{what}-{}-{number}", std::process::id())
}

/// A folder that is removed at the end.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = std::env::temp_dir().join(unique("folder"));
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
