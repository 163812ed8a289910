use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::bell::{Alarm, Bell};
use crate::{Answer, JobId};

/// The futures of a connection.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    running: HashMap<JobId, Running>,
    woken: Vec<JobId>,
}

struct Running {
    future: Pin<Box<dyn Future<Output = Answer> + Send>>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl Jobs {
    /// Polls a future for the first time, and keeps it when it is not ready.
    pub(super) fn start(
        &mut self,
        job: JobId,
        future: Pin<Box<dyn Future<Output = Answer> + Send>>,
        bell: &Arc<Bell>,
    ) -> Option<Answer> {
        let alarm = Arc::new(Alarm::new(job, Arc::clone(bell)));
        let mut running = Running {
            future,
            waker: Waker::from(Arc::clone(&alarm)),
            alarm,
        };
        let answer = running.poll();
        if answer.is_none() {
            self.running.insert(job, running);
        }
        answer
    }

    /// Polls those that were woken and collects the answers.
    pub(super) fn poll(&mut self, bell: &Bell, answers: &mut Vec<(JobId, Answer)>) {
        let mut woken = std::mem::take(&mut self.woken);
        bell.take_woken(&mut woken);
        for job in woken.drain(..) {
            // It may have been cancelled since.
            if let Some(running) = self.running.get_mut(&job)
                && let Some(answer) = running.poll()
            {
                self.running.remove(&job);
                answers.push((job, answer));
            }
        }
        self.woken = woken;
        if self.running.is_empty() && self.running.capacity() > KEPT {
            *self = Self::default();
        }
    }

    /// Drops a future.
    pub(super) fn cancel(&mut self, job: JobId) {
        self.running.remove(&job);
    }
}

impl Running {
    fn poll(&mut self) -> Option<Answer> {
        self.alarm.reset();
        match self
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&self.waker))
        {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// A connection that once had more calls than this gives the memory back.
const KEPT: usize = 64;
