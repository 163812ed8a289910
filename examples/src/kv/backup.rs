//! New files that appear whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::durable::Tables;
use super::{Entry, Error};

/// What takes records one after the other.
pub(super) type Sink<'a> = dyn FnMut(Entry<'_>) -> Result<(), Error> + 'a;

/// What gives them.
pub(super) type Source<'a> = dyn FnMut(&mut Sink<'_>) -> Result<(), Error> + 'a;

/// Writes a new store file that holds what `source` gives. It gets its name when it is on disk, unless
/// there is a file of that name.
pub(super) fn write(path: &Path, source: &mut Source<'_>) -> Result<(), Error> {
    // Said before all the work; that it stays so is seen to at the end.
    if fs::symlink_metadata(path).is_ok() {
        return Err(Error::Exists { path: path.into() });
    }
    let unfinished = Unfinished::new(path)?;
    Tables::create(&unfinished.0, source)?;
    unfinished.publish(path)
}

/// A file under a name of its own, removed unless it is finished.
struct Unfinished(PathBuf);

impl Unfinished {
    fn new(path: &Path) -> Result<Self, Error> {
        let mut name = path.as_os_str().to_owned();
        let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        name.push(format!(".{}-{now}.unfinished", std::process::id()));
        let name = PathBuf::from(name);
        match File::create_new(&name) {
            Ok(_) => Ok(Self(name)),
            Err(error) => Err(Error::io(name, error)),
        }
    }

    fn publish(self, path: &Path) -> Result<(), Error> {
        let sync = |path: &Path| File::open(path)?.sync_all();
        sync(&self.0).map_err(|error| Error::io(&self.0, error))?;
        // Unlike renaming, linking never replaces a file.
        match fs::hard_link(&self.0, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Exists { path: path.into() });
            }
            Err(error) => return Err(Error::io(path, error)),
        }
        drop(self);
        let directory = directory_of(path);
        sync(directory).map_err(|error| Error::io(directory, error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What can't be removed now is in nobody's way.
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns where a file is; its name is on disk when this has been synced.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
