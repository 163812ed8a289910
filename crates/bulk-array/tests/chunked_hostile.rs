//! Damage is found before it counts, and nothing that a peer can say does harm.

use bulk_array::chunked::{ChunkedError, Offer, Transfer};
use bulk_array::{ArrayError, Dtype, Kind, Limits};

mod support {
    pub(crate) mod wire;
}

use support::wire::{Header, ID, answer, chunk, end, request, sealed};

fn values() -> Vec<u8> {
    (0..2500_u32)
        .map(|number| (number * 37 / 5) as u8)
        .collect()
}

fn wire(values: &[u8]) -> Vec<u8> {
    let offer = Offer::new(values, values.len()).expect("the shape is that of the values");
    let offer = offer.with_chunk_len(1024).expect("1024 is a length");
    answer(&mut offer.sender(), &request(None, 0, 1, 0)).expect("the request is good")
}

#[test]
fn a_change_of_any_byte_is_found_before_it_counts() {
    let values = values();
    let wire = wire(&values);
    for place in 0..wire.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = wire.clone();
            damaged[place] ^= change;
            let mut received = vec![0; values.len()];
            let transfer = Transfer::slice(&mut received);
            let mut receiver = transfer.receiver(0).unwrap();
            let error = receiver.receive(&damaged).expect_err("it is damaged");
            assert_eq!(receiver.receive(&wire), Err(error.clone()), "it repeats it");
            assert_eq!(receiver.receive_eof(), Err(error));
            assert!(!receiver.is_complete());
            drop(receiver);
            let done = transfer.progress().done as usize;
            assert!(done <= place);
            drop(transfer);
            assert_eq!(received[..done], values[..done], "byte {place}");
        }
    }
}

#[test]
fn a_damaged_chunk_is_asked_for_again() {
    let values = values();
    let mut damaged = wire(&values);
    damaged[64 + 16 + 1024 + 16 + 5] ^= 4;
    let transfer = Transfer::<u8>::vec(Vec::new(), &Limits::default());
    let mut receiver = transfer.receiver(0).unwrap();
    let error = receiver.receive(&damaged).unwrap_err();
    assert!(matches!(
        error,
        ArrayError::Chunked(ChunkedError::DamagedChunk { chunk: 1, announced, computed }) if announced != computed
    ));
    drop(receiver);
    let id = transfer.header().unwrap().id;
    let receiver = transfer.receiver(0).unwrap();
    assert_eq!(receiver.poll_transmit(), request(Some(id), 0, 1, 1));
    drop(receiver);
    assert_eq!(transfer.into_vec(), values[..1024]);
}

#[test]
fn chunks_must_come_in_their_turn() {
    let header = Header::of(*b"u\x01<C", &[2500], 1024).bytes();
    let chunks: Vec<Vec<u8>> = (0..)
        .zip(values().chunks(1024))
        .map(|(i, bytes)| chunk(i, bytes))
        .collect();
    let other = |expected, found| ArrayError::from(ChunkedError::OtherChunk { expected, found });
    let cases = [
        (vec![chunks[1].clone()], other(Some(0), 1)),
        (
            vec![chunks[0].clone(), chunks[0].clone()],
            other(Some(1), 0),
        ),
        (
            vec![chunks[0].clone(), chunks[2].clone()],
            other(Some(1), 2),
        ),
        (vec![end()], other(Some(0), u64::MAX)),
        ([&chunks[..], &chunks[..1]].concat(), other(None, 0)),
        (
            vec![chunk(0, &[0; 1023])],
            ChunkedError::OtherChunkLen {
                chunk: 0,
                expected: 1024,
                found: 1023,
            }
            .into(),
        ),
        (
            vec![chunks[0].clone(), chunks[1].clone(), chunk(2, &[0; 1024])],
            ChunkedError::OtherChunkLen {
                chunk: 2,
                expected: 452,
                found: 1024,
            }
            .into(),
        ),
    ];
    for (chunks, expected) in cases {
        let mut received = vec![0_u8; 2500];
        let transfer = Transfer::slice(&mut received);
        let mut receiver = transfer.receiver(0).unwrap();
        let wire = [&header[..], &chunks.concat()].concat();
        assert_eq!(receiver.receive(&wire), Err(expected));
    }
}

