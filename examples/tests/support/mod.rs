//! Starts the built programs as processes, reads what they print, and ends them.
#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

pub(crate) mod process;
pub(crate) mod strategies;

use std::ffi::OsString;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use process::Process;
use rustix::process::{Pid, Signal};

/// How long a test waits for anything before it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running program. It is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    /// What it has written to standard output so far.
    pub(crate) stdout: Output,
    /// What it has written to standard error so far.
    pub(crate) stderr: Output,
}

/// What a program has written so far to one of its outputs.
#[derive(Clone)]
pub(crate) struct Output(Arc<(Mutex<Text>, Condvar)>);

#[derive(Default)]
struct Text {
    text: String,
    is_complete: bool,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The path of a built program. Cargo builds the examples of a package before it runs its tests.
pub(crate) fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its path");
    let target = test
        .ancestors()
        .nth(2)
        .expect("tests are built into deps/ in the target folder");
    target.join("examples").join(name)
}

/// The Pythons to test with: `python3`, and those that `NETBLOCKS_PYTHONS` names: paths with colons between
/// them.
pub(crate) fn pythons() -> Vec<OsString> {
    let named = std::env::var_os("NETBLOCKS_PYTHONS").unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    let named = named.map(PathBuf::into_os_string);
    [OsString::from("python3")]
        .into_iter()
        .chain(named)
        .collect()
}

/// A program in Python, from `examples/python`.
pub(crate) fn script(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "python", name]
        .iter()
        .collect()
}

/// A folder of its own for each test, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("examples-{}-{test}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("room for a folder");
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.0.join(name).into_os_string();
        path.into_string().expect("the path is text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Program {
    /// Starts the program with these arguments.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_command(Command::new(path(name)).args(arguments))
    }

    /// Starts any command; its three standard streams are pipes.
    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = Output::collect(child.stdout.take().expect("standard output is a pipe"));
        let stderr = Output::collect(child.stderr.take().expect("standard error is a pipe"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Waits until the program says that it listens; returns what stands behind `listening on `.
    pub(crate) fn url(&self) -> String {
        self.nth_url(0)
    }

    /// The same for a program that listens on several addresses.
    pub(crate) fn nth_url(&self, n: usize) -> String {
        self.stdout.find("a line with an address", |text| {
            let lines = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            let mut urls = lines.filter_map(|line| line.trim_end().strip_prefix("listening on "));
            urls.nth(n).map(str::to_owned)
        })
    }

    /// Waits until the program listens on TCP or UDP; returns the address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.nth_address(0)
    }

    /// The same for a program that listens on several addresses.
    pub(crate) fn nth_address(&self, n: usize) -> SocketAddr {
        let url = self.nth_url(n);
        let (_, address) = url
            .split_once("://")
            .expect("an address is scheme://address");
        address.parse().expect("an address with a port")
    }

    /// Its standard input. Dropping it is the end of the input.
    pub(crate) fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("taken only once")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal)
            .expect("a child that was not waited for can be signalled");
    }

    /// Its process; that of the parent when it has several.
    pub(crate) fn process(&self) -> Process {
        Process(Pid::from_child(&self.child))
    }

    /// How much memory the program uses now, in bytes, its workers' included.
    pub(crate) fn memory(&self) -> usize {
        let workers = self.process().children();
        let of_workers: usize = workers.into_iter().map(Process::memory).sum();
        self.process().memory() + of_workers
    }

    /// Waits until the program has ended.
    pub(crate) fn wait(mut self) -> Ended {
        // Its outputs end with it.
        let stdout = self.stdout.all();
        let stderr = self.stderr.all();
        let status = self.child.wait().expect("a child can be waited for");
        Ended {
            status,
            stdout,
            stderr,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only for a program that has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    fn collect(mut from: impl Read + Send + 'static) -> Self {
        let output = Self(Arc::default());
        let Self(shared) = output.clone();
        std::thread::spawn(move || {
            let (text, changed) = &*shared;
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let count = from.read(&mut buffer).unwrap_or(0);
                bytes.extend_from_slice(&buffer[..count]);
                let mut text = text.lock().expect("no thread panics with the lock");
                text.text = String::from_utf8_lossy(&bytes).into_owned();
                text.is_complete = count == 0;
                changed.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        output
    }

    /// What has come so far.
    pub(crate) fn so_far(&self) -> String {
        let (text, _) = &*self.0;
        let text = text.lock().expect("no thread panics with the lock");
        text.text.clone()
    }

    /// Waits until `wanted` has come; returns all that has come so far.
    pub(crate) fn wait_for(&self, wanted: &str) -> String {
        self.find(wanted, |text| {
            text.contains(wanted).then(|| text.to_owned())
        })
    }

    /// Waits until `find` finds something in what has come so far.
    pub(crate) fn find<T>(&self, wanted: &str, find: impl Fn(&str) -> Option<T>) -> T {
        self.until(|text| match find(&text.text) {
            None if text.is_complete => Some(None),
            found => found.map(Some),
        })
        .flatten()
        .unwrap_or_else(|| panic!("{wanted} did not come:\n{}", self.so_far()))
    }

    /// Waits for the end; returns all that came.
    pub(crate) fn all(&self) -> String {
        self.until(|text| text.is_complete.then(|| text.text.clone()))
            .unwrap_or_else(|| panic!("the program did not end in time:\n{}", self.so_far()))
    }

    fn until<T>(&self, find: impl Fn(&Text) -> Option<T>) -> Option<T> {
        let until = Instant::now() + DEADLINE;
        let (text, changed) = &*self.0;
        let mut text = text.lock().expect("no thread panics with the lock");
        loop {
            if let Some(found) = find(&text) {
                return Some(found);
            }
            let left = until.checked_duration_since(Instant::now())?;
            let waited = changed.wait_timeout(text, left);
            text = waited.expect("no thread panics with the lock").0;
        }
    }
}
