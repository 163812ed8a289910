//! `mp-connection`'s pickles beside `serde-pickle` and beside Python's own `pickle`, which is written in C.
//!
//! Python runs as a process that times its own loop and tells the result; all contenders take turns on the same core,
//! and each round begins with another one. What is read is the same pickle for all, as Python writes it. Who reads
//! gives back what was read within the time, who writes gives back the pickle.
//!
//! What would mislead: Python's garbage collector looks at what `loads` makes and is on, as it is in programs (one
//! contender is Python without it); a type made by derive needs no names for its fields, so structs are
//! less work than dicts; the pickle lies in the cache if it fits.

use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use benches::process::{Cores, pin_self};
use benches::report::{Summary, print_table, take_turns};
use mp_connection::pickle::{self, Options, Value};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_pickle::{DeOptions, SerOptions};

fn main() -> io::Result<()> {
    // Only `cargo bench` passes `--bench`. What is no option names the tables wanted: `dicts`, `read`.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let is_tiny = has("--test") || !has("--bench");
    let wanted = |title: &str| {
        let mut words = arguments
            .iter()
            .filter(|argument| !argument.starts_with("--"));
        words.all(|word| title.split(' ').any(|part| part == word))
    };
    let (rounds, batch) = match is_tiny {
        true => (1, Duration::ZERO),
        false => (15, Duration::from_millis(150)),
    };
    pin_self(Cores::choose()?.load)?;
    let (count, len) = match is_tiny {
        true => (100, 1000),
        false => (100_000, 10_000_000),
    };
    let mut python = Python::start(count, len)?;
    println!("Python {}", python.version);
    let dicts = python.pickle("dicts")?;
    let bytes = python.pickle("bytes")?;
    for (title, what, contenders) in [
        ("read dicts", "dicts", readers(&dicts)),
        ("write dicts", "dicts", writers(&dicts)),
        ("read bytes", "bytes", byte_readers(&bytes)),
        ("write bytes", "bytes", byte_writers(&bytes)),
    ] {
        if wanted(title) {
            let shown = match what {
                "dicts" => format!("{title}: a list of {count}, {} bytes", dicts.len()),
                _ => format!("{title}: {len}"),
            };
            report(&shown, &mut python, title, contenders, rounds, batch)?;
        }
    }
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Item {
    id: i64,
    name: String,
    ok: bool,
}

/// Reads the names where they are.
#[derive(Debug, Deserialize)]
struct Borrowed<'a> {
    id: i64,
    name: &'a str,
    ok: bool,
}

/// A contender: its name, and one run. Without a run it is Python, by the name of the loop.
type Contender<'a> = (&'static str, Option<Box<dyn FnMut() + 'a>>);

fn readers(pickle: &[u8]) -> Vec<Contender<'_>> {
    vec![
        (PYTHON, None),
        (PYTHON_WITHOUT_GC, None),
        (
            "serde-pickle, structs",
            run(|| read_theirs::<Vec<Item>>(pickle)),
        ),
        (
            "serde-pickle, Value",
            run(|| serde_pickle::value_from_slice(pickle, DeOptions::new()).expect("a pickle")),
        ),
        ("netblocks, structs", run(|| read_ours::<Vec<Item>>(pickle))),
        (
            "netblocks, structs that borrow",
            run(|| {
                let items = read_ours::<Vec<Borrowed<'_>>>(pickle);
                items
                    .iter()
                    .map(|item| item.name.len() + item.id as usize + usize::from(item.ok))
                    .sum::<usize>()
            }),
        ),
        ("netblocks, Value", run(|| value(pickle))),
    ]
}

fn writers(pickle: &[u8]) -> Vec<Contender<'_>> {
    let items: Vec<Item> = read_ours(pickle);
    let theirs = serde_pickle::value_from_slice(pickle, DeOptions::new()).expect("a pickle");
    let ours = value(pickle);
    let again = items.clone();
    let mut buffer = Vec::new();
    let kept = items.clone();
    vec![
        (PYTHON, None),
        (PYTHON_WITHOUT_GC, None),
        (
            "serde-pickle, structs",
            run(move || serde_pickle::to_vec(&items, SerOptions::new()).expect("data")),
        ),
        (
            "serde-pickle, Value",
            run(move || serde_pickle::value_to_vec(&theirs, SerOptions::new()).expect("data")),
        ),
        (
            "netblocks, structs",
            run(move || pickle::to_pickle(&again).expect("data")),
        ),
        (
            "netblocks, structs, same buffer",
            run(move || {
                buffer.clear();
                let options = Options::default();
                options.write_pickle(&kept, &mut buffer).expect("data");
                buffer.len()
            }),
        ),
        (
            "netblocks, Value",
            run(move || ours.to_pickle(&Options::default()).expect("data")),
        ),
    ]
}

fn byte_readers(pickle: &[u8]) -> Vec<Contender<'_>> {
    vec![
        (PYTHON, None),
        ("a copy", run(|| pickle.to_vec())),
        ("serde-pickle", run(|| read_theirs::<ByteBuf>(pickle))),
        ("netblocks", run(|| read_ours::<ByteBuf>(pickle))),
        (
            "netblocks, borrowed",
            run(|| read_ours::<&[u8]>(pickle).len()),
        ),
        ("netblocks, Value", run(|| value(pickle))),
    ]
}

