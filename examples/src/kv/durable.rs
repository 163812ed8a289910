use std::fmt;
use std::fs;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::{Change, Entry, Error, Record, Size, Storage, backup};

mod cache;
mod journal;
mod recent;
mod tables;

use journal::Journal;
use recent::{Found, Merge, Recent};
use tables::Commit;

pub(super) use tables::Tables;

/// A storage on disk.
///
/// # How it works
///
/// A directory holds two files. `store.redb` has the records in the tables of a [redb](redb) database,
/// `journal` the batches that came since those were last synced.
///
/// ```text
///                   1. written and synced           3. now and then: synced
///  batch of changes ─────────────────────► journal ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┐
///         │                                                                ▼
///         └─────────────────────────────────────────────────────────► store.redb
///                   2. visible to readers: in memory, then in the tables
/// ```
///
/// The journal is short, of a fixed length, and written in sequence, so that a sync of it is as cheap as
/// a sync can be. When it is full the tables are synced instead, and it begins anew; that takes the
/// longer the more records have changed, which is what the slowest writes wait for: 0.35 s were
/// measured with 800,000 keys, and 0.7 s on a busy machine. Opened after a crash,
/// the tables are as they were last synced, and the journal is applied.
///
/// # Damage
///
/// Opening reads all of `store.redb` and checks the checksum of every page, and that of every batch in
/// the journal. From then on each record is checked by a CRC32 of its own whenever it is read from the
/// file, for redb does not look at its checksums again; an inner page that is damaged while the storage
/// is open can still hide records until it is opened the next time. When damage is found in an open file
/// nothing more is written to it. (If it is in what redb keeps for itself, redb may find it while it
/// commits and end the process. What was acknowledged is on disk, and opening it reports the damage.)
///
/// One thing can't be told apart after a crash. If the journal is damaged from some batch on up to its
/// end, that looks like the batch that was being written when the system went down, and is dropped.
/// Damage with a whole batch behind it is reported, and so is any to a file that was closed properly.
///
/// The file takes up to about five times as much room as the records: pages are never written where they
/// lie, and it grows by doubling.
pub struct Durable {
    /// Given up before the tables are, which whoever opens the storage next needs first.
    journal: Mutex<Journal>,
    journal_len: u64,
    tables: Tables,
    recent: Mutex<Recent>,
    /// Whether something could not be written, or is being written.
    is_uncertain: AtomicBool,
}

/// How a [`Durable`] storage keeps what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurableOptions {
    /// What a batch survives. [`Durability::Disk`] by default.
    pub durability: Durability,
    /// Bytes of memory for what was read or is to be written: a quarter for records, the rest for pages
    /// of the tables. 256 MiB by default.
    pub cache_len: usize,
    /// Bytes of the journal. The longer it is, the less often the tables are synced, and the longer it
    /// takes to apply it after a crash; it never takes more than 32,768 changes. 8 MiB by default.
    pub journal_len: usize,
}

/// What a batch of changes survives once it was applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Everything that the disk survives: the end of the process, of the system, and of the power. Each
    /// batch is synced (`fdatasync`).
    #[default]
    Disk,
    /// The end of the process, however it comes. Each batch has been handed to the system, which writes
    /// it when it likes. If the system goes down or the power does, the batches since the tables were
    /// last synced may be lost, all from some batch on; those before are whole.
    System,
}

impl Default for DurableOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            cache_len: 256 << 20,
            journal_len: 8 << 20,
        }
    }
}

const TABLES_NAME: &str = "store.redb";
const JOURNAL_NAME: &str = "journal";

/// How many keys may have changed that the tables don't have yet: what copying them for a scan, and
/// taking them all into the tables, may cost.
const MAX_UNSETTLED: usize = 2048;

