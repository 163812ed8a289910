//! Arrays to and from numpy, where a Python here has it.

mod array_support;
mod support;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::Command;

use array_support::{receive, server, stop, told};
use support::{Folder, Program, pythons, script};

/// The Pythons that have numpy. Where none has, the test says so, and there is nothing to be tested.
fn with_numpy() -> Vec<OsString> {
    let has_numpy = |python: &OsString| {
        let import = Command::new(python).args(["-c", "import numpy"]).output();
        import.expect("it starts").status.success()
    };
    let found: Vec<_> = pythons().into_iter().filter(has_numpy).collect();
    if found.is_empty() {
        // Straight to standard error, which is not kept back when a test passes.
        let test = std::thread::current();
        let test = test.name().unwrap_or_default();
        let _ = writeln!(io::stderr(), "{test}: NOT RUN, no Python here has numpy");
    }
    found
}

fn start(python: &OsStr, name: &str, arguments: &[&str]) -> Program {
    Program::start_command(Command::new(python).arg(script(name)).args(arguments))
}

/// Has numpy make a file.
fn make(python: &OsStr, file: &str, expression: &str) {
    let program = format!("import numpy; numpy.save({file:?}, {expression})");
    let status = Command::new(python).args(["-c", &program]).status();
    assert!(status.expect("it starts").success(), "{expression}");
}

#[test]
fn numpy_receives() {
    for python in with_numpy() {
        for wire in ["raw", "npy"] {
            let server = server(&["--wire", wire, "--count", "300000"]);
            let address = server.address().to_string();
            let arguments = [wire, "300000", &address];
            let ended = start(&python, "array_numpy_client.py", &arguments).wait();
            let shown = "<f8 (300000,) C\n300000 numbers: 0.0 1.0 2.0 ... 299999.0\n\
                         0 are not the recipe's\n";
            assert_eq!(ended.stdout, shown, "{python:?} {wire}: {ended:?}");
            stop(server);
        }
    }
}

#[test]
fn numpy_sends() {
    for python in with_numpy() {
        for wire in ["raw", "npy"] {
            let arguments = [wire, "300000", "127.0.0.1:0"];
            let server = start(&python, "array_numpy_server.py", &arguments);
            let options = ["--wire", wire, "--count", "300000", "--check"];
            let ended = receive(&server, &options);
            assert_eq!(ended.stdout, told(300_000), "{python:?} {wire}: {ended:?}");
        }
    }
}

#[test]
fn files_of_numpy_cross_and_come_back() {
    let expressions = [
        (
            "numpy.arange(24, dtype='<i4').reshape(2, 3, 4)",
            "i4 (2, 3, 4): 0, 1, 2, …, 23",
        ),
        (
            "numpy.arange(6, dtype='>f4').reshape((2, 3), order='F')",
            "f4 (2, 3) in Fortran order: 0.0, 1.0, 2.0, …, 5.0",
        ),
        (
            "numpy.array([1 + 2j, 3 - 4j])",
            "c16 (2,): [[1.0, 2.0], [3.0, -4.0]]",
        ),
        ("numpy.array([True, False])", "b1 (2,): [1, 0]"),
        ("numpy.array(7, dtype='u8')", "u8 (): [7]"),
        ("numpy.empty((0, 5), dtype='i2')", "i2 (0, 5): []"),
    ];
    for python in with_numpy() {
        let folder = Folder::new("array-numpy-files");
        let (original, copy) = (folder.path("original.npy"), folder.path("copy.npy"));
        for (expression, shown) in expressions {
            make(&python, &original, expression);
            let ours = server(&["--wire", "npy", "--file", &original]);
            let theirs = start(
                &python,
                "array_numpy_server.py",
                &["npy", &original, "127.0.0.1:0"],
            );
            for server in [&ours, &theirs] {
                let ended = receive(server, &["--wire", "npy", "--output", &copy]);
                assert_eq!(ended.stdout, format!("{shown}\n"), "{ended:?}");
                let compare = format!(
                    "import numpy; a, b = numpy.load({original:?}), numpy.load({copy:?}); \
                     assert a.shape == b.shape and a.dtype.newbyteorder('=') == b.dtype; \
                     assert numpy.isfortran(a) == numpy.isfortran(b) and (a == b).all()"
                );
                let status = Command::new(&python).args(["-c", &compare]).status();
                assert!(status.expect("it starts").success(), "{expression}");
            }
            stop(ours);
        }
    }
}
