use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::commit::{Action, Shared};
use super::{Entry, Error, Record, Size, Storage, Written};

/// Keys and values with a time to live, over any [`Storage`]; the [module](super) says how.
///
/// Every method may be called from any thread. Dropping the store writes all that waits and closes the
/// storage, which takes as long as the disk does.
pub struct Store {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What a [`Store`] takes and gives at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a key; at least one is needed. 1 KiB by default.
    pub max_key_len: usize,
    /// Bytes of a value. 4 MiB by default.
    pub max_value_len: usize,
    /// Writes that may wait for the disk. 16,384 by default.
    pub max_waiting: usize,
    /// Bytes of the keys and values in them. 64 MiB by default.
    pub max_waiting_len: usize,
    /// Bytes of the keys and values in a [`Page`]; the first entry is given even so. 1 MiB by default.
    pub max_page_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_key_len: 1 << 10,
            max_value_len: 4 << 20,
            max_waiting: 16_384,
            max_waiting_len: 64 << 20,
            max_page_len: 1 << 20,
        }
    }
}

/// Some of the entries that were asked for, in the order of the bytes of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// Whether more follow: ask again for those after the last key of this page.
    pub more: bool,
}

/// What a store has done since it was opened, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// What the storage holds.
    pub size: Size,
    /// Time since the store was opened.
    pub uptime: Duration,
    /// Batches committed.
    pub commits: u64,
    /// Writes decided in them, whether or not they changed anything.
    pub writes: u64,
    /// Records removed because their time was over.
    pub expired: u64,
    /// Writes that wait now.
    pub waiting: usize,
    /// Whether a write failed, so that no more are taken.
    pub is_stopped: bool,
}

impl Statistics {
    /// Returns how many writes shared a commit, on average.
    #[must_use]
    pub fn mean_batch(&self) -> f64 {
        self.writes as f64 / self.commits.max(1) as f64
    }
}

impl Store {
    /// Opens a store over this storage and starts its commit thread.
    #[must_use]
    pub fn new(storage: impl Storage, limits: Limits) -> Self {
        Self::with_clock(storage, limits, SystemTime::now)
    }

