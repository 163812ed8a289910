//! The store of the KV server: keys and values that are on disk when a write is acknowledged.
//!
//! It knows nothing of servers: keys are text, values are bytes.
//!
//! ```
//! use std::time::Duration;
//!
//! use examples::kv::{Limits, Memory, Store};
//!
//! # fn main() -> Result<(), examples::kv::Error> {
//! let store = Store::new(Memory::new(), Limits::default());
//! store.set("colour", "green", None).wait()?;
//! store.set("session", "anna", Some(Duration::from_secs(60))).wait()?;
//!
//! assert_eq!(store.get("colour")?.as_deref(), Some(&b"green"[..]));
//! let (green, red) = (Some("green".into()), Some("red".into()));
//! assert!(store.compare_and_set("colour", green, red, None).wait()?);
//! assert!(store.delete("colour").wait()?);
//! assert_eq!(store.keys("", None, 10)?.entries, ["session"]);
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! ```text
//!  set, delete, compare_and_set ...           get, exists, keys, items ...
//!        │  a Written, done when the change is on disk       ▲
//!        ▼                                                   │ committed records only
//!  the queue ──► the commit thread: all that waits ──► Storage (Memory or Durable)
//!                is one batch, one sync
//! ```
//!
//! A write is put into a queue and returns a [`Written`] at once: a future, or something a thread waits
//! for. One thread takes whatever waits, decides it in order, hands all changes to the [`Storage`] as one
//! batch, and then answers them all. So many clients share one sync, and nobody is held up for the sake
//! of it. A read never waits for a write and sees what has been committed, which everything acknowledged is.
//!
//! When a batch can't be written the store stops taking writes for good, for nobody can tell what a
//! disk holds after a failed sync: this write and all later ones give [`Error::Stopped`], while reads go on.

mod backup;
mod commit;
mod durable;
mod error;
mod memory;
mod record;
mod store;
mod written;

use std::ops::{Bound, ControlFlow};
use std::path::Path;

use bytes::Bytes;

pub use durable::{Durability, Durable, DurableOptions};
pub use error::Error;
pub use memory::Memory;
pub use store::{Limits, Page, Statistics, Store};
pub use written::Written;

/// Where records are kept, in the order of the bytes of their keys.
///
/// Any number of threads may read while one applies changes. A read sees what has been applied, and
/// sees a batch as a whole or not at all.
pub trait Storage: Send + Sync + 'static {
    /// Returns the record of a key.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if it can't be trusted, [`Error::Io`] if it can't be read.
    fn get(&self, key: &str) -> Result<Option<Record>, Error>;

    /// Shows the records from a key on, all as of one moment, until `visit` has seen enough.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get), after what comes before the record in question.
    fn scan(
        &self,
        from: Bound<&str>,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// Returns the keys that expire first, up to `limit` of them, with the time at which they do.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get).
    fn first_to_expire(&self, limit: usize) -> Result<Vec<(u64, String)>, Error>;

    /// Applies all of these changes or none, in this order; they are kept as well as the storage
    /// promises when this returns. Only one thread does so at a time.
    ///
    /// # Errors
    ///
    /// Why they can't be kept; whether they were, is then unknown. Nothing more may be applied.
    fn apply(&self, changes: &[Change]) -> Result<(), Error>;

    /// Writes a consistent copy of everything into a new file, while others read and write. The copy is
    /// complete and on disk when this returns; it can be opened as the file of a [`Durable`] storage.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if there is such a file, [`Error::Io`] if it can't be written, and what can
    /// happen to [`get`](Self::get).
    fn backup(&self, path: &Path) -> Result<(), Error>;

    /// Returns how many records there are and how many bytes they take on disk, overhead included.
    ///
    /// # Errors
    ///
    /// The same as for [`get`](Self::get).
    fn size(&self) -> Result<Size, Error>;
}

/// What is kept for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The value; a clone is cheap.
    pub value: Bytes,
    /// When the record is no more, in milliseconds since 1970 in UTC.
    pub expires: Option<u64>,
}

/// A record that is shown where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: &'a [u8],
    /// When the record is no more, in milliseconds since 1970 in UTC.
    pub expires: Option<u64>,
}

/// What is to become of a key: this record, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its record from now on.
    pub record: Option<Record>,
}

/// How much a storage holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Records, those included that have expired but were not removed yet.
    pub keys: u64,
    /// Bytes of the files on disk.
    pub bytes_on_disk: u64,
}
