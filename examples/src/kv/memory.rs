use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::{Change, Entry, Error, Record, Size, Storage, backup};

/// A storage in memory: what it holds is gone with the process.
#[derive(Debug, Default)]
pub struct Memory {
    contents: RwLock<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    records: BTreeMap<String, Record>,
    expiries: BTreeSet<(u64, String)>,
}

impl Memory {
    /// A storage that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Memory {
    fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        Ok(self.read().records.get(key).cloned())
    }

    fn scan(
        &self,
        from: Bound<&str>,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let contents = self.read();
        let records = contents.records.range::<str, _>((from, Bound::Unbounded));
        for (key, record) in records {
            if visit(record.entry(key)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn first_to_expire(&self, limit: usize) -> Result<Vec<(u64, String)>, Error> {
        Ok(self.read().expiries.iter().take(limit).cloned().collect())
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Error> {
        let mut contents = self
            .contents
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            contents.apply(change.clone());
        }
        Ok(())
    }

    /// Holds up nobody: what is written are clones.
    fn backup(&self, path: &Path) -> Result<(), Error> {
        let records = self.read().records.clone();
        backup::write(path, &mut |sink| {
            for (key, record) in &records {
                sink(record.entry(key))?;
            }
            Ok(())
        })
    }

    fn size(&self) -> Result<Size, Error> {
        Ok(Size {
            keys: self.read().records.len() as u64,
            bytes_on_disk: 0,
        })
    }
}

impl Contents {
    fn apply(&mut self, Change { key, record }: Change) {
        let expires = record.as_ref().and_then(|record| record.expires);
        let before = match record {
            Some(record) => self.records.insert(key.clone(), record),
            None => self.records.remove(&key),
        };
        let expired = before.and_then(|before| before.expires);
        if expired == expires {
            return;
        }
        if let Some(at) = expired {
            self.expiries.remove(&(at, key.clone()));
        }
        if let Some(at) = expires {
            self.expiries.insert((at, key));
        }
    }
}