    /// The same with another clock than the system's: what times to live are counted from.
    ///
    /// The clock may jump. A record is invisible while its time is over, and gone once it was removed.
    #[must_use]
    pub fn with_clock(
        storage: impl Storage,
        limits: Limits,
        clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        let now = move || millis(clock());
        let shared = Arc::new(Shared::new(Box::new(storage), limits, Box::new(now)));
        let committing = Arc::clone(&shared);
        let thread = std::thread::spawn(move || committing.run());
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Returns the value of a key. A value is not copied if the storage has it in memory.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] and [`Error::Io`]; a value that can't be trusted is never given.
    pub fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.record(key)?.map(|record| record.value))
    }

    /// Returns whether there is such a key.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get).
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.record(key)?.is_some())
    }

    /// Returns how long the key is going to live: `None` if there is no such key, `Some(None)` if it
    /// lives until it is deleted.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get).
    pub fn ttl(&self, key: &str) -> Result<Option<Option<Duration>>, Error> {
        let left = |at: u64| Duration::from_millis(at.saturating_sub((self.shared.now)()));
        Ok(self.record(key)?.map(|record| record.expires.map(left)))
    }

    /// Returns up to `limit` keys that begin with `prefix` and come after the key `after`.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get).
    pub fn keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, Error> {
        self.page(prefix, after, limit, |entry| {
            (entry.key.to_owned(), entry.key.len())
        })
    }

    /// The same as [`keys`](Self::keys) with the values.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get).
    pub fn items(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<(String, Bytes)>, Error> {
        self.page(prefix, after, limit, |entry| {
            let item = (entry.key.to_owned(), entry.to_record().value);
            (item, entry.key.len() + entry.value.len())
        })
    }

    /// Returns how many keys begin with `prefix`. Looks at each of them.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get).
    pub fn count(&self, prefix: &str) -> Result<u64, Error> {
        let mut count = 0;
        self.scan(prefix, None, |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// Sets the value of a key, for as long as `ttl` says or until it is deleted; whatever the key was
    /// before, its time to live included, is no more.
    ///
    /// # Errors
    ///
    /// The write gives [`Error::KeyLength`], [`Error::ValueTooLong`] and [`Error::TimeToLive`] if it is
    /// not to be had, [`Error::Busy`] if too many wait, [`Error::Stopped`] if this or one before failed.
    pub fn set(&self, key: &str, value: impl Into<Bytes>, ttl: Option<Duration>) -> Written<()> {
        let record = self.new_record(key, value.into(), ttl);
        self.write(key, record.map(Action::Set), |_| ())
    }

    /// Removes a key; says whether there was one.
    ///
    /// # Errors
    ///
    /// The same as for [`set`](Self::set).
    pub fn delete(&self, key: &str) -> Written<bool> {
        self.write(key, self.check_key(key).map(|()| Action::Delete), |was| was)
    }

    /// If the key has the value `expected` (`None`: if there is no such key), sets it to `new` as
    /// [`set`](Self::set) does (`None`: removes it). Says whether it was so.
    ///
    /// # Errors
    ///
    /// The same as for [`set`](Self::set).
    pub fn compare_and_set(
        &self,
        key: &str,
        expected: Option<Bytes>,
        new: Option<Bytes>,
        ttl: Option<Duration>,
    ) -> Written<bool> {
        let new = match new {
            Some(value) => self.new_record(key, value, ttl).map(Some),
            None => self.check_key(key).map(|()| None),
        };
        let action = new.map(|new| Action::CompareAndSet { expected, new });
        self.write(key, action, |was| was)
    }

    /// Gives a key a time to live from now on; says whether there is such a key.
    ///
    /// # Errors
    ///
    /// The same as for [`set`](Self::set).
    pub fn expire(&self, key: &str, ttl: Duration) -> Written<bool> {
        let at = self.check_key(key).and_then(|()| self.expiry(ttl));
        self.write(key, at.map(|at| Action::Expire(Some(at))), |was| was)
    }

    /// Lets a key live until it is deleted; says whether there is such a key.
    ///
    /// # Errors
    ///
    /// The same as for [`set`](Self::set).
    pub fn persist(&self, key: &str) -> Written<bool> {
        let action = self.check_key(key).map(|()| Action::Expire(None));
        self.write(key, action, |was| was)
    }

    /// Writes a consistent copy of everything into a new file, while others read and write. Blocks until
    /// the copy is on disk.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is such a file, [`Error::Io`] if it can't be written, and what can
    /// happen to [`get`](Self::get).
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.shared.storage.backup(path.as_ref())
    }

    /// Returns what the store has done and what it holds.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get).
    pub fn statistics(&self) -> Result<Statistics, Error> {
        let counters = &self.shared.counters;
        let (waiting, is_stopped) = self.shared.waiting();
        Ok(Statistics {
            size: self.shared.storage.size()?,
            uptime: Instant::now().duration_since(self.shared.opened),
            commits: counters.commits.load(Relaxed),
            writes: counters.writes.load(Relaxed),
            expired: counters.expired.load(Relaxed),
            waiting,
            is_stopped,
        })
    }

    fn write<T>(
        &self,
        key: &str,
        action: Result<Action, Error>,
        as_answer: fn(bool) -> T,
    ) -> Written<T> {
        let action = match action {
            Ok(action) => action,
            Err(error) => return Written::failed(as_answer, error),
        };
        let (written, reply) = Written::new(as_answer);
        self.shared.enqueue(key.to_owned(), action, reply);
        written
    }

    fn record(&self, key: &str) -> Result<Option<Record>, Error> {
        let record = self.shared.storage.get(key)?;
        Ok(record.filter(|record| !self.shared.is_over(record.expires)))
    }

    fn page<T>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        take: impl Fn(Entry<'_>) -> (T, usize),
    ) -> Result<Page<T>, Error> {
        let mut page = Page {
            entries: Vec::new(),
            more: false,
        };
        let mut len = 0;
        self.scan(prefix, after, |entry| {
            let (item, item_len) = take(entry);
            len += item_len;
            let is_full = page.entries.len() >= limit || len > self.shared.limits.max_page_len;
            if is_full && (limit == 0 || !page.entries.is_empty()) {
                page.more = true;
                return ControlFlow::Break(());
            }
            page.entries.push(item);
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        mut visit: impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.shared.storage.scan(from, &mut |entry| {
            if !entry.key.starts_with(prefix) {
                return ControlFlow::Break(());
            }
            if self.shared.is_over(entry.expires) {
                return ControlFlow::Continue(());
            }
            visit(entry)
        })
    }

    fn new_record(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<Record, Error> {
        self.check_key(key)?;
        let max_value_len = self.shared.limits.max_value_len;
        if value.len() > max_value_len {
            let len = value.len();
            return Err(Error::ValueTooLong { len, max_value_len });
        }
        let expires = ttl.map(|ttl| self.expiry(ttl)).transpose()?;
        Ok(Record { value, expires })
    }

    fn check_key(&self, key: &str) -> Result<(), Error> {
        let (len, max_key_len) = (key.len(), self.shared.limits.max_key_len);
        if len == 0 || len > max_key_len {
            return Err(Error::KeyLength { len, max_key_len });
        }
        Ok(())
    }

    fn expiry(&self, ttl: Duration) -> Result<u64, Error> {
        let at = u64::try_from(ttl.as_millis())
            .ok()
            .filter(|&millis| millis > 0)
            .and_then(|millis| (self.shared.now)().checked_add(millis));
        at.ok_or(Error::TimeToLive(ttl))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // A panic in it has been seen: every write since has been refused.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
