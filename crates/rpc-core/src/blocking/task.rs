use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use crate::lock::lock;
use crate::{Answer, Job, JobId, Work};

/// A job that somebody may be running, and somebody else may cancel.
///
/// ```text
///            take              pending, and woken meanwhile
///   Ready ─────────► Running ───────────────────────────────► Ready
///     ▲                 │ pending
///     └──── woken ──── Waiting           cancelled, or there is an answer: Over, from anywhere
/// ```
pub(super) struct Task {
    pub(super) id: JobId,
    state: Mutex<State>,
    owner: Arc<dyn Owner>,
}

/// Whose job it is: the connection that it came by.
pub(super) trait Owner: Send + Sync {
    /// A future wants to be polled: see that [`Task::run`] is called.
    fn woken(&self, task: Arc<Task>);

    /// The answer of a job that a worker ran.
    fn done(&self, id: JobId, answer: Answer);
}

enum State {
    Ready(Work),
    Running { is_woken: bool },
    Waiting(Pin<Box<dyn Future<Output = Answer> + Send>>),
    Over,
}

impl Task {
    pub(super) fn new(job: Job, owner: Arc<dyn Owner>) -> Arc<Self> {
        Arc::new(Self {
            id: job.id,
            state: Mutex::new(State::Ready(job.work)),
            owner,
        })
    }

    /// Runs or polls the job in this thread. `None`: there is no answer yet, or nobody wants it any more.
    pub(super) fn run(self: &Arc<Self>) -> Option<Answer> {
        let work = {
            let mut state = self.state();
            match mem::replace(&mut *state, State::Running { is_woken: false }) {
                State::Ready(work) => work,
                // Cancelled before its turn; no other state is ever queued.
                other => {
                    *state = other;
                    return None;
                }
            }
        };
        match work {
            Work::Quick(run) | Work::Blocking(run) => self.finish(run()),
            Work::Future(future) => self.poll(future),
        }
    }

    /// For workers: the answer goes to the owner.
    pub(super) fn run_and_tell(self: &Arc<Self>) {
        if let Some(answer) = self.run() {
            self.owner.done(self.id, answer);
        }
    }

    /// Nobody wants the answer any more. A future is dropped: here, or where it is being polled.
    pub(super) fn cancel(&self) {
        let before = mem::replace(&mut *self.state(), State::Over);
        // What it owns may do anything when it is dropped, so not under the lock.
        drop(before);
    }

    fn poll(
        self: &Arc<Self>,
        mut future: Pin<Box<dyn Future<Output = Answer> + Send>>,
    ) -> Option<Answer> {
        let waker = Waker::from(Arc::clone(self));
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(answer) = polled {
            return self.finish(answer);
        }
        let mut state = self.state();
        match *state {
            State::Running { is_woken: false } => *state = State::Waiting(future),
            State::Running { is_woken: true } => {
                *state = State::Ready(Work::Future(future));
                drop(state);
                self.owner.woken(Arc::clone(self));
            }
            // Cancelled meanwhile. The lock is given back before the future is dropped.
            _ => drop(state),
        }
        None
    }

    fn finish(&self, answer: Answer) -> Option<Answer> {
        match mem::replace(&mut *self.state(), State::Over) {
            State::Over => None,
            _ => Some(answer),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut state = self.state();
        match mem::replace(&mut *state, State::Over) {
            State::Waiting(future) => {
                *state = State::Ready(Work::Future(future));
                drop(state);
                self.owner.woken(Arc::clone(&self));
            }
            State::Running { .. } => *state = State::Running { is_woken: true },
            other => *state = other,
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.id).finish()
    }
}
