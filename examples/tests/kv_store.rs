//! What the store promises, over either storage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, UNIX_EPOCH};

use examples::kv::{Durable, DurableOptions, Error, Limits, Memory, Storage, Store};

mod kv_disk_support;
mod support;

use kv_disk_support::{Disk, Random, contents};
use support::Folder;

/// A clock that is set by hand, in seconds since 1970.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn set(&self, seconds: u64) {
        self.0.store(seconds, SeqCst);
    }

    fn store(&self, storage: impl Storage, limits: Limits) -> Store {
        let seconds = Arc::clone(&self.0);
        Store::with_clock(storage, limits, move || {
            UNIX_EPOCH + Duration::from_secs(seconds.load(SeqCst))
        })
    }
}

fn stores(clock: &Clock) -> [Store; 2] {
    let durable = Disk::empty().open(&options()).expect("a new disk");
    [
        clock.store(Memory::new(), Limits::default()),
        clock.store(durable, Limits::default()),
    ]
}

fn options() -> DurableOptions {
    DurableOptions {
        journal_len: 64 << 10,
        ..DurableOptions::default()
    }
}

fn keys(store: &Store) -> Vec<String> {
    store.keys("", None, 1000).expect("readable").entries
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn what_is_set_is_there_until_it_is_deleted() {
    for store in stores(&Clock::default()) {
        assert_eq!(store.get("a").unwrap(), None);
        store.set("a", "1", None).wait().unwrap();
        assert_eq!(store.get("a").unwrap().as_deref(), Some(&b"1"[..]));
        store.set("a", "2", None).wait().unwrap();
        assert_eq!(store.get("a").unwrap().as_deref(), Some(&b"2"[..]));
        assert!(store.exists("a").unwrap());
        assert!(store.delete("a").wait().unwrap());
        assert!(!store.delete("a").wait().unwrap());
        assert!(!store.exists("a").unwrap());
    }
}

#[test]
fn compare_and_set_sees_what_came_just_before() {
    for store in stores(&Clock::default()) {
        let set = |expected: Option<&'static str>, new: Option<&'static str>| {
            store.compare_and_set("a", expected.map(Into::into), new.map(Into::into), None)
        };
        // None of these waits for the one before.
        let written = [
            (true, set(None, Some("1"))),
            (false, set(None, Some("2"))),
            (true, set(Some("1"), Some("2"))),
            (false, set(Some("1"), None)),
            (true, set(Some("2"), None)),
            (false, set(Some("2"), Some("3"))),
            (true, set(None, None)),
            (false, store.delete("a")),
            (false, store.expire("a", MINUTE)),
            (true, set(None, Some("4"))),
            (true, store.expire("a", MINUTE)),
            (true, store.persist("a")),
        ];
        for (at, (wanted, written)) in written.into_iter().enumerate() {
            assert_eq!(written.wait().unwrap(), wanted, "write {at}");
        }
        assert_eq!(store.get("a").unwrap().as_deref(), Some(&b"4"[..]));
        assert_eq!(store.ttl("a").unwrap(), Some(None));
    }
}

#[test]
fn a_key_is_gone_when_its_time_is_over() {
    let clock = Clock::default();
    for store in stores(&clock) {
        clock.set(1000);
        for key in ["a", "b", "c", "d"] {
            store.set(key, key, Some(MINUTE)).wait().unwrap();
        }
        assert_eq!(store.ttl("a").unwrap(), Some(Some(MINUTE)));
        clock.set(1020);
        assert_eq!(store.ttl("a").unwrap(), Some(Some(MINUTE * 2 / 3)));
        assert!(store.expire("b", MINUTE).wait().unwrap());
        assert!(store.persist("c").wait().unwrap());
        store.set("d", "for ever", None).wait().unwrap();

        clock.set(1060);
        assert_eq!(store.get("a").unwrap(), None);
        assert_eq!(store.ttl("a").unwrap(), None);
        assert!(!store.exists("a").unwrap());
        assert_eq!(keys(&store), ["b", "c", "d"]);
        assert_eq!(store.count("").unwrap(), 3);
        assert!(!store.delete("a").wait().unwrap());
        clock.set(1080);
        assert_eq!(keys(&store), ["c", "d"]);
        assert!(
            store
                .compare_and_set("b", None, Some("new".into()), None)
                .wait()
                .unwrap()
        );

        // What is over has also been removed.
        let statistics = store.statistics().unwrap();
        assert_eq!((statistics.expired, statistics.size.keys), (2, 3));
    }
}

#[test]
fn nobody_needs_to_write_for_a_key_to_be_removed() {
    for storage in [true, false] {
        let store = if storage {
            Store::new(Memory::new(), Limits::default())
        } else {
            let durable = Disk::empty().open(&options()).unwrap();
            Store::new(durable, Limits::default())
        };
        store
            .set("a", "1", Some(Duration::from_millis(1)))
            .wait()
            .unwrap();
        let deadline = std::time::Instant::now() + support::DEADLINE;
        // It is counted after it has been removed.
        while store.statistics().unwrap().expired == 0 {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        let statistics = store.statistics().unwrap();
        assert_eq!((statistics.expired, statistics.size.keys), (1, 0));
    }
}

#[test]
fn many_expired_keys_are_removed_a_thousand_at_a_time() {
    let clock = Clock::default();
    for store in stores(&clock) {
        clock.set(10);
        let writes: Vec<_> = (0..2500)
            .map(|n| store.set(&format!("{n}"), "", Some(MINUTE)))
            .collect();
        writes.into_iter().for_each(|write| write.wait().unwrap());
        // Once the clock has moved, the removal may begin at any time.
        let before = store.statistics().unwrap();
        clock.set(1000);
        assert_eq!(store.count("").unwrap(), 0);
        let mut removals = 0;
        while store.statistics().unwrap().expired < 2500 {
            store.set("a", "", None).wait().unwrap();
            removals += 1;
            assert!(removals <= 3);
        }
        assert!(store.statistics().unwrap().commits >= before.commits + 3);
        assert_eq!(store.statistics().unwrap().size.keys, 1);
        clock.set(0);
    }
}

#[test]
fn times_to_live_survive_a_restart() {
    let clock = Clock::default();
    let disk = Disk::empty();
    let store = clock.store(disk.open(&options()).unwrap(), Limits::default());
    store.set("a", "1", Some(MINUTE)).wait().unwrap();
    drop(store);
    let store = clock.store(disk.open(&options()).unwrap(), Limits::default());
    assert_eq!(store.ttl("a").unwrap(), Some(Some(MINUTE)));
    clock.set(60);
    assert_eq!(store.get("a").unwrap(), None);
}

#[test]
fn pages_follow_each_other() {
    let limits = Limits {
        max_page_len: 100,
        ..Limits::default()
    };
    let durable = Disk::empty().open(&options()).unwrap();
    let clock = Clock::default();
    let stores = [
        clock.store(Memory::new(), limits.clone()),
        clock.store(durable, limits),
    ];
    for store in stores {
        for key in ["a", "b/1", "b/2", "b/3", "b/ü", "c"] {
            store.set(key, key, None).wait().unwrap();
        }
        let page = |after, limit| {
            let page = store.keys("b/", after, limit).unwrap();
            (page.entries, page.more)
        };
        let strings = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(page(None, 2), (strings(&["b/1", "b/2"]), true));
        assert_eq!(page(Some("b/2"), 2), (strings(&["b/3", "b/ü"]), false));
        assert_eq!(page(Some("b/ü"), 2), (vec![], false));
        assert_eq!(page(Some("a"), 9).0.len(), 4);
        assert_eq!(page(Some("c"), 9), (vec![], false));
        assert_eq!(page(None, 0), (vec![], true));
        assert_eq!(store.count("b/").unwrap(), 4);
        assert_eq!(store.count("nothing").unwrap(), 0);

        // 3 + 90 bytes fit into a page of 100, twice that does not, and 300 are a page of their own.
        store.set("b/1", vec![1; 90], None).wait().unwrap();
        store.set("b/2", vec![2; 300], None).wait().unwrap();
        let items = |after| {
            let page = store.items("b/", after, 9).unwrap();
            let len = |(key, value): (String, bytes::Bytes)| (key, value.len());
            (
                page.entries.into_iter().map(len).collect::<Vec<_>>(),
                page.more,
            )
        };
        assert_eq!(items(None), (vec![("b/1".into(), 90)], true));
        assert_eq!(items(Some("b/1")), (vec![("b/2".into(), 300)], true));
        assert_eq!(items(Some("b/2")).0.len(), 2);
    }
}

#[test]
fn what_is_too_long_is_refused_with_numbers() {
    let limits = Limits {
        max_key_len: 3,
        max_value_len: 5,
        ..Limits::default()
    };
    let store = Store::new(Memory::new(), limits);
    let text = |error: Error| error.to_string();
    let refused = text(store.set("four", "", None).wait().unwrap_err());
    assert_eq!(refused, "a key of 4 bytes, must have 1 to 3");
    let refused = text(store.delete("").wait().unwrap_err());
    assert_eq!(refused, "a key of 0 bytes, must have 1 to 3");
    let refused = text(store.set("a", "123456", None).wait().unwrap_err());
    assert_eq!(refused, "a value of 6 bytes, may have 5");
    for ttl in [
        Duration::ZERO,
        Duration::MAX,
        Duration::from_millis(u64::MAX),
    ] {
        let refused = store.set("a", "", Some(ttl)).wait().unwrap_err();
        assert!(matches!(refused, Error::TimeToLive(_)), "{refused}");
        let refused = store.expire("a", ttl).wait().unwrap_err();
        assert!(matches!(refused, Error::TimeToLive(_)), "{refused}");
    }
    assert_eq!(store.statistics().unwrap().writes, 0);
}

#[test]
fn writes_that_wait_for_the_disk_share_a_sync_and_are_bounded() {
    let disk = Disk::empty();
    let limits = Limits {
        max_waiting: 100,
        max_waiting_len: 1000,
        ..Limits::default()
    };
    let store = Store::new(disk.open(&options()).unwrap(), limits);
    let syncs = disk.state().syncs;
    disk.change(|state| state.is_held = true);
    let first = store.set("first", "", None);
    disk.wait_held();
    let others: Vec<_> = (0..100)
        .map(|n| store.set(&format!("{n:02}"), "value", None))
        .collect();
    assert_eq!(store.statistics().unwrap().waiting, 100);
    let refused = store.set("a", "", None).wait().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "100 writes of 700 bytes wait for the disk"
    );
    // Nothing is seen before it is acknowledged.
    assert_eq!(store.get("first").unwrap(), None);
    disk.change(|state| state.is_held = false);
    first.wait().unwrap();
    others.into_iter().for_each(|write| write.wait().unwrap());
    assert_eq!(disk.state().syncs, [syncs[0], syncs[1] + 2]);
    let statistics = store.statistics().unwrap();
    assert_eq!((statistics.commits, statistics.writes), (2, 101));
    assert_eq!(statistics.mean_batch(), 50.5);

    disk.change(|state| state.is_held = true);
    let first = store.set("first", "", None);
    disk.wait_held();
    // A write on its own may be longer than the bound.
    let long = store.set("long", vec![0; 2000], None);
    let refused = store.set("a", "", None).wait().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "1 writes of 2004 bytes wait for the disk"
    );
    disk.change(|state| state.is_held = false);
    first.wait().unwrap();
    long.wait().unwrap();
}

