//! A disk in memory that remembers what was written and what was synced, and can fail.
#![allow(
    dead_code,
    reason = "every test file compiles this for itself and uses its own part of it"
)]

use std::collections::BTreeMap;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use examples::kv::{Change, Durable, DurableOptions, Error, Record, Storage};
use redb::StorageBackend;

/// The files of a storage: its tables and its journal.
pub(crate) type Image = [Vec<u8>; 2];

/// What has happened to a file.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(usize, u64, Vec<u8>),
    SetLen(usize, u64),
    Sync(usize),
}

impl Step {
    pub(crate) fn file(&self) -> usize {
        let (Self::Write(file, ..) | Self::SetLen(file, _) | Self::Sync(file)) = self;
        *file
    }

    pub(crate) fn apply(&self, image: &mut Image) {
        match self {
            Self::Write(file, offset, bytes) => write(&mut image[*file], *offset as usize, bytes),
            Self::SetLen(file, len) => image[*file].resize(*len as usize, 0),
            Self::Sync(_) => {}
        }
    }
}

pub(crate) fn write(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) image: Image,
    /// What has happened, if that is to be remembered.
    pub(crate) steps: Option<Vec<Step>>,
    pub(crate) syncs: [usize; 2],
    /// Whether syncs of the journal wait.
    pub(crate) is_held: bool,
    /// How many syncs wait.
    pub(crate) held: usize,
    /// Whether writes and syncs fail, by file.
    pub(crate) fails: [bool; 2],
}

impl Disk {
    pub(crate) fn new(image: Image) -> Self {
        let disk = Self::default();
        disk.state().image = image;
        disk
    }

    /// A disk with the tables of a new storage and nothing in the journal.
    pub(crate) fn empty() -> Self {
        let name = format!(
            "kv-empty-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let path = std::env::temp_dir().join(name);
        let backup = examples::kv::Memory::new().backup(&path);
        backup.expect("room for a small file");
        let tables = std::fs::read(&path).expect("it was written");
        std::fs::remove_file(&path).expect("it is ours");
        Self::new([tables, Vec::new()])
    }

    pub(crate) fn open(&self, options: &DurableOptions) -> Result<Durable, Error> {
        let file = |file| File {
            disk: self.clone(),
            file,
        };
        Durable::with_backends(Path::new("disk"), file(0), file(1), options)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().expect("no test panics with it")
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.1.notify_all();
    }

    /// Waits until a sync is held.
    pub(crate) fn wait_held(&self) {
        let deadline = std::time::Duration::from_secs(20);
        let none_held = |state: &mut State| state.held == 0;
        let waited = self
            .0
            .1
            .wait_timeout_while(self.state(), deadline, none_held);
        let (_state, timeout) = waited.expect("no test panics with it");
        assert!(!timeout.timed_out(), "no sync in 20 s");
    }
}

#[derive(Debug)]
struct File {
    disk: Disk,
    file: usize,
}

impl File {
    fn step(&self, step: Step) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.fails[self.file] {
            return Err(io::Error::other("the disk is on fire"));
        }
        step.apply(&mut state.image);
        if let Some(steps) = &mut state.steps {
            steps.push(step);
        }
        Ok(())
    }
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().image[self.file].len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        let rest = state.image[self.file].get(offset as usize..);
        let bytes = rest.and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step(Step::SetLen(self.file, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if self.file == 1 {
            state.held += 1;
            self.disk.0.1.notify_all();
            while state.is_held {
                state = self.disk.0.1.wait(state).expect("no test panics with it");
            }
            state.held -= 1;
        }
        state.syncs[self.file] += 1;
        drop(state);
        self.step(Step::Sync(self.file))
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step(Step::Write(self.file, offset, bytes.to_vec()))
    }
}

/// What a storage should hold.
pub(crate) type Model = BTreeMap<String, Record>;

pub(crate) fn apply(model: &mut Model, changes: &[Change]) {
    for Change { key, record } in changes {
        match record {
            Some(record) => model.insert(key.clone(), record.clone()),
            None => model.remove(key),
        };
    }
}

/// Reads everything, in both ways.
pub(crate) fn contents(storage: &impl Storage) -> Result<Model, Error> {
    let mut model = Model::new();
    storage.scan(Bound::Unbounded, &mut |entry| {
        let value = entry.value.to_vec().into();
        let expires = entry.expires;
        model.insert(entry.key.to_owned(), Record { value, expires });
        ControlFlow::Continue(())
    })?;
    for (key, record) in &model {
        assert_eq!(storage.get(key)?.as_ref(), Some(record));
    }
    let expiries: Vec<_> = storage.first_to_expire(usize::MAX)?;
    let mut wanted: Vec<_> = model
        .iter()
        .filter_map(|(key, record)| Some((record.expires?, key.clone())))
        .collect();
    wanted.sort();
    assert_eq!(expiries, wanted);
    Ok(model)
}

/// Random numbers that are the same each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    /// A batch of changes to a few keys, with values of many lengths.
    pub(crate) fn batch(&mut self) -> Vec<Change> {
        let mut batch = Vec::new();
        for _ in 0..=self.below(5) {
            let key = format!("key {}", self.below(24));
            let len = match self.below(8) {
                0 => 0,
                1 => self.below(9000),
                _ => self.below(60),
            };
            let value = vec![self.below(256) as u8; len].into();
            let expires = Some(self.below(1000) as u64).filter(|&at| at > 700);
            let record = Some(Record { value, expires }).filter(|_| self.below(4) > 0);
            if batch.iter().all(|change: &Change| change.key != key) {
                batch.push(Change { key, record });
            }
        }
        batch
    }
}
