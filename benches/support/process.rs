//! Processes under measurement: which core they run on, and what they cost.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that the two sides of a measurement run on.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// The core of the server.
    pub server: usize,
    /// The core of the load.
    pub load: usize,
}

impl Cores {
    /// Takes the first two cores that this process may use; where there is only one, both are that.
    ///
    /// # Errors
    ///
    /// What the system says to the question.
    pub fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        let server = cores.next().unwrap_or(0);
        let load = cores.next().unwrap_or(server);
        Ok(Self { server, load })
    }

    /// Whether each side has a core of its own.
    #[must_use]
    pub fn are_separate(&self) -> bool {
        self.server != self.load
    }
}

/// Keeps this process on one core.
///
/// # Errors
///
/// What the system says to it.
pub fn pin_self(core: usize) -> io::Result<()> {
    pin(None, core)
}

/// Keeps a process on one core.
///
/// # Errors
///
/// What the system says to it.
pub fn pin_child(child: &Child, core: usize) -> io::Result<()> {
    pin(Some(Pid::from_child(child)), core)
}

fn pin(process: Option<Pid>, core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(process, &set)?)
}

/// Lets this process, and those that it starts, open as many files as it may.
///
/// # Errors
///
/// What the system says to it.
pub fn raise_file_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// An example that was built like this bench: the examples of a build lie beside the folder with its benches.
#[must_use]
pub fn example(name: &str) -> Option<PathBuf> {
    let this = env::current_exe().ok()?;
    let program = this.parent()?.parent()?.join("examples").join(name);
    program.is_file().then_some(program)
}

/// A server in a process of its own, ended when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `command`, keeps it on `core`, and waits for its first line of output, which ends with
    /// the address that it listens on.
    ///
    /// # Errors
    ///
    /// When the program can't be started, or its first line has no address at the end.
    pub fn start(command: &mut Command, core: usize) -> io::Result<Self> {
        let (mut server, mut output) = Self::spawn(command, core)?;
        let mut line = String::new();
        output.read_line(&mut line)?;
        let word = line.split_whitespace().next_back().unwrap_or_default();
        let address = word.strip_prefix("tcp://").unwrap_or(word);
        server.address = address.parse().map_err(|_| {
            io::Error::other(format!(
                "expected a line that ends with an address from {command:?}, got {line:?}"
            ))
        })?;
        Ok(server)
    }

    /// Starts `command`, which will listen on `address`, keeps it on `core`, and waits for a line of output that has
    /// `ready` in it.
    ///
    /// # Errors
    ///
    /// When the program can't be started, or ends before that line.
    pub fn start_until(
        command: &mut Command,
        address: SocketAddr,
        ready: &str,
        core: usize,
    ) -> io::Result<Self> {
        let (mut server, output) = Self::spawn(command, core)?;
        server.address = address;
        let mut lines = output.lines();
        while let Some(line) = lines.next().transpose()? {
            if line.contains(ready) {
                // What it says later must not fill the pipe.
                thread::spawn(move || lines.count());
                return Ok(server);
            }
        }
        Err(io::Error::other(format!(
            "{command:?} ended without {ready:?}"
        )))
    }

    /// Starts a program whose address is not known yet.
    fn spawn(command: &mut Command, core: usize) -> io::Result<(Self, BufReader<ChildStdout>)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let address = SocketAddr::from(([0; 4], 0));
        let server = Self { child, address };
        pin_child(&server.child, core)?;
        Ok((server, BufReader::new(output)))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The id of the process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// How long its threads have run on a core so far.
    ///
    /// # Errors
    ///
    /// When `/proc` does not say.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += number(text.split_whitespace().next())?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The memory of its own that it has touched, in bytes: files mapped from disk do not count.
    ///
    /// # Errors
    ///
    /// When `/proc` does not say.
    pub fn memory(&self) -> io::Result<u64> {
        self.status("RssAnon:")
    }

    /// The most memory it ever had at a time, in bytes, files mapped from disk included.
    ///
    /// # Errors
    ///
    /// When `/proc` does not say.
    pub fn peak_memory(&self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        Ok(number(line.and_then(|line| line.split_whitespace().next()))? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is no matter here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(word: Option<&str>) -> io::Result<u64> {
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no such number in /proc"))
}
