//! Starts the program of `program.rs` as a process of its own, and talks to it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything that a check waits for may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running server. Its standard error is that of the test.
pub(crate) struct Program {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

pub(crate) type Stats = HashMap<String, u64>;

impl Program {
    pub(crate) fn start(words: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("the test has a path"))
            .arg("--program")
            .args(words.split_whitespace())
            .env("RUST_BACKTRACE", "0")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let input = process.stdin.take().expect("asked for above");
        let mut output = BufReader::new(process.stdout.take().expect("asked for above"));
        let address = next_line(&mut output);
        let (_, address) = address.split_once("://").expect("an address");
        Self {
            process,
            address: address.parse().expect("the first line is the address"),
            input,
            output,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a command and returns the answer.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").expect("the program reads commands");
        next_line(&mut self.output)
    }

    /// Asks until the answer is this.
    pub(crate) fn expect_answer(&mut self, command: &str, expected: &str) {
        let end = Instant::now() + DEADLINE;
        loop {
            let answer = self.ask(command);
            if answer == expected {
                return;
            }
            assert!(Instant::now() < end, "expected {expected}, got {answer}");
            thread::yield_now();
        }
    }

    pub(crate) fn stats(&mut self) -> Stats {
        parse(&self.ask("stats"))
    }

    /// Asks until the counts are such, written `open=0 finished=3`.
    pub(crate) fn expect(&mut self, counts: &str) {
        let expected = parse(counts);
        self.ask_until(counts, |stats| {
            expected.iter().all(|(name, count)| stats[name] == *count)
        });
    }

    /// Asks until the server has had to pause.
    pub(crate) fn expect_pause(&mut self) {
        self.ask_until("a pause", |stats| stats["accept_pauses"] > 0);
    }

    /// How many descriptors the server has open.
    pub(crate) fn descriptors(&mut self) -> u64 {
        self.ask("count").parse().expect("a number")
    }

    /// Waits until there are so many children, none of them a zombie.
    pub(crate) fn expect_children(&self, count: usize) {
        let end = Instant::now() + DEADLINE;
        while self.children().len() != count || !self.children().into_iter().all(is_running) {
            assert!(Instant::now() < end, "children {:?}", self.children());
            thread::yield_now();
        }
    }

    fn ask_until(&mut self, what: &str, is_so: impl Fn(&Stats) -> bool) {
        let end = Instant::now() + DEADLINE;
        loop {
            let stats = self.stats();
            if is_so(&stats) {
                return;
            }
            assert!(Instant::now() < end, "expected {what}, got {stats:?}");
            thread::yield_now();
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::to(self.address)
    }

    /// The children that are not reaped.
    pub(crate) fn children(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task", self.id());
        let tasks = std::fs::read_dir(path).expect("the program runs");
        tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
            .flat_map(|children| {
                let children: Vec<u32> = children
                    .split_whitespace()
                    .map(|id| id.parse().expect("a number"))
                    .collect();
                children
            })
            .collect()
    }

    pub(crate) fn shutdown(mut self, grace: u64) -> Stats {
        let stats = parse(&self.ask(&format!("shutdown {grace}")));
        let status = self.process.wait().expect("our child");
        assert!(status.success(), "the program ended with {status}");
        stats
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection to the server.
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

impl Client {
    pub(crate) fn to(address: impl ToSocketAddrs) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a timeout above zero");
        Self(BufReader::new(stream))
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.0.get_mut(), "{line}").expect("the connection is open");
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.line()
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer in time");
        line.trim_end().to_owned()
    }

    /// Waits for the server to close, returns what it said before.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        String::from_utf8(rest).expect("the server speaks text")
    }
}

/// Waits until a process is gone, zombie or not ours.
pub(crate) fn wait_for_end(id: u32) {
    let end = Instant::now() + DEADLINE;
    while is_running(id) {
        assert!(Instant::now() < end, "process {id} still runs");
        thread::yield_now();
    }
}

fn is_running(id: u32) -> bool {
    // PID (NAME) STATE …; one that has ended and waits for its new parent does not count.
    std::fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap_or(0)..].starts_with(") Z"))
}

fn next_line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("the program answers");
    assert!(!line.is_empty(), "the program has ended");
    line.trim_end().to_owned()
}

fn parse(counts: &str) -> Stats {
    let counts = counts.split_whitespace().map(|count| {
        let (name, count) = count.split_once('=').expect("NAME=COUNT");
        (name.to_owned(), count.parse().expect("a number"))
    });
    counts.collect()
}
