//! Pickles to and from Python itself: random values, in every protocol, with every interpreter at hand.
//!
//! - `NETBLOCKS_PYTHONS`: more interpreters than `python3`, paths with colons between them.
//! - `NETBLOCKS_PYTHON2`: a Python 2.7.
//! - `NETBLOCKS_PICKLE_VALUES`: how many values of each kind, instead of a few hundred.
//! - `NETBLOCKS_PICKLE_SEED`: other values.

mod pickle_support;
#[path = "pickle_support/made.rs"]
mod values;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use mp_connection::pickle::{Error, Options, Protocol, Value, from_pickle};
use pickle_support::difference;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use values::Values;

#[test]
fn what_python_pickles_comes_back_as_it_was() {
    let values = setting("NETBLOCKS_PICKLE_VALUES", 600);
    for_each_python("values", values, |pickle, options| {
        Value::from_pickle(pickle, &wide())?.to_pickle(options)
    });
}

#[test]
fn what_json_could_hold_comes_back_through_serde() {
    let values = setting("NETBLOCKS_PICKLE_VALUES", 600);
    for_each_python("json", values, through::<Json>);
}

#[test]
fn structs_and_enums_come_back_through_serde() {
    let values = setting("NETBLOCKS_PICKLE_VALUES", 600);
    for_each_python("records", values, through::<Record>);
}

/// A value of Rust's making goes to Python, which pickles it again in one of all ways.
#[test]
fn what_rust_makes_comes_back_as_it_was() {
    let seed = setting("NETBLOCKS_PICKLE_SEED", 1);
    let count = setting("NETBLOCKS_PICKLE_VALUES", 600);
    for python in pythons() {
        let mut peer = Peer::start(&python, "mirror", seed, None);
        let mut values = Values::new(seed);
        for _ in 0..count.div_ceil(BATCH) {
            let sent: Vec<Value> = (0..BATCH).map(|_| values.next()).collect();
            let options = |index: usize| Options {
                protocol: peer.protocols()[index % peer.protocols().len()],
                ..wide()
            };
            let pickles = sent.iter().enumerate();
            let pickles: Vec<_> = pickles
                .map(|(index, value)| value.to_pickle(&options(index)))
                .collect();
            peer.send(&pickles);
            let back = peer.receive();
            assert_eq!(back.len(), sent.len());
            for (pickle, value) in back.iter().zip(&sent) {
                let context = || format!("{python:?}, seed {seed}: {}", value);
                let again = Value::from_pickle(pickle, &wide());
                let again = again.unwrap_or_else(|error| panic!("{error}: {}", context()));
                if let Some(found) = difference(value, &again, Protocol::V4) {
                    panic!("{found}: {}, pickle {pickle:?}", context());
                }
            }
        }
    }
}

/// Enough for what the peer makes up.
fn wide() -> Options {
    Options {
        max_depth: 1000,
        ..Options::default()
    }
}

fn through<T: DeserializeOwned + Serialize>(
    pickle: &[u8],
    options: &Options,
) -> Result<Vec<u8>, Error> {
    options.to_pickle(&from_pickle::<T>(pickle)?)
}

