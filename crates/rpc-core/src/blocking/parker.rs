use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// A thread that waits for answers: its waker, and whether it was woken.
#[derive(Debug)]
pub(super) struct Parker {
    thread: Thread,
    is_woken: AtomicBool,
}

thread_local! {
    static CURRENT: (Arc<Parker>, Waker) = {
        let parker = Arc::new(Parker {
            thread: thread::current(),
            is_woken: AtomicBool::new(false),
        });
        (Arc::clone(&parker), Waker::from(parker))
    };
    static HELD_BACK: RefCell<Option<Vec<Arc<Parker>>>> = const { RefCell::new(None) };
}

impl Parker {
    /// Runs `wait` with this thread's parker and the waker that goes with it.
    pub(super) fn with<T>(wait: impl FnOnce(&Arc<Self>, &Waker) -> T) -> T {
        CURRENT.with(|(parker, waker)| wait(parker, waker))
    }

    /// Forgets that it was woken; to be called before whatever is waited for is looked at.
    pub(super) fn reset(&self) {
        self.is_woken.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_woken(&self) -> bool {
        self.is_woken.load(Ordering::Acquire)
    }

    /// Has the thread look again, whether it was woken or not.
    pub(super) fn unpark(&self) {
        self.thread.unpark();
    }

    /// Waits for a waker or [`unpark`](Self::unpark), or for less.
    pub(super) fn park(until: Option<Instant>) {
        match until {
            None => thread::park(),
            Some(until) => thread::park_timeout(until.saturating_duration_since(Instant::now())),
        }
    }

    /// Runs `work`; threads that it wakes are let go only after it, so that they don't run into a lock it holds.
    pub(super) fn hold_back<T>(work: impl FnOnce() -> T) -> T {
        let outer = HELD_BACK.replace(Some(Vec::new()));
        let result = work();
        for parker in HELD_BACK.replace(outer).into_iter().flatten() {
            parker.unpark();
        }
        result
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        // Who wakes itself is awake.
        if self.thread.id() == thread::current().id() {
            return;
        }
        HELD_BACK.with_borrow_mut(|held_back| match held_back {
            Some(parkers) => parkers.push(self),
            None => self.unpark(),
        });
    }
}
