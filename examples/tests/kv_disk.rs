//! Files that are damaged, foreign, missing or in use are reported as such.

use std::fs;
use std::ops::{Bound, ControlFlow};

use examples::kv::{Change, Durable, DurableOptions, Entry, Error, Limits, Record, Storage, Store};

mod kv_disk_support;
mod support;

use kv_disk_support::{Disk, Image, Model, Random, apply, contents};
use support::Folder;

fn options() -> DurableOptions {
    DurableOptions {
        cache_len: 1 << 20,
        journal_len: 16 << 10,
        ..DurableOptions::default()
    }
}

fn error(opened: Result<Durable, Error>) -> Error {
    opened.expect_err("it can't be opened")
}

#[test]
fn a_storage_is_open_once() {
    let folder = Folder::new("kv-lock");
    let data = folder.path("data");
    let open = || Durable::open(&data, &options());
    let storage = open().unwrap();
    let in_use = error(open());
    assert!(matches!(in_use, Error::InUse { .. }), "{in_use}");
    assert_eq!(in_use.to_string(), format!("{data}/store.redb is in use"));
    storage.apply(&[]).unwrap();
    drop(storage);
    open().unwrap();
}

#[test]
fn what_is_no_storage_is_left_alone() {
    let folder = Folder::new("kv-foreign");
    let data = folder.path("data");
    fs::create_dir(&data).unwrap();
    let tables = format!("{data}/store.redb");
    let journal = format!("{data}/journal");
    let open = || error(Durable::open(&data, &options()));

    for foreign in [&b"#!/bin/sh\necho hello\n"[..], &[7; 100_000]] {
        fs::write(&tables, foreign).unwrap();
        let text = open().to_string();
        assert!(
            text.starts_with(&format!("{tables} is damaged: ")),
            "{text}"
        );
        assert_eq!(fs::read(&tables).unwrap(), foreign);
    }
    fs::write(&tables, b"").unwrap();
    assert_eq!(
        open().to_string(),
        format!("{tables} is damaged: it is empty")
    );
    fs::remove_file(&tables).unwrap();
    fs::create_dir(&tables).unwrap();
    assert!(matches!(open(), Error::Io { .. }));
    fs::remove_dir(&tables).unwrap();

    let others = redb::TableDefinition::<u64, u64>::new("others");
    let database = redb::Database::create(&tables).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(others).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let text = open().to_string();
    assert_eq!(
        text,
        format!("{tables} is not a file of this store: some other redb database")
    );
    fs::remove_file(&tables).unwrap();

    fs::write(&journal, b"").unwrap();
    let text = open().to_string();
    assert_eq!(
        text,
        format!("{journal} is damaged: there is no store.redb beside it")
    );
    fs::remove_dir_all(&data).unwrap();

    fs::write(&data, b"").unwrap();
    assert!(matches!(open(), Error::Io { .. }));
    fs::remove_file(&data).unwrap();
    let nowhere = error(Durable::open(format!("{data}/data"), &options()));
    assert!(matches!(nowhere, Error::Io { .. }), "{nowhere}");
}

#[test]
fn a_copy_is_a_storage() {
    let folder = Folder::new("kv-restore");
    let (data, copy) = (folder.path("data"), folder.path("copy"));
    let store = Store::new(Durable::open(&data, &options()).unwrap(), Limits::default());
    store.set("a", "1", None).wait().unwrap();
    store.backup(&copy).unwrap();
    store.set("a", "2", None).wait().unwrap();
    drop(store);
    // Put in the place of the tables it is what it was, whatever the journal has.
    fs::rename(&copy, format!("{data}/store.redb")).unwrap();
    let storage = Durable::open(&data, &options()).unwrap();
    assert_eq!(storage.get("a").unwrap().unwrap().value, "1");
}