fn byte_writers(pickle: &[u8]) -> Vec<Contender<'_>> {
    let bytes: ByteBuf = read_ours(pickle);
    let again = bytes.clone();
    let value = value(pickle);
    vec![
        (PYTHON, None),
        ("a copy", run(|| pickle.to_vec())),
        (
            "serde-pickle",
            run(move || serde_pickle::to_vec(&bytes, SerOptions::new()).expect("data")),
        ),
        (
            "netblocks",
            run(move || pickle::to_pickle(&again).expect("data")),
        ),
        (
            "netblocks, Value",
            run(move || value.to_pickle(&Options::default()).expect("data")),
        ),
    ]
}

fn run<'a, T>(mut run: impl FnMut() -> T + 'a) -> Option<Box<dyn FnMut() + 'a>> {
    Some(Box::new(move || drop(black_box(run()))))
}

fn read_ours<'a, T: Deserialize<'a>>(pickle: &'a [u8]) -> T {
    pickle::from_pickle(pickle).expect("a pickle")
}

fn read_theirs<T: serde::de::DeserializeOwned>(pickle: &[u8]) -> T {
    serde_pickle::from_slice(pickle, DeOptions::new()).expect("a pickle")
}

fn value(pickle: &[u8]) -> Value {
    Value::from_pickle(pickle, &Options::default()).expect("a pickle")
}

fn report(
    title: &str,
    python: &mut Python,
    work: &str,
    mut contenders: Vec<Contender<'_>>,
    rounds: usize,
    batch: Duration,
) -> io::Result<()> {
    let count = contenders.len();
    let figures = take_turns(rounds, count, |index| match &mut contenders[index] {
        (_, Some(run)) => Ok(time(run, batch)),
        (name, None) => python.time(work, *name == PYTHON, batch),
    })?;
    let ratio = |index: usize, to: usize| {
        let pairs = figures[to].iter().zip(&figures[index]);
        format!("{:.2}", Summary::of(pairs.map(|(peer, ours)| peer / ours)))
    };
    // The peer's own best.
    let median = |index: &usize| Summary::of(figures[*index].iter().copied()).median;
    let theirs = (0..count)
        .filter(|&index| contenders[index].0.starts_with("serde-pickle"))
        .min_by(|left, right| median(left).total_cmp(&median(right)));
    let theirs = theirs.expect("serde-pickle is one of them");
    let rows: Vec<_> = (0..count)
        .map(|index| {
            let name = contenders[index].0.to_owned();
            let milliseconds = figures[index].iter().map(|seconds| seconds * 1e3);
            let milliseconds = format!("{:.2}", Summary::of(milliseconds));
            [name, milliseconds, ratio(index, 0), ratio(index, theirs)]
        })
        .collect();
    let head = ["", "ms", "x Python", "x serde-pickle's best"];
    print_table(title, head, &rows);
    Ok(())
}

/// Seconds that a run takes.
fn time(run: &mut dyn FnMut(), batch: Duration) -> f64 {
    run();
    let mut runs = 0;
    let start = Instant::now();
    loop {
        run();
        runs += 1;
        let elapsed = start.elapsed();
        if elapsed >= batch {
            return elapsed.as_secs_f64() / f64::from(runs);
        }
    }
}

const PYTHON: &str = "Python";
const PYTHON_WITHOUT_GC: &str = "Python, gc off";

/// What Python runs: each line names the work, whether the collector is on, and the seconds that a batch takes.
const SCRIPT: &str = r#"
import gc, pickle, platform, sys, time
count, length = map(int, sys.argv[1:])
values = {
    "dicts": [{"id": number, "name": "name %d" % number, "ok": number % 2 == 0} for number in range(count)],
    "bytes": b"b" * length,
}
pickles = {name: pickle.dumps(value, 4) for name, value in values.items()}
print(platform.python_version(), flush=True)

def repeat(work, value, batch):
    work(value)
    runs, start = 0, time.perf_counter()
    while True:
        work(value)
        runs += 1
        elapsed = time.perf_counter() - start
        if elapsed >= batch:
            return elapsed / runs

for line in sys.stdin:
    what, name, collects, batch = line.split()
    if what == "give":
        sys.stdout.buffer.write(len(pickles[name]).to_bytes(8, "little") + pickles[name])
        sys.stdout.buffer.flush()
        continue
    (gc.enable if collects == "true" else gc.disable)()
    work = pickle.loads if what == "read" else pickle.dumps
    value = pickles[name] if what == "read" else values[name]
    print(repeat(work, value, float(batch)), flush=True)
    gc.collect()
"#;

/// The peer in C.
struct Python {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    version: String,
}

impl Python {
    fn start(count: usize, len: usize) -> io::Result<Self> {
        let mut process = Command::new("python3")
            .args(["-c", SCRIPT])
            .args([count.to_string(), len.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut python = Self {
            process,
            stdin,
            stdout: BufReader::new(stdout),
            version: String::new(),
        };
        python.version = python.line()?;
        Ok(python)
    }

    fn pickle(&mut self, name: &str) -> io::Result<Vec<u8>> {
        use std::io::Read as _;
        writeln!(self.stdin, "give {name} true 0")?;
        let mut len = [0; 8];
        self.stdout.read_exact(&mut len)?;
        let mut pickle = vec![0; u64::from_le_bytes(len) as usize];
        self.stdout.read_exact(&mut pickle)?;
        Ok(pickle)
    }

    /// Seconds that a run takes.
    fn time(&mut self, work: &str, collects: bool, batch: Duration) -> io::Result<f64> {
        writeln!(self.stdin, "{work} {collects} {}", batch.as_secs_f64())?;
        let line = self.line()?;
        line.parse().map_err(io::Error::other)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself, which is no matter here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
