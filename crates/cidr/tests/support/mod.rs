//! Python's `ipaddress`, asked by the scripts in `tests/python`.
#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// `python3`, and those that `NETBLOCKS_PYTHONS` names: paths with colons between them.
pub(crate) fn pythons() -> Vec<PathBuf> {
    let named = std::env::var_os("NETBLOCKS_PYTHONS").unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    std::iter::once("python3".into()).chain(named).collect()
}

/// A script that runs.
pub(crate) struct Python {
    child: Child,
}

impl Python {
    pub(crate) fn start(interpreter: &Path, script: &str, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
        let child = Command::new(interpreter)
            .arg(folder.join(script))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", interpreter.display()));
        Self { child }
    }

    /// Calls `check` with each line that the script prints, until it ends well.
    pub(crate) fn each_line(mut self, mut check: impl FnMut(&str)) {
        let output = self.child.stdout.take().expect("standard output is a pipe");
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while output.read_line(&mut line).expect("text") > 0 {
            check(line.strip_suffix('\n').unwrap_or(&line));
            line.clear();
        }
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "the script failed: {status}");
    }
}

/// Ends a script whose lines nobody reads any more.
impl Drop for Python {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
