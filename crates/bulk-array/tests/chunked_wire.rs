//! Every byte of the chunked wire, against one written by hand.

use bulk_array::chunked::{Offer, Transfer};
use bulk_array::{Kind, Limits, Shape};

mod support {
    pub(crate) mod wire;
}

use support::wire::{Header, ID, answer, asked, chunk, end, request};

fn bytes<T: bytemuck::Pod>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

const NATIVE: u8 = if cfg!(target_endian = "big") {
    b'>'
} else {
    b'<'
};

#[test]
fn a_sender_writes_what_is_documented() {
    let values: Vec<f64> = (0..300).map(f64::from).collect();
    let offer = Offer::new(&values[..], 300).unwrap().with_id(ID);
    let offer = offer.with_chunk_len(1024).unwrap();
    let written = answer(&mut offer.sender(), &request(None, 0, 1, 0)).unwrap();
    let expected = [
        Header::of([b'f', 8, NATIVE, b'C'], &[300], 1024).bytes(),
        chunk(0, &bytes(&values[..128])),
        chunk(1, &bytes(&values[128..256])),
        chunk(2, &bytes(&values[256..])),
        end(),
    ];
    assert_eq!(expected[0].len(), 64);
    assert_eq!(written, expected.concat());
}

#[test]
fn a_sender_of_a_matrix_tells_its_dimensions() {
    let values: Vec<[f32; 2]> = (0..12).map(|number| [number as f32, -1.0]).collect();
    let shape = Shape::fortran([3, 4]);
    let offer = Offer::new(values.clone(), shape).unwrap().with_id(ID);
    let written = answer(&mut offer.sender(), &request(Some(ID), 0, 1, 0)).unwrap();
    let expected = [
        Header::of([b'c', 8, NATIVE, b'F'], &[3, 4], 1 << 20).bytes(),
        chunk(0, &bytes(&values)),
        end(),
    ];
    assert_eq!(expected[0].len(), 128);
    assert_eq!(written, expected.concat());
}

#[test]
fn a_stream_has_every_so_many_th_chunk_from_the_one_asked_for() {
    let values: Vec<u8> = (0..10 * 1024).map(|number| (number / 7) as u8).collect();
    let offer = Offer::new(&values[..], 10 * 1024).unwrap().with_id(ID);
    let offer = offer.with_chunk_len(1024).unwrap();
    for streams in [1_u16, 2, 3, 7, 10, 11, 65535] {
        for (stream, first) in [
            (0, 0),
            (0, 3),
            (1, 0),
            (2, 4),
            (streams - 1, 9),
            (5, 10),
            (6, u64::MAX),
        ] {
            if stream >= streams {
                continue;
            }
            let written =
                answer(&mut offer.sender(), &request(None, stream, streams, first)).unwrap();
            let mut header = Header::of([b'u', 1, NATIVE, b'C'], &[10 * 1024], 1024);
            (header.stream, header.streams) = (stream, streams);
            let mut expected = header.bytes();
            for (index, content) in (0..).zip(values.chunks(1024)) {
                if index >= first && index % u64::from(streams) == u64::from(stream) {
                    expected.extend(chunk(index, content));
                }
            }
            expected.extend(end());
            assert!(
                written == expected,
                "stream {stream} of {streams} from {first}"
            );
        }
    }
}

#[test]
fn a_request_is_what_is_documented() {
    let mut values = [0_u8; 4096];
    let transfer = Transfer::slice(&mut values);
    let mut receiver = transfer.receiver(0).unwrap();
    assert_eq!(asked(&mut receiver), request(None, 0, 1, 0));
    let header = Header::of(*b"u\x01<C", &[4096], 1024).bytes();
    receiver
        .receive(&[header, chunk(0, &[1; 1024])].concat())
        .unwrap();
    drop(receiver);
    let mut receiver = transfer.receiver(0).unwrap();
    assert_eq!(asked(&mut receiver), request(Some(ID), 0, 1, 1));
    drop((receiver, transfer));

    let transfer = Transfer::parallel(&mut values, 3);
    let mut receiver = transfer.receiver(2).unwrap();
    assert_eq!(asked(&mut receiver), request(None, 2, 3, 2));
}

