//! Everything that goes through the unsafe code, small enough for Miri.

use std::io;
use std::mem::MaybeUninit;

use bulk_array::blocking::raw;
use bulk_array::raw::Receiver;
use bulk_array::{ArrayError, ByteOrder, Reader, Source};

/// What a vector has room for before anything came.
const FIRST: usize = 1 << 20;

#[test]
fn a_vector_grows_with_what_arrives() {
    let mut bytes = vec![7; 5 * FIRST / 2 + 3];
    for place in 0..bytes.len() / 100_003 {
        bytes[place * 100_003] = place as u8;
    }
    let len = bytes.len() / 4 + 1;
    let mut receiver = Receiver::<u32>::new(len, ByteOrder::NATIVE).unwrap();
    for piece in bytes.chunks(300_001) {
        assert_eq!(receiver.receive(piece).unwrap(), piece.len());
    }
    assert_eq!(receiver.receive(&[9, 9]).unwrap(), 1, "the last byte");
    let values = receiver.finish().unwrap();
    let received: &[u8] = bytemuck::cast_slice(&values);
    assert!(received.starts_with(&bytes) && received.ends_with(&[9]));
}

#[test]
fn memory_of_any_size_is_used_again() {
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
    for capacity in 0..6 {
        let mut values = Vec::<u16>::with_capacity(capacity);
        values.extend([7; 2].into_iter().take(capacity));
        raw::recv_reusing(&mut &bytes[..], &mut values, 4, ByteOrder::Big).unwrap();
        assert_eq!(values, [0x0102, 0x0304, 0x0506, 0x0708]);
    }
}

#[test]
fn what_arrived_is_kept_without_the_rest() {
    let mut receiver = Receiver::<[f64; 2]>::new(3, ByteOrder::Big).unwrap();
    receiver.receive(&[0; 23]).unwrap();
    let truncated = ArrayError::Truncated {
        received: 23,
        expected: 48,
    };
    assert_eq!(receiver.into_received(), [[0.0; 2]]);
    let receiver = Receiver::<[f64; 2]>::new(3, ByteOrder::Big).unwrap();
    assert_ne!(receiver.finish(), Err(truncated));
}

#[test]
fn a_reader_may_spoil_what_it_does_not_return() {
    let mut receiver = Receiver::<u16>::new(3, ByteOrder::Little).unwrap();
    for byte in 0..6 {
        let read = receiver.fill(|spare| {
            spare.fill(MaybeUninit::uninit());
            let mut source = &[byte][..];
            source.read_spare(spare)
        });
        assert_eq!(read.unwrap(), 1);
    }
    assert_eq!(receiver.fill(|_| unreachable!("all is there")).unwrap(), 0);
    assert_eq!(receiver.finish().unwrap(), [0x0100, 0x0302, 0x0504]);
}

#[test]
fn any_reader() {
    let bytes = [0, 1, 0, 2, 0, 3, 0, 4];
    for mut stream in [Reader(&bytes[..]), Reader(&bytes[..7])] {
        let expected = if stream.0.len() == 8 {
            &[1, 2, 3, 4][..]
        } else {
            &[1, 2, 3]
        };
        let mut values: Vec<u16> = vec![5; 2];
        let result = raw::recv_reusing(&mut stream, &mut values, 4, ByteOrder::Big);
        assert_eq!(
            (result.is_ok(), &values[..]),
            (expected.len() == 4, expected)
        );
    }
}

#[test]
#[should_panic = "must return the beginning of the memory"]
fn a_reader_that_leaves_a_gap() {
    let mut receiver = Receiver::<u8>::new(3, ByteOrder::NATIVE).unwrap();
    let _ = receiver.fill(|spare| {
        let mut source = &[1, 2][..];
        source.read_spare(&mut spare[1..])
    });
}

#[test]
fn after_an_error_of_the_stream_it_goes_on() {
    let mut receiver = Receiver::<u16>::new(1, ByteOrder::NATIVE).unwrap();
    receiver.receive(&[3]).unwrap();
    let error = receiver.fill(|_| Err(io::ErrorKind::WouldBlock.into()));
    assert!(error.is_err() && !receiver.is_complete());
    receiver.receive(&[3]).unwrap();
    assert_eq!(receiver.finish().unwrap(), [0x0303]);
}

#[test]
fn more_than_any_memory() {
    let error =
        Receiver::<u64>::new(usize::MAX, ByteOrder::NATIVE).expect_err("no memory has so many");
    assert_eq!(error, ArrayError::OutOfMemory { bytes: u64::MAX });
    // Nothing of it is asked for before something comes.
    let mut receiver = Receiver::<u64>::new(usize::MAX / 16, ByteOrder::NATIVE).unwrap();
    receiver.receive(&[0; 12]).unwrap();
    assert_eq!(receiver.into_received(), [0]);
}

#[cfg(feature = "tokio")]
#[test]
fn streams_of_tokio() {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    let bytes = [0, 1, 0, 2, 0, 3, 0];
    let mut stream = tokio::io::AsyncReadExt::chain(&bytes[..3], &bytes[3..]);
    let mut values = vec![5_u16; 2];
    let result = {
        let received =
            bulk_array::tokio::raw::recv_reusing(&mut stream, &mut values, 4, ByteOrder::Big);
        pin!(received).poll(&mut Context::from_waker(Waker::noop()))
    };
    assert!(matches!(result, Poll::Ready(Err(_))));
    assert_eq!(values, [1, 2, 3]);
}
