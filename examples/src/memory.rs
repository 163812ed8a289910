//! What a process hands down to the worker processes that it starts.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};

/// Memory that the processes which this one starts inherit, and that changes for them when it changes here: a
/// file that has a name for them alone.
#[derive(Debug)]
pub(crate) struct Memory(File);

impl Memory {
    /// In a worker process that of the one that has started it, and else new and empty.
    pub(crate) fn shared(name: &str) -> io::Result<Self> {
        if socket_server::is_worker() {
            return Self::inherited(name);
        }
        // Not close-on-exec.
        let memory = memfd_create(name, MemfdFlags::empty())?;
        Ok(Self(memory.into()))
    }

    fn inherited(name: &str) -> io::Result<Self> {
        for entry in std::fs::read_dir("/proc/self/fd")? {
            let path = entry?.path();
            let target = std::fs::read_link(&path).unwrap_or_default();
            if target
                .to_string_lossy()
                .starts_with(&format!("/memfd:{name}"))
            {
                return File::open(path).map(Self);
            }
        }
        let text = format!("the process that accepts has left no {name}");
        Err(io::Error::new(io::ErrorKind::NotFound, text))
    }

    pub(crate) fn store(&self, contents: &[u8]) -> io::Result<()> {
        self.0.lock()?;
        let stored = (self.0.set_len(0)).and_then(|()| self.0.write_all_at(contents, 0));
        self.0.unlock()?;
        stored
    }

    pub(crate) fn load(&self) -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        self.0.lock_shared()?;
        let loaded = (&self.0)
            .rewind()
            .and_then(|()| (&self.0).read_to_end(&mut contents));
        self.0.unlock()?;
        loaded.map(|_| contents)
    }

    /// What it begins with; zeros while something is stored.
    pub(crate) fn peek<const N: usize>(&self) -> [u8; N] {
        let mut start = [0; N];
        match self.0.read_exact_at(&mut start, 0) {
            Ok(()) => start,
            Err(_) => [0; N],
        }
    }
}
