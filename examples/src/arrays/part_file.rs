use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use bulk_array::blocking::raw;
use bulk_array::chunked::Checkpoint;
use bulk_array::{ByteOrder, Element};

/// What is there of an array whose transfer was stopped: `X.npy.part` beside `X.npy`, with a line that tells
/// how far it has come, and then the elements as they are in memory.
#[derive(Clone, Debug)]
pub struct PartFile {
    path: PathBuf,
}

impl PartFile {
    /// The one beside this file.
    #[must_use]
    pub fn beside(file: &Path) -> Self {
        let mut path = file.to_owned().into_os_string();
        path.push(".part");
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the checkpoint and the elements before it; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// What the system says, or that the file is none of these, with its name in front.
    pub fn load<T: Element>(&self) -> Result<Option<(Checkpoint, Vec<T>)>, String> {
        match self.read() {
            Ok(kept) => Ok(Some(kept)),
            Err(bulk_array::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(format!("{}: {error}", self.path.display())),
        }
    }

    fn read<T: Element>(&self) -> Result<(Checkpoint, Vec<T>), bulk_array::Error> {
        let mut file = BufReader::new(File::open(&self.path)?);
        let mut line = String::new();
        (&mut file).take(MAX_LINE_LEN).read_line(&mut line)?;
        let checkpoint: Checkpoint = line.trim_end().parse().map_err(io::Error::other)?;
        let count = checkpoint.bytes as usize / size_of::<T>();
        let values = raw::recv_vec(&mut file, count, ByteOrder::NATIVE)?;
        Ok((checkpoint, values))
    }

    /// Keeps the elements before the checkpoint.
    ///
    /// # Errors
    ///
    /// What the system says, with the name of the file in front.
    pub fn save<T: Element>(&self, checkpoint: &Checkpoint, values: &[T]) -> Result<(), String> {
        let bytes = &bytemuck::cast_slice(values)[..checkpoint.bytes as usize];
        // The old one stays until the new one is complete.
        let new = self.path.with_extension("part.new");
        let saved = File::create(&new).and_then(|mut file| {
            writeln!(file, "{checkpoint}")?;
            file.write_all(bytes)?;
            fs::rename(&new, &self.path)
        });
        saved.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// The array is complete.
    pub fn remove(&self) {
        // There is none if it was received in one go.
        let _ = fs::remove_file(&self.path);
    }
}

const MAX_LINE_LEN: u64 = 128;
