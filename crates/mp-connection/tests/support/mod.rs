//! What several tests need.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use framing::FrameError;
use mp_connection::Error;
use mp_connection::blocking::Connection;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

pub(crate) mod login;

/// Long enough for anything that a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A connection, and what its peer has.
pub(crate) fn pair() -> (Connection, UnixStream) {
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    (left.into(), right)
}

/// A stream that keeps the boundaries of writes.
pub(crate) fn packets() -> (OwnedFd, OwnedFd) {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .expect("sockets can be made")
}

/// What is wrong with a frame, where one must be wrong.
pub(crate) fn frame_error<T: std::fmt::Debug>(result: Result<T, Error>) -> FrameError {
    match result {
        Err(Error::Frame(error)) => error,
        other => panic!("{other:?} instead of a wrong frame"),
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
        let name = format!("mp-connection-{}-{number}", std::process::id());
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
