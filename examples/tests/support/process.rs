//! What the system knows about a program and its worker processes.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit};

use super::DEADLINE;

/// So many files a program that serves has open in any case.
const FEW: u64 = 4;

/// A process of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) Pid);

impl Process {
    /// The processes that this one started and that are still there.
    pub(crate) fn children(self) -> Vec<Self> {
        let Self(pid) = self;
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
            return Vec::new();
        };
        let of_task = |task: std::fs::DirEntry| {
            // A thread may have ended by now.
            let listed = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let pids: Vec<i32> = listed.split(' ').flat_map(str::parse).collect();
            pids
        };
        tasks
            .flatten()
            .flat_map(of_task)
            .flat_map(Pid::from_raw)
            .map(Self)
            .collect()
    }

    /// How much memory of its own it uses now, in bytes. The pages of its file, which it shares with its
    /// children, do not count: how many of them are mapped depends on the machine.
    pub(crate) fn memory(self) -> usize {
        self.status("RssAnon:")
    }

    /// The most memory of its own that it has used so far, in bytes.
    pub(crate) fn peak_memory(self) -> usize {
        self.status("VmHWM:") - self.status("RssFile:")
    }

    /// How many files it has open now.
    pub(crate) fn open_files(self) -> usize {
        let Self(pid) = self;
        let files = std::fs::read_dir(format!("/proc/{pid}/fd"));
        files.expect("the program is running").count()
    }

    /// How long it has computed, to a hundredth of a second.
    pub(crate) fn cpu_time(self) -> Duration {
        let stat = self.read("stat");
        let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
        let ticks = fields
            .split_ascii_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().expect("a number of ticks"));
        let per_second = rustix::param::clock_ticks_per_second();
        Duration::from_millis(ticks.sum::<u64>() * 1000 / per_second)
    }

    /// From now on it can open no file; those that it has stay. Returns what to
    /// [restore](Self::restore_files).
    pub(crate) fn forbid_files(self) -> Rlimit {
        let Self(pid) = self;
        let is_open = |file| std::fs::symlink_metadata(format!("/proc/{pid}/fd/{file}")).is_ok();
        // A worker that was only just started is named after the link to the program.
        let until = Instant::now() + DEADLINE;
        while self.read("comm") == "exe\n" {
            assert!(Instant::now() < until, "{self:?} does not begin");
            std::thread::yield_now();
        }
        assert!((0..FEW).all(is_open), "a program that serves has these");
        self.limit_files(Rlimit {
            current: Some(FEW),
            maximum: rustix::process::getrlimit(Resource::Nofile).maximum,
        })
    }

    /// Gives back what [`forbid_files`](Self::forbid_files) took.
    pub(crate) fn restore_files(self, before: Rlimit) {
        self.limit_files(before);
    }

    fn limit_files(self, limit: Rlimit) -> Rlimit {
        rustix::process::prlimit(Some(self.0), Resource::Nofile, limit)
            .expect("one's own child can be limited")
    }

    /// A number of kibibytes, in bytes.
    fn status(self, field: &str) -> usize {
        let status = self.read("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .expect("a process that runs has memory");
        let kibibytes = line.trim().trim_end_matches(" kB");
        kibibytes.parse::<usize>().expect("a number") * 1024
    }

    fn read(self, file: &str) -> String {
        let Self(pid) = self;
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the program is running")
    }
}