#[test]
fn numbers_of_the_other_byte_order_are_turned_round() {
    let values: Vec<u32> = (0..600)
        .map(|number: u32| number.wrapping_mul(0x0102_0305))
        .collect();
    for order in [b'<', b'>'] {
        let turned = values.iter().flat_map(|value| match order {
            b'<' => value.to_le_bytes(),
            _ => value.to_be_bytes(),
        });
        let turned: Vec<u8> = turned.collect();
        let mut wire = Header::of([b'u', 4, order, b'C'], &[20, 30], 1024).bytes();
        for (index, content) in (0..).zip(turned.chunks(1024)) {
            wire.extend(chunk(index, content));
        }
        wire.extend(end());

        let transfer = Transfer::<u32>::vec(Vec::new(), &Limits::default());
        let mut receiver = transfer.receiver(0).unwrap();
        for step in wire.chunks(7) {
            assert_eq!(receiver.receive(step), Ok(step.len()));
        }
        assert!(receiver.is_complete());
        drop(receiver);
        let array = transfer.into_array().unwrap();
        assert_eq!(
            (array.shape(), array.values()),
            (&Shape::from([20, 30]), &values[..])
        );

        let mut received = vec![0; 600];
        let transfer = Transfer::slice(&mut received);
        assert_eq!(transfer.receiver(0).unwrap().receive(&wire), Ok(wire.len()));
        assert_eq!(received, values);
    }
}

#[test]
fn bools_arrive_as_bytes() {
    let header = Header::of(*b"b\x01<C", &[3], 1024).bytes();
    let wire = [header, chunk(0, &[1, 0, 1]), end()].concat();
    let transfer = Transfer::<u8>::vec(Vec::new(), &Limits::default());
    transfer.receiver(0).unwrap().receive(&wire).unwrap();
    assert_eq!(transfer.header().unwrap().dtype.kind(), Kind::Bool);
    assert_eq!(transfer.into_array().unwrap().values(), [1, 0, 1]);
}

#[test]
fn an_array_can_have_no_elements_and_no_dimensions() {
    let transfer = Transfer::<i16>::vec(vec![5], &Limits::default());
    assert!(!transfer.is_complete());
    let header = Header::of(*b"i\x02<C", &[7, 0], 1024).bytes();
    let wire = [header, end()].concat();
    assert_eq!(transfer.receiver(0).unwrap().receive(&wire), Ok(wire.len()));
    assert!(transfer.is_complete());
    assert_eq!(transfer.into_array().unwrap().shape(), &Shape::from([7, 0]));

    let offer = Offer::new(&[42_i64][..], []).unwrap();
    let transfer = Transfer::<i64>::vec(Vec::new(), &Limits::default());
    let mut receiver = transfer.receiver(0).unwrap();
    let wire = answer(&mut offer.sender(), &asked(&mut receiver)).unwrap();
    assert_eq!(wire.len(), 64 + 16 + 8 + 16);
    receiver.receive(&wire).unwrap();
    drop(receiver);
    assert_eq!(transfer.into_array().unwrap().get(&[]), Some(&42));
}

#[test]
fn nothing_behind_a_request_or_an_end_mark_is_taken() {
    let offer = Offer::new(&[1_u8, 2][..], 2).unwrap();
    let mut sender = offer.sender();
    let twice = [request(None, 0, 1, 0), request(None, 0, 1, 0)].concat();
    assert_eq!(sender.receive(&twice), Ok(64));
    assert_eq!(sender.receive(&twice), Ok(0));
    let wire = answer(&mut offer.sender(), &twice[..64]).unwrap();
    let mut received = [0_u8; 2];
    let transfer = Transfer::slice(&mut received);
    let mut receiver = transfer.receiver(0).unwrap();
    assert_eq!(
        receiver.receive(&[&wire[..], b"more"].concat()),
        Ok(wire.len())
    );
    assert_eq!(receiver.receive(b"more"), Ok(0));
    assert_eq!(receiver.receive_eof(), Ok(()));
}