/// What a receiver into a vector of `u8` says to a header.
fn refused(header: &[u8]) -> ArrayError {
    let transfer = Transfer::<u8>::vec(Vec::new(), &Limits::default());
    let mut receiver = transfer.receiver(0).expect("it is not busy");
    let error = receiver.receive(header).expect_err("the header is bad");
    drop(receiver);
    assert_eq!(transfer.header(), None);
    assert_eq!(transfer.into_vec().capacity(), 0);
    error
}

#[test]
fn headers_that_say_what_cannot_be_are_refused() {
    let good = Header::of(*b"u\x01<C", &[2500], 1024);
    let change = |change: fn(&mut Header)| {
        let mut header = good.clone();
        change(&mut header);
        refused(&header.bytes())
    };
    let malformed = |field| ArrayError::from(ChunkedError::Malformed { field });
    assert_eq!(
        change(|header| header.version = 2),
        ChunkedError::Version { version: 2 }.into()
    );
    for element in [
        *b"x\x01<C",
        *b"u\x03<C",
        *b"u\x00<C",
        *b"u\x10<C",
        *b"b\x02<C",
        *b"c\x04<C",
    ] {
        assert_eq!(
            refused(
                &Header {
                    element,
                    ..good.clone()
                }
                .bytes()
            ),
            malformed("dtype")
        );
    }
    assert_eq!(
        change(|header| header.element[2] = b'|'),
        malformed("byte order")
    );
    assert_eq!(
        change(|header| header.element[3] = b'A'),
        malformed("order")
    );
    assert_eq!(change(|header| header.total = 2499), malformed("total"));
    assert_eq!(change(|header| header.total = u64::MAX), malformed("total"));
    assert_eq!(change(|header| header.len = 0), malformed("header length"));
    assert_eq!(
        change(|header| header.len = 128),
        malformed("header length")
    );
    assert_eq!(
        change(|header| header.len = u16::MAX),
        malformed("header length")
    );
    assert_eq!(
        change(|header| header.dims_announced = 2),
        malformed("header length")
    );
    assert_eq!(
        change(|header| header.dims_announced = 33),
        ArrayError::TooManyDims { max_dims: 32 }
    );
    assert_eq!(
        change(|header| header.dims_announced = 255),
        ArrayError::TooManyDims { max_dims: 32 }
    );
    for chunk_len in [
        0,
        1,
        64,
        960,
        1023,
        1025,
        1030,
        (4 << 20) + 64,
        1 << 31,
        u32::MAX,
    ] {
        let expected = ChunkedError::ChunkLen { chunk_len }.into();
        assert_eq!(
            refused(
                &Header {
                    chunk_len,
                    ..good.clone()
                }
                .bytes()
            ),
            expected
        );
    }
    for (stream, streams) in [(0, 0), (1, 1), (65535, 65535), (65535, 0)] {
        let expected = ChunkedError::NoSuchStream { stream, streams }.into();
        assert_eq!(
            refused(
                &Header {
                    stream,
                    streams,
                    ..good.clone()
                }
                .bytes()
            ),
            expected
        );
    }
    for (stream, streams) in [(0, 2), (1, 2), (65534, 65535)] {
        let expected = ChunkedError::OtherStream {
            expected: (0, 1),
            found: (stream, streams),
        };
        assert_eq!(
            refused(
                &Header {
                    stream,
                    streams,
                    ..good.clone()
                }
                .bytes()
            ),
            expected.into()
        );
    }
}

#[test]
fn dimensions_that_no_memory_has_are_refused() {
    let huge = [
        vec![1 << 32, 1 << 32],
        vec![u64::MAX, 2],
        vec![3, u64::MAX / 2],
        vec![1 << 63, 1 << 63, 4],
    ];
    for dims in huge {
        let mut header = Header::of(*b"u\x01<C", &vec![1; dims.len()], 1024);
        header.total = dims.iter().fold(1, |total, dim| total.wrapping_mul(*dim));
        header.dims = dims;
        assert_eq!(
            refused(&header.bytes()),
            ChunkedError::Malformed { field: "total" }.into()
        );
    }
    let mut header = Header::of(*b"f\x08<C", &[1], 1024);
    header.dims = vec![u64::MAX / 8 + 1];
    header.total = 0;
    assert_eq!(
        refused(&header.bytes()),
        ChunkedError::Malformed { field: "total" }.into()
    );
    let error = refused(&Header::of(*b"u\x01<C", &[1 << 20, 1 << 20], 1024).bytes());
    assert!(
        matches!(
            error,
            ArrayError::TooLarge {
                max_bytes: 0x4000_0000,
                ..
            }
        ),
        "{error}"
    );
    let error = refused(&Header::of(*b"f\x04<C", &[2500], 1024).bytes());
    let (expected, found) = (Dtype::new(Kind::Uint, 1), Dtype::new(Kind::Float, 4));
    assert_eq!(error, ArrayError::DtypeMismatch { expected, found });
}

