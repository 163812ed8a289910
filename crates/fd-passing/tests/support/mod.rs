//! Sockets, folders, and the Pythons at hand.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fd_passing::{Error, MessageError};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Long enough for anything that a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Short enough to wait for it to pass.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

/// Time for another process to answer, if it is going to.
pub(crate) const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// No descriptors.
pub(crate) const NONE: &[OwnedFd] = &[];

/// Lets this process have as many descriptors open, and on their way, as it may.
pub(crate) fn many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).expect("anybody may do that");
}

pub(crate) fn null() -> File {
    File::open("/dev/null").expect("there is one")
}

pub(crate) fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .expect("sockets can be made")
}

/// What is wrong with the message, where it must be wrong.
pub(crate) fn wrong<T: std::fmt::Debug>(result: Result<T, Error>) -> MessageError {
    match result {
        Err(Error::Message(error)) => error,
        other => panic!("{other:?} instead of a wrong message"),
    }
}

/// `python3`, and those that `NETBLOCKS_PYTHONS` names: paths with colons between them.
pub(crate) fn pythons() -> Vec<PathBuf> {
    let named = std::env::var_os("NETBLOCKS_PYTHONS").unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    std::iter::once("python3".into()).chain(named).collect()
}

/// A folder that is removed at the end.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fd-passing-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
