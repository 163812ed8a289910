//! A bounded pool of threads for work that would hold up the loop.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Offloaded work panicked instead of returning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// What the panic said, where it said it in text.
    pub message: String,
}

/// Work was refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum OffloadError {
    /// As much work waits as may wait.
    Full {
        /// How much work may wait for a thread.
        limit: usize,
    },
    /// The system gave no thread.
    NoThread(io::Error),
}

type Work = Box<dyn FnOnce() + Send>;

#[derive(Debug)]
pub(crate) struct Pool {
    queue: Arc<Queue>,
    threads: usize,
    max_threads: usize,
    limit: usize,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: VecDeque<Work>,
    idle_threads: usize,
    is_closed: bool,
}

impl Pool {
    pub(crate) fn new(max_threads: usize, limit: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            idle_threads: 0,
            is_closed: false,
        };
        let queue = Arc::new(Queue {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        Self {
            queue,
            threads: 0,
            max_threads: max_threads.max(1),
            limit,
        }
    }

    pub(crate) fn run(&mut self, work: Work) -> Result<(), OffloadError> {
        let mut state = self.queue.lock();
        let idle = state.idle_threads;
        if state.waiting.len() >= self.limit + idle {
            return Err(OffloadError::Full { limit: self.limit });
        }
        if state.waiting.len() >= idle && self.threads < self.max_threads {
            let queue = Arc::clone(&self.queue);
            let spawned = std::thread::Builder::new()
                .name("offload".into())
                .spawn(move || queue.work());
            match spawned {
                Ok(_) => self.threads += 1,
                // Those that run will get to it.
                Err(_) if self.threads > 0 => {}
                Err(error) => return Err(OffloadError::NoThread(error)),
            }
        }
        state.waiting.push_back(work);
        drop(state);
        self.queue.changed.notify_one();
        Ok(())
    }
}

impl Drop for Pool {
    /// Lets the threads go when they have finished what they are at; what waits is dropped.
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.is_closed = true;
        state.waiting.clear();
        drop(state);
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.waiting.pop_front() {
                drop(state);
                work();
                state = self.lock();
            } else if state.is_closed {
                return;
            } else {
                state.idle_threads += 1;
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.idle_threads -= 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work`; a panic becomes a value.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let message = match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => payload
                .downcast_ref::<&str>()
                .map_or_else(|| "no message".to_owned(), |text| (*text).to_owned()),
        };
        Panicked { message }
    })
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offloaded work panicked: {}", self.message)
    }
}

impl std::error::Error for Panicked {}

impl fmt::Display for OffloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit } => write!(f, "{limit} pieces of work wait already"),
            Self::NoThread(error) => write!(f, "no thread for offloaded work: {error}"),
        }
    }
}

impl std::error::Error for OffloadError {}