#[test]
fn bytes_without_a_meaning_must_be_zero() {
    let good = Header::of(*b"u\x01<C", &[5, 500], 1024).bytes();
    assert_eq!(good.len(), 128);
    for place in 64..124 {
        let mut bytes = good.clone();
        bytes[place] = 1;
        let expected = ChunkedError::Malformed {
            field: "reserved bytes",
        };
        assert_eq!(refused(&sealed(bytes)), expected.into(), "byte {place}");
    }
}

#[test]
fn what_a_header_announces_costs_nothing_by_itself() {
    let header = Header::of(*b"u\x01<C", &[1 << 30], 4 << 20).bytes();
    let transfer = Transfer::<u8>::vec(Vec::new(), &Limits::default());
    let mut receiver = transfer.receiver(0).unwrap();
    assert_eq!(receiver.receive(&header), Ok(64));
    let head = [
        &0_u64.to_le_bytes()[..],
        &(4_u32 << 20).to_le_bytes(),
        &[0; 4],
        &[1; 100],
    ]
    .concat();
    assert_eq!(receiver.receive(&head), Ok(116));
    drop(receiver);
    assert!(transfer.into_vec().capacity() <= 1 << 20);
}

#[test]
fn an_array_must_have_the_length_of_the_slice() {
    let mut received = [0_u8; 2499];
    let transfer = Transfer::slice(&mut received);
    let header = Header::of(*b"u\x01<C", &[2500], 1024).bytes();
    let error = transfer.receiver(0).unwrap().receive(&header).unwrap_err();
    assert_eq!(
        error,
        ArrayError::ShapeMismatch {
            expected: 2499,
            found: 2500.into()
        }
    );
}

#[test]
fn requests_that_say_what_cannot_be_are_refused() {
    let offer = Offer::new(&[1_u8, 2, 3][..], 3).unwrap().with_id(ID);
    let refused = |bytes: &[u8]| {
        let mut sender = offer.sender();
        let error = sender.receive(bytes).expect_err("the request is bad");
        assert_eq!(sender.poll_transmit(), Err(error.clone()));
        error
    };
    let good = request(Some(ID), 0, 1, 0);
    for place in 0..64 {
        for bit in 0..8 {
            let mut damaged = good.clone();
            damaged[place] ^= 1 << bit;
            refused(&damaged);
        }
    }
    for (stream, streams) in [(0, 0), (1, 1), (65535, 65535), (65535, 0)] {
        let expected = ChunkedError::NoSuchStream { stream, streams }.into();
        assert_eq!(refused(&request(None, stream, streams, 0)), expected);
    }
    for place in [9, 14, 15, 40, 59] {
        let mut bytes = good.clone();
        bytes[place] = 2;
        let expected = ChunkedError::Malformed {
            field: "reserved bytes",
        };
        assert_eq!(refused(&sealed(bytes)), expected.into());
    }
    let mut without_flag = good;
    without_flag[9] = 0;
    refused(&sealed(without_flag));
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a browser/1.0\r\n\r\n\r\n";
    assert_eq!(
        refused(http).to_string(),
        "the peer does not speak the chunked protocol, it sent \"GET / HT\""
    );
    let mut sender = offer.sender();
    sender.receive(&http[..10]).unwrap();
    let cut = ArrayError::HeaderTruncated {
        received: 10,
        expected: 64,
    };
    assert_eq!(sender.receive_eof(), Err(cut));
}

#[test]
fn an_offer_is_made_of_what_can_be() {
    let wrong = Offer::new(&[1_u8, 2, 3][..], [2, 2]).unwrap_err();
    assert_eq!(
        wrong,
        ArrayError::LenMismatch {
            len: 3,
            shape: [2, 2].into()
        }
    );
    for chunk_len in [0, 512, 1000, 5 << 20] {
        let offer = Offer::new(&[1_u8][..], 1).unwrap();
        let error = offer.with_chunk_len(chunk_len).unwrap_err();
        assert_eq!(error, ChunkedError::ChunkLen { chunk_len }.into());
    }
}
