use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::Wake;

use crate::lock::lock;
use crate::{Driver, JobId};

/// Calls the loop back to a connection, from any thread.
///
/// However often it rings, one message is on its way; none is needed while the connection is being looked after.
#[derive(Default)]
pub(super) struct Bell {
    /// Puts the message into the loop's queue; absent until the connection is open.
    post: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// A message is on its way, or the connection is being looked after.
    is_ringing: AtomicBool,
    /// The futures that want to be polled.
    woken: Mutex<Vec<JobId>>,
}

impl Bell {
    pub(super) fn connect(&self, post: impl Fn() + Send + Sync + 'static) {
        // A handler is opened once.
        let _ = self.post.set(Box::new(post));
    }

    /// The connection is being looked after: nobody needs to ring.
    pub(super) fn pick_up(&self) {
        self.is_ringing.store(true, Ordering::SeqCst);
    }

    /// Nobody looks any more. What came after the last look rang in vain, so look once more.
    pub(super) fn hang_up(&self) {
        self.is_ringing.store(false, Ordering::SeqCst);
    }

    pub(super) fn take_woken(&self, into: &mut Vec<JobId>) {
        std::mem::swap(into, &mut *self.woken());
    }

    pub(super) fn has_woken(&self) -> bool {
        !self.woken().is_empty()
    }

    fn woken(&self) -> MutexGuard<'_, Vec<JobId>> {
        lock(&self.woken)
    }
}

impl Driver for Bell {
    fn wake(&self) {
        if let Some(post) = self.post.get()
            && !self.is_ringing.swap(true, Ordering::SeqCst)
        {
            post();
        }
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell")
            .field("is_ringing", &self.is_ringing)
            .finish_non_exhaustive()
    }
}

/// Wakes one future of a connection.
#[derive(Debug)]
pub(super) struct Alarm {
    job: JobId,
    bell: Arc<Bell>,
    /// It is among the woken already.
    is_set_off: AtomicBool,
}

impl Alarm {
    pub(super) fn new(job: JobId, bell: Arc<Bell>) -> Self {
        Self {
            job,
            bell,
            is_set_off: AtomicBool::new(false),
        }
    }

    /// The future is about to be polled: from now on it may be woken again.
    pub(super) fn reset(&self) {
        self.is_set_off.store(false, Ordering::SeqCst);
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_set_off.swap(true, Ordering::SeqCst) {
            self.bell.woken().push(self.job);
            self.bell.wake();
        }
    }
}