/// What JSON could hold.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Json {
    Nothing,
    Bool(bool),
    Int(i64),
    Large(u64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

/// One field of each kind.
#[derive(Debug, Deserialize, Serialize)]
struct Record {
    id: i64,
    count: u64,
    name: String,
    ok: bool,
    score: f64,
    tags: Vec<String>,
    raw: ByteBuf,
    letter: char,
    pair: (i8, (), Option<u16>),
    wide: i128,
    wider: u128,
    names: BTreeMap<i64, String>,
    kinds: Vec<Kind>,
    inner: Option<Box<Self>>,
}

#[derive(Debug, Deserialize, Serialize)]
enum Kind {
    Nothing,
    One(i32),
    Pair(u8, String),
    Named { left: f64, right: Option<String> },
}

/// Lets each interpreter send its values, and answers each pickle with what `convert` makes of it in every protocol
/// that the interpreter reads.
fn for_each_python(
    mode: &str,
    count: usize,
    convert: impl Fn(&[u8], &Options) -> Result<Vec<u8>, Error> + Sync,
) {
    let seed = setting("NETBLOCKS_PICKLE_SEED", 1);
    let python_2 = std::env::var_os("NETBLOCKS_PYTHON2").map(PathBuf::from);
    // Its texts are of two types, which types made by derive are not told.
    let python_2 = python_2.filter(|_| mode == "values");
    thread::scope(|scope| {
        for python in pythons().into_iter().chain(python_2) {
            let convert = &convert;
            scope.spawn(move || {
                let mut peer = Peer::start(&python, mode, seed, Some(count));
                loop {
                    let pickles = peer.receive();
                    if pickles.is_empty() {
                        break;
                    }
                    let protocols = peer.protocols();
                    let answers: Vec<_> = pickles
                        .iter()
                        .flat_map(|pickle| {
                            protocols.iter().map(move |&protocol| (pickle, protocol))
                        })
                        .map(|(pickle, protocol)| {
                            let options = Options { protocol, ..wide() };
                            convert(pickle, &options)
                        })
                        .collect();
                    peer.send(&answers);
                }
            });
        }
    });
}

/// How many pickles are under way at a time.
const BATCH: usize = 50;

/// `python/pickle_peer.py`.
struct Peer {
    name: PathBuf,
    process: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    highest_protocol: u32,
}

impl Peer {
    fn start(python: &Path, mode: &str, seed: usize, count: Option<usize>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/pickle_peer.py");
        let mut process = Command::new(python)
            .arg("-B")
            .args([script.as_os_str(), OsStr::new(mode)])
            .args(
                [Some(seed), count]
                    .into_iter()
                    .flatten()
                    .map(|number| number.to_string()),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        let stdin = process.stdin.take().expect("it is piped");
        let mut stdout = process.stdout.take().expect("it is piped");
        let highest_protocol = read_u32(&mut stdout);
        Self {
            name: python.to_owned(),
            process,
            stdin,
            stdout,
            highest_protocol,
        }
    }

    /// Those that it reads, and that are written here.
    fn protocols(&self) -> &'static [Protocol] {
        const ALL: [Protocol; 4] = [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::V5];
        &ALL[..self.highest_protocol as usize - 1]
    }

    /// The next batch; empty when the peer has sent, and compared, all.
    fn receive(&mut self) -> Vec<Vec<u8>> {
        let mut letter = [0];
        self.stdout
            .read_exact(&mut letter)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name.display()));
        let parts: Vec<_> = (0..read_u32(&mut self.stdout))
            .map(|_| {
                let mut part = vec![0; read_u32(&mut self.stdout) as usize];
                self.stdout.read_exact(&mut part).expect("a batch is whole");
                part
            })
            .collect();
        let text = || String::from_utf8_lossy(&parts[0]);
        match letter {
            [b'P'] => parts,
            [b'D'] => {
                println!("{}", text());
                Vec::new()
            }
            _ => panic!("{}: {}", self.name.display(), text()),
        }
    }

    fn send(&mut self, answers: &[Result<Vec<u8>, Error>]) {
        let mut batch = (answers.len() as u32).to_le_bytes().to_vec();
        for answer in answers {
            let text = answer.as_ref().map_err(ToString::to_string);
            let (is_error, bytes) = match &text {
                Ok(pickle) => (false, pickle.as_slice()),
                Err(text) => (true, text.as_bytes()),
            };
            batch.push(is_error.into());
            batch.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            batch.extend_from_slice(bytes);
        }
        self.stdin.write_all(&batch).expect("the peer reads");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read_u32(stdout: &mut ChildStdout) -> u32 {
    let mut bytes = [0; 4];
    stdout.read_exact(&mut bytes).expect("the peer is there");
    u32::from_le_bytes(bytes)
}

/// `python3`, and those that `NETBLOCKS_PYTHONS` names.
fn pythons() -> Vec<PathBuf> {
    let named = std::env::var_os("NETBLOCKS_PYTHONS").unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    std::iter::once("python3".into()).chain(named).collect()
}

fn setting(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("the setting is a number"),
        Err(_) => default,
    }
}
