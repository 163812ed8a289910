//! Pickles that were made to run code, to abort the process, or to eat its memory or its time.
//!
//! The whole table runs in a process of its own, so that an abort is a failure with a name, in a thread with a small
//! stack, and each input has to stay within a memory and a time that don't depend on what it claims.

mod bombs;
mod case;
mod code;
mod floods;
mod growth;
mod numbers;
mod structure;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use case::{Case, Expect};
use mp_connection::pickle::{self, Error, Options, Protocol, Value};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Set in the process that reads the table.
const CHILD: &str = "NETBLOCKS_PICKLE_HOSTILE";
const STACK: usize = 256 << 10;
/// What 64 MiB of input may cost at most, in KiB.
const MAX_GROWTH: u64 = 64 << 10;
/// What an input of less than [`SMALL`] bytes may.
const MAX_SMALL_GROWTH: u64 = 1 << 10;
const SMALL: usize = 4 << 10;
/// How long a case may take by the clock.
const LONGEST: Duration = Duration::from_secs(60);
/// What is longer is read, and no more.
const LARGE: usize = 1 << 20;
/// In milliseconds, without optimisation on a busy machine.
const MAX_CPU: u64 = 20_000;

#[test]
fn hostile_pickles_are_refused_at_no_cost() {
    if std::env::var_os(CHILD).is_some() {
        return run_table();
    }
    let canary = std::env::temp_dir().join(format!("mp-connection-canary-{}", std::process::id()));
    let child = Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", "hostile_pickles_are_refused_at_no_cost"])
        .args(["--nocapture", "--test-threads=1"])
        .env(CHILD, &canary)
        // What is freed goes back at once, or a large case would hide what the next one takes.
        .env("MALLOC_TRIM_THRESHOLD_", "65536")
        .env("MALLOC_MMAP_THRESHOLD_", "65536")
        .env("MALLOC_TOP_PAD_", "0")
        .env("MALLOC_ARENA_MAX", "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("a test can be run again");
    let output = watch(child);
    assert!(!canary.exists(), "code has run");
    let cases = output.lines().filter(|line| line.contains(" KiB ")).count();
    assert!(cases >= 90, "{cases} cases");
}

/// What the process prints, until its end. It is ended if it says nothing for too long.
fn watch(mut child: Child) -> String {
    let mut stdout = child.stdout.take().expect("it is piped");
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(len @ 1..) = stdout.read(&mut piece) {
            let _ = sender.send(piece[..len].to_vec());
        }
    });
    let mut output = Vec::new();
    let is_late = loop {
        match receiver.recv_timeout(LONGEST) {
            Ok(piece) => output.extend(piece),
            Err(error) => break error == RecvTimeoutError::Timeout,
        }
    };
    if is_late {
        child.kill().expect("it can be ended");
    }
    let status = child.wait().expect("it has ended");
    reader.join().expect("it has no more to read");
    let output = String::from_utf8_lossy(&output).into_owned();
    print!("{output}");
    let last = output.lines().next_back();
    assert!(!is_late, "no end after {LONGEST:?}: {last:?}");
    assert!(status.success(), "{status} after {last:?}");
    output
}

fn run_table() {
    let canary = std::env::var(CHILD).expect("the path is text");
    let mut wrong = Vec::new();
    for case in [
        code::cases(&canary),
        structure::cases(),
        numbers::cases(),
        bombs::cases(),
        growth::cases(),
        floods::cases(),
    ]
    .concat()
    {
        // The name is there even if this is the end.
        print!("{:44} ", case.name);
        std::io::stdout().flush().expect("the output is open");
        let outcome = run(&case);
        println!(
            "{:>9} B {:>6} KiB {:>5} ms  {}",
            outcome.len,
            outcome.growth,
            outcome.cpu,
            abridged(&outcome.shown)
        );
        if let Some(why) = outcome.wrong(&case.expect) {
            wrong.push(format!("{}: {why}", case.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

struct Outcome {
    len: usize,
    /// In KiB.
    growth: u64,
    /// In ms.
    cpu: u64,
    shown: String,
    is_error: bool,
}

impl Outcome {
    fn wrong(&self, expect: &Expect) -> Option<String> {
        let max_growth = match self.len < SMALL {
            true => MAX_SMALL_GROWTH,
            false => MAX_GROWTH,
        };
        if self.growth > max_growth {
            return Some(format!("{} KiB, allowed are {max_growth}", self.growth));
        }
        if self.cpu > MAX_CPU {
            return Some(format!("{} ms, allowed are {MAX_CPU}", self.cpu));
        }
        let shown = abridged(&self.shown);
        match expect {
            Expect::Fails(start) if !self.is_error || !self.shown.starts_with(start) => {
                Some(format!("{shown} instead of {start:?}"))
            }
            Expect::Reads(text) if self.is_error || self.shown != *text => {
                Some(format!("{shown} instead of {text}"))
            }
            _ => None,
        }
    }
}

/// Reads a pickle in all ways, each in a thread of its own.
fn run(case: &Case) -> Outcome {
    let input = (case.make)();
    fs::write("/proc/self/clear_refs", "5").expect("the peak can be set back");
    let before = memory("VmHWM:");
    let (result, cpu) = thread::scope(|scope| {
        thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || (read(&input), cpu_time()))
            .expect("a thread can be started")
            .join()
            .expect("nothing panics")
    });
    let (shown, is_error) = match result {
        Ok(shown) => (shown, false),
        Err(error) => {
            // A message for a log is no place for megabytes either.
            assert!(error.to_string().len() < 2000, "{}", case.name);
            (format!("{error:?}"), true)
        }
    };
    Outcome {
        len: input.len(),
        growth: memory("VmHWM:").saturating_sub(before),
        cpu,
        shown,
        is_error,
    }
}

/// What it is as a [`Value`]. What can be read can be written again, compared and shown; and no serde type makes of
/// it what would be worse.
fn read(input: &[u8]) -> Result<String, Error> {
    let options = Options::default();
    let value = Value::from_pickle(input, &options);
    // These build nothing that lasts.
    let _ = pickle::from_pickle::<IgnoredAny>(input);
    if input.len() > LARGE {
        return value.map(|value| value.type_name().to_owned());
    }
    let _ = pickle::from_pickle::<Any>(input);
    let _ = pickle::from_pickle::<Vec<String>>(input);
    let _ = pickle::from_pickle::<BTreeMap<String, i64>>(input);
    let _ = pickle::from_pickle::<(u8, Option<f64>)>(input);
    let value = value?;
    for protocol in [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::V5] {
        let options = Options {
            protocol,
            ..Options::default()
        };
        if let Ok(pickle) = value.to_pickle(&options) {
            let again = Value::from_pickle(&pickle, &options)?;
            assert!(again.to_string() == value.to_string(), "{protocol:?}");
        }
    }
    Ok(value.to_string())
}

/// Anything, by way of serde's own buffer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Any {
    Nothing,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok())
        .expect("the field is a number")
}

/// How long this thread has run, in milliseconds.
fn cpu_time() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("the system tells");
    let word = text.split_whitespace().next();
    let nanoseconds: u64 = word
        .and_then(|word| word.parse().ok())
        .expect("the field is a number");
    nanoseconds / 1_000_000
}

fn abridged(text: &str) -> String {
    text.chars().take(120).collect()
}
