use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::pending::earlier;
use crate::{Context, JobId};

/// The peer's calls that are running here. Those of functions that run at once are never in it.
///
/// A job's id is a count that goes up and, below it, the index of its slot.
#[derive(Debug, Default)]
pub(crate) struct Running {
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// The slots by the peer's ids, which the peer chooses as it likes; one-way calls have none.
    by_id: HashMap<u32, usize>,
    count: u64,
    /// No deadline is before this.
    soonest: Option<Instant>,
}

/// A call that is running.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) job: JobId,
    /// The peer's id for it, or 0 if it wants no answer.
    pub(crate) id: u32,
    pub(crate) deadline: Option<Instant>,
    pub(crate) timeout: Duration,
    pub(crate) context: Context,
    /// Whether the driver has it.
    pub(crate) is_started: bool,
}

impl Running {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether a call of the peer with this id is running.
    #[inline]
    pub(crate) fn has(&self, id: u32) -> bool {
        self.len() > 0 && self.by_id.contains_key(&id)
    }

    pub(crate) fn insert(
        &mut self,
        id: u32,
        deadline: Option<Instant>,
        timeout: Duration,
        context: Context,
    ) -> JobId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.count += 1;
        let job = JobId(self.count << INDEX_BITS | index as u64);
        self.slots[index] = Some(Entry {
            job,
            id,
            deadline,
            timeout,
            context,
            is_started: false,
        });
        if id != 0 {
            self.by_id.insert(id, index);
        }
        self.soonest = earlier(self.soonest, deadline);
        job
    }

    /// The driver takes the job, unless it is over already.
    pub(crate) fn start(&mut self, job: JobId) -> bool {
        match self.slots.get_mut(index(job)) {
            Some(Some(entry)) if entry.job == job => {
                entry.is_started = true;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn remove(&mut self, job: JobId) -> Option<Entry> {
        let slot = self.slots.get_mut(index(job))?;
        let entry = slot.take_if(|entry| entry.job == job)?;
        self.free.push(index(job));
        if entry.id != 0 {
            self.by_id.remove(&entry.id);
        }
        if self.len() == 0 {
            self.soonest = None;
        }
        Some(entry)
    }

    pub(crate) fn remove_id(&mut self, id: u32) -> Option<Entry> {
        let job = self.slots[*self.by_id.get(&id)?].as_ref()?.job;
        self.remove(job)
    }

    /// Takes out the calls whose deadline has passed.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Entry> {
        if self.soonest.is_none_or(|soonest| now < soonest) {
            return Vec::new();
        }
        let is_over = |entry: &&Entry| entry.deadline.is_some_and(|deadline| deadline <= now);
        let expired = self.slots.iter().flatten().filter(is_over);
        let expired: Vec<JobId> = expired.map(|entry| entry.job).collect();
        let expired = expired
            .into_iter()
            .filter_map(|job| self.remove(job))
            .collect();
        let deadlines = self.slots.iter().flatten().map(|entry| entry.deadline);
        self.soonest = deadlines.fold(None, earlier);
        expired
    }

    /// Takes out all calls.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        self.by_id.clear();
        self.free.clear();
        self.soonest = None;
        std::mem::take(&mut self.slots)
            .into_iter()
            .flatten()
            .collect()
    }

    /// When to ask for the [`expired`](Self::expired).
    pub(crate) fn soonest(&self) -> Option<Instant> {
        self.soonest
    }

    /// Lets go of memory that only a busier time needed.
    pub(crate) fn shrink(&mut self) {
        if self.len() == 0 {
            let count = self.count;
            *self = Self {
                count,
                ..Self::default()
            };
        }
    }
}

fn index(job: JobId) -> usize {
    (job.0 & ((1 << INDEX_BITS) - 1)) as usize
}

/// No end takes more calls at a time than slots can be told apart.
pub(crate) const MAX_RUNNING: usize = 1 << INDEX_BITS;

const INDEX_BITS: u32 = 24;
