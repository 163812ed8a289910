//! Files and memory that the kernel sends, on loopback.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use bulk_array::linux::{Delivery, SendError, send_file, send_slice_zerocopy};

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let near = TcpStream::connect(address).expect("it listens");
    let (far, _) = listener.accept().expect("somebody connects");
    (near, far)
}

/// Values that differ from their neighbours, and so do their bytes.
fn values(count: usize) -> Vec<u32> {
    let multiplied = |n: usize| (n as u32).wrapping_mul(2_654_435_761);
    (0..count).map(multiplied).collect()
}

fn bytes_of(values: &[u32]) -> &[u8] {
    bytemuck::cast_slice(values)
}

/// A file without a name, with these bytes in it.
fn file(bytes: &[u8]) -> File {
    let path = std::env::temp_dir().join(format!(
        "bulk-array-{}-{:?}",
        std::process::id(),
        thread::current().id()
    ));
    File::create(&path)
        .and_then(|mut file| file.write_all(bytes))
        .expect("room for a file");
    let file = File::open(&path).expect("it was just made");
    std::fs::remove_file(&path).expect("it is there");
    file
}

/// Sends on a thread and reads, in pieces of this length, all that comes; returns both outcomes.
fn transfer<S: AsFd + Send, T: Send>(
    near: S,
    mut far: impl Read,
    piece: usize,
    send: impl FnOnce(&S) -> Result<T, SendError> + Send,
) -> (Result<T, SendError>, Vec<u8>) {
    thread::scope(|scope| {
        let sending = scope.spawn(move || send(&near));
        let mut arrived = Vec::new();
        let mut buffer = vec![0; piece];
        loop {
            match far.read(&mut buffer).expect("the sender is there") {
                0 => break,
                read => arrived.extend_from_slice(&buffer[..read]),
            }
        }
        let sent = sending.join().expect("sending does not panic");
        (sent, arrived)
    })
}

#[test]
fn a_file_arrives_through_every_kind_of_socket() {
    let values = values(1 << 20);
    let file = file(bytes_of(&values));
    let len = 4 << 20;
    let (near, far) = tcp_pair();
    let (sent, arrived) = transfer(near, far, 70_001, |near| send_file(near, &file, 0, len));
    sent.unwrap();
    assert!(arrived == bytes_of(&values));
    let (near, far) = UnixStream::pair().unwrap();
    let (sent, arrived) = transfer(near, far, 70_001, |near| send_file(near, &file, 0, len));
    sent.unwrap();
    assert!(arrived == bytes_of(&values));
}

#[test]
fn a_part_of_a_file_arrives_and_its_position_stays() {
    let mut file = file(b"left out, sent, left out");
    let (near, far) = tcp_pair();
    let (sent, arrived) = transfer(near, far, 100, |near| send_file(near, &file, 10, 4));
    sent.unwrap();
    assert_eq!(arrived, b"sent");
    let mut all = String::new();
    file.read_to_string(&mut all).unwrap();
    assert_eq!(all, "left out, sent, left out");
}

#[test]
fn a_socket_that_does_not_block_is_waited_for() {
    let values = values(1 << 20);
    let file = file(bytes_of(&values));
    let (near, far) = tcp_pair();
    near.set_nonblocking(true).unwrap();
    let (sent, arrived) = transfer(near, far, 3000, |near| send_file(near, &file, 0, 4 << 20));
    sent.unwrap();
    assert!(arrived == bytes_of(&values));
    let (near, far) = tcp_pair();
    near.set_nonblocking(true).unwrap();
    let (sent, arrived) = transfer(near, far, 3000, |near| send_slice_zerocopy(near, &values));
    sent.unwrap();
    assert!(arrived == bytes_of(&values));
}

