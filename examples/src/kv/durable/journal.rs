//! The journal: a file of fixed length that takes batches one after the other, so that a sync costs one
//! short sequential write instead of pages all over the tables' file.
//!
//! ```text
//!  0            64
//! ┌────────────┬───────────┬───────────┬─────────────────────────────┐
//! │ head frame │ batch n+1 │ batch n+2 │ batches of the last round   │  ... capacity
//! └────────────┴───────────┴───────────┴─────────────────────────────┘
//!  frame:  CRC32 4 │ length of the body 4 │ sequence 8 │ body │ 0 ... up to a multiple of 64
//! ```
//!
//! When the tables have been synced a new round begins behind the head: what it overwrites is no longer
//! needed. The sequence goes on, so batches of the last round are known by theirs. Each time the storage
//! is opened an epoch begins, a random number that is part of every CRC but in no frame: so nothing from
//! before is taken for a frame, nor anything that is in a value.
//!
//! The first frame that is not the next one is the end. Either the system went down while it was written,
//! and nobody was told that it was; or it is damaged. If frames are synced one by one, a whole one behind
//! it proves damage.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use redb::StorageBackend;

use crate::kv::{Change, Error, Record};

/// How far the tables' file goes: what is behind that is in the journal alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) epoch: u64,
    pub(super) sequence: u64,
}

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Box<dyn StorageBackend>,
    /// Whether every frame is synced.
    is_synced: bool,
    capacity: u64,
    epoch: u64,
    /// Of the last frame.
    sequence: u64,
    /// Where the next one goes.
    position: u64,
    /// Changes in this round.
    changes: usize,
    frame: Vec<u8>,
}

/// What the head frame says: the format, then whether frames are synced, then the capacity.
const FORMAT: &[u8; 23] = b"netblocks kv journal 1\n";
const HEAD_LEN: usize = 16;
const ALIGNMENT: usize = 64;

/// What a round takes besides its capacity in bytes, for the sake of a quick start after a crash.
const MAX_CHANGES: usize = 32_768;

impl Journal {
    /// Reads what the tables' file lacks: what has become of each key that changed after this mark, in
    /// the order of the keys, which is the quickest to apply.
    pub(super) fn recover(
        file: &dyn StorageBackend,
        path: &PathBuf,
        mark: Mark,
    ) -> Result<Vec<Change>, Error> {
        let damaged = |what: &str| Error::damaged(path, what);
        let io = |error| Error::io(path, error);
        let len = usize::try_from(file.len().map_err(io)?).unwrap_or(usize::MAX);
        let mut head = [0; ALIGNMENT];
        if len < head.len() {
            return Err(damaged("its head is missing"));
        }
        file.read(0, &mut head).map_err(io)?;
        let head = Frame::read(&head, mark.epoch).filter(|head| head.sequence == 0);
        let head = head.and_then(|head| Head::decode(head.body));
        let head = head.ok_or_else(|| damaged("its head is not the one that was written"))?;
        let capacity = usize::try_from(head.capacity).unwrap_or(usize::MAX);
        if len < capacity {
            return Err(Error::damaged(
                path,
                format_args!("{len} bytes of {capacity} are left"),
            ));
        }
        let mut round = vec![0; capacity.saturating_sub(ALIGNMENT)];
        file.read(ALIGNMENT as u64, &mut round).map_err(io)?;
        let (changes, last, rest) = read_round(&round, mark).map_err(|what| damaged(&what))?;
        if head.is_synced {
            let behind = |at: usize| Frame::read(&rest[at..], mark.epoch);
            let is_later = |frame: &Frame<'_>| frame.sequence > last;
            let mut places = (0..rest.len()).step_by(ALIGNMENT);
            if let Some(later) = places.find_map(|at| behind(at).filter(is_later)) {
                return Err(Error::damaged(
                    path,
                    format_args!("batch {} is lost, {} is there", last + 1, later.sequence),
                ));
            }
        }
        let changes: BTreeMap<_, _> = changes.into_iter().collect();
        let change = |(key, record)| Change { key, record };
        Ok(changes.into_iter().map(change).collect())
    }

    /// Makes this file a journal that holds nothing. Whatever it held must be of no more use.
    pub(super) fn begin(
        file: Box<dyn StorageBackend>,
        path: PathBuf,
        is_synced: bool,
        capacity: usize,
    ) -> Result<Self, Error> {
        let capacity = capacity.next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let mut journal = Self {
            path,
            file,
            is_synced,
            capacity: capacity as u64,
            epoch: RandomState::new().hash_one(std::time::SystemTime::now()),
            sequence: 0,
            position: 0,
            changes: 0,
            frame: Vec::new(),
        };
        let written = journal.allocate().and_then(|()| journal.write_head());
        written.map_err(|error| Error::io(&journal.path, error))?;
        Ok(journal)
    }

    /// Appends a batch, and syncs it if that is how it is. Returns `false`, and does nothing, if the
    /// round is full: the tables must be synced first.
    pub(super) fn append(&mut self, changes: &[Change]) -> Result<bool, Error> {
        self.frame.clear();
        self.frame.resize(HEAD_LEN, 0);
        for change in changes {
            encode(change, &mut self.frame);
        }
        let len = self.frame.len().next_multiple_of(ALIGNMENT) as u64;
        let is_full = self.changes + changes.len() > MAX_CHANGES;
        if is_full || self.position + len > self.capacity {
            return Ok(false);
        }
        self.sequence += 1;
        self.changes += changes.len();
        let written = self.write_frame().and_then(|()| {
            if self.is_synced {
                self.file.sync_data()?;
            }
            Ok(())
        });
        written.map_err(|error| Error::io(&self.path, error))?;
        Ok(true)
    }

