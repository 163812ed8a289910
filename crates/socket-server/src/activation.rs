//! Sockets that the service manager has opened (`LISTEN_FDS`, as systemd and others pass them).
//!
//! The manager binds the sockets and starts the program with them open from descriptor 3 on, so that
//! the program may start late, run without privileges, and be restarted without a connection lost.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! for activated in socket_server::activation::listen_fds()? {
//!     println!("{}: {:?}", activated.name, activated.socket);
//!     // Server::adopt(activated.socket)
//! }
//! # Ok(())
//! # }
//! ```

use std::env::{self, VarError};
use std::io;
use std::ops::Range;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// A socket that was handed to this process.
#[derive(Debug)]
pub struct Activated {
    /// Its name, from `FileDescriptorName=` in the socket unit; `unknown` if nobody named it.
    pub name: String,
    /// The socket, bound and perhaps listening; closed in children of this process.
    pub socket: OwnedFd,
}

/// Takes the sockets that were handed to this process: none if `LISTEN_PID` is missing or names
/// another process, and none at the second call.
///
/// Call it early in `main`, before other threads start: the variables are then removed. With several
/// threads they stay, because removing them would race with whoever reads the environment; children
/// see that `LISTEN_PID` is not theirs.
///
/// # Errors
///
/// `InvalidData` if a variable is not what it should be, there are not as many names as descriptors, or
/// a descriptor is not open. No descriptor is taken then.
pub fn listen_fds() -> io::Result<Vec<Activated>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if read("LISTEN_PID")? != Some(std::process::id()) || TAKEN.load(Ordering::Acquire) {
        return Ok(Vec::new());
    }
    let count = read("LISTEN_FDS")?.unwrap_or(0);
    let descriptors = descriptors(count)?;
    let names = names(env::var("LISTEN_FDNAMES"), count)?;
    if TAKEN.swap(true, Ordering::AcqRel) {
        return Ok(Vec::new());
    }
    remove_variables();
    Ok((descriptors.zip(names))
        .map(|(descriptor, name)| Activated {
            name,
            socket: take(descriptor),
        })
        .collect())
}

const FIRST: RawFd = 3;
const VARIABLES: [&str; 4] = [
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
];

fn read(variable: &str) -> io::Result<Option<u32>> {
    match env::var(variable) {
        Err(VarError::NotPresent) => Ok(None),
        Ok(text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(invalid(format!("{variable} is {text:?}, not a number"))),
        },
        Err(VarError::NotUnicode(text)) => {
            Err(invalid(format!("{variable} is {text:?}, not a number")))
        }
    }
}

/// Checks that the descriptors are open, and closes them in children.
fn descriptors(count: u32) -> io::Result<Range<RawFd>> {
    let end = RawFd::try_from(count)
        .ok()
        .and_then(|n| n.checked_add(FIRST));
    let end = end.ok_or_else(|| invalid(format!("LISTEN_FDS is {count}, too large")))?;
    for descriptor in FIRST..end {
        let flags = fcntl_getfd(borrow(descriptor)).map_err(|error| {
            let what = format!("LISTEN_FDS is {count}, but descriptor {descriptor} is not open");
            invalid(format!("{what}: {error}"))
        })?;
        fcntl_setfd(borrow(descriptor), flags | FdFlags::CLOEXEC)?;
    }
    Ok(FIRST..end)
}

fn names(variable: Result<String, VarError>, count: u32) -> io::Result<Vec<String>> {
    let names: Vec<String> = match variable {
        Err(VarError::NotPresent) => (0..count).map(|_| "unknown".to_owned()).collect(),
        Ok(names) if count == 0 && names.is_empty() => Vec::new(),
        Ok(names) => names.split(':').map(str::to_owned).collect(),
        Err(VarError::NotUnicode(names)) => {
            return Err(invalid(format!("LISTEN_FDNAMES is {names:?}, not text")));
        }
    };
    if names.len() as u64 != u64::from(count) {
        let named = names.len();
        let what = format!("LISTEN_FDNAMES has {named} names, LISTEN_FDS is {count}");
        return Err(invalid(what));
    }
    Ok(names)
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// For a look at a descriptor that may not be open.
#[expect(unsafe_code, reason = "the number came through the environment")]
fn borrow(descriptor: RawFd) -> BorrowedFd<'static> {
    // SAFETY: not -1. It is used at once and only to read and set the close-on-exec flag, which
    // fails if it is not open; nobody in this process owns it, as `take` says.
    unsafe { BorrowedFd::borrow_raw(descriptor) }
}

#[expect(unsafe_code, reason = "the number came through the environment")]
fn take(descriptor: RawFd) -> OwnedFd {
    // SAFETY: it is open, as `descriptors` has checked. LISTEN_PID names this very process: whoever
    // started it says that this descriptor was opened for it and belongs to whoever follows this
    // convention, which within this process happens once, by `TAKEN`.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

#[expect(unsafe_code, reason = "another thread might read the environment")]
fn remove_variables() {
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if threads == 1 {
        for variable in VARIABLES {
            // SAFETY: this thread is the only one, so nobody reads or writes the environment.
            unsafe { env::remove_var(variable) };
        }
    }
}
