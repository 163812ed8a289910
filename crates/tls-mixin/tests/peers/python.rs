//! Python's `ssl`: what it does is in `python/peer.py`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::Index;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// `python3`, and those that `NETBLOCKS_PYTHONS` names: paths with colons between them.
pub(crate) fn pythons() -> Vec<Python> {
    let named = std::env::var_os("NETBLOCKS_PYTHONS").unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    std::iter::once("python3".into())
        .chain(named)
        .map(Python::start)
        .collect()
}

/// One that waits for what to do.
pub(crate) struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    program: PathBuf,
}

/// What it said: a word, and values by name.
#[derive(Debug)]
pub(crate) struct Said {
    verb: String,
    values: HashMap<String, String>,
    by: PathBuf,
}

impl Python {
    fn start(program: PathBuf) -> Self {
        let mut child = Command::new(&program)
            // That old versions are deprecated is why they are tried.
            .args(["-W", "ignore"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/peer.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs {}: {error}", program.display()));
        Self {
            input: child.stdin.take().expect("it is piped"),
            output: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
            program,
        }
    }

    /// Has it connect to this port; returns what came of it.
    pub(crate) fn connect(&mut self, port: u16, words: &[&str]) -> Said {
        self.ask(
            "connect",
            &[&[format!("port={port}").as_str()], words].concat(),
        );
        self.hear()
    }

    /// Has it serve; returns the port. What comes of each client, [`hear`](Self::hear) tells.
    pub(crate) fn serve(&mut self, words: &[&str]) -> u16 {
        self.ask("serve", words);
        let said = self.hear();
        assert_eq!(said.verb, "listening", "{said:?}");
        said["port"].parse().expect("a port")
    }

    pub(crate) fn hear(&mut self) -> Said {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it writes UTF-8");
        let mut words = line.trim_end_matches('\n').split('\t');
        let verb = words.next().unwrap_or_default().to_owned();
        let values = words.flat_map(|word| word.split_once('='));
        Said {
            verb,
            values: values
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            by: self.program.clone(),
        }
    }

    /// Whether it can write the keys of connections: since 3.8.
    pub(crate) fn has_key_logs(&mut self) -> bool {
        self.ask("has", &["what=keylog_filename"]);
        &self.hear()["has"] == "True"
    }

    fn ask(&mut self, verb: &str, words: &[&str]) {
        let line = [&[verb], words].concat().join("\t");
        writeln!(self.input, "{line}").expect("it reads what to do");
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself, which is no matter here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    /// All went well.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.verb, "ok", "{self:?}");
        self
    }

    /// It did not go well, and no byte was heard from the other side.
    pub(crate) fn refused(self) -> Self {
        assert_eq!(self.verb, "error", "{self:?}");
        assert_eq!(&self["heard"], "0", "{self:?}");
        self
    }

    /// The error speaks of this.
    pub(crate) fn because(self, words: &str) -> Self {
        let text = format!("{} {} {}", &self["kind"], &self["reason"], &self["text"]);
        let text = text.to_lowercase().replace('_', " ");
        assert!(text.contains(words), "{words}: {self:?}");
        self
    }
}

impl Index<&str> for Said {
    type Output = str;

    fn index(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(value) => value,
            None => panic!("it did not say {name}: {self:?}"),
        }
    }
}