#[test]
fn a_file_that_the_kernel_makes_up_is_read_and_written() {
    // As long as it is, sendfile does not take it.
    let made_up = File::open("/proc/self/auxv").unwrap();
    let mut expected = Vec::new();
    (&made_up).read_to_end(&mut expected).unwrap();
    let len = expected.len() as u64;
    let (near, far) = tcp_pair();
    let (sent, arrived) = transfer(near, far, 100, |near| send_file(near, &made_up, 8, len - 8));
    sent.unwrap();
    assert_eq!(arrived, expected[8..]);
    let (near, far) = tcp_pair();
    let (sent, arrived) = transfer(near, far, 100, |near| send_file(near, &made_up, 0, len + 1));
    let error = sent.unwrap_err();
    assert_eq!(error.io_error().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!((error.sent(), arrived), (len, expected));
}

#[test]
fn a_file_that_is_too_short_says_where_it_ends() {
    let file = file(&[7; 1000]);
    let (near, far) = tcp_pair();
    let (sent, arrived) = transfer(near, far, 4096, |near| send_file(near, &file, 100, 5000));
    let error = sent.unwrap_err();
    let told = "sent 900 of 5000 bytes: the file ends at 1000";
    assert_eq!(error.to_string(), told);
    assert_eq!(arrived.len(), 900);
    let error = io::Error::from(error);
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(error.to_string(), told);
}

#[test]
fn what_is_no_file_is_an_error() {
    let (near, _far) = tcp_pair();
    let (pipe, _end) = io::pipe().unwrap();
    let error = send_file(&near, &pipe, 0, 10).unwrap_err();
    assert_eq!(error.sent(), 0);
    assert_eq!(error.io_error().kind(), io::ErrorKind::NotSeekable);
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let values = values(8 << 20);
    let file = file(bytes_of(&values));
    let sends: [&dyn Fn(&TcpStream) -> SendError; 2] = [
        &|near| send_file(near, &file, 0, 32 << 20).unwrap_err(),
        &|near| send_slice_zerocopy(near, &values).unwrap_err(),
    ];
    for send in sends {
        for is_nonblocking in [false, true] {
            let (near, _far) = tcp_pair();
            near.set_nonblocking(is_nonblocking).unwrap();
            let timeout = Some(Duration::from_millis(100));
            near.set_write_timeout(timeout).unwrap();
            let error = send(&near);
            assert_eq!(error.io_error().kind(), io::ErrorKind::TimedOut);
            assert!((1..32 << 20).contains(&error.sent()), "{error}");
            let why = " of 33554432 bytes: the peer took no byte for 100ms";
            assert!(error.to_string().ends_with(why), "{error}");
        }
    }
}

#[test]
fn memory_arrives_and_loopback_copies_it() {
    let values = values(3 << 20);
    let (near, far) = tcp_pair();
    let (sent, arrived) = transfer(near, far, 70_001, |near| send_slice_zerocopy(near, &values));
    assert_eq!(sent.unwrap(), Delivery::Copied);
    assert!(arrived == bytes_of(&values));
}

#[test]
fn memory_can_be_used_again_once_it_was_sent() {
    let (near, far) = tcp_pair();
    let (sent, arrived) = transfer(near, far, 5000, |near| {
        let mut values = values(1 << 16);
        for _ in 0..50 {
            send_slice_zerocopy(near, &values)?;
            values.iter_mut().for_each(|value| *value ^= 0x5555_aaaa);
        }
        Ok(())
    });
    sent.unwrap();
    let mut expected = values(1 << 16);
    for arrived in arrived.chunks(4 << 16) {
        assert!(arrived == bytes_of(&expected));
        expected.iter_mut().for_each(|value| *value ^= 0x5555_aaaa);
    }
    assert_eq!(arrived.len(), 50 * (4 << 16));
}

#[test]
fn memory_is_copied_where_nothing_else_is_possible() {
    let values = values(1 << 18);
    let (near, far) = UnixStream::pair().unwrap();
    let (sent, arrived) = transfer(near, far, 70_001, |near| send_slice_zerocopy(near, &values));
    assert_eq!(sent.unwrap(), Delivery::Copied);
    assert!(arrived == bytes_of(&values));
    let (near, far) = tcp_pair();
    let (sent, arrived) = transfer(near, far, 100, |near| send_slice_zerocopy::<f64>(near, &[]));
    sent.unwrap();
    assert_eq!(arrived, b"");
}
