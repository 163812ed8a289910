//! The tables in the file, by way of redb.

use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, StorageBackend, Table, TableDefinition, WriteTransaction,
};

use super::journal::Mark;
use crate::kv::backup::Source;
use crate::kv::{Change, Entry, Error, Record};

/// Keys and records, see [`Entry::encode`].
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// The records with a time of expiry: that time, 8 bytes big-endian, and the key.
const EXPIRIES: TableDefinition<'_, &[u8], ()> = TableDefinition::new("expiries");

/// What the file is, and while it is open the [`Mark`]: epoch and sequence, 8 bytes each.
const ABOUT: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("about");
const FORMAT: &[u8] = b"format";
const FORMAT_1: &[u8] = b"netblocks kv 1";
const MARK: &[u8] = b"journal";

/// An open file.
pub(in crate::kv) struct Tables {
    path: PathBuf,
    database: Arc<Database>,
    /// Whether damage was found since the file was opened: then nothing more is written.
    is_damaged: AtomicBool,
}

/// The tables as of some commit.
pub(super) struct Snapshot {
    records: ReadOnlyTable<&'static [u8], &'static [u8]>,
    expiries: ReadOnlyTable<&'static [u8], ()>,
}

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Commit {
    /// It is on disk after the next one that is synced.
    Later,
    /// It is on disk, with all before it, and so is this mark, or none.
    ///
    /// With one phase a commit that does not have its checksums when the file is opened is taken for
    /// one that was not finished. With two it is known to be finished, so damage is known as such.
    Synced(Option<Mark>),
}

impl Tables {
    /// Makes an empty file one with these records.
    pub(in crate::kv) fn create(path: &Path, source: &mut Source<'_>) -> Result<(), Error> {
        let wrong = |error: redb::Error| wrong(path, error);
        let database = Builder::new().create(path);
        let database = database.map_err(|error| wrong(error.into()))?;
        let mut transaction = database
            .begin_write()
            .map_err(|error| wrong(error.into()))?;
        transaction.set_two_phase_commit(true);
        {
            let about = transaction.open_table(ABOUT);
            let mut about = about.map_err(|error| wrong(error.into()))?;
            let inserted = about.insert(FORMAT, FORMAT_1);
            inserted.map_err(|error| wrong(error.into()))?;
            let mut writer = Writer::new(&transaction).map_err(wrong)?;
            source(&mut |entry| writer.insert(entry).map_err(wrong))?;
        }
        transaction.commit().map_err(|error| wrong(error.into()))
    }

    pub(in crate::kv) fn open(
        backend: impl StorageBackend,
        path: PathBuf,
        cache_len: usize,
    ) -> Result<Self, Error> {
        let database = contain(&path, || {
            let len = backend.len().map_err(|error| Error::io(&path, error))?;
            if len == 0 {
                return Err(Error::damaged(&path, "it is empty"));
            }
            let database = Builder::new()
                .set_cache_size(cache_len)
                .set_check_integrity_on_open(true)
                .create_with_backend(backend)
                .map_err(|error| match error {
                    redb::DatabaseError::DatabaseAlreadyOpen => Error::InUse { path: path.clone() },
                    error => wrong(&path, error),
                })?;
            Snapshot::new(&path, &database)?;
            Ok(database)
        })?;
        Ok(Self {
            path,
            database: Arc::new(database),
            is_damaged: AtomicBool::new(false),
        })
    }

    /// Returns what was applied so far, for readers.
    pub(super) fn snapshot(&self) -> Result<Snapshot, Error> {
        self.contain(|| Snapshot::new(&self.path, &self.database))
    }

    pub(super) fn get(&self, snapshot: &Snapshot, key: &str) -> Result<Option<Record>, Error> {
        self.contain(|| {
            let stored = snapshot.records.get(key.as_bytes());
            match stored.map_err(|error| wrong(&self.path, error))? {
                Some(stored) => Ok(Some(
                    self.entry(key.as_bytes(), stored.value())?.to_record(),
                )),
                None => Ok(None),
            }
        })
    }

