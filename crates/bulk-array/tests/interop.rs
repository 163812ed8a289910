//! Python at the other end: the recipe, and numpy where there is one.

use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bulk_array::blocking::{npy, raw};
use bulk_array::{ByteOrder, Element, Limits, Shape};

/// `python3`, and those that `NETBLOCKS_PYTHONS` names: paths with colons between them.
fn pythons() -> Vec<String> {
    let named = std::env::var("NETBLOCKS_PYTHONS").unwrap_or_default();
    let named = named.split(':').filter(|path| !path.is_empty());
    ["python3"]
        .into_iter()
        .chain(named)
        .map(str::to_owned)
        .collect()
}

/// Starts a script, which connects.
fn start(python: &str, script: &str, more: &[String]) -> io::Result<(Child, TcpStream)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut child = Command::new(python)
        .arg(folder.join(script))
        .arg(address.port().to_string())
        .args(more)
        .stdout(Stdio::piped())
        .spawn()?;
    // A script that ends before it has connected must not be waited for: then this connects, and says nothing.
    let mut output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    std::thread::spawn(move || {
        let mut said = String::new();
        let _ = output.read_to_string(&mut said);
        println!("{said}");
        let _ = TcpStream::connect(address);
    });
    let (stream, _) = listener.accept()?;
    Ok((child, stream))
}

fn has_numpy(python: &str) -> bool {
    let mut command = Command::new(python);
    let status = command
        .args(["-c", "import numpy"])
        .stderr(Stdio::null())
        .status();
    status.expect("every Python can be started").success()
}

#[test]
fn the_recipe() {
    for python in pythons() {
        let values: Vec<f64> = (0..100_000).map(f64::from).collect();
        let len = values.len();
        let (mut child, mut stream) = start(&python, "raw.py", &[len.to_string()]).unwrap();
        raw::send_slice(&mut stream, &values, ByteOrder::NATIVE).unwrap();
        let doubled = raw::recv_vec::<f64>(&mut stream, len, ByteOrder::NATIVE).unwrap();
        let pairs = doubled.iter().zip(&values);
        assert!(
            pairs
                .clone()
                .all(|(doubled, value)| *doubled == value * 2.0),
            "{python}"
        );
        assert!(child.wait().unwrap().success(), "{python}");
    }
}

#[test]
fn numpy() {
    for python in pythons() {
        if !has_numpy(&python) {
            println!("{python} has no numpy");
            continue;
        }
        let (mut child, mut stream) = start(&python, "npy.py", &[]).unwrap();
        let matrix = Shape::from([2, 3, 4]);
        let columns = Shape::fortran([4, 3, 2]);
        for shape in [
            &matrix,
            &columns,
            &Shape::from(24),
            &Shape::fortran([24, 1]),
        ] {
            all_elements(&mut stream, 24, shape);
        }
        all_elements(&mut stream, 1, &Shape::from([]));
        all_elements(&mut stream, 0, &Shape::from([3, 0]));
        all_elements(&mut stream, 300_000, &Shape::from([300, 1000]));
        drop(stream);
        assert!(child.wait().unwrap().success(), "{python}");
    }
}

fn all_elements(stream: &mut TcpStream, len: usize, shape: &Shape) {
    let number = |index: usize| (index as f64 - 100.0) * 1.5;
    to_and_fro::<u8>(stream, len, shape, |index| index as u8);
    to_and_fro::<u16>(stream, len, shape, |index| index as u16);
    to_and_fro::<u32>(stream, len, shape, |index| index as u32);
    to_and_fro::<u64>(stream, len, shape, |index| index as u64);
    to_and_fro::<i8>(stream, len, shape, |index| index as i8);
    to_and_fro::<i16>(stream, len, shape, |index| number(index) as i16);
    to_and_fro::<i32>(stream, len, shape, |index| number(index) as i32);
    to_and_fro::<i64>(stream, len, shape, |index| number(index) as i64);
    to_and_fro::<f32>(stream, len, shape, |index| number(index) as f32);
    to_and_fro::<f64>(stream, len, shape, number);
    to_and_fro::<[f32; 2]>(stream, len, shape, |index| [index as f32, -0.5]);
    to_and_fro::<[f64; 2]>(stream, len, shape, |index| [number(index), -0.5]);
}

fn to_and_fro<T: Element + PartialEq + Debug>(
    stream: &mut TcpStream,
    len: usize,
    shape: &Shape,
    element: impl Fn(usize) -> T,
) {
    let values: Vec<T> = (0..len).map(element).collect();
    let mut wire = Vec::new();
    npy::send_slice(&mut wire, &values, shape).expect("memory takes all");
    stream.write_all(&wire).expect("Python reads");

    let mut written = vec![0; wire.len()];
    stream.read_exact(&mut written).expect("Python writes");
    assert!(
        written == wire,
        "numpy writes {:?}, not {:?}",
        start_of(&written),
        start_of(&wire)
    );
    for what in ["version 2", "version 3", "the other byte order"] {
        let array = npy::recv_vec::<T>(stream, &Limits::default()).expect(what);
        assert_eq!(array.shape(), shape, "{what}");
        assert!(array.values() == values, "{what}");
    }
}

fn start_of(wire: &[u8]) -> String {
    String::from_utf8_lossy(&wire[..wire.len().min(128)]).into_owned()
}
