//! Over Unix streams.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use fd_passing::{receive, send};

#[test]
fn what_is_written_on_one_side_is_read_on_the_other() {
    let (left, right) = UnixStream::pair().unwrap();
    let (mut near, far) = UnixStream::pair().unwrap();
    send(&left, b"hello", &[far]).unwrap();
    let mut buffer = [0; 16];
    let mut received = receive(&right, &mut buffer).unwrap().unwrap();
    assert_eq!(&buffer[..received.len], b"hello");
    let mut far = UnixStream::from(received.descriptors.pop().unwrap());
    assert!(received.descriptors.is_empty());
    near.write_all(b"over there").unwrap();
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).unwrap();
    assert_eq!(text, "over there");
}

#[test]
fn the_end_of_the_stream_is_told() {
    let (left, right) = UnixStream::pair().unwrap();
    send(&left, b"x", &[] as &[OwnedFd]).unwrap();
    drop(left);
    let mut buffer = [0; 16];
    let received = receive(&right, &mut buffer).unwrap().unwrap();
    assert_eq!((received.len, received.descriptors.len()), (1, 0));
    assert!(receive(&right, &mut buffer).unwrap().is_none());
}
