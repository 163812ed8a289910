//! What the fuzz target has met, once more.

#[path = "../fuzz/check.rs"]
mod check;

#[test]
fn the_corpus_of_the_store_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/store_file");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        check::store_file(&input);
        count += 1;
    }
    assert!(count >= 10, "{count} inputs");
}
