//! What the peer of a line wants run.

use std::sync::Arc;
use std::time::Instant;

use super::Line;
use crate::blocking::task::{Owner, Task};
use crate::lock::lock;
use crate::{Answer, Dialect, Job, JobId, Work};

impl Line {
    pub(super) fn has_jobs(&self) -> bool {
        !lock(&self.jobs).is_empty()
    }

    /// Runs what the peer wants run, with no role and no lock.
    pub(super) fn work(self: &Arc<Self>) {
        loop {
            let Some(job) = lock(&self.jobs).pop_front() else {
                break;
            };
            let id = job.id;
            let answer = match job.work {
                Work::Quick(run) => Some(run()),
                Work::Blocking(_) => self.workers.submit(self.task(job)).err().map(Err),
                Work::Future(_) => self.task(job).run(),
            };
            if let Some(answer) = answer {
                self.complete(id, answer);
            }
        }
        self.flush(self.queued(), None);
    }

    fn task(self: &Arc<Self>, job: Job) -> Arc<Task> {
        let id = job.id;
        let task = Task::new(job, Arc::clone(self) as Arc<dyn Owner>);
        lock(&self.tasks).insert(id, Arc::clone(&task));
        task
    }

    fn complete(&self, id: JobId, answer: Answer) {
        lock(&self.tasks).remove(&id);
        let mut peer = self.peer();
        peer.complete(id, answer, Instant::now());
    }

    pub(super) fn cancel(&self, id: JobId) {
        lock(&self.jobs).retain(|job| job.id != id);
        let task = lock(&self.tasks).remove(&id);
        if let Some(task) = task {
            task.cancel();
        }
    }
}

impl Owner for Line {
    fn woken(&self, task: Arc<Task>) {
        self.workers.resubmit(task);
    }

    fn done(&self, id: JobId, answer: Answer) {
        self.complete(id, answer);
        self.flush(self.queued(), None);
        self.end_if_finished();
    }
}
