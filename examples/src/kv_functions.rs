use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use rpc_core::{Codec, Context, DecodeLimits, Encode, Fault, Kind, Registry, Value};
use serde::{Deserialize, Serialize};

use crate::kv::{Error, Page, Store, Written};

/// The functions of a KV server over this store, for every dialect. Copies go into `backup_dir` and nowhere
/// else; without one there are none.
///
/// Who asks for a key that isn't there gets a `KeyError`, as Python's users expect it: null is a value like
/// any other.
#[must_use]
pub fn kv_registry(store: &Arc<Store>, backup_dir: Option<PathBuf>) -> Registry {
    let mut registry = Registry::new();
    add_basics(&mut registry, store);
    add_lists(&mut registry, store);
    add_lifetimes(&mut registry, store);
    add_administration(&mut registry, store, backup_dir);
    registry.introspection();
    registry
}

/// What `statistics()` returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KvStatistics {
    /// How many keys there are, those included whose time is over but which were not removed yet.
    pub keys: u64,
    /// Bytes of the files on disk.
    pub bytes_on_disk: u64,
    /// Seconds since the store was opened.
    pub uptime: f64,
    /// Batches of writes that were committed, each with one sync where writes go to the disk.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Keys removed because their time was over.
    pub expired: u64,
    /// Writes that wait now.
    pub waiting: u64,
    /// Whether a write failed, so that no more are taken.
    pub is_stopped: bool,
}

// ANCHOR: basics
fn add_basics(registry: &mut Registry, store: &Arc<Store>) {
    let own = Arc::clone(store);
    registry
        .register("get", ["key"], move |key: String| match own.get(&key) {
            Ok(Some(bytes)) => read(&key, &bytes),
            Ok(None) => Err(no_such_key(&key)),
            Err(error) => Err(fault(error)),
        })
        .doc("The value of a key; KeyError if there is none.");

    let own = Arc::clone(store);
    registry
        .register_async(
            "set",
            ["key", "value", "ttl"],
            move |_: Context, key: String, value: Value, ttl: Option<f64>| {
                let written = bytes(&value).and_then(|bytes| Ok(own.set(&key, bytes, time(ttl)?)));
                async move { written?.await.map_err(fault) }
            },
        )
        .doc(
            "Sets the value of a key, for `ttl` seconds or until it is deleted. Returns when that is as safe as the \
             server's --durability says.",
        );
    // ANCHOR_END: basics

    let own = Arc::clone(store);
    registry
        .register_async("delete", ["key"], move |_: Context, key: String| {
            let deleted = own.delete(&key);
            async move { there_was(deleted, &key).await }
        })
        .doc("Removes a key; KeyError if there is none.");

    let own = Arc::clone(store);
    registry
        .register("exists", ["key"], move |key: String| {
            own.exists(&key).map_err(fault)
        })
        .doc("Whether there is such a key.");

    let own = Arc::clone(store);
    registry
        .register_async(
            "compare_and_set",
            ["key", "expected", "new", "ttl"],
            move |_: Context,
                  key: String,
                  expected: Option<Value>,
                  new: Option<Value>,
                  ttl: Option<f64>| {
                let written = optional_bytes(expected).and_then(|expected| {
                    let new = optional_bytes(new)?;
                    Ok(own.compare_and_set(&key, expected, new, time(ttl)?))
                });
                async move { written?.await.map_err(fault) }
            },
        )
        .doc(
            "If the key has the value `expected`, sets it to `new` and returns true; otherwise changes nothing and \
             returns false. Null, or nothing, stands for no such key: as `expected` it makes a new key, as `new` it \
             removes one. Maps are equal if their entries are, in the same order.",
        );
}

fn add_lists(registry: &mut Registry, store: &Arc<Store>) {
    let own = Arc::clone(store);
    registry
        .register(
            "keys",
            ["prefix", "after", "limit"],
            move |prefix: Option<String>, after: Option<String>, limit: Option<u64>| {
                let page = own.keys(
                    &prefix.unwrap_or_default(),
                    after.as_deref(),
                    at_most(limit),
                );
                entries(page, limit)
            },
        )
        .blocking()
        .doc(
            "The keys that begin with `prefix` and come after the key `after`, in the order of their bytes. Without \
             a limit all of them, or a ValueError if they are too many for one answer. With a limit a page of that \
             many or fewer: for the next, give the last key as `after`. An empty page is the end.",
        );

    let own = Arc::clone(store);
    registry
        .register(
            "items",
            ["prefix", "after", "limit"],
            move |prefix: Option<String>, after: Option<String>, limit: Option<u64>| {
                let page = own.items(
                    &prefix.unwrap_or_default(),
                    after.as_deref(),
                    at_most(limit),
                );
                let item = |(key, bytes): (String, Bytes)| {
                    let value = read(&key, &bytes)?;
                    Ok((key, value))
                };
                let items: Result<Vec<_>, Fault> =
                    entries(page, limit)?.into_iter().map(item).collect();
                items
            },
        )
        .blocking()
        .doc("As `keys`, each with its value: [[key, value], ...].");

    let own = Arc::clone(store);
    registry
        .register("count", ["prefix"], move |prefix: Option<String>| {
            own.count(&prefix.unwrap_or_default()).map_err(fault)
        })
        .blocking()
        .doc("How many keys begin with `prefix`. Looks at each of them.");
}