#[test]
fn what_the_tables_do_not_have_yet_is_read_as_if_they_had() {
    for seed in 1..=8 {
        let mut random = Random(seed);
        // One journal is too short for many batches, one is long enough for all.
        let options = DurableOptions {
            journal_len: [2000, 1 << 20][random.below(2)],
            ..options()
        };
        let storage = Disk::empty().open(&options).unwrap();
        let mut model = Model::new();
        for _ in 0..60 {
            let batch = random.batch();
            storage.apply(&batch).unwrap();
            apply(&mut model, &batch);
            let from = format!("key {}", random.below(24));
            for bound in [Bound::Included(&from[..]), Bound::Excluded(&from[..])] {
                let limit = random.below(30);
                let mut found = Vec::new();
                let mut collect = |entry: Entry<'_>| {
                    if found.len() == limit {
                        return ControlFlow::Break(());
                    }
                    found.push((entry.key.to_owned(), entry.value.to_vec()));
                    ControlFlow::Continue(())
                };
                storage.scan(bound, &mut collect).unwrap();
                let range = model.range::<str, _>((bound, Bound::Unbounded)).take(limit);
                let wanted: Vec<_> = range
                    .map(|(key, record)| (key.clone(), record.value.to_vec()))
                    .collect();
                assert_eq!(found, wanted);
            }
            assert_eq!(storage.size().unwrap().keys, model.len() as u64);
            for n in 0..24 {
                let key = format!("key {n}");
                assert_eq!(storage.get(&key).unwrap().as_ref(), model.get(&key));
            }
            if random.below(10) == 0 {
                assert_eq!(contents(&storage).unwrap(), model);
            }
        }
    }
}

/// A disk after a number of batches: as it is while the storage is open, and closed; what is in it, and
/// what was in it after each batch before.
fn written(random: &mut Random) -> (Image, Image, Model, Vec<Model>) {
    let disk = Disk::empty();
    let storage = disk.open(&options()).expect("all is well");
    let mut model = Model::new();
    let mut before = Vec::new();
    for _ in 0..40 {
        before.push(model.clone());
        let batch = random.batch();
        storage.apply(&batch).expect("all is well");
        apply(&mut model, &batch);
    }
    let open = disk.state().image.clone();
    drop(storage);
    let closed = disk.state().image.clone();
    (open, closed, model, before)
}

/// Opens and reads what is there, or says what is wrong.
fn read(image: Image) -> Result<Model, Error> {
    contents(&Disk::new(image).open(&options())?)
}

#[test]
fn a_changed_byte_is_harmless_or_reported() {
    let mut random = Random(1);
    let (open, closed, model, before) = written(&mut random);
    let (mut reported, mut dropped) = (0, 0);
    for round in 0..150 {
        for (image, is_open) in [(&open, true), (&closed, false)] {
            for file in [0, 1] {
                let mut image = image.clone();
                // The beginning has more meaning than the rest, and zeros have little.
                let len = image[file].len();
                let bound = if round % 3 == 0 { len.min(4096) } else { len };
                let from = random.below(bound);
                let is_used = |byte: &u8| *byte != 0;
                let used = image[file][from..].iter().position(is_used);
                let at = from + used.unwrap_or(0);
                image[file][at] ^= 1 << random.below(8);
                match read(image) {
                    Ok(found) if found == model => {}
                    Ok(found) => {
                        // The last batch in the journal may as well have been torn.
                        assert!(
                            is_open && file == 1 && Some(&found) == before.last(),
                            "{file} {at}"
                        );
                        dropped += 1;
                    }
                    Err(Error::Damaged { .. } | Error::Foreign { .. }) => reported += 1,
                    Err(error) => panic!("{file} {at}: {error}"),
                }
            }
        }
    }
    assert!(reported > 50, "{reported} reported");
    assert!(dropped < 20, "{dropped} dropped");
}

#[test]
fn a_file_that_is_cut_is_reported() {
    let mut random = Random(2);
    let (open, closed, model, _) = written(&mut random);
    for (image, is_open) in [(&open, true), (&closed, false)] {
        for file in [0, 1] {
            for _ in 0..60 {
                let mut image = image.clone();
                let len = random.below(image[file].len());
                image[file].truncate(len);
                match read(image) {
                    // A journal that was closed is of no more use.
                    Ok(found) => assert!(!is_open && file == 1 && found == model, "{file} {len}"),
                    Err(Error::Damaged { .. } | Error::Foreign { .. }) => {}
                    Err(error) => panic!("{file} {len}: {error}"),
                }
            }
        }
    }
}

