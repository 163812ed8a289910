//! How the processes of `--strategy fork` come by the certificate.
//!
//! Each of them would begin with reading the files, for one connection: what if they are half written just
//! then? So the process that accepts reads them, and puts what it finds good into memory that the others
//! inherit.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tls_mixin::{Acceptor, Authorities, Error, Identity};

use super::{Files, LOOK_AGAIN};
use crate::memory::Memory;

/// Files whose content one process reads for the others.
#[derive(Debug)]
pub(super) struct Forked {
    files: Files,
    memory: Memory,
    seen: Mutex<Seen>,
}

/// What the files looked like when they were last looked at.
#[derive(Debug)]
struct Seen {
    stamps: Vec<Option<Stamp>>,
    at: Instant,
}

/// Changes when a file does: its inode, length and time of change.
type Stamp = (u64, u64, i64, i64);

impl Forked {
    pub(super) fn new(files: Files) -> Result<Self, Error> {
        let forked = Self {
            memory: Memory::shared(NAME)?,
            seen: Mutex::new(Seen {
                stamps: files.stamps(),
                at: Instant::now(),
            }),
            files,
        };
        if !socket_server::is_worker() {
            forked.read()?;
        }
        Ok(forked)
    }

    pub(super) fn acceptor(&self) -> Result<Acceptor, Error> {
        self.files.acceptor_of_contents(&self.memory.load()?)
    }

    /// Reads the files if they have changed. If they are no good, what was read before stays.
    pub(super) fn look_at_files(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.at.elapsed() < LOOK_AGAIN {
            return;
        }
        seen.at = Instant::now();
        let stamps = self.files.stamps();
        if seen.stamps == stamps {
            return;
        }
        seen.stamps = stamps;
        match self.read() {
            Ok(()) => tracing::info!("the certificates have changed, and were reloaded"),
            Err(error) => {
                tracing::warn!(%error, "the certificates have changed, the old ones stay");
            }
        }
    }

    fn read(&self) -> Result<(), Error> {
        // Twice, should they change meanwhile: here to say which file is no good.
        self.files.acceptor()?;
        let contents = self.files.contents()?;
        self.files.acceptor_of_contents(&contents)?;
        Ok(self.memory.store(&contents)?)
    }
}

impl Files {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.key]
            .into_iter()
            .chain(&self.authorities)
    }

    fn contents(&self) -> io::Result<Vec<u8>> {
        let contents: Vec<_> = self.all().map(std::fs::read).collect::<Result<_, _>>()?;
        Ok(contents.join(&SEPARATOR))
    }

    fn acceptor_of_contents(&self, contents: &[u8]) -> Result<Acceptor, Error> {
        let mut contents = contents.split(|&byte| byte == SEPARATOR);
        let mut next = || contents.next().unwrap_or_default();
        let identity = Identity::from_pem(next(), next())?;
        let authorities = contents.next().map(Authorities::from_pem);
        self.acceptor_of(identity, authorities.transpose()?)
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        let stamp = |path: &PathBuf| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        };
        self.all().map(stamp).collect()
    }
}

const NAME: &str = "certificate";
/// Stands between the contents of two files; in PEM there is none.
const SEPARATOR: u8 = 0;