    /// Begins a new round, which is allowed when the tables were synced with this mark.
    pub(super) fn begin_round(&mut self) {
        self.position = ALIGNMENT as u64;
        self.changes = 0;
    }

    /// Returns the mark of the tables that have all that is in here.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            epoch: self.epoch,
            sequence: self.sequence,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.capacity
    }

    /// Fills the file with zeros unless it has the right length: a sync is much cheaper if it has no
    /// new blocks to record.
    fn allocate(&self) -> io::Result<()> {
        if self.file.len()? == self.capacity {
            return Ok(());
        }
        self.file.set_len(self.capacity)?;
        let zeros = vec![0; 1 << 20];
        let mut at = 0;
        while at < self.capacity {
            let len = zeros.len().min((self.capacity - at) as usize);
            self.file.write(at, &zeros[..len])?;
            at += len as u64;
        }
        Ok(())
    }

    fn write_head(&mut self) -> io::Result<()> {
        self.frame.resize(HEAD_LEN, 0);
        self.frame.extend_from_slice(FORMAT);
        self.frame.push(u8::from(self.is_synced));
        self.frame.extend_from_slice(&self.capacity.to_be_bytes());
        self.write_frame()?;
        self.file.sync_data()
    }

    fn write_frame(&mut self) -> io::Result<()> {
        let frame = &mut self.frame;
        // A batch of 4 GiB finds no room in a round.
        let body_len = (frame.len() - HEAD_LEN) as u32;
        frame[4..8].copy_from_slice(&body_len.to_be_bytes());
        frame[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        let sum = checksum(self.epoch, &frame[4..]);
        frame[..4].copy_from_slice(&sum.to_be_bytes());
        frame.resize(frame.len().next_multiple_of(ALIGNMENT), 0);
        self.file.write(self.position, frame)?;
        self.position += frame.len() as u64;
        Ok(())
    }
}

/// Reads the frames of a round one after the other. Returns the changes after the mark, the last
/// sequence there is, and what follows.
fn read_round(mut round: &[u8], mark: Mark) -> Result<(Vec<KeyAndRecord>, u64, &[u8]), String> {
    let (mut changes, mut last) = (Vec::new(), None);
    while let Some(frame) = Frame::read(round, mark.epoch) {
        match last {
            Some(last) if frame.sequence != last + 1 => break,
            None if frame.sequence > mark.sequence + 1 => {
                let (wanted, found) = (mark.sequence + 1, frame.sequence);
                return Err(format!("it begins with batch {found} instead of {wanted}"));
            }
            _ => last = Some(frame.sequence),
        }
        if frame.sequence > mark.sequence {
            decode(frame.body, &mut changes).ok_or("a batch does not say what to change")?;
        }
        let len = (HEAD_LEN + frame.body.len()).next_multiple_of(ALIGNMENT);
        round = round.get(len..).unwrap_or_default();
    }
    Ok((changes, last.unwrap_or(0).max(mark.sequence), round))
}

type KeyAndRecord = (String, Option<Record>);

struct Frame<'a> {
    sequence: u64,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the frame that begins here, if one of this epoch does.
    fn read(bytes: &'a [u8], epoch: u64) -> Option<Self> {
        let mut rest = bytes;
        let sum = take_u32(&mut rest)?;
        let body_len = take_u32(&mut rest)? as usize;
        let sequence = take_u64(&mut rest)?;
        let body = rest.get(..body_len)?;
        let is_ours = checksum(epoch, &bytes[4..HEAD_LEN + body_len]) == sum;
        is_ours.then_some(Self { sequence, body })
    }
}

struct Head {
    is_synced: bool,
    capacity: u64,
}

impl Head {
    fn decode(body: &[u8]) -> Option<Self> {
        let (is_synced, mut rest) = body.strip_prefix(FORMAT)?.split_first()?;
        Some(Self {
            is_synced: *is_synced != 0,
            capacity: take_u64(&mut rest)?,
        })
    }
}

/// Length of the key 4 │ 0 to remove it, 1 to set it: 1 │ key, and if it is set: time of expiry 8 (0 for
/// never) │ length of the value 4 │ value.
fn encode(change: &Change, out: &mut Vec<u8>) {
    // Keys and values of 4 GiB make a batch that is refused.
    out.extend_from_slice(&(change.key.len() as u32).to_be_bytes());
    out.push(u8::from(change.record.is_some()));
    out.extend_from_slice(change.key.as_bytes());
    if let Some(record) = &change.record {
        out.extend_from_slice(&record.expires.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&(record.value.len() as u32).to_be_bytes());
        out.extend_from_slice(&record.value);
    }
}

fn decode(mut body: &[u8], changes: &mut Vec<KeyAndRecord>) -> Option<()> {
    while !body.is_empty() {
        let key_len = take_u32(&mut body)? as usize;
        let is_set = *body.split_off_first()? != 0;
        let key = std::str::from_utf8(body.split_off(..key_len)?).ok()?;
        let record = if is_set {
            let expires = Some(take_u64(&mut body)?).filter(|&at| at != 0);
            let value_len = take_u32(&mut body)? as usize;
            let value = Bytes::copy_from_slice(body.split_off(..value_len)?);
            Some(Record { value, expires })
        } else {
            None
        };
        changes.push((key.to_owned(), record));
    }
    Some(())
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*taken))
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_be_bytes(*taken))
}

fn checksum(epoch: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&epoch.to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}