impl Durable {
    /// Opens the storage in this directory, which is made if there is none.
    ///
    /// All of it is read and checked, and after a crash the journal is applied: measured with 100 MiB of
    /// records on two cores, 0.4 to 0.7 s, and 1 to 2.7 s where others kept both busy.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::Damaged`], [`Error::Foreign`] and [`Error::Io`].
    pub fn open(directory: impl AsRef<Path>, options: &DurableOptions) -> Result<Self, Error> {
        let directory = directory.as_ref();
        make_directory(directory)?;
        let tables = directory.join(TABLES_NAME);
        let journal = directory.join(JOURNAL_NAME);
        if !exists(&tables)? {
            if exists(&journal)? {
                let what = format!("there is no {TABLES_NAME} beside it");
                return Err(Error::damaged(journal, what));
            }
            match backup::write(&tables, &mut |_| Ok(())) {
                // Someone else was faster.
                Ok(()) | Err(Error::Exists { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let tables = open_file(&tables, false)?;
        let journal = open_file(&journal, true)?;
        sync_directory(directory)?;
        Self::with_backends(directory, tables, journal, options)
    }

    /// Opens the storage in something else than two files, which is what its tests need: the tables, as
    /// they are in a file that was made by a backup, say, and the journal, which may be empty at first.
    /// The directory is for the errors.
    ///
    /// # Errors
    ///
    /// The same as for [`open`](Self::open).
    pub fn with_backends(
        directory: impl AsRef<Path>,
        tables: impl StorageBackend,
        journal: impl StorageBackend,
        options: &DurableOptions,
    ) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let path = directory.join(JOURNAL_NAME);
        let cache_len = options.cache_len / 4;
        let pages_len = options.cache_len - cache_len;
        let tables = Tables::open(tables, directory.join(TABLES_NAME), pages_len)?;
        if let Some(mark) = tables.mark()? {
            let changes = Journal::recover(&journal, &path, mark)?;
            tables.apply(&changes, Commit::Synced(None))?;
        }
        let is_synced = options.durability == Durability::Disk;
        let journal = Journal::begin(Box::new(journal), path, is_synced, options.journal_len)?;
        tables.apply(&[], Commit::Synced(Some(journal.mark())))?;
        Ok(Self {
            recent: Mutex::new(Recent::new(tables.snapshot()?, cache_len)),
            tables,
            journal_len: journal.len(),
            journal: Mutex::new(journal),
            is_uncertain: AtomicBool::new(false),
        })
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes into the tables what they don't have yet, and these changes, while others read. The caller
    /// holds the journal.
    fn settle(&self, changes: &[Change], commit: Commit) -> Result<(), Error> {
        let (mut unsettled, _) = self.recent().view(Bound::Unbounded);
        unsettled.extend_from_slice(changes);
        self.tables.apply(&unsettled, commit)?;
        let snapshot = self.tables.snapshot()?;
        self.recent().settled(snapshot, changes);
        Ok(())
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable")
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

/// Syncs everything, unless a batch failed: the journal has what was acknowledged.
impl Drop for Durable {
    fn drop(&mut self) {
        if !self.is_uncertain.load(Relaxed) {
            // If this fails, the journal has it all.
            let _ = self.settle(&[], Commit::Synced(None));
        }
    }
}

impl Storage for Durable {
    fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        let found = self.recent().get(key);
        let (snapshot, version) = match found {
            Found::Here(record) => return Ok(record),
            Found::InTables(snapshot, version) => (snapshot, version),
        };
        let record = self.tables.get(&snapshot, key)?;
        if let Some(record) = &record {
            self.recent().keep(key, record, version);
        }
        Ok(record)
    }

    fn scan(
        &self,
        from: Bound<&str>,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (unsettled, snapshot) = self.recent().view(from);
        let mut merge = Merge::new(&unsettled, visit);
        let mut flow = ControlFlow::Continue(());
        self.tables.scan(&snapshot, from, &mut |entry| {
            flow = merge.next(entry);
            flow
        })?;
        if flow.is_continue() {
            let _all_seen = merge.finish();
        }
        Ok(())
    }

    /// Waits for a batch that is being applied, if any record expires.
    fn first_to_expire(&self, limit: usize) -> Result<Vec<(u64, String)>, Error> {
        let snapshot = self.recent().snapshot();
        let first = self.tables.first_to_expire(&snapshot, limit)?;
        if !self.recent().may_change_expiries(!first.is_empty()) {
            return Ok(first);
        }
        let _journal = self.journal();
        self.settle(&[], Commit::Later)?;
        let snapshot = self.recent().snapshot();
        self.tables.first_to_expire(&snapshot, limit)
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Error> {
        self.is_uncertain.store(true, Relaxed);
        let mut journal = self.journal();
        if journal.append(changes)? {
            if self.recent().change(changes) > MAX_UNSETTLED {
                self.settle(&[], Commit::Later)?;
            }
        } else {
            let mark = journal.mark();
            self.settle(changes, Commit::Synced(Some(mark)))?;
            journal.begin_round();
        }
        self.is_uncertain.store(false, Relaxed);
        Ok(())
    }

    fn backup(&self, path: &Path) -> Result<(), Error> {
        backup::write(path, &mut |sink| {
            let mut outcome = Ok(());
            self.scan(Bound::Unbounded, &mut |entry| {
                outcome = sink(entry);
                match outcome {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })?;
            outcome
        })
    }

    fn size(&self) -> Result<Size, Error> {
        let (unsettled, snapshot) = self.recent().view(Bound::Unbounded);
        let mut keys = self.tables.len(&snapshot)?;
        for Change { key, record } in unsettled {
            let was = self.tables.get(&snapshot, &key)?.is_some();
            keys = keys + u64::from(record.is_some()) - u64::from(was);
        }
        Ok(Size {
            keys,
            bytes_on_disk: self.tables.bytes_on_disk() + self.journal_len,
        })
    }
}

/// Makes a directory whose name is on disk.
fn make_directory(directory: &Path) -> Result<(), Error> {
    match fs::create_dir(directory) {
        Ok(()) => sync_directory(backup::directory_of(directory)),
        Err(_) if directory.is_dir() => Ok(()),
        Err(error) => Err(Error::io(directory, error)),
    }
}

fn sync_directory(directory: &Path) -> Result<(), Error> {
    let synced = fs::File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| Error::io(directory, error))
}

fn exists(path: &Path) -> Result<bool, Error> {
    fs::exists(path).map_err(|error| Error::io(path, error))
}

/// Opens a file and locks it.
fn open_file(path: &Path, create: bool) -> Result<FileBackend, Error> {
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(true).create(create).open(path);
    let file = file.map_err(|error| Error::io(path, error))?;
    FileBackend::new(file).map_err(|error| tables::wrong(path, error))
}
