//! What the store promises, over either storage.

use examples::kv::{Durable, DurableOptions, Limits, Memory, Storage, Store};

mod support;

use support::Folder;

fn stores(folder: &Folder) -> [Store; 2] {
    let durable = Durable::open(folder.path("data"), &DurableOptions::default());
    let durable = durable.expect("a new directory");
    [store(Memory::new()), store(durable)]
}

fn store(storage: impl Storage) -> Store {
    Store::new(storage, Limits::default())
}

#[test]
fn what_is_set_is_there_until_it_is_deleted() {
    let folder = Folder::new("kv-set");
    for store in stores(&folder) {
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
