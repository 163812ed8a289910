//! What must hold for any input, for the fuzz target and for the test that replays its corpus.

use std::collections::BTreeMap;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use examples::kv::{Change, Durable, DurableOptions, Memory, Record, Storage};
use redb::StorageBackend;

type Image = [Vec<u8>; 2];

/// Opens a storage whose files were changed, and reads all of it: a value is the right one or one of
/// those before it, or the damage is reported.
///
/// The input is a list of patches: 1 byte says which file (bit 0) of which image (bit 1: closed or not,
/// by the first patch) and whether the file is cut there (bit 2), 3 bytes where, 1 byte how many bytes follow.
pub(crate) fn store_file(input: &[u8]) {
    let (open, closed, values) = &*IMAGES;
    let is_closed = input.first().is_some_and(|kind| kind & 2 != 0);
    let mut image = if is_closed { closed } else { open }.clone();
    patch(&mut image, input);
    let Ok(storage) = open_image(File::files(image)) else {
        return;
    };
    let mut found = Vec::new();
    let scanned = storage.scan(Bound::Unbounded, &mut |entry| {
        found.push((entry.key.to_owned(), entry.value.to_vec()));
        ControlFlow::Continue(())
    });
    for (key, value) in &found {
        let known = values.get(key).expect("no other key was ever set");
        assert!(known.contains(value), "{key} has never been {value:?}");
        let got = storage.get(key).expect("it was scanned");
        assert_eq!(got.expect("it was scanned").value, *value);
    }
    assert!(
        scanned.is_ok(),
        "what was checked when it was opened can be read"
    );
}

fn patch(image: &mut Image, mut input: &[u8]) {
    while let Some((&[kind, a, b, c, len], rest)) = input.split_first_chunk() {
        let file = &mut image[usize::from(kind & 1)];
        let at = u32::from_be_bytes([0, a, b, c]) as usize;
        let (bytes, rest) = rest.split_at(usize::from(len).min(rest.len()));
        if kind & 4 != 0 {
            file.truncate(at);
        } else {
            let places = file.iter_mut().skip(at);
            places.zip(bytes).for_each(|(place, byte)| *place = *byte);
        }
        input = rest;
    }
}

/// Every value that a key has had.
type Values = BTreeMap<String, Vec<Vec<u8>>>;

static IMAGES: LazyLock<(Image, Image, Values)> = LazyLock::new(|| {
    let name = format!("kv-fuzz-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let backup = Memory::new().backup(&path);
    backup.expect("room for a small file");
    let tables = std::fs::read(&path).expect("it was written");
    std::fs::remove_file(&path).expect("it is ours");

    let files = File::files([tables, Vec::new()]);
    let storage = open_image(files.clone()).expect("all is well");
    let mut values = Values::new();
    for n in 0..60_u8 {
        let key = format!("key {}", n % 7);
        let value = vec![n; usize::from(n) * 10];
        values.entry(key.clone()).or_default().push(value.clone());
        let expires = Some(u64::from(n)).filter(|n| n % 3 == 0);
        let value = value.into();
        let record = Some(Record { value, expires });
        let applied = storage.apply(&[Change { key, record }]);
        applied.expect("all is well");
    }
    let image = |files: &[File; 2]| files.each_ref().map(|file| file.lock().clone());
    let open = image(&files);
    drop(storage);
    (open, image(&files), values)
});

fn open_image([tables, journal]: [File; 2]) -> Result<Durable, examples::kv::Error> {
    let options = DurableOptions {
        cache_len: 1 << 20,
        journal_len: 8 << 10,
        ..DurableOptions::default()
    };
    Durable::with_backends("fuzz", tables, journal, &options)
}

/// A file in memory.
#[derive(Clone, Debug)]
struct File(Arc<Mutex<Vec<u8>>>);

impl File {
    fn files(image: Image) -> [Self; 2] {
        image.map(|file| Self(Arc::new(Mutex::new(file))))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let file = self.lock();
        let bytes = file
            .get(offset as usize..)
            .and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // What a damaged head may ask for is not to be had.
        if len > 64 << 20 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.lock().resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset as usize + bytes.len();
        if self.lock().len() < end {
            self.set_len(end as u64)?;
        }
        self.lock()[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }
}
