//! How the processes of `--strategy fork` come by the certificate.
//!
//! Each of them would begin with reading the files, for one connection: what if they are half written just
//! then? So the process that accepts reads them, and puts what it finds good into memory that the others
//! inherit.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rustix::fs::{MemfdFlags, memfd_create};
use tls_mixin::{Acceptor, Authorities, Error, Identity};

use super::{Files, LOOK_AGAIN};

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
        let is_worker = socket_server::is_worker();
        let forked = Self {
            memory: if is_worker {
                Memory::inherited()?
            } else {
                Memory::new()?
            },
            seen: Mutex::new(Seen {
                stamps: files.stamps(),
                at: Instant::now(),
            }),
            files,
        };
        if !is_worker {
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

/// Memory that the processes which this one starts inherit: a file that has a name for them alone.
#[derive(Debug)]
struct Memory(File);

impl Memory {
    fn new() -> io::Result<Self> {
        // Not close-on-exec.
        let memory = memfd_create(NAME, MemfdFlags::empty())?;
        Ok(Self(memory.into()))
    }

    /// Finds that of the process that has started this one.
    fn inherited() -> io::Result<Self> {
        for entry in std::fs::read_dir("/proc/self/fd")? {
            let path = entry?.path();
            let target = std::fs::read_link(&path).unwrap_or_default();
            if target
                .to_string_lossy()
                .starts_with(&format!("/memfd:{NAME}"))
            {
                return File::open(path).map(Self);
            }
        }
        let text = "the process that accepts has left no certificate";
        Err(io::Error::new(io::ErrorKind::NotFound, text))
    }

    fn store(&self, contents: &[u8]) -> io::Result<()> {
        self.0.lock()?;
        let stored = (self.0.set_len(0)).and_then(|()| self.0.write_all_at(contents, 0));
        self.0.unlock()?;
        stored
    }

    fn load(&self) -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        self.0.lock_shared()?;
        let loaded = (&self.0)
            .rewind()
            .and_then(|()| (&self.0).read_to_end(&mut contents));
        self.0.unlock()?;
        loaded.map(|_| contents)
    }
}

const NAME: &str = "certificate";
/// Stands between the contents of two files; in PEM there is none.
const SEPARATOR: u8 = 0;