    pub(super) fn scan(
        &self,
        snapshot: &Snapshot,
        from: Bound<&str>,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.contain(|| {
            let from = from.map(str::as_bytes);
            let records = snapshot.records.range::<&[u8]>((from, Bound::Unbounded));
            for record in records.map_err(|error| wrong(&self.path, error))? {
                let (key, stored) = record.map_err(|error| wrong(&self.path, error))?;
                if visit(self.entry(key.value(), stored.value())?).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(super) fn first_to_expire(
        &self,
        snapshot: &Snapshot,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, Error> {
        self.contain(|| {
            let expiries = snapshot.expiries.iter();
            let expiries = expiries.map_err(|error| wrong(&self.path, error))?;
            let read = |expiry: Result<(redb::AccessGuard<'_, &[u8]>, _), redb::StorageError>| {
                let (expiry, _) = expiry.map_err(|error| wrong(&self.path, error))?;
                let split = expiry.value().split_first_chunk::<8>();
                let read = split.and_then(|(at, key)| {
                    Some((u64::from_be_bytes(*at), String::from_utf8(key.into()).ok()?))
                });
                read.ok_or_else(|| Error::damaged(&self.path, "a time of expiry is cut short"))
            };
            expiries.take(limit).map(read).collect()
        })
    }

    /// Returns how far this file goes, if it was not closed properly.
    pub(super) fn mark(&self) -> Result<Option<Mark>, Error> {
        self.contain(|| {
            let read = || -> Result<Option<Mark>, redb::Error> {
                let about = self.database.begin_read()?.open_table(ABOUT)?;
                let mark = about.get(MARK)?;
                Ok(mark.and_then(|mark| Mark::decode(mark.value())))
            };
            read().map_err(|error| wrong(&self.path, error))
        })
    }

    /// Makes the changes, not yet visible to readers.
    pub(super) fn apply(&self, changes: &[Change], commit: Commit) -> Result<(), Error> {
        if self.is_damaged.load(Relaxed) {
            let what = "nothing more is written since damage was found";
            return Err(Error::damaged(&self.path, what));
        }
        self.contain(|| {
            let write = || -> Result<(), redb::Error> {
                let mut transaction = self.database.begin_write()?;
                commit.prepare(&mut transaction)?;
                let mut writer = Writer::new(&transaction)?;
                for change in changes {
                    match &change.record {
                        Some(record) => writer.insert(record.entry(&change.key))?,
                        None => writer.remove(&change.key)?,
                    }
                }
                drop(writer);
                transaction.commit()?;
                Ok(())
            };
            write().map_err(|error| wrong(&self.path, error))
        })
    }

    pub(super) fn len(&self, snapshot: &Snapshot) -> Result<u64, Error> {
        self.contain(|| {
            let len = snapshot.records.len();
            len.map_err(|error| wrong(&self.path, error))
        })
    }

    pub(super) fn bytes_on_disk(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    fn contain<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let outcome = contain(&self.path, work);
        if matches!(outcome, Err(Error::Damaged { .. })) {
            self.is_damaged.store(true, Relaxed);
        }
        outcome
    }

    fn entry<'a>(&self, key: &'a [u8], stored: &'a [u8]) -> Result<Entry<'a>, Error> {
        Entry::decode(key, stored).map_err(|what| {
            let key = String::from_utf8_lossy(key);
            Error::damaged(&self.path, format_args!("{what} (key {key:?})"))
        })
    }
}

/// Closing the file writes to it, which is left alone if it is damaged: then it stays locked until the
/// process ends.
impl Drop for Tables {
    fn drop(&mut self) {
        if self.is_damaged.load(Relaxed) {
            std::mem::forget(Arc::clone(&self.database));
        }
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tables").field(&self.path).finish()
    }
}

impl Snapshot {
    fn new(path: &Path, database: &Database) -> Result<Self, Error> {
        let open = || -> Result<Option<Self>, redb::Error> {
            let transaction = database.begin_read()?;
            let about = transaction.open_table(ABOUT)?;
            let format = about.get(FORMAT)?;
            if format.is_none_or(|format| format.value() != FORMAT_1) {
                return Ok(None);
            }
            Ok(Some(Self {
                records: transaction.open_table(RECORDS)?,
                expiries: transaction.open_table(EXPIRIES)?,
            }))
        };
        let foreign = |what: &str| Error::Foreign {
            path: path.into(),
            what: what.into(),
        };
        match open() {
            Ok(Some(committed)) => Ok(committed),
            Ok(None) => Err(foreign("another format of a redb database")),
            Err(redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. }) => {
                Err(foreign("some other redb database"))
            }
            Err(error) => Err(wrong(path, error)),
        }
    }
}

impl Commit {
    fn prepare(self, transaction: &mut WriteTransaction) -> Result<(), redb::Error> {
        match self {
            // Immediate durability is what every transaction begins with.
            Self::Later => transaction.set_durability(Durability::None)?,
            Self::Synced(mark) => {
                transaction.set_two_phase_commit(true);
                let mut about = transaction.open_table(ABOUT)?;
                match mark {
                    Some(mark) => about.insert(MARK, &mark.encode()[..])?,
                    None => about.remove(MARK)?,
                };
            }
        }
        Ok(())
    }
}

impl Mark {
    fn encode(self) -> [u8; 16] {
        (u128::from(self.epoch) << 64 | u128::from(self.sequence)).to_be_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (epoch, sequence) = bytes.split_first_chunk()?;
        Some(Self {
            epoch: u64::from_be_bytes(*epoch),
            sequence: u64::from_be_bytes(sequence.try_into().ok()?),
        })
    }
}

/// The tables in a transaction.
struct Writer<'a> {
    records: Table<'a, &'static [u8], &'static [u8]>,
    expiries: Table<'a, &'static [u8], ()>,
    stored: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(transaction: &'a WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            records: transaction.open_table(RECORDS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            stored: Vec::new(),
        })
    }

    fn insert(&mut self, entry: Entry<'_>) -> Result<(), redb::Error> {
        entry.encode(&mut self.stored);
        let key = entry.key.as_bytes();
        let before = self.records.insert(key, &self.stored[..])?;
        let expired = before.and_then(|before| Entry::stored_expiry(before.value()));
        if expired != entry.expires {
            self.forget(expired, key)?;
            if let Some(at) = entry.expires {
                self.expiries.insert(&expiry_key(at, key)[..], ())?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), redb::Error> {
        let before = self.records.remove(key.as_bytes())?;
        let expired = before.and_then(|before| Entry::stored_expiry(before.value()));
        self.forget(expired, key.as_bytes())
    }

    fn forget(&mut self, expired: Option<u64>, key: &[u8]) -> Result<(), redb::Error> {
        if let Some(at) = expired {
            self.expiries.remove(&expiry_key(at, key)[..])?;
        }
        Ok(())
    }
}

fn expiry_key(at: u64, key: &[u8]) -> Vec<u8> {
    [&at.to_be_bytes()[..], key].concat()
}

/// What redb has to say, in our words.
pub(super) fn wrong(path: &Path, error: impl Into<redb::Error>) -> Error {
    match error.into() {
        // What is said of contents, not by the system.
        redb::Error::Io(error) if is_about_contents(&error) => Error::damaged(path, error),
        redb::Error::Io(error) => Error::io(path, error),
        redb::Error::DatabaseAlreadyOpen => Error::InUse { path: path.into() },
        error => Error::damaged(path, error),
    }
}

fn is_about_contents(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// Runs what reads or writes the file. A file that has been damaged since it was opened may lead redb
/// into a panic, which is reported as what it is.
fn contain<T>(path: &Path, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // What a panic leaves behind is a transaction that was not committed, or a read-only one.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let text: &dyn Display = text.as_ref().map_or(&"reading it failed", |text| text);
        Err(Error::damaged(path, text))
    })
}
