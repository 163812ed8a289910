use std::collections::HashMap;

use crate::kv::{Change, Record};

/// Records that were read of late, for redb takes ten times as long to find one.
///
/// Those read since the generation began are in `recent`. When they fill half of the cache they become
/// the older ones, and those that were are forgotten.
#[derive(Debug)]
pub(super) struct Cache {
    recent: HashMap<String, Record>,
    older: HashMap<String, Record>,
    /// Bytes in `recent`, roughly.
    len: usize,
    max_len: usize,
    /// How often records have changed.
    version: u64,
}

/// What a record takes besides its key and its value.
const OVERHEAD: usize = 128;

impl Cache {
    pub(super) fn new(max_len: usize) -> Self {
        Self {
            recent: HashMap::new(),
            older: HashMap::new(),
            len: 0,
            max_len,
            version: 0,
        }
    }

    pub(super) fn get(&mut self, key: &str) -> Option<Record> {
        if let Some(record) = self.recent.get(key) {
            return Some(record.clone());
        }
        let (key, record) = self.older.remove_entry(key)?;
        self.insert(key, record.clone());
        Some(record)
    }

    /// What [`keep`](Self::keep) needs to know about the moment before a record was read.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Keeps what was read from the file, unless anything has changed since.
    pub(super) fn keep(&mut self, key: &str, record: &Record, version: u64) {
        if self.version == version {
            self.insert(key.to_owned(), record.clone());
        }
    }

    pub(super) fn forget(&mut self, changes: &[Change]) {
        self.version += 1;
        for Change { key, .. } in changes {
            if let Some((key, record)) = self.recent.remove_entry(key) {
                self.len -= len(&key, &record);
            } else {
                self.older.remove(key);
            }
        }
    }

    fn insert(&mut self, key: String, record: Record) {
        let len = len(&key, &record);
        if len > self.max_len / 64 {
            return;
        }
        if self.len + len > self.max_len / 2 {
            self.older = std::mem::take(&mut self.recent);
            self.len = 0;
        }
        // Two readers may have missed it at once.
        if self.recent.insert(key, record).is_none() {
            self.len += len;
        }
    }
}

fn len(key: &str, record: &Record) -> usize {
    key.len() + record.value.len() + OVERHEAD
}
