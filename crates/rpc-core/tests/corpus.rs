//! The stored inputs of the fuzz targets, run as an ordinary test.
#![cfg(all(feature = "bincode", feature = "postcard", feature = "json"))]

use std::fs;
use std::path::Path;

use rpc_core::Codec;

#[path = "../fuzz/check.rs"]
mod check;
#[path = "../fuzz/native.rs"]
mod native;

fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is in the repository") {
        let path = entry.expect("a folder can be listed").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("an input can be read"));
        count += 1;
    }
    assert!(count >= 10, "{count} inputs in {}", folder.display());
}

#[test]
fn bincode() {
    replay("bincode", |input| check::codec(Codec::Bincode, input));
}

#[test]
fn postcard() {
    replay("postcard", |input| check::codec(Codec::Postcard, input));
}

#[test]
fn json() {
    replay("json", |input| check::codec(Codec::Json, input));
}

#[test]
fn envelope() {
    replay("envelope", native::envelope);
}

#[test]
fn peer() {
    replay("peer", native::peer);
}
