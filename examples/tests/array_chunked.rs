//! Arrays in chunks: over several connections, and going on where they broke off.

mod array_support;
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use array_support::{client, receive, recipe, server, stop, told};
use rustix::process::Signal;
use support::{Ended, Folder, Program};

const OFFER: [&str; 4] = ["--wire", "chunked", "--count", "1000000"];

/// Three chunks of 1 MiB.
const THREE: usize = 3 << 20;

/// Lets one client through to the server: its request, and of the answer the header, three chunks and a part of
/// the next. Then nothing more comes, or the end of the stream does.
fn narrow(server: SocketAddr, ends: bool) -> (SocketAddr, thread::JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let passing = thread::spawn(move || {
        let (mut near, _) = listener.accept().expect("a client comes");
        let mut far = TcpStream::connect(server).expect("it listens");
        let mut request = [0; 64];
        near.read_exact(&mut request).expect("a request");
        far.write_all(&request).expect("the server takes it");
        let mut answer = vec![0; 64 + 3 * 16 + THREE + 500_000];
        far.read_exact(&mut answer).expect("an answer");
        near.write_all(&answer).expect("the client takes it");
        if ends {
            let ended = near.shutdown(std::net::Shutdown::Write);
            ended.expect("the client is there");
        }
        near
    });
    (address, passing)
}

/// Stops a transfer of the recipe by Ctrl-C when three chunks are there.
fn interrupted(server: &Program, output: &str) -> Ended {
    let (address, passing) = narrow(server.address(), false);
    let options = [&OFFER[..], &["--output", output, "-vv"]].concat();
    let client = client(&address.to_string(), &options);
    client.stderr.wait_for(" 3145728 of 8000000 bytes");
    client.signal(Signal::INT);
    let ended = client.wait();
    passing.join().expect("it passes on what it should");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    ended
}

/// A file of numpy's with the recipe in it.
fn file() -> Vec<u8> {
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000,), }";
    let start = format!("{header:117}\n");
    [
        b"\x93NUMPY\x01\x00\x76\x00",
        start.as_bytes(),
        &recipe(1_000_000),
    ]
    .concat()
}

#[test]
fn several_connections_carry_one_array() {
    let server = server(&OFFER);
    for streams in ["2", "7"] {
        let options = [&OFFER[..], &["--check", "--streams", streams]].concat();
        let ended = receive(&server, &options);
        assert_eq!(ended.stdout, told(1_000_000), "{ended:?}");
    }
    let summary = " 9 connections served, 9 finished\n";
    let ended = stop(server);
    assert!(ended.stderr.ends_with(summary), "{ended:?}");
}

#[test]
fn what_was_stopped_goes_on_even_with_another_server() {
    let folder = Folder::new("array-resumed");
    let (output, part) = (folder.path("x.npy"), folder.path("x.npy.part"));
    let first = server(&OFFER);
    let ended = interrupted(&first, &output);
    let line = format!("error: stopped; 3145728 bytes are in {part}, --resume goes on from there");
    assert_eq!(ended.stderr.lines().last(), Some(&*line));
    stop(first);

    // Another program has the same numbers, and sends those that are missing.
    let second = server(&OFFER);
    let options = [&OFFER[..], &["--output", &output, "--resume", "--check"]].concat();
    let ended = receive(&second, &options);
    assert_eq!(ended.stdout, told(1_000_000), "{ended:?}");
    assert!(ended.stderr.contains(" 4854272 bytes in "), "{ended:?}");
    let ended = stop(second);
    assert!(ended.stderr.contains(": 4854272 bytes in "), "{ended:?}");
    assert!(std::fs::read(&output).unwrap() == file());
    assert!(!std::path::Path::new(&part).exists());
}

#[test]
fn what_broke_off_goes_on_over_several_connections() {
    let folder = Folder::new("array-broken");
    let output = folder.path("x.npy");
    let server = server(&OFFER);
    let (address, passing) = narrow(server.address(), true);
    let options = [&OFFER[..], &["--output", &output]].concat();
    let ended = client(&address.to_string(), &options).wait();
    passing.join().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let line = ended.stderr.lines().last().unwrap();
    let why =
        "the stream ended after 3145728 of the 8000000 bytes of the array; 3145728 bytes are in ";
    assert!(line.contains(why), "{ended:?}");

    let options = [&options[..], &["--resume", "--streams", "3", "--check"]].concat();
    let ended = receive(&server, &options);
    assert_eq!(ended.stdout, told(1_000_000), "{ended:?}");
    assert!(ended.stderr.contains(" 4854272 bytes in "), "{ended:?}");
    assert!(std::fs::read(&output).unwrap() == file());
}

#[test]
fn nothing_goes_on_with_another_array() {
    let folder = Folder::new("array-another");
    let (output, part) = (folder.path("x.npy"), folder.path("x.npy.part"));
    let first = server(&OFFER);
    interrupted(&first, &output);
    let kept = std::fs::read(&part).unwrap();
    assert_eq!(
        kept.len() - THREE,
        kept.iter().position(|&byte| byte == b'\n').unwrap() + 1
    );

    let another = server(&["--wire", "chunked", "--count", "900000"]);
    let options = [&OFFER[..], &["--output", &output, "--resume"]].concat();
    let ended = receive(&another, &options);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains(" transfer "), "{ended:?}");
    assert!(std::fs::read(&part).unwrap() == kept);

    // A file that was cut is not taken for what it was.
    std::fs::write(&part, &kept[..THREE]).unwrap();
    let ended = receive(&first, &options);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let line = ended.stderr.lines().last().unwrap();
    assert!(line.starts_with(&format!("error: {part}: ")), "{ended:?}");
    std::fs::write(&part, "something else").unwrap();
    let ended = receive(&first, &options);
    let line = ended.stderr.lines().last().unwrap();
    assert!(line.starts_with(&format!("error: {part}: ")), "{ended:?}");

    // Without --resume, or without anything that is there, it begins anew.
    let ended = receive(&first, &[&OFFER[..], &["--output", &output]].concat());
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!std::path::Path::new(&part).exists());
    let ended = receive(&first, &options);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn files_of_any_type_are_served() {
    let folder = Folder::new("array-chunked-file");
    let (original, copy) = (folder.path("original.npy"), folder.path("copy.npy"));
    let header = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }";
    let start = format!("{header:117}\n");
    let elements = [1_i16, -2, 3, -4, 5, -6].map(i16::to_le_bytes).concat();
    let file = [b"\x93NUMPY\x01\x00\x76\x00", start.as_bytes(), &elements].concat();
    std::fs::write(&original, &file).unwrap();
    let server = server(&["--wire", "chunked", "--file", &original]);
    let options = ["--wire", "chunked", "--dtype", "i2", "--output", &copy];
    let ended = receive(&server, &options);
    assert_eq!(
        ended.stdout, "i2 (2, 3) in Fortran order: 1, -2, 3, …, -6\n",
        "{ended:?}"
    );
    assert_eq!(std::fs::read(&copy).unwrap(), file);
    let ended = receive(&server, &["--wire", "chunked"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let why = "expected an array of f8, the peer announced one of i2";
    assert!(ended.stderr.trim_end().ends_with(why), "{ended:?}");
}
