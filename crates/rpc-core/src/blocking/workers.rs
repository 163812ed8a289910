use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::mailbox::Mailbox;
use super::serve;
use super::stream::Stream;
use super::task::Task;
use crate::lock::lock;
use crate::{Dialect, Error, Fault, Kind};

/// The threads for functions that [block](crate::Registered::blocking), shared by any number of connections.
///
/// A clone is the same threads. They are started when they are needed and end when they have been idle for 10 s, or
/// when the last clone is dropped. At most [`MAX_THREADS`](Self::MAX_THREADS) run and
/// [`MAX_WAITING`](Self::MAX_WAITING) calls wait for one; a call more is answered
/// [`Kind::Overloaded`](crate::Kind::Overloaded), which says that it was not run.
///
/// They also know the connections that they serve, and can [`drain`](Self::drain) them.
///
/// ```
/// use rpc_core::blocking::Workers;
///
/// let workers = Workers::new(4, 100);
/// // For each connection: workers.serve(&stream, dialect)
/// workers.drain();
/// ```
#[derive(Clone)]
pub struct Workers {
    owned: Arc<Owned>,
}

/// What all clones share. The threads have the pool alone, so this is dropped with the last clone.
struct Owned(Arc<Pool>);

struct Pool {
    state: Mutex<State>,
    changed: Condvar,
    max_threads: usize,
    max_waiting: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<Task>>,
    threads: usize,
    /// How many of them run a job.
    busy: usize,
    is_over: bool,
    connections: HashMap<u64, Arc<Mailbox>>,
    next_connection: u64,
    is_draining: bool,
}

impl Workers {
    /// How many threads the default has.
    pub const MAX_THREADS: usize = 16;
    /// How many calls may wait for a thread of the default.
    pub const MAX_WAITING: usize = 1024;

    /// At most so many threads, and so many calls that wait for one.
    ///
    /// # Panics
    /// If there are to be no threads.
    #[must_use]
    pub fn new(max_threads: usize, max_waiting: usize) -> Self {
        assert!(max_threads > 0, "workers are at least one thread");
        let pool = Pool {
            state: Mutex::default(),
            changed: Condvar::new(),
            max_threads,
            max_waiting,
        };
        Self {
            owned: Arc::new(Owned(Arc::new(pool))),
        }
    }

    /// Serves one connection in this thread until it ends, as [`serve`](super::serve()) does, with these threads for
    /// what blocks; and [`drain`](Self::drain) ends it. Costs a descriptor beside the stream's.
    ///
    /// # Errors
    /// As [`serve`](super::serve()).
    pub fn serve(
        &self,
        stream: &(impl Stream + ?Sized),
        dialect: impl Dialect,
    ) -> Result<(), Error> {
        let mailbox = Arc::new(Mailbox::for_stream(stream.reading())?);
        let _registered = self.register(&mailbox);
        serve::Connection::new(stream, dialect, mailbox, self.clone()).carry()
    }

    /// Has every connection, those that come later too, take no new calls, answer those that run, and end. Returns at
    /// once: [`serve`](Self::serve) of each connection returns when it is through.
    pub fn drain(&self) {
        let connections: Vec<_> = {
            let mut state = self.pool().state();
            state.is_draining = true;
            state.connections.values().cloned().collect()
        };
        for mailbox in connections {
            mailbox.drain();
        }
    }

    /// Has a thread run the job.
    pub(super) fn submit(&self, task: Arc<Task>) -> Result<(), Fault> {
        let pool = self.pool();
        let state = pool.state();
        // What a thread is about to take does not wait.
        let taken = pool.max_threads - state.busy;
        if state.queue.len() >= pool.max_waiting.saturating_add(taken) {
            return Err(pool.overloaded(state.queue.len() - taken));
        }
        pool.push(state, task)
    }

    /// Has a thread run a job that was taken before: it is never refused.
    pub(super) fn resubmit(&self, task: Arc<Task>) {
        let pool = self.pool();
        // Without any thread it waits for the next that can be started.
        let _ = pool.push(pool.state(), task);
    }

    fn register(&self, mailbox: &Arc<Mailbox>) -> Registered<'_> {
        let pool = self.pool();
        let mut state = pool.state();
        let number = state.next_connection;
        state.next_connection += 1;
        state.connections.insert(number, Arc::clone(mailbox));
        let is_draining = state.is_draining;
        drop(state);
        if is_draining {
            mailbox.drain();
        }
        Registered { pool, number }
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.owned.0
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self::new(Self::MAX_THREADS, Self::MAX_WAITING)
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.pool().state();
        f.debug_struct("Workers")
            .field("threads", &state.threads)
            .field("busy", &state.busy)
            .field("waiting", &state.queue.len())
            .field("connections", &state.connections.len())
            .finish_non_exhaustive()
    }
}

/// A connection that can be drained, until it is dropped.
struct Registered<'a> {
    pool: &'a Pool,
    number: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.pool.state().connections.remove(&self.number);
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let queue = {
            let mut state = self.0.state();
            state.is_over = true;
            std::mem::take(&mut state.queue)
        };
        self.0.changed.notify_all();
        drop(queue);
    }
}

impl Pool {
    fn push(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        task: Arc<Task>,
    ) -> Result<(), Fault> {
        if state.queue.len() >= state.threads - state.busy && state.threads < self.max_threads {
            let pool = Arc::clone(self);
            let thread = thread::Builder::new().name("rpc-worker".to_owned());
            match thread.spawn(move || pool.work()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    let message = format!("no thread could be started for the call: {error}");
                    return Err(Fault::of(Kind::Overloaded, message));
                }
                // Those that are there will come to it.
                Err(_) => {}
            }
        }
        state.queue.push_back(task);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.state();
        loop {
            if let Some(task) = state.queue.pop_front() {
                state.busy += 1;
                drop(state);
                // What the registry made catches panics, but not those of destructors.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    task.run_and_tell();
                    drop(task);
                }));
                state = self.state();
                state.busy -= 1;
                continue;
            }
            if state.is_over {
                break;
            }
            let waited = self
                .changed
                .wait_timeout(state, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if waited.1.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }

    fn overloaded(&self, waiting: usize) -> Fault {
        let message = format!(
            "{waiting} calls wait for one of {} threads, and more than {} may not",
            self.max_threads, self.max_waiting
        );
        Fault::of(Kind::Overloaded, message)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);
