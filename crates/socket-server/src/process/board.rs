use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FlockOperation, MemfdFlags};

use super::message::{Fields, put_network, put_u64};
use crate::peer::Network;
use crate::sources::Table;
use crate::{DatagramStats, Stats};

/// The counts of the workers of one server: a file in memory with an entry for each worker, which
/// writes it whenever something changes.
///
/// The parent reads it when it is asked for statistics, so that a connection costs it nothing, and
/// when a worker has ended, however that came about. Workers read it where a limit holds for all of
/// them together. Behind the entries is the table of what the sources of datagrams have had.
#[derive(Debug)]
pub(super) struct Board(File);

/// What one worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) stats: Stats,
    /// Where its connection comes from, if it has one.
    pub(super) network: Option<Network>,
    pub(super) datagrams: DatagramStats,
}

impl Board {
    pub(super) fn new() -> io::Result<Self> {
        let file = rustix::fs::memfd_create("socket-server workers", MemfdFlags::CLOEXEC)?;
        let board = Self(file.into());
        Table::create(board.0.try_clone()?, SOURCES)?;
        Ok(board)
    }

    pub(super) fn from_fd(file: OwnedFd) -> Self {
        Self(file.into())
    }

    /// The table of what the sources of datagrams have had.
    pub(super) fn sources(&self) -> io::Result<Table> {
        Ok(Table::open(self.0.try_clone()?, SOURCES))
    }

    /// What the worker of this number wrote last.
    pub(super) fn read(&self, worker: usize) -> io::Result<Entry> {
        let mut bytes = [0; ENTRY_LEN];
        // It ends early where nothing was written yet.
        let _ = self.0.read_at(&mut bytes, offset(worker))?;
        Entry::decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    pub(super) fn write(&self, worker: usize, entry: &Entry) -> io::Result<()> {
        self.0.write_all_at(&entry.encode(), offset(worker))
    }

    /// Keeps other processes from locking the board until [`unlock`](Self::unlock), or the end of
    /// this process.
    pub(super) fn lock(&self) -> io::Result<()> {
        rustix::io::retry_on_intr(|| {
            rustix::fs::fcntl_lock(&self.0, FlockOperation::LockExclusive)
        })?;
        Ok(())
    }

    pub(super) fn unlock(&self) {
        // Releasing a lock that is held does not fail.
        let _ = rustix::fs::fcntl_lock(&self.0, FlockOperation::Unlock);
    }
}

impl AsFd for Board {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Entry {
    fn encode(&self) -> Vec<u8> {
        let stats = &self.stats;
        let mut out = Vec::with_capacity(ENTRY_LEN);
        put_u64(&mut out, stats.open as u64);
        put_u64(&mut out, stats.pending as u64);
        let counts = [
            stats.accepted,
            stats.finished,
            stats.failed,
            stats.timed_out,
            stats.refused,
            stats.panicked,
            stats.cut_off,
            stats.accept_pauses,
        ];
        for count in counts {
            put_u64(&mut out, count);
        }
        put_network(&mut out, self.network);
        let datagrams = &self.datagrams;
        let counts = [
            datagrams.received,
            datagrams.truncated,
            datagrams.answered,
            datagrams.to_server,
            datagrams.too_often,
            datagrams.too_long,
            datagrams.unsent,
            datagrams.failed,
            datagrams.panicked,
            datagrams.refused,
        ];
        for count in counts {
            put_u64(&mut out, count);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(Self {
            stats: Stats {
                open: usize::try_from(fields.u64()?).ok()?,
                pending: usize::try_from(fields.u64()?).ok()?,
                accepted: fields.u64()?,
                finished: fields.u64()?,
                failed: fields.u64()?,
                timed_out: fields.u64()?,
                refused: fields.u64()?,
                panicked: fields.u64()?,
                cut_off: fields.u64()?,
                accept_pauses: fields.u64()?,
            },
            network: fields.network()?,
            datagrams: DatagramStats {
                received: fields.u64()?,
                truncated: fields.u64()?,
                answered: fields.u64()?,
                to_server: fields.u64()?,
                too_often: fields.u64()?,
                too_long: fields.u64()?,
                unsent: fields.u64()?,
                failed: fields.u64()?,
                panicked: fields.u64()?,
                refused: fields.u64()?,
            },
        })
    }
}

fn offset(worker: usize) -> u64 {
    (worker * ENTRY_LEN) as u64
}

/// Where the table of sources begins: far behind the last entry, and only what is used takes memory.
const SOURCES: u64 = 1 << 30;
/// Ten counts, a network, and ten counts of datagrams.
const ENTRY_LEN: usize = 10 * 8 + 16 + 10 * 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_written() {
        let board = Board::new().unwrap();
        let entry = Entry {
            stats: Stats {
                open: 1,
                pending: 2,
                accepted: 3,
                finished: 4,
                failed: 5,
                timed_out: 6,
                refused: 7,
                panicked: 8,
                cut_off: 9,
                accept_pauses: u64::MAX,
            },
            network: Some(Network::V6(10)),
            datagrams: DatagramStats {
                received: 11,
                truncated: 12,
                answered: 13,
                to_server: 14,
                too_often: 15,
                too_long: 16,
                unsent: 17,
                failed: 18,
                panicked: 19,
                refused: 20,
            },
        };
        board.write(2, &entry).unwrap();
        assert_eq!(board.read(2).unwrap(), entry);
        assert_eq!(board.read(1).unwrap(), Entry::default());
        assert_eq!(board.read(3).unwrap(), Entry::default());
    }
}
