//! The stored inputs of the fuzz target `json_rpc`, run as an ordinary test.

use std::fs;
use std::path::Path;

#[path = "../fuzz/check_json_rpc.rs"]
mod check;

#[test]
fn json_rpc() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/json_rpc");
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is in the repository") {
        let path = entry.expect("a folder can be listed").path();
        println!("{}", path.display());
        check::json_rpc(&fs::read(&path).expect("an input can be read"));
        count += 1;
    }
    assert!(count >= 30, "{count} inputs in {}", folder.display());
}
