//! What Python makes of pickles.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mp_connection::pickle::{Options, Protocol};

pub(crate) const PROTOCOLS: [Protocol; 4] =
    [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::V5];

/// The default options, and this protocol.
pub(crate) fn protocol(protocol: Protocol) -> Options {
    Options {
        protocol,
        ..Options::default()
    }
}

/// Pickles, and what must be true of `x`, which Python reads from each. `same(x, …)` looks at types, too.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    lines: String,
    count: usize,
}

impl Loads {
    pub(crate) fn expect(&mut self, protocol: Protocol, pickle: &[u8], truth: &str) {
        for byte in pickle {
            write!(self.lines, "{byte:02x}").expect("a String takes all");
        }
        let number = PROTOCOLS
            .iter()
            .position(|&known| known == protocol)
            .expect("it is one of them");
        writeln!(self.lines, "\t{}\t{truth}", number + 2).expect("a String takes all");
        self.count += 1;
    }

    /// Asks `python3` and those that `NETBLOCKS_PYTHONS` names.
    pub(crate) fn check(&self) {
        assert!(self.count > 0);
        let named = std::env::var_os("NETBLOCKS_PYTHONS").unwrap_or_default();
        let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
        for python in std::iter::once(PathBuf::from("python3")).chain(named) {
            let mut child = Command::new(&python)
                .args(["-W", "ignore", "-c", SCRIPT])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("this test needs the Python");
            let mut input = child.stdin.take().expect("it is piped");
            input
                .write_all(self.lines.as_bytes())
                .expect("it reads everything first");
            drop(input);
            let output = child.wait_with_output().expect("it ends by itself");
            let said = String::from_utf8_lossy(&output.stdout);
            let all = format!("{} lines\n", self.count);
            assert_eq!(said, all, "{}", python.display());
        }
    }
}

const SCRIPT: &str = r#"
from __future__ import print_function, unicode_literals
import binascii, pickle, sys

inf, nan = float("inf"), float("nan")

def same(a, b):
    if sys.version_info[0] == 2:
        # Which of its two kinds of text and integers it is, shows nowhere else.
        return a == b and isinstance(a, bytes) == isinstance(b, bytes) or repr(a) == repr(b)
    return type(a) is type(b) and (repr(a) == repr(b) or a == b and not isinstance(a, float))

count = 0
for line in sys.stdin.read().splitlines():
    pickled, protocol, truth = line.split("\t")
    count += 1
    if int(protocol) > pickle.HIGHEST_PROTOCOL:
        continue
    try:
        x = pickle.loads(binascii.unhexlify(pickled))
        true = eval(truth)
    except Exception as error:
        x, true = error, False
    if not true:
        print("protocol", protocol, "gives", repr(x)[:200], "but not", truth[:200])
print(count, "lines")
"#;
