//! Arrays from the server to the client, and to and from Python with its standard library.

mod array_support;
mod support;

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::process::Command;

use array_support::{client, receive, recipe, server, stop, told};
use support::{Folder, Program, path, pythons, script};

#[test]
fn the_recipe_crosses_every_wire() {
    for wire in ["raw", "npy", "chunked"] {
        let server = server(&["--wire", wire, "--count", "100000"]);
        let ended = receive(&server, &["--wire", wire, "--count", "100000", "--check"]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert_eq!(ended.stdout, told(100_000), "{wire}");
        assert!(ended.stderr.contains(" 800000 bytes in "), "{ended:?}");
        let ended = stop(server);
        assert!(ended.stderr.contains(": 800000 bytes in "), "{ended:?}");
        let summary = " 1 connections served, 1 finished\n";
        assert!(ended.stderr.ends_with(summary), "{ended:?}");
    }
}

#[test]
fn the_whole_recipe_is_received() {
    let server = server(&[]);
    let ended = receive(&server, &[]);
    let shown = "f8 (50000000,): 0.0, 1.0, 2.0, …, 49999999.0\n";
    assert_eq!(ended.stdout, shown, "{ended:?}");
    assert!(ended.stderr.contains(" 400000000 bytes in "), "{ended:?}");
}

#[test]
fn numbers_may_be_sent_from_where_they_are() {
    for wire in ["raw", "npy"] {
        let options = ["--wire", wire, "--count", "300000"];
        let server = server(&[&options[..], &["--zero-copy", "-v"]].concat());
        let ended = receive(&server, &[&options[..], &["--check"]].concat());
        assert_eq!(ended.stdout, told(300_000), "{ended:?}");
        // There is no network card on this way.
        let ended = stop(server);
        assert!(ended.stderr.contains(": Copied\n"), "{ended:?}");
    }
}

#[test]
fn a_file_is_sent_as_it_is() {
    let folder = Folder::new("array-file");
    let (original, copy) = (folder.path("original.npy"), folder.path("copy.npy"));
    // A matrix of 2 by 3 complex numbers in Fortran order, as numpy would write it.
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(b"{'descr': '<c16', 'fortran_order': True, 'shape': (2, 3), }");
    file.resize(127, b' ');
    file.push(b'\n');
    file.extend((0..12).map(f64::from).flat_map(f64::to_le_bytes));
    std::fs::write(&original, &file).unwrap();

    let server_of = |wire| server(&["--wire", wire, "--file", &original]);
    let server = server_of("npy");
    let ended = receive(&server, &["--wire", "npy", "--output", &copy]);
    let shown =
        "c16 (2, 3) in Fortran order: [0.0, 1.0], [2.0, 3.0], [4.0, 5.0], …, [10.0, 11.0]\n";
    assert_eq!(ended.stdout, shown, "{ended:?}");
    assert_eq!(std::fs::read(&copy).unwrap(), file);
    let ended = receive(&server, &["--wire", "npy", "--check"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(
        ended.stderr.lines().last(),
        Some("error: the recipe has f8, not c16")
    );

    // Without its header, it is whatever the client takes it for.
    let server = server_of("raw");
    let ended = receive(&server, &["--count", "12", "--check"]);
    assert_eq!(ended.stdout, told(12), "{ended:?}");
    let ended = receive(&server, &["--count", "6", "--dtype", "c16"]);
    assert!(
        ended.stdout.starts_with("c16 (6,): [0.0, 1.0], "),
        "{ended:?}"
    );
}

#[test]
fn a_file_that_can_not_be_served_is_named() {
    let folder = Folder::new("array-no-file");
    let (missing, other, short) = (folder.path("a"), folder.path("b"), folder.path("c"));
    std::fs::write(&other, "this is a text, and a long one, but it is no array").unwrap();
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }";
    let header = [
        b"\x93NUMPY\x01\x00\x76\x00",
        format!("{header:117}\n").as_bytes(),
    ]
    .concat();
    std::fs::write(&short, [&header[..], &[0; 20]].concat()).unwrap();
    let cases = [
        (&missing, "No such file or directory (os error 2)"),
        (&other, "numpy"),
        (&short, "148 bytes, of 152 that its header tells"),
    ];
    for (file, why) in cases {
        let ended = Program::start("array_server", &["--file", file]).wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let line = ended.stderr.strip_prefix(&format!("error: {file}: "));
        let line = line.unwrap_or_else(|| panic!("{ended:?}"));
        assert!(line.contains(why) && line.lines().count() == 1, "{ended:?}");
    }
}

#[test]
fn unix_sockets_carry_arrays() {
    let folder = Folder::new("array-unix");
    let address = format!("unix:{}", folder.path("socket"));
    let server = Program::start("array_server", &["--listen", &address, "--count", "50000"]);
    server.url();
    let ended = client(&address, &["--count", "50000", "--check"]).wait();
    assert_eq!(ended.stdout, told(50_000), "{ended:?}");
}

#[test]
fn python_receives() {
    for python in pythons() {
        let server = server(&["--count", "100000"]);
        let address = server.address().to_string();
        let script = script("array_raw_client.py");
        let mut command = Command::new(&python);
        let ended = Program::start_command(command.arg(script).args(["100000", &address])).wait();
        let shown = "100000 numbers: 0.0 1.0 2.0 ... 99999.0\n0 are not the recipe's\n";
        assert_eq!(ended.stdout, shown, "{python:?}: {ended:?}");
        // One that wants more than there is does not wait for ever.
        let mut command = Command::new(&python);
        let script = support::script("array_raw_client.py");
        let ended = Program::start_command(command.arg(script).args(["100001", &address])).wait();
        let shown = "the stream ended 8 bytes before the end of the array\n";
        assert_eq!(ended.stderr, shown, "{python:?}: {ended:?}");
        stop(server);
    }
}

#[test]
fn python_sends() {
    for python in pythons() {
        let script = script("array_raw_server.py");
        let mut command = Command::new(&python);
        let server = Program::start_command(command.arg(script).args(["100000", "127.0.0.1:0"]));
        let ended = receive(&server, &["--count", "100000", "--check"]);
        assert_eq!(ended.stdout, told(100_000), "{python:?}: {ended:?}");
    }
}

#[test]
fn an_array_that_is_cut_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = client(&address, &["--count", "1000"]);
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(&recipe(999)).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let line = ended.stderr.lines().last().unwrap();
    assert!(
        line.starts_with(&format!("error: tcp://{address}: ")),
        "{ended:?}"
    );
    assert!(line.contains(" 7992 of the 8000 bytes "), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ended = client(&address, &["--stall-timeout", "0.2"]).wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let line = format!("error: tcp://{address}: no byte for 0.2 s");
    assert_eq!(ended.stderr.lines().last(), Some(&*line));
}

#[test]
fn a_client_that_takes_nothing_or_goes_costs_the_others_nothing() {
    let folder = Folder::new("array-stalled");
    let file = folder.path("large.npy");
    // More than sockets hold.
    let count = ["--count", "4000000"];
    let large = server(&[&count[..], &["--wire", "npy"]].concat());
    let ended = receive(&large, &["--wire", "npy", "--output", &file]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    stop(large);
    let in_place = [&count[..], &["--zero-copy"]].concat();
    let ways = [&count[..], &in_place, &["--file", &file]];
    for way in ways {
        let server = server(&[way, &["--stall-timeout", "0.3"]].concat());
        let silent = std::net::TcpStream::connect(server.address()).unwrap();
        server.stderr.wait_for("no byte for 300ms");
        drop(silent);
        drop(std::net::TcpStream::connect(server.address()).unwrap());
        let ended = receive(&server, &count);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let ended = stop(server);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}

#[test]
fn a_transfer_shows_how_far_it_is_on_a_terminal() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let program = path("array_client");
    let command = format!(
        "'{}' --connect {address} --count 1000000",
        program.display()
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let client = Program::start_command(script.env("TERM", "xterm").env("SHELL", "/bin/sh"));
    let (mut peer, _) = listener.accept().unwrap();
    let numbers = recipe(1_000_000);
    let (first, rest) = numbers.split_at(6_000_000);
    peer.write_all(first).unwrap();
    let shown = client.stdout.wait_for("6.00 MB/8.00 MB");
    assert!(
        shown.contains("B/s ") && shown.contains(" s left"),
        "{shown:?}"
    );
    peer.write_all(rest).unwrap();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("f8 (1000000,): 0.0, 1.0, 2.0, …, 999999.0"),
        "{ended:?}"
    );
}

#[test]
fn only_those_who_are_allowed_are_served() {
    let server = server(&["--count", "1000", "--deny", "127.0.0.0/8"]);
    let ended = receive(&server, &["--count", "1000"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let cases: [(&str, &[&str], i32); 6] = [
        ("array_server", &["--wire", "chunked", "--zero-copy"], 2),
        ("array_client", &["--streams", "2"], 2),
        (
            "array_client",
            &["--wire", "npy", "--resume", "--output", "x"],
            2,
        ),
        ("array_client", &["--wire", "chunked", "--resume"], 2),
        ("array_client", &["--count", "18446744073709551615"], 1),
        ("array_server", &["--count", "18446744073709551615"], 1),
    ];
    for (program, options, code) in cases {
        let ended = Program::start(program, options).wait();
        assert_eq!(ended.status.code(), Some(code), "{options:?}: {ended:?}");
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    }
}
