use std::io;
use std::mem;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use rustix::net::{Shutdown, shutdown};

use super::task::{Owner, Task};
use super::wait::Bell;
use crate::lock::lock;
use crate::{Answer, JobId};

/// Where others leave what the thread of a connection should look at, and how they wake it.
///
/// The thread waits in one of two ways. While jobs run or a timeout is near it polls the stream and a bell. While
/// there is nothing to wait for but the peer it just reads, which is a system call less for each call served and has
/// the stream's own deadlines apply; it can then only be woken by ending what it reads, and a drain is the only
/// reason to.
#[derive(Debug)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    /// There as soon as the thread polls.
    bell: OnceLock<Bell>,
    /// The socket again, to wake who reads from it.
    socket: Option<OwnedFd>,
    /// Nothing can wake who reads from a pipe, so its thread must poll.
    pub(super) must_poll: bool,
}

#[derive(Debug, Default)]
struct Inner {
    mail: Mail,
    waits: Waits,
    has_news: bool,
    is_draining: bool,
    is_closed: bool,
}

/// What was left.
#[derive(Debug, Default)]
pub(super) struct Mail {
    pub(super) answers: Vec<(JobId, Answer)>,
    pub(super) woken: Vec<Arc<Task>>,
    pub(super) must_drain: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// It will look by itself.
    #[default]
    No,
    Reading,
    Polling,
}

impl Mailbox {
    /// For a connection that nobody drains.
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            bell: OnceLock::new(),
            socket: None,
            must_poll: false,
        }
    }

    /// For one that can be drained.
    pub(super) fn for_stream(stream: BorrowedFd<'_>) -> io::Result<Self> {
        let is_socket = rustix::net::sockopt::socket_type(stream).is_ok();
        Ok(Self {
            must_poll: !is_socket,
            socket: is_socket.then(|| stream.try_clone_to_owned()).transpose()?,
            ..Self::new()
        })
    }

    /// What the thread polls to be woken.
    pub(super) fn bell(&self) -> io::Result<&Bell> {
        if self.bell.get().is_none() {
            // Only the connection's thread comes here.
            let _ = self.bell.set(Bell::new()?);
        }
        Ok(self.bell.get().expect("it was set above"))
    }

    /// The thread is about to read. `false`: it must look first.
    pub(super) fn begin_read(&self) -> bool {
        self.begin(Waits::Reading)
    }

    /// The thread is about to poll. `false`: it must look first.
    pub(super) fn begin_poll(&self) -> bool {
        self.begin(Waits::Polling)
    }

    /// Takes what was left; the thread is awake.
    pub(super) fn take(&self) -> Mail {
        let mut inner = self.inner();
        inner.waits = Waits::No;
        inner.has_news = false;
        mem::take(&mut inner.mail)
    }

    /// The connection is over: what is left from now on is thrown away.
    pub(super) fn close(&self) {
        self.inner().is_closed = true;
        drop(self.take());
    }

    /// Tells the thread to drain the connection.
    pub(super) fn drain(&self) {
        let was_draining = mem::replace(&mut self.inner().is_draining, true);
        if !was_draining {
            self.leave(|mail| mail.must_drain = true);
        }
    }

    fn begin(&self, waits: Waits) -> bool {
        let mut inner = self.inner();
        if !inner.has_news {
            inner.waits = waits;
        }
        !inner.has_news
    }

    fn leave(&self, what: impl FnOnce(&mut Mail)) {
        let mut inner = self.inner();
        if inner.is_closed {
            return;
        }
        what(&mut inner.mail);
        inner.has_news = true;
        let waits = mem::take(&mut inner.waits);
        drop(inner);
        match (waits, self.bell.get(), &self.socket) {
            (Waits::Polling, Some(bell), _) => bell.ring(),
            // It fails when the peer is gone, and then nobody waits for it.
            (Waits::Reading, _, Some(socket)) => drop(shutdown(socket, Shutdown::Read)),
            _ => {}
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Owner for Mailbox {
    fn woken(&self, task: Arc<Task>) {
        self.leave(|mail| mail.woken.push(task));
    }

    fn done(&self, id: JobId, answer: Answer) {
        self.leave(|mail| mail.answers.push((id, answer)));
    }
}
