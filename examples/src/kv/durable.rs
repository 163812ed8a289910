use std::fs;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::{Change, Entry, Error, Record, Size, Storage, backup};

mod tables;

pub(super) use tables::Tables;

/// A storage on disk.
#[derive(Debug)]
pub struct Durable {
    tables: Tables,
}

/// How a [`Durable`] storage keeps what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurableOptions {
    /// What a batch survives. [`Durability::Disk`] by default.
    pub durability: Durability,
    /// Bytes of memory for what was read or is to be written. 64 MiB by default.
    pub cache_len: usize,
}

/// What a batch of changes survives once it was applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Everything that the disk survives: each batch is synced.
    #[default]
    Disk,
}

impl Default for DurableOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            cache_len: 64 << 20,
        }
    }
}

/// The file in the directory that is opened.
const FILE_NAME: &str = "store.redb";

impl Durable {
    /// Opens the storage in this directory, which is made if there is none, with a file `store.redb`.
    ///
    /// The whole file is read and checked, which takes about 0.2 s for 100 MiB.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::Damaged`], [`Error::Foreign`] and [`Error::Io`].
    pub fn open(directory: impl AsRef<Path>, options: &DurableOptions) -> Result<Self, Error> {
        let directory = directory.as_ref();
        make_directory(directory)?;
        let path = directory.join(FILE_NAME);
        if fs::symlink_metadata(&path).is_err() {
            match backup::write(&path, &mut |_| Ok(())) {
                // Someone else was faster.
                Ok(()) | Err(Error::Exists { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let file = fs::OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|error| Error::io(&path, error))?;
        let backend = FileBackend::new(file).map_err(|error| tables::wrong(&path, error))?;
        Self::with_backend(backend, path, options)
    }

    /// Opens the storage in something else than a file, which must hold one already: what its tests
    /// need. The path is for the errors.
    ///
    /// # Errors
    ///
    /// The same as for [`open`](Self::open).
    pub fn with_backend(
        backend: impl StorageBackend,
        path: impl Into<PathBuf>,
        options: &DurableOptions,
    ) -> Result<Self, Error> {
        let tables = Tables::open(backend, path.into(), options.cache_len)?;
        Ok(Self { tables })
    }
}

impl Storage for Durable {
    fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        self.tables.get(key)
    }

    fn scan(
        &self,
        from: Bound<&str>,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.tables.scan(from, visit)
    }

    fn first_to_expire(&self, limit: usize) -> Result<Vec<(u64, String)>, Error> {
        self.tables.first_to_expire(limit)
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Error> {
        self.tables.apply(changes)
    }

    fn backup(&self, path: &Path) -> Result<(), Error> {
        backup::write(path, &mut |sink| {
            let mut outcome = Ok(());
            self.tables.scan(Bound::Unbounded, &mut |entry| {
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
        Ok(Size {
            keys: self.tables.len()?,
            bytes_on_disk: self.tables.bytes_on_disk(),
        })
    }
}

/// Makes a directory whose name is on disk.
fn make_directory(directory: &Path) -> Result<(), Error> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = backup::directory_of(directory);
    let made = fs::create_dir(directory).and_then(|()| fs::File::open(parent)?.sync_all());
    made.map_err(|error| Error::io(directory, error))
}
