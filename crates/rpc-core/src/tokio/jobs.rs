use std::collections::HashMap;
use std::task::{Context, Poll};

use ::tokio::task::{AbortHandle, JoinSet};

use crate::{Answer, Dialect, Fault, Job, JobId, Kind, Work};

/// The calls of a connection that take longer than its task may.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// More than `running` by those that are cancelled and go on even so.
    tasks: JoinSet<(JobId, Answer)>,
    running: HashMap<JobId, AbortHandle>,
    /// What the dialect wants started, and what it wants no more.
    begun: Vec<Job>,
    cancelled: Vec<JobId>,
    answers: Vec<(JobId, Answer)>,
}

impl Jobs {
    /// Gives the dialect the answers there are, and takes what it has to do. What that is, is done by
    /// [`start`](Self::start): the dialect is locked here.
    pub(super) fn exchange(&mut self, dialect: &mut impl Dialect, now: std::time::Instant) {
        for (id, answer) in self.answers.drain(..) {
            self.running.remove(&id);
            dialect.complete(id, answer, now);
        }
        self.begun.extend(std::iter::from_fn(|| dialect.next_job()));
        self.cancelled
            .extend(std::iter::from_fn(|| dialect.next_cancelled()));
    }

    /// Does what is quick, and starts the rest. Returns whether there is anything to [`poll`](Self::poll) for.
    pub(super) fn start(&mut self, cx: &mut Context<'_>) -> bool {
        let has_news = !self.begun.is_empty();
        for Job { id, work } in std::mem::take(&mut self.begun) {
            match work {
                Work::Quick(work) => self.answers.push((id, work())),
                // Many are ready at once, and then need no task.
                Work::Future(mut work) => match work.as_mut().poll(cx) {
                    Poll::Ready(answer) => self.answers.push((id, answer)),
                    Poll::Pending => {
                        let task = self.tasks.spawn(async move { (id, work.await) });
                        self.running.insert(id, task);
                    }
                },
                Work::Blocking(work) => match self.refuse() {
                    Some(fault) => self.answers.push((id, Err(fault))),
                    None => {
                        let task = self.tasks.spawn_blocking(move || (id, work()));
                        self.running.insert(id, task);
                    }
                },
            }
        }
        for id in self.cancelled.drain(..) {
            if let Some(task) = self.running.remove(&id) {
                task.abort();
            }
        }
        has_news
    }

    /// Collects the answers of what has ended, and has the task woken for those to come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        while !self.tasks.is_empty() {
            match self.tasks.poll_join_next(cx) {
                Poll::Ready(Some(Ok(answer))) => self.answers.push(answer),
                // It was cancelled: work doesn't panic.
                Poll::Ready(_) => {}
                Poll::Pending => break,
            }
        }
    }

    /// A thread can't be stopped. A peer that cancels what it calls could have any number of them otherwise:
    /// the dialect counts only what it waits for.
    fn refuse(&self) -> Option<Fault> {
        let abandoned = self.tasks.len() - self.running.len();
        (abandoned >= MAX_ABANDONED).then(|| {
            let message = format!("{abandoned} cancelled calls still run");
            Fault::of(Kind::Overloaded, message)
        })
    }
}

/// How many blocking functions of a connection may run although nobody waits for them.
const MAX_ABANDONED: usize = 64;