#[test]
fn a_lost_page_is_harmless_or_reported() {
    let mut random = Random(3);
    let (open, closed, model, before) = written(&mut random);
    for _ in 0..100 {
        for image in [&open, &closed] {
            let mut image = image.clone();
            let file = random.below(2);
            let at = random.below(image[file].len());
            let end = (at + 512 + random.below(8192)).min(image[file].len());
            image[file][at..end].fill(0);
            match read(image) {
                // All batches of a round may be lost with it, but then to the last one.
                Ok(found) if file == 1 => assert!(found == model || before.contains(&found)),
                Ok(found) => assert!(found == model, "{at}"),
                Err(Error::Damaged { .. } | Error::Foreign { .. }) => {}
                Err(error) => panic!("{file} {at}: {error}"),
            }
        }
    }
}

#[test]
fn a_journal_of_another_storage_is_not_applied() {
    let (first, first_closed, model, _) = written(&mut Random(4));
    let (second, ..) = written(&mut Random(5));
    let [tables, _] = first;
    let [_, journal] = second;
    let mixed = read([tables.clone(), journal.clone()])
        .unwrap_err()
        .to_string();
    assert_eq!(
        mixed,
        "disk/journal is damaged: its head is not the one that was written"
    );
    let missing = read([tables, Vec::new()]).unwrap_err().to_string();
    assert_eq!(missing, "disk/journal is damaged: its head is missing");
    // One that was closed needs none.
    let [tables, _] = first_closed;
    assert_eq!(read([tables.clone(), journal]).unwrap(), model);
    assert_eq!(read([tables, Vec::new()]).unwrap(), model);
}

#[test]
fn a_lost_batch_before_a_whole_one_is_reported() {
    let disk = Disk::empty();
    let storage = disk.open(&options()).unwrap();
    for n in 0..3 {
        let record = Some(Record {
            value: vec![n; 300].into(),
            expires: None,
        });
        let key = "key".to_owned();
        storage.apply(&[Change { key, record }]).unwrap();
    }
    let mut image = disk.state().image.clone();
    image[1][64 + 384 + 100] ^= 1;
    let lost = read(image).unwrap_err().to_string();
    assert_eq!(lost, "disk/journal is damaged: batch 2 is lost, 3 is there");
}

#[test]
fn damage_that_comes_later_is_never_a_wrong_value() {
    let mut random = Random(6);
    let (_, closed, model, _) = written(&mut random);
    let mut reported = 0;
    for _ in 0..60 {
        let disk = Disk::new(closed.clone());
        // Nothing is kept in memory.
        let options = DurableOptions {
            cache_len: 0,
            ..options()
        };
        let storage = disk.open(&options).unwrap();
        disk.change(|state| {
            for _ in 0..500 {
                let at = random.below(state.image[0].len());
                state.image[0][at] ^= 1 << random.below(8);
            }
        });
        for key in model.keys() {
            match storage.get(key) {
                Ok(found) => assert!(found.is_none() || found.as_ref() == model.get(key)),
                Err(Error::Damaged { .. }) => reported += 1,
                Err(Error::Io { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        // A storage that knows of it writes nothing more, this one may not know.
        std::mem::forget(storage);
    }
    assert!(reported > 0);
}

#[test]
fn a_storage_that_is_known_to_be_damaged_is_not_written_to() {
    let (_, closed, model, _) = written(&mut Random(7));
    let disk = Disk::new(closed);
    let options = DurableOptions {
        cache_len: 0,
        ..options()
    };
    let storage = disk.open(&options).unwrap();
    disk.change(|state| state.image[0][4096..].fill(0xff));
    let damaged = model.keys().find_map(|key| storage.get(key).err());
    assert!(
        matches!(damaged, Some(Error::Damaged { .. })),
        "{damaged:?}"
    );
    let store = Store::new(storage, Limits::default());
    let written = disk.state().image[0].clone();
    // What fits into the journal may still be acknowledged, but no more.
    let refused = (0..3).find_map(|_| store.set("a", vec![0; 10_000], None).wait().err());
    assert!(matches!(refused, Some(Error::Stopped(_))), "{refused:?}");
    drop(store);
    assert_eq!(disk.state().image[0], written);
    assert!(matches!(disk.open(&options), Err(Error::Damaged { .. })));
}
