use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};
use std::slice::Iter;
use std::sync::Arc;

use super::cache::Cache;
use super::tables::Snapshot;
use crate::kv::{Change, Entry, Record};

/// What readers see: the tables as of some batch, and what has changed since.
///
/// Taking many batches into the tables at once costs a third of taking each, for those that fall into
/// the same page change it together.
pub(super) struct Recent {
    snapshot: Arc<Snapshot>,
    /// What the tables don't have yet.
    unsettled: BTreeMap<String, Option<Record>>,
    /// Whether there is a record among them that expires.
    has_expiry: bool,
    /// What was read from the tables of late and has not changed.
    cache: Cache,
}

/// Where a record is to be found.
pub(super) enum Found {
    /// Here it is, or it is known that there is none.
    Here(Option<Record>),
    /// In the tables, if anywhere. The number is for [`Recent::keep`].
    InTables(Arc<Snapshot>, u64),
}

/// Records that are not in the tables yet, and those that are, as of the same moment.
pub(super) type View = (Vec<Change>, Arc<Snapshot>);

impl Recent {
    pub(super) fn new(snapshot: Snapshot, cache_len: usize) -> Self {
        Self {
            snapshot: Arc::new(snapshot),
            unsettled: BTreeMap::new(),
            has_expiry: false,
            cache: Cache::new(cache_len),
        }
    }

    /// Makes changes that the tables don't have yet; returns of how many keys there are such.
    pub(super) fn change(&mut self, changes: &[Change]) -> usize {
        self.cache.forget(changes);
        for Change { key, record } in changes {
            self.has_expiry |= record
                .as_ref()
                .is_some_and(|record| record.expires.is_some());
            self.unsettled.insert(key.clone(), record.clone());
        }
        self.unsettled.len()
    }

    /// Begins anew with tables that have all that was unsettled, and these changes.
    pub(super) fn settled(&mut self, snapshot: Snapshot, changes: &[Change]) {
        self.cache.forget(changes);
        self.unsettled.clear();
        self.has_expiry = false;
        self.snapshot = Arc::new(snapshot);
    }

    /// Keeps what was read from the tables.
    pub(super) fn keep(&mut self, key: &str, record: &Record, version: u64) {
        self.cache.keep(key, record, version);
    }

    pub(super) fn get(&mut self, key: &str) -> Found {
        if let Some(record) = self.cache.get(key) {
            return Found::Here(Some(record));
        }
        match self.unsettled.get(key) {
            Some(record) => Found::Here(record.clone()),
            None => Found::InTables(Arc::clone(&self.snapshot), self.cache.version()),
        }
    }

    /// Returns what there is from some key on. Copies no values.
    pub(super) fn view(&self, from: Bound<&str>) -> View {
        let unsettled = self.unsettled.range::<str, _>((from, Bound::Unbounded));
        let change = |(key, record): (&String, &Option<Record>)| Change {
            key: key.clone(),
            record: record.clone(),
        };
        (unsettled.map(change).collect(), Arc::clone(&self.snapshot))
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// Whether the expiries in the tables may be out of date, given whether there are any.
    pub(super) fn may_change_expiries(&self, are_some_in_tables: bool) -> bool {
        !self.unsettled.is_empty() && (self.has_expiry || are_some_in_tables)
    }
}

/// Shows records of the tables and unsettled ones in the order of their keys.
pub(super) struct Merge<'a> {
    unsettled: Peekable<Iter<'a, Change>>,
    visit: &'a mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        unsettled: &'a [Change],
        visit: &'a mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Self {
        let unsettled = unsettled.iter().peekable();
        Self { unsettled, visit }
    }

    /// Shows what comes before a record of the tables, and that one unless it has changed.
    pub(super) fn next(&mut self, entry: Entry<'_>) -> ControlFlow<()> {
        let is_due = |change: &&Change| change.key.as_str() <= entry.key;
        while let Some(change) = self.unsettled.next_if(is_due) {
            self.show(change)?;
            if change.key == entry.key {
                return ControlFlow::Continue(());
            }
        }
        (self.visit)(entry)
    }

    /// Shows what comes after the last record of the tables.
    pub(super) fn finish(mut self) -> ControlFlow<()> {
        while let Some(change) = self.unsettled.next() {
            self.show(change)?;
        }
        ControlFlow::Continue(())
    }

    fn show(&mut self, change: &Change) -> ControlFlow<()> {
        match &change.record {
            Some(record) => (self.visit)(record.entry(&change.key)),
            None => ControlFlow::Continue(()),
        }
    }
}
