use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Key;

/// Reaches a loop from other threads. Cloning is cheap.
///
/// Messages that come before the loop wakes up share one wake-up.
pub struct Handle<M = ()> {
    shared: Arc<Shared<M>>,
}

/// A message was refused; it comes back inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PostError<M> {
    /// Too many messages wait already.
    Full {
        /// What was not delivered.
        message: M,
        /// How many messages may wait.
        limit: usize,
    },
    /// There is nobody with that key any more, or the loop is gone.
    Gone(M),
}

pub(crate) enum Command<M> {
    Message(Key, M),
    Stop {
        grace: Duration,
    },
    /// Offloaded work is done; its message, if it has one, goes to the key.
    WorkDone(Key, Option<M>),
}

pub(crate) struct Shared<M> {
    inbox: Mutex<Inbox<M>>,
    waker: Option<mio::Waker>,
    limit: usize,
}

struct Inbox<M> {
    commands: Vec<Command<M>>,
    /// A wake-up is on its way; another would add nothing.
    is_waking: bool,
    is_closed: bool,
}

impl<M> Handle<M> {
    pub(crate) fn new(shared: Arc<Shared<M>>) -> Self {
        Self { shared }
    }

    /// Sends a message to the handler named by `key`. One whose handler is gone when it arrives is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`PostError::Full`] when [`message_queue`](crate::LoopOptions::message_queue) messages wait,
    /// [`PostError::Gone`] when the loop is gone.
    pub fn post(&self, key: Key, message: M) -> Result<(), PostError<M>> {
        let inbox = self.shared.lock();
        if inbox.is_closed {
            return Err(PostError::Gone(message));
        }
        if inbox.commands.len() >= self.shared.limit {
            return Err(PostError::Full {
                message,
                limit: self.shared.limit,
            });
        }
        self.shared.push(inbox, Command::Message(key, message));
        Ok(())
    }

    /// Sends a message as [`post`](Self::post) does, however many wait already: a wake-up that must not get lost.
    /// The sender keeps the queue bounded by having no more than one such message on its way, and begins when the
    /// handler's connection is there.
    ///
    /// # Errors
    ///
    /// [`PostError::Gone`] when the loop is gone.
    pub fn post_beyond_limit(&self, key: Key, message: M) -> Result<(), PostError<M>> {
        let inbox = self.shared.lock();
        if inbox.is_closed {
            return Err(PostError::Gone(message));
        }
        self.shared.push(inbox, Command::Message(key, message));
        Ok(())
    }

    /// Stops the loop as [`EventLoop::stop`](crate::EventLoop::stop) does.
    pub fn stop(&self, grace: Duration) {
        self.shared
            .push(self.shared.lock(), Command::Stop { grace });
    }
}

impl<M> Shared<M> {
    pub(crate) fn new(waker: Option<mio::Waker>, limit: usize) -> Self {
        let inbox = Inbox {
            commands: Vec::new(),
            is_waking: false,
            is_closed: false,
        };
        Self {
            inbox: Mutex::new(inbox),
            waker,
            limit,
        }
    }

    /// Delivers the outcome of offloaded work. Never refused: the bounds of the work's own queue
    /// bound these too.
    pub(crate) fn work_done(&self, key: Key, message: Option<M>) {
        self.push(self.lock(), Command::WorkDone(key, message));
    }

    pub(crate) fn take(&self, into: &mut Vec<Command<M>>) {
        let mut inbox = self.lock();
        inbox.is_waking = false;
        std::mem::swap(&mut inbox.commands, into);
    }

    pub(crate) fn close(&self) {
        let mut inbox = self.lock();
        inbox.is_closed = true;
        inbox.commands = Vec::new();
    }

    fn push(&self, mut inbox: MutexGuard<'_, Inbox<M>>, command: Command<M>) {
        if inbox.is_closed {
            return;
        }
        inbox.commands.push(command);
        let must_wake = !std::mem::replace(&mut inbox.is_waking, true);
        drop(inbox);
        if let (true, Some(waker)) = (must_wake, &self.waker) {
            // Writing to an eventfd that we own fails only when its counter is full, and then a
            // wake-up is on its way already.
            let _ = waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inbox<M>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for PostError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit, .. } => f.debug_struct("Full").field("limit", limit).finish(),
            Self::Gone(_) => f.write_str("Gone"),
        }
    }
}

impl<M> fmt::Display for PostError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit, .. } => write!(f, "{limit} messages wait already"),
            Self::Gone(_) => f.write_str("nobody is there to receive the message"),
        }
    }
}

impl<M> std::error::Error for PostError<M> {}
