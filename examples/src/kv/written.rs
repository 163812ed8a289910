use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use super::Error;

/// A write that is done when this is: a plain future, woken by the commit thread, for any executor, or
/// [`wait`](Self::wait) for a thread.
///
/// The write takes place whether or not anybody waits for it; dropping this forgets only the answer.
/// Once done, it gives the same answer as often as it is asked.
#[must_use = "the write is on its way, but not done"]
pub struct Written<T> {
    slot: Arc<Slot>,
    as_answer: fn(bool) -> T,
}

/// The other end of a [`Written`]. Dropped without an answer it says that the store is closed.
#[derive(Debug)]
pub(super) struct Reply(Arc<Slot>);

#[derive(Debug)]
struct Slot(Mutex<State>);

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Done(Result<bool, Error>),
}

impl<T> Written<T> {
    pub(super) fn new(as_answer: fn(bool) -> T) -> (Self, Reply) {
        let slot = Arc::new(Slot(Mutex::new(State::Waiting(None))));
        let reply = Reply(Arc::clone(&slot));
        (Self { slot, as_answer }, reply)
    }

    pub(super) fn failed(as_answer: fn(bool) -> T, error: Error) -> Self {
        let slot = Arc::new(Slot(Mutex::new(State::Done(Err(error)))));
        Self { slot, as_answer }
    }

    /// Waits until the write is done, which takes as long as the disk does.
    ///
    /// # Errors
    ///
    /// Why the write was refused or failed.
    pub fn wait(self) -> Result<T, Error> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            if let Poll::Ready(answer) = self.poll_with(&waker) {
                return answer;
            }
            std::thread::park();
        }
    }

    fn poll_with(&self, waker: &Waker) -> Poll<Result<T, Error>> {
        match &mut *self.slot.lock() {
            State::Done(answer) => Poll::Ready(answer.clone().map(self.as_answer)),
            State::Waiting(Some(present)) => {
                present.clone_from(waker);
                Poll::Pending
            }
            State::Waiting(absent) => {
                *absent = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Future for Written<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_with(cx.waker())
    }
}

impl<T> fmt::Debug for Written<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Written").field(&self.slot.0).finish()
    }
}

impl Reply {
    pub(super) fn answer(self, answer: Result<bool, Error>) {
        self.0.finish(answer);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.0.finish(Err(Error::Closed));
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the answer unless there is one; wakes without holding the lock.
    fn finish(&self, answer: Result<bool, Error>) {
        let waker = match &mut *self.lock() {
            State::Done(_) => None,
            state => match std::mem::replace(state, State::Done(answer)) {
                State::Waiting(waker) => waker,
                State::Done(_) => None,
            },
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
