//! The queue of writes and the thread that commits them.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::written::Reply;
use super::{Change, Error, Limits, Record, Storage};

/// How many expired records a batch removes: more would hold up the writes behind it.
const MAX_EXPIRED: usize = 1000;

/// The clock may be set at any time, so it is looked at now and then.
const MAX_REST: Duration = Duration::from_secs(10);

/// What a write is to do with its key.
pub(super) enum Action {
    Set(Record),
    Delete,
    CompareAndSet {
        expected: Option<Bytes>,
        new: Option<Record>,
    },
    Expire(Option<u64>),
}

/// What the store and its commit thread share.
pub(super) struct Shared {
    pub(super) storage: Box<dyn Storage>,
    pub(super) limits: Limits,
    /// Milliseconds since 1970.
    pub(super) now: Box<dyn Fn() -> u64 + Send + Sync>,
    pub(super) opened: Instant,
    pub(super) counters: Counters,
    queue: Mutex<Queue>,
    bell: Condvar,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) expired: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Write>,
    /// Bytes of the keys and values that wait.
    len: usize,
    /// Why no more is taken.
    end: Option<Error>,
}

struct Write {
    key: String,
    action: Action,
    reply: Reply,
}

impl Shared {
    pub(super) fn new(
        storage: Box<dyn Storage>,
        limits: Limits,
        now: Box<dyn Fn() -> u64 + Send + Sync>,
    ) -> Self {
        Self {
            storage,
            limits,
            now,
            opened: Instant::now(),
            counters: Counters::default(),
            queue: Mutex::default(),
            bell: Condvar::new(),
        }
    }

    /// Whether a record with this time of expiry is no more.
    pub(super) fn is_over(&self, expires: Option<u64>) -> bool {
        expires.is_some_and(|at| at <= (self.now)())
    }

    /// Returns how many writes wait, and whether no more are taken because one failed.
    pub(super) fn waiting(&self) -> (usize, bool) {
        let queue = self.lock();
        let is_stopped = matches!(queue.end, Some(Error::Stopped(_)));
        (queue.waiting.len(), is_stopped)
    }

    pub(super) fn enqueue(&self, key: String, action: Action, reply: Reply) {
        let mut queue = self.lock();
        let len = queue.len.saturating_add(key.len() + action.len());
        if let Some(why) = &queue.end {
            let why = why.clone();
            drop(queue);
            return reply.answer(Err(why));
        }
        let (waiting, bytes) = (queue.waiting.len(), queue.len);
        if waiting >= self.limits.max_waiting || (waiting > 0 && len > self.limits.max_waiting_len)
        {
            drop(queue);
            return reply.answer(Err(Error::Busy { waiting, bytes }));
        }
        queue.len = len;
        queue.waiting.push(Write { key, action, reply });
        drop(queue);
        if waiting == 0 {
            self.bell.notify_one();
        }
    }

    /// Takes no more writes; those that wait are done.
    pub(super) fn close(&self) {
        self.lock().end.get_or_insert(Error::Closed);
        self.bell.notify_one();
    }

    /// Commits until the store is closed and nothing waits any more, or until a commit fails.
    pub(super) fn run(&self) {
        let _end = CloseOnPanic(self);
        loop {
            let expiry = match self.storage.first_to_expire(1) {
                Ok(first) => first.first().map(|(at, _)| *at),
                Err(error) => return self.stop(Vec::new(), error),
            };
            let Some(writes) = self.take(expiry) else {
                return;
            };
            if let Err((writes, error)) = self.commit(writes, expiry) {
                return self.stop(writes, error);
            }
        }
    }