#[test]
fn each_write_waited_for_is_a_sync() {
    let disk = Disk::empty();
    let store = Store::new(disk.open(&options()).unwrap(), Limits::default());
    let syncs = disk.state().syncs[1];
    for n in 0..50 {
        store.set("a", format!("{n}"), None).wait().unwrap();
        assert_eq!(disk.state().syncs[1], syncs + n + 1);
    }
}

#[test]
fn a_store_that_is_dropped_writes_what_waits() {
    let disk = Disk::empty();
    let store = Store::new(disk.open(&options()).unwrap(), Limits::default());
    let writes: Vec<_> = (0..100)
        .map(|n| store.set(&format!("{n}"), "", None))
        .collect();
    drop(store);
    writes.into_iter().for_each(|write| write.wait().unwrap());
    let storage = disk.open(&options()).unwrap();
    assert_eq!(contents(&storage).unwrap().len(), 100);
}

#[test]
fn a_write_is_a_future_for_any_executor() {
    let disk = Disk::empty();
    let store = Store::new(disk.open(&options()).unwrap(), Limits::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build();
    let runtime = runtime.expect("a thread");
    disk.change(|state| state.is_held = true);
    let task = runtime.spawn(store.set("a", "1", None));
    let abandoned = store.set("b", "2", None);
    disk.wait_held();
    assert!(!task.is_finished());
    drop(abandoned);
    disk.change(|state| state.is_held = false);
    runtime.block_on(task).expect("no panic").unwrap();
    drop(store);
    assert_eq!(contents(&disk.open(&options()).unwrap()).unwrap().len(), 2);
}

#[test]
fn a_failed_sync_ends_all_writing_but_no_reading() {
    let disk = Disk::empty();
    let store = Store::new(disk.open(&options()).unwrap(), Limits::default());
    store.set("a", "1", None).wait().unwrap();
    disk.change(|state| state.fails[1] = true);
    let refused = store.set("a", "2", None).wait().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no more writes are taken since one failed: disk/journal: the disk is on fire"
    );
    // The disk is fine again, but who knows what it has kept.
    disk.change(|state| state.fails[1] = false);
    assert!(matches!(
        store.set("a", "3", None).wait(),
        Err(Error::Stopped(_))
    ));
    assert!(matches!(store.delete("a").wait(), Err(Error::Stopped(_))));
    assert_eq!(store.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(keys(&store), ["a"]);
    assert!(store.statistics().unwrap().is_stopped);
    drop(store);
    let storage = disk.open(&options()).unwrap();
    assert_eq!(
        storage.get("a").unwrap().expect("was acknowledged").value,
        "1"
    );
}

#[test]
fn tables_that_fail_end_all_writing_too() {
    let disk = Disk::empty();
    let options = DurableOptions {
        journal_len: 4096,
        ..options()
    };
    let store = Store::new(disk.open(&options).unwrap(), Limits::default());
    disk.change(|state| state.fails[0] = true);
    let mut acknowledged = 0;
    let refused = loop {
        match store
            .set(&format!("{acknowledged}"), vec![0; 100], None)
            .wait()
        {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 100, "the journal is too short for that");
    };
    assert!(matches!(refused, Error::Stopped(_)));
    assert!(matches!(store.delete("a").wait(), Err(Error::Stopped(_))));
    drop(store);
    disk.change(|state| state.fails[0] = false);
    let storage = disk.open(&options).unwrap();
    let found = contents(&storage).unwrap();
    assert!((acknowledged..=acknowledged + 1).contains(&found.len()));
}

#[test]
fn any_sequence_of_writes_leaves_both_storages_as_a_map_would_be() {
    for seed in 1..=20 {
        let mut random = Random(seed);
        let clock = Clock::default();
        let mut map = BTreeMap::<String, (String, Option<u64>)>::new();
        let disk = Disk::empty();
        let memory = clock.store(Memory::new(), Limits::default());
        let mut durable = clock.store(disk.open(&options()).unwrap(), Limits::default());
        for step in 0..150_u64 {
            clock.set(step);
            map.retain(|_, (_, expires)| expires.is_none_or(|at| at > step));
            let key = format!("{}", random.below(10));
            let value = format!("{}", random.below(3));
            let ttl = Some(random.below(20) as u64).filter(|&ttl| ttl > 0);
            let lives = ttl.map(Duration::from_secs);
            let expires = ttl.map(|ttl| step + ttl);
            let current = map.get(&key).cloned();
            let kind = random.below(7);
            let write = |store: &Store| match kind {
                0 | 1 => store.set(&key, value.clone(), lives).wait().map(|()| true),
                2 => store.delete(&key).wait(),
                3 => store
                    .compare_and_set(&key, Some("1".into()), Some(value.clone().into()), lives)
                    .wait(),
                4 => store
                    .compare_and_set(&key, None, Some(value.clone().into()), lives)
                    .wait(),
                5 => store.expire(&key, lives.unwrap_or(MINUTE)).wait(),
                _ => store.persist(&key).wait(),
            };
            let wanted = match kind {
                0 | 1 => true,
                3 => current.as_ref().is_some_and(|(value, _)| value == "1"),
                4 => current.is_none(),
                _ => current.is_some(),
            };
            assert_eq!(write(&memory).unwrap(), wanted, "seed {seed}, step {step}");
            assert_eq!(write(&durable).unwrap(), wanted, "seed {seed}, step {step}");
            if wanted {
                match (kind, current) {
                    (2, _) => map.remove(&key),
                    (5, Some((value, _))) => {
                        map.insert(key, (value, Some(step + ttl.unwrap_or(60))))
                    }
                    (6, Some((value, _))) => map.insert(key, (value, None)),
                    _ => map.insert(key, (value, expires)),
                };
            }
            if random.below(50) == 0 {
                drop(durable);
                durable = clock.store(disk.open(&options()).unwrap(), Limits::default());
            }
            for store in [&memory, &durable] {
                let items = store.items("", None, 100).unwrap().entries;
                let wanted: Vec<_> = map
                    .iter()
                    .map(|(key, (value, _))| (key.clone(), value.clone().into()))
                    .collect();
                assert_eq!(items, wanted, "seed {seed}, step {step}");
                for n in 0..10 {
                    let key = format!("{n}");
                    let value = store.get(&key).unwrap();
                    assert_eq!(value, map.get(&key).map(|(value, _)| value.clone().into()));
                }
            }
        }
    }
}

#[test]
fn a_backup_is_complete_and_of_one_moment_while_others_write() {
    let folder = Folder::new("kv-backup");
    let durable = Durable::open(folder.path("data"), &options()).unwrap();
    for (at, store) in [
        Store::new(Memory::new(), Limits::default()),
        Store::new(durable, Limits::default()),
    ]
    .into_iter()
    .enumerate()
    {
        // A writer counts in two keys, the one always before the other.
        let copies = folder.path(&format!("copies-{at}"));
        std::fs::create_dir(&copies).unwrap();
        store.set("fixed", "1", Some(MINUTE)).wait().unwrap();
        std::thread::scope(|scope| {
            let copying = scope.spawn(|| {
                for n in 0..4 {
                    store.backup(format!("{copies}/{n}")).unwrap();
                }
            });
            let mut n = 0;
            while !copying.is_finished() || n == 0 {
                store.set("first", format!("{n}"), None).wait().unwrap();
                store.set("second", format!("{n}"), None).wait().unwrap();
                n += 1;
            }
            copying.join().unwrap();
        });
        for n in 0..4 {
            let path = format!("{copies}/{n}");
            let disk = Disk::new([std::fs::read(&path).unwrap(), Vec::new()]);
            let copy = contents(&disk.open(&options()).unwrap()).unwrap();
            assert!(copy["fixed"].expires.is_some());
            let count = |key: &str| {
                copy.get(key).map_or(-1, |record| {
                    let text = std::str::from_utf8(&record.value).unwrap();
                    text.parse::<i64>().unwrap()
                })
            };
            assert!([0, 1].contains(&(count("first") - count("second"))));
            let again = store.backup(&path).unwrap_err();
            assert!(matches!(again, Error::Exists { .. }), "{again}");
        }
        // Nothing else is left behind, and nothing can be written where there is no directory.
        assert_eq!(std::fs::read_dir(&copies).unwrap().count(), 4);
        let nowhere = store.backup(format!("{copies}/none/copy")).unwrap_err();
        assert!(matches!(nowhere, Error::Io { .. }), "{nowhere}");
    }
}
