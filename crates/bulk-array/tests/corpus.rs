//! The stored inputs of the fuzz targets, run as an ordinary test.

use std::fs;
use std::path::Path;

#[path = "../fuzz/check.rs"]
mod check;
#[path = "../fuzz/check_chunked.rs"]
mod check_chunked;

fn replay(target: &str, check: fn(&[u8])) {
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
fn npy() {
    replay("npy", check::npy);
}

#[test]
fn chunked_headers() {
    replay("chunked_header", check_chunked::header);
}

#[test]
fn chunked_requests() {
    replay("chunked_request", check_chunked::request);
}

#[test]
fn chunked_streams() {
    replay("chunked_stream", check_chunked::stream);
}