    /// Waits for writes or for the time at which a record expires. `None` when all is done.
    fn take(&self, expiry: Option<u64>) -> Option<Vec<Write>> {
        let mut queue = self.lock();
        while queue.waiting.is_empty() {
            if queue.end.is_some() {
                return None;
            }
            let rest = expiry.map_or(MAX_REST, |at| {
                Duration::from_millis(at.saturating_sub((self.now)())).min(MAX_REST)
            });
            if rest.is_zero() {
                break;
            }
            let woken = self.bell.wait_timeout(queue, rest);
            queue = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.len = 0;
        Some(std::mem::take(&mut queue.waiting))
    }

    /// Decides the writes, has the changes stored, and answers.
    fn commit(&self, writes: Vec<Write>, expiry: Option<u64>) -> Result<(), (Vec<Write>, Error)> {
        let mut batch = Batch::new(&*self.storage, (self.now)());
        let expired = match batch.remove_expired(expiry) {
            Ok(expired) => expired,
            Err(error) => return Err((writes, error)),
        };
        // A record that can't be read spoils the write that asks for it.
        let answers: Vec<_> = writes.iter().map(|write| batch.decide(write)).collect();
        if !batch.changes.is_empty() {
            if let Err(error) = self.storage.apply(&batch.changes) {
                return Err((writes, error));
            }
            self.counters.commits.fetch_add(1, Relaxed);
        }
        self.counters.expired.fetch_add(expired, Relaxed);
        let count = writes.len() as u64;
        self.counters.writes.fetch_add(count, Relaxed);
        for (write, answer) in writes.into_iter().zip(answers) {
            write.reply.answer(answer);
        }
        Ok(())
    }

    /// Takes no more writes for good, and says so to those that were not done.
    fn stop(&self, writes: Vec<Write>, why: Error) {
        let why = Error::Stopped(Arc::new(why));
        let waiting = {
            let mut queue = self.lock();
            queue.end = Some(why.clone());
            std::mem::take(&mut queue.waiting)
        };
        for write in writes.into_iter().chain(waiting) {
            write.reply.answer(Err(why.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Action {
    fn len(&self) -> usize {
        let record_len = |record: &Record| record.value.len();
        match self {
            Self::Set(record) => record_len(record),
            Self::CompareAndSet { expected, new } => {
                expected.as_ref().map_or(0, Bytes::len) + new.as_ref().map_or(0, record_len)
            }
            Self::Delete | Self::Expire(_) => 0,
        }
    }
}

/// What a batch of writes comes to: each sees what those before it have changed.
struct Batch<'a> {
    storage: &'a dyn Storage,
    now: u64,
    changes: Vec<Change>,
    /// Where the last change of a key is.
    changed: HashMap<String, usize>,
}

impl<'a> Batch<'a> {
    fn new(storage: &'a dyn Storage, now: u64) -> Self {
        Self {
            storage,
            now,
            changes: Vec::new(),
            changed: HashMap::new(),
        }
    }

    fn remove_expired(&mut self, expiry: Option<u64>) -> Result<u64, Error> {
        if expiry.is_none_or(|at| at > self.now) {
            return Ok(0);
        }
        let mut count = 0;
        for (at, key) in self.storage.first_to_expire(MAX_EXPIRED)? {
            if at <= self.now {
                self.change(key, None);
                count += 1;
            }
        }
        Ok(count)
    }

    fn decide(&mut self, write: &Write) -> Result<bool, Error> {
        let key = &write.key;
        let record = match &write.action {
            Action::Set(record) => Some(record.clone()),
            Action::Delete => match self.current(key)? {
                Some(_) => None,
                None => return Ok(false),
            },
            Action::CompareAndSet { expected, new } => {
                let current = self.current(key)?.map(|record| record.value);
                if current != *expected {
                    return Ok(false);
                }
                if current.is_none() && new.is_none() {
                    return Ok(true);
                }
                new.clone()
            }
            Action::Expire(expires) => match self.current(key)? {
                Some(record) => Some(Record {
                    expires: *expires,
                    ..record
                }),
                None => return Ok(false),
            },
        };
        self.change(key.clone(), record);
        Ok(true)
    }

    fn current(&self, key: &str) -> Result<Option<Record>, Error> {
        let record = match self.changed.get(key) {
            Some(&at) => self.changes[at].record.clone(),
            None => self.storage.get(key)?,
        };
        Ok(record.filter(|record| record.expires.is_none_or(|at| at > self.now)))
    }

    /// Of several changes to a key only the last one is stored.
    fn change(&mut self, key: String, record: Option<Record>) {
        match self.changed.get(&key) {
            Some(&at) => self.changes[at].record = record,
            None => {
                self.changed.insert(key.clone(), self.changes.len());
                self.changes.push(Change { key, record });
            }
        }
    }
}

/// A commit thread that ended by a panic must not leave anybody waiting.
struct CloseOnPanic<'a>(&'a Shared);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(Vec::new(), Error::Closed);
        }
    }
}
