use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Instant;

use crate::Driver;
use crate::lock::lock;

/// Wakes the task of a connection, once for all that comes until it looks.
#[derive(Debug)]
pub(super) struct Bell {
    is_ringing: AtomicBool,
    /// Nobody has a client any more.
    is_abandoned: AtomicBool,
    waker: Mutex<Waker>,
}

impl Bell {
    pub(super) fn new() -> Self {
        Self {
            is_ringing: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
            waker: Mutex::new(Waker::noop().clone()),
        }
    }

    /// From now on this task is woken. What was rung before is to be found out by [`silence`](Self::silence).
    pub(super) fn listen(&self, waker: &Waker) {
        lock(&self.waker).clone_from(waker);
    }

    pub(super) fn is_ringing(&self) -> bool {
        self.is_ringing.load(Ordering::Acquire)
    }

    /// To be called before the dialect is looked at: what comes after the look rings again.
    pub(super) fn silence(&self) {
        self.is_ringing.swap(false, Ordering::AcqRel);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Acquire)
    }
}

impl Driver for Bell {
    fn wake(&self) {
        if !self.is_ringing.swap(true, Ordering::AcqRel) {
            lock(&self.waker).wake_by_ref();
        }
    }

    fn now(&self) -> Instant {
        ::tokio::time::Instant::now().into_std()
    }
}

/// The bell as the clients of [`connect`](super::connect) have it: when the last is gone, so is the connection.
#[derive(Debug)]
pub(super) struct LastOneOut(pub(super) Arc<Bell>);

impl Driver for LastOneOut {
    fn wake(&self) {
        self.0.wake();
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl Drop for LastOneOut {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Release);
        self.0.wake();
    }
}