fn add_lifetimes(registry: &mut Registry, store: &Arc<Store>) {
    let own = Arc::clone(store);
    registry
        .register("ttl", ["key"], move |key: String| match own.ttl(&key) {
            Ok(Some(left)) => Ok(left.map(|left| left.as_secs_f64())),
            Ok(None) => Err(no_such_key(&key)),
            Err(error) => Err(fault(error)),
        })
        .doc("How many seconds a key has left; null if it lives until it is deleted. KeyError if there is none.");

    let own = Arc::clone(store);
    registry
        .register_async(
            "expire",
            ["key", "seconds"],
            move |_: Context, key: String, seconds: f64| {
                let written = duration(seconds).map(|left| own.expire(&key, left));
                async move { there_was(written?, &key).await }
            },
        )
        .doc("Gives a key so many seconds from now on; KeyError if there is none.");

    let own = Arc::clone(store);
    registry
        .register_async("persist", ["key"], move |_: Context, key: String| {
            let written = own.persist(&key);
            async move { there_was(written, &key).await }
        })
        .doc("Lets a key live until it is deleted; KeyError if there is none.");
}

fn add_administration(registry: &mut Registry, store: &Arc<Store>, backup_dir: Option<PathBuf>) {
    let own = Arc::clone(store);
    registry
        .register("statistics", [], move || {
            let now = own.statistics().map_err(fault)?;
            Ok::<_, Fault>(KvStatistics {
                keys: now.size.keys,
                bytes_on_disk: now.size.bytes_on_disk,
                uptime: now.uptime.as_secs_f64(),
                commits: now.commits,
                writes: now.writes,
                expired: now.expired,
                waiting: now.waiting as u64,
                is_stopped: now.is_stopped,
            })
        })
        .doc("How many keys there are, and what the store has done since it was opened.");

    let own = Arc::clone(store);
    registry
        .register("backup", ["name"], move |name: String| {
            let directory = backup_dir.as_deref().ok_or_else(|| {
                Fault::new("PermissionError", "this server has no --backup-dir")
            })?;
            own.backup(backup_path(directory, &name)?).map_err(fault)
        })
        .blocking()
        .doc("Writes a copy of everything into a new file of that name in the server's backup folder.");
}

/// A network client says what the file is called, and nothing else about where it is.
fn backup_path(directory: &Path, name: &str) -> Result<PathBuf, Fault> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=100).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('.') {
        return Ok(directory.join(name));
    }
    Err(Fault::new(
        "ValueError",
        "the name of a backup has 1 to 100 letters, digits, '_', '-' and '.', the last not in front",
    ))
}

// ANCHOR: values
/// How a value is stored, whatever dialect it came by.
const STORED: Codec = Codec::Postcard;

fn bytes(value: &Value) -> Result<Bytes, Fault> {
    let mut bytes = Vec::new();
    STORED
        .encode(value, &mut bytes)
        .map_err(|error| Fault::new("ValueError", error.to_string()))?;
    Ok(bytes.into())
}

fn read(key: &str, bytes: &[u8]) -> Result<Value, Fault> {
    STORED.decode(bytes, &LIMITS).map_err(|error| {
        let what = format!("the value of '{}' is damaged: {error}", shortened(key));
        Fault::new("OSError", what)
    })
}
// ANCHOR_END: values

/// More than a dialect lets through, so that whatever was stored can be read.
const LIMITS: DecodeLimits = DecodeLimits {
    max_depth: 256,
    max_elements: 8_000_000,
};

/// Null is no value here, but the lack of one.
fn optional_bytes(value: Option<Value>) -> Result<Option<Bytes>, Fault> {
    let value = value.filter(|value| *value != Value::Null);
    value.as_ref().map(bytes).transpose()
}

async fn there_was(written: Written<bool>, key: &str) -> Result<(), Fault> {
    match written.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(no_such_key(key)),
        Err(error) => Err(fault(error)),
    }
}

fn time(ttl: Option<f64>) -> Result<Option<Duration>, Fault> {
    ttl.map(duration).transpose()
}

fn duration(seconds: f64) -> Result<Duration, Fault> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let what = format!("{seconds:?} seconds: less than 0, or more than 64 bits hold");
        Fault::new("ValueError", what)
    })
}

fn at_most(limit: Option<u64>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}

/// What stands on a page; without a limit that is all there is, or nothing.
fn entries<T>(page: Result<Page<T>, Error>, limit: Option<u64>) -> Result<Vec<T>, Fault> {
    let Page { entries, more } = page.map_err(fault)?;
    if more && limit.is_none() {
        let count = entries.len();
        return Err(Fault::new(
            "ValueError",
            format!("more than fit into one answer ({count}): ask for pages, with limit and after"),
        ));
    }
    Ok(entries)
}

fn no_such_key(key: &str) -> Fault {
    Fault::new("KeyError", format!("no such key: '{}'", shortened(key))).with_data(key)
}

/// What a caller learns of an error. Where things are on the server's disk is for the log alone.
fn fault(error: Error) -> Fault {
    match error {
        Error::KeyLength { .. } | Error::ValueTooLong { .. } | Error::TimeToLive(_) => {
            Fault::new("ValueError", error.to_string())
        }
        Error::Busy { .. } => Fault::of(Kind::Overloaded, error.to_string()),
        Error::Closed => Fault::of(Kind::ShuttingDown, error.to_string()),
        Error::Exists { .. } => Fault::new("FileExistsError", "there is a backup of that name"),
        Error::Stopped(why) => {
            static TOLD: Once = Once::new();
            TOLD.call_once(|| tracing::error!("no more writes are taken: {why}"));
            Fault::new("OSError", "no more writes are taken since one failed")
        }
        error => {
            tracing::error!("{error}");
            Fault::new(
                "OSError",
                "the disk failed, or what is on it; the server's log says more",
            )
        }
    }
}

fn shortened(key: &str) -> String {
    const LONGEST: usize = 80;
    match key.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &key[..end]),
        None => key.to_owned(),
    }
}
