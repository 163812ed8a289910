//! An array is in memory once, on either side.

mod array_support;
mod support;

use std::fs::File;
use std::io::Read;
use std::process::Command;

use array_support::{client, recipe, server};
use support::{Folder, Program};

const COUNT: usize = 10_000_000;

/// What a program may have beside the array.
const BESIDE: usize = 4 << 20;

#[track_caller]
fn is_lean(program: &Program) {
    let beside = program.process().peak_memory().saturating_sub(8 * COUNT);
    assert!(beside <= BESIDE, "{beside} bytes beside the array");
}

/// One transfer from the server to a client that writes what it got to a pipe, where it can be kept waiting.
fn transfer(served: &[&str], received: &[&str]) {
    let folder = Folder::new(&format!("array-memory-{}", served.join("")));
    let pipe = folder.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("it starts").success());
    let server = server(served);
    let address = server.address().to_string();
    let client = client(&address, &[received, &["--output", &pipe]].concat());
    client
        .stdout
        .wait_for("f8 (10000000,): 0.0, 1.0, 2.0, …, 9999999.0\n");
    is_lean(&client);
    let mut output = File::open(&pipe).expect("the client waits for it");
    let mut most = vec![0; 7 * COUNT];
    output.read_exact(&mut most).expect("the client writes");
    assert!(most[128..] == recipe(COUNT)[..7 * COUNT - 128]);
    is_lean(&client);
    output.read_to_end(&mut most).expect("the client writes");
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    is_lean(&server);
}

#[test]
fn an_array_is_in_memory_once() {
    let count = COUNT.to_string();
    for wire in ["raw", "npy", "chunked"] {
        let options = ["--wire", wire, "--count", &count];
        transfer(&options, &options);
    }
    let options = ["--wire", "chunked", "--count", &count];
    transfer(&options, &[&options[..], &["--streams", "4"]].concat());
}

#[test]
fn a_file_that_is_served_is_not_in_memory() {
    let folder = Folder::new("array-memory-file");
    let file = folder.path("numbers.npy");
    let count = COUNT.to_string();
    let source = server(&["--count", &count]);
    let address = source.address().to_string();
    let ended = client(&address, &["--count", &count, "--output", &file]).wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let server = server(&["--wire", "npy", "--file", &file]);
    let address = server.address().to_string();
    let ended = client(&address, &["--wire", "npy", "--check"]).wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let peak = server.process().peak_memory();
    assert!(peak <= BESIDE, "{peak} bytes");
}
