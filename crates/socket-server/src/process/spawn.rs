use std::env;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;

use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{Pid, PidfdFlags};

use super::control::Control;
use super::message::Message;

/// A child that was started and not yet reaped.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) control: Control,
    /// Readable once the child has ended.
    pub(super) exit: OwnedFd,
    child: Child,
}

impl Worker {
    /// Starts this program again, as a worker of the server of this number.
    pub(super) fn start(server: usize) -> io::Result<Self> {
        let (control, theirs) = Control::pair()?;
        let mut arguments = env::args_os();
        let mut command = Command::new(PROGRAM);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        // No pre_exec, no change of user or directory: that lets the standard library take
        // posix_spawn, whose cost does not grow with the memory of this process.
        let mut child = command
            .args(arguments)
            .env(VARIABLE, format!("{}:{server}", std::process::id()))
            .process_group(0)
            .stdin(theirs)
            .spawn()?;
        match rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(exit) => Ok(Self {
                control,
                exit,
                child,
            }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error.into())
            }
        }
    }

    /// Tells it something that it can do without: it has ended, or does not listen.
    pub(super) fn tell(&self, message: &Message) {
        if let Err(error) = self.control.send(message, &[]) {
            tracing::debug!(worker = self.id(), ?message, %error, "can't tell a worker");
        }
    }

    /// Ends it before it was given anything to do.
    pub(super) fn discard(mut self) {
        self.kill();
        let _ = self.reap();
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once (SIGKILL).
    pub(super) fn kill(&mut self) {
        // Fails only for a child that has ended and was reaped.
        let _ = self.child.kill();
    }

    /// Waits for its end. Call it when [`exit`](Self::exit) is readable: then it does not wait.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

/// Returns whether this process is a worker: a copy of the program that a server with
/// [`Strategy::Processes`](crate::Strategy::Processes) or [`Strategy::Prefork`](crate::Strategy::Prefork)
/// has started.
///
/// A worker runs `main` from its beginning until the server's `bind` or `serve`, and never comes
/// back from there. What must happen once only (a line printed, a file locked, another port bound)
/// is skipped in workers with this.
#[must_use]
pub fn is_worker() -> bool {
    assignment().is_some()
}

/// The number of the server that this process is a worker of.
pub(super) fn assignment() -> Option<usize> {
    // Asked once: what it goes by is gone after `take_control`.
    static ASSIGNMENT: OnceLock<Option<usize>> = OnceLock::new();
    *ASSIGNMENT.get_or_init(|| {
        let value = env::var(VARIABLE).ok()?;
        let (parent, server) = value.split_once(':')?;
        let server = server.parse().ok()?;
        // A program that a worker starts inherits the variable, and is no worker.
        let is_child = parent.parse() == Ok(std::os::unix::process::parent_id());
        (is_child || stdin_is_control()).then_some(server)
    })
}

/// Takes the control channel from the standard input, which reads as empty from then on.
pub(super) fn take_control() -> io::Result<Control> {
    if !stdin_is_control() {
        let text = "this process was started as a worker, \
                    but its standard input is not the control channel any more";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    // The system named it after the link it was started by.
    if let Some(name) = env::args_os().next()
        && let Some(name) = Path::new(&name).file_name()
        && let Ok(name) = CString::new(name.as_bytes())
    {
        let _ = rustix::thread::set_name(&name);
    }
    Ok(Control::new(control))
}

fn stdin_is_control() -> bool {
    let stdin = io::stdin();
    sockopt::socket_type(&stdin) == Ok(SocketType::SEQPACKET)
        && sockopt::socket_domain(&stdin) == Ok(AddressFamily::UNIX)
}

/// What a child runs: this very program, even when the file was replaced since it was started.
const PROGRAM: &str = "/proc/self/exe";
/// Names the parent and, within it, the server: `PID:NUMBER`.
const VARIABLE: &str = "SOCKET_SERVER_WORKER";
