//! What is sent arrives, whatever it is made of and however it is cut.

use bulk_array::blocking::raw;
use bulk_array::{ArrayError, ByteOrder, Element, Error, Reader};
use proptest::prelude::*;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

fn there_and_back<T: Element + PartialEq + std::fmt::Debug>(values: &[T]) {
    for order in ORDERS {
        let mut wire = Vec::new();
        raw::send_slice(&mut wire, values, order).expect("memory takes all");
        assert_eq!(wire.len(), size_of_val(values));
        wire.push(7);

        let mut stream = &wire[..];
        let received = raw::recv_vec::<T>(&mut stream, values.len(), order);
        assert_eq!(received.expect("all is there"), values);
        assert_eq!(stream, [7], "what comes behind the array is left alone");

        let mut received = vec![T::zeroed(); values.len()];
        raw::recv_into(&mut &wire[..], &mut received, order).expect("all is there");
        assert_eq!(received, values);
    }
}

#[test]
fn every_element() {
    there_and_back(&[0_u8, 1, 255]);
    there_and_back(&[0_u16, 1, 0x1234, u16::MAX]);
    there_and_back(&[0_u32, 1, 0x1234_5678, u32::MAX]);
    there_and_back(&[0_u64, 1, 0x1234_5678_9abc_def0, u64::MAX]);
    there_and_back(&[0_i8, 1, -1, i8::MIN]);
    there_and_back(&[0_i16, 1, -2, i16::MIN]);
    there_and_back(&[0_i32, 1, -2, i32::MIN]);
    there_and_back(&[0_i64, 1, -2, i64::MIN]);
    there_and_back(&[0.0_f32, 1.5, -0.0, f32::MIN_POSITIVE, f32::INFINITY]);
    there_and_back(&[0.0_f64, 1.5, -0.0, f64::MIN_POSITIVE, f64::INFINITY]);
    there_and_back(&[[1.0_f32, 2.0], [-3.0, 4.5]]);
    there_and_back(&[[1.0_f64, 2.0], [-3.0, 4.5]]);
    there_and_back::<f64>(&[]);
}

#[test]
fn byte_order_is_that_of_the_wire() {
    let mut wire = Vec::new();
    raw::send_slice(&mut wire, &[0x0102_u16, 3], ByteOrder::Big).unwrap();
    raw::send_slice(&mut wire, &[0x0102_0304_u32], ByteOrder::Little).unwrap();
    raw::send_slice(&mut wire, &[1.0_f64], ByteOrder::Big).unwrap();
    raw::send_slice(&mut wire, &[[1.0_f32, 2.0]], ByteOrder::Big).unwrap();
    let expected = [
        &[1, 2, 0, 3][..],
        &[4, 3, 2, 1],
        &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0],
        &[0x3f, 0x80, 0, 0, 0x40, 0, 0, 0], // each part by itself
    ];
    assert_eq!(wire, expected.concat());
}

#[test]
fn a_short_stream_says_how_short() {
    let wire = [0; 20];
    let error = raw::recv_vec::<f64>(&mut &wire[..], 3, ByteOrder::Little)
        .expect_err("4 bytes are missing");
    assert!(matches!(
        error,
        Error::Array(ArrayError::Truncated {
            received: 20,
            expected: 24
        })
    ));
    assert_eq!(
        error.to_string(),
        "the stream ended after 20 of the 24 bytes of the array"
    );
    let error = raw::recv_into(&mut &wire[..], &mut [0.0; 3], ByteOrder::Little)
        .expect_err("4 bytes are missing");
    assert!(matches!(
        error,
        Error::Array(ArrayError::Truncated {
            received: 20,
            expected: 24
        })
    ));
}

#[test]
fn what_came_before_an_error_is_kept() {
    let wire = [0, 1, 0, 2, 0];
    let mut values = vec![9_u16; 7];
    let result = raw::recv_reusing(&mut &wire[..], &mut values, 3, ByteOrder::Big);
    assert!(result.is_err());
    assert_eq!(values, [1, 2]);
}

#[test]
fn a_vector_is_reused() {
    let mut values = Vec::<u32>::with_capacity(100);
    let place = values.as_ptr();
    for len in [100, 0, 7, 100] {
        let wire = vec![3; len * 4];
        raw::recv_reusing(&mut &wire[..], &mut values, len, ByteOrder::NATIVE).unwrap();
        assert_eq!(values, vec![0x0303_0303; len]);
    }
    assert_eq!(values.as_ptr(), place);
}

#[test]
fn any_reader_is_a_source() {
    let wire: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut stream = Reader(&wire[..]);
    let values = raw::recv_vec::<u8>(&mut stream, wire.len(), ByteOrder::NATIVE).unwrap();
    assert_eq!(values, wire);
}

proptest! {
    #[test]
    fn any_cut(
        values: Vec<u32>,
        steps in proptest::collection::vec(1_usize..20, 1..10),
        order in proptest::sample::select(&ORDERS[..]),
    ) {
        let mut sender = raw_sender(&values, order);
        let mut wire = Vec::new();
        let mut cut = steps.iter().cycle();
        while let bytes @ [_, ..] = sender.poll_transmit() {
            let len = bytes.len().min(*cut.next().expect("it is a cycle"));
            wire.extend_from_slice(&bytes[..len]);
            sender.advance(len);
        }
        let mut receiver = bulk_array::raw::Receiver::<u32>::new(values.len(), order).expect("a small one");
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let len = rest.len().min(*cut.next().expect("it is a cycle"));
            prop_assert!(!receiver.is_complete());
            prop_assert_eq!(receiver.receive(&rest[..len]).expect("a small one"), len);
            rest = &rest[len..];
        }
        prop_assert_eq!(receiver.finish(), Ok(values));
    }
}

fn raw_sender(values: &[u32], order: ByteOrder) -> bulk_array::raw::Sender<u32, &[u32]> {
    bulk_array::raw::Sender::new(values, order)
}
