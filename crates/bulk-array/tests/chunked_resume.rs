//! A transfer goes on where it broke, wherever that was.

use bulk_array::chunked::{Checkpoint, ChunkedError, Offer, Transfer, TransferId};
use bulk_array::{ArrayError, Limits};
use proptest::prelude::*;

mod support {
    pub(crate) mod wire;
}

use support::wire::{ID, answer, asked};

const CHUNK: usize = 1024;
/// Four chunks and a bit more.
const LEN: usize = 2 * CHUNK + 33;

fn values() -> Vec<u16> {
    (0..LEN).map(|number| (number * 40503) as u16).collect()
}

fn offer(values: &[u16]) -> Offer<&[u16]> {
    let offer = Offer::new(values, values.len()).expect("the shape is that of the values");
    let offer = offer.with_id(ID).with_chunk_len(CHUNK as u32);
    offer.expect("1024 is a length")
}

/// Receives what the offer answers, at most `cut` bytes of it, in steps of `step`. Returns whether that was all.
fn run(
    offer: &Offer<&[u16]>,
    transfer: &Transfer<'_, u16>,
    stream: u16,
    cut: usize,
    step: usize,
) -> bool {
    let mut receiver = transfer.receiver(stream).expect("it is not busy");
    let wire = answer(&mut offer.sender(), &asked(&mut receiver)).expect("the request is good");
    let cut = cut.min(wire.len());
    for bytes in wire[..cut].chunks(step) {
        assert_eq!(receiver.receive(bytes), Ok(bytes.len()));
    }
    assert_eq!(receiver.is_complete(), cut == wire.len());
    let cut_error = receiver.receive_eof().err();
    assert_eq!(cut_error.is_some(), cut < wire.len());
    if cut < 64 {
        let (received, expected) = (cut as u64, 64);
        assert_eq!(
            cut_error,
            Some(ArrayError::HeaderTruncated { received, expected })
        );
    }
    cut == wire.len()
}

/// The whole chunks among the first `cut` bytes of an uncut answer, in bytes of the array.
fn whole(cut: usize) -> usize {
    let chunks = cut.saturating_sub(64) / (16 + CHUNK);
    match cut >= 64 + 5 * 16 + 2 * LEN {
        true => 2 * LEN,
        false => chunks * CHUNK,
    }
}

#[test]
fn into_a_slice_after_a_cut_at_every_byte() {
    let values = values();
    let offer = offer(&values);
    let all = 64 + 5 * 16 + 2 * LEN + 16;
    for cut in 0..all {
        let mut received = vec![0; LEN];
        let transfer = Transfer::slice(&mut received);
        assert!(!run(&offer, &transfer, 0, cut, 100));
        assert_eq!(transfer.progress().done, whole(cut) as u64, "cut at {cut}");
        assert!(run(&offer, &transfer, 0, all, 1000));
        assert!(transfer.is_complete());
        assert!(received == values, "cut at {cut}");
    }
}

#[test]
fn into_a_vector_after_a_cut_at_every_byte_in_another_process() {
    let values = values();
    let offer = offer(&values);
    let all = 64 + 5 * 16 + 2 * LEN + 16;
    for cut in 0..all {
        let transfer = Transfer::vec(vec![9; 5], &Limits::default());
        assert!(!run(&offer, &transfer, 0, cut, 999));
        let checkpoint = transfer
            .checkpoint()
            .map(|checkpoint| checkpoint.to_string());
        assert_eq!(checkpoint.is_some(), cut >= 64);
        let beginning = transfer.into_vec();
        assert_eq!(beginning, values[..whole(cut) / 2]);

        let mut transfer = Transfer::vec(beginning, &Limits::default());
        if let Some(checkpoint) = checkpoint {
            let checkpoint = checkpoint.parse().unwrap();
            transfer = transfer.with_checkpoint(&checkpoint).unwrap();
            assert_eq!(transfer.checkpoint(), Some(checkpoint));
        }
        assert!(run(&offer, &transfer, 0, all, 333));
        assert_eq!(transfer.into_array().unwrap().into_vec(), values);
    }
}

#[test]
fn what_is_behind_the_verified_part_of_a_vector_does_not_count() {
    let values = values();
    let offer = offer(&values);
    let mut kept = values[..512].to_vec();
    kept.extend([7; 5000]);
    let checkpoint = Checkpoint {
        id: ID,
        chunk: 1,
        bytes: 1024,
    };
    let transfer = Transfer::vec(kept, &Limits::default())
        .with_checkpoint(&checkpoint)
        .unwrap();
    assert_eq!(transfer.progress().done, 1024);
    assert!(run(&offer, &transfer, 0, usize::MAX, 4096));
    assert_eq!(transfer.into_vec(), values);
}

#[test]
fn a_slice_goes_on_with_another_number_of_streams() {
    let values = values();
    let offer = offer(&values);
    let mut received = vec![0; LEN];
    let transfer = Transfer::parallel(&mut received, 3);
    // Stream 0 has chunks 0 and 3, stream 1 has 1 and 4, stream 2 has 2.
    assert!(run(&offer, &transfer, 0, usize::MAX, 4096));
    assert!(!run(&offer, &transfer, 1, 64 + 16 + CHUNK + 16 + 10, 4096));
    assert!(!run(&offer, &transfer, 2, 64 + 16 + CHUNK - 1, 4096));
    assert_eq!(transfer.progress().done, 3 * 1024);
    let checkpoint = transfer.checkpoint().unwrap();
    assert_eq!((checkpoint.chunk, checkpoint.bytes), (2, 2048));
    drop(transfer);

    let transfer = Transfer::parallel(&mut received, 2)
        .with_checkpoint(&checkpoint)
        .unwrap();
    assert!(run(&offer, &transfer, 1, usize::MAX, 4096));
    assert!(run(&offer, &transfer, 0, usize::MAX, 4096));
    assert!(transfer.is_complete());
    assert_eq!(
        transfer.checkpoint().map(|at| (at.chunk, at.bytes)),
        Some((5, 2 * LEN as u64))
    );
    assert_eq!(received, values);
}

#[test]
fn a_stream_has_one_receiver_at_a_time() {
    let mut received = [0_u16; 8];
    let transfer = Transfer::parallel(&mut received, 65535);
    let first = transfer.receiver(3).unwrap();
    let busy = ArrayError::Chunked(ChunkedError::StreamBusy { stream: 3 });
    assert_eq!(transfer.receiver(3).err(), Some(busy));
    drop(first);
    assert!(transfer.receiver(3).is_ok());
    let none = ChunkedError::NoSuchStream {
        stream: 65535,
        streams: 65535,
    };
    assert_eq!(transfer.receiver(65535).err(), Some(none.into()));
    let checkpoint = Checkpoint {
        id: ID,
        chunk: 0,
        bytes: 0,
    };
    assert!(transfer.with_checkpoint(&checkpoint).is_ok());
}

#[test]
fn a_complete_transfer_can_be_asked_for_again() {
    let values = values();
    let offer = offer(&values);
    let mut received = vec![0; LEN];
    let transfer = Transfer::parallel(&mut received, 2);
    for stream in [0, 1, 1, 0] {
        assert!(run(&offer, &transfer, stream, usize::MAX, 4096));
    }
    assert!(transfer.is_complete());
}

#[test]
fn another_array_is_refused_by_both_ends() {
    let values = values();
    let (begun, other) = (offer(&values), offer(&values).with_id(TransferId([1; 16])));
    let mut received = vec![0; LEN];
    let transfer = Transfer::slice(&mut received);
    assert!(!run(&begun, &transfer, 0, 64, 64));

    let mut receiver = transfer.receiver(0).unwrap();
    let mut sender = other.sender();
    sender.receive(&asked(&mut receiver)).unwrap();
    let header = sender.poll_transmit().unwrap().to_vec();
    sender.advance(header.len());
    let refused = ArrayError::Chunked(ChunkedError::OtherTransfer {
        expected: ID,
        found: TransferId([1; 16]),
    });
    assert_eq!(sender.poll_transmit(), Err(refused.clone()));
    assert_eq!(receiver.receive(&header), Err(refused.clone()));
    assert_eq!(receiver.receive(&header), Err(refused));
    drop(receiver);
    assert!(run(&begun, &transfer, 0, usize::MAX, 4096));
}

#[test]
fn another_layout_under_the_same_id_is_refused() {
    let values = values();
    let others = [
        offer(&values).with_chunk_len(2048).unwrap(),
        Offer::new(&values[..], [1, LEN])
            .unwrap()
            .with_id(ID)
            .with_chunk_len(1024)
            .unwrap(),
    ];
    for other in others {
        let mut received = vec![0; LEN];
        let transfer = Transfer::slice(&mut received);
        assert!(!run(&offer(&values), &transfer, 0, 64, 64));
        let mut receiver = transfer.receiver(0).unwrap();
        let wire = answer(&mut other.sender(), &asked(&mut receiver)).unwrap();
        let error = receiver.receive(&wire).unwrap_err();
        let ArrayError::Chunked(ChunkedError::OtherLayout { expected, found }) = &error else {
            panic!("{error}");
        };
        assert_eq!(
            (&**expected, &**found),
            (offer(&values).header(), other.header())
        );
        drop(receiver);
        // The first one can go on.
        assert!(run(&offer(&values), &transfer, 0, usize::MAX, 4096));
    }
}

#[test]
fn a_checkpoint_must_fit_what_is_there_and_what_is_offered() {
    let checkpoint = Checkpoint {
        id: ID,
        chunk: 3,
        bytes: 3000,
    };
    let mut short = [0_u16; 1499];
    let error = Transfer::slice(&mut short)
        .with_checkpoint(&checkpoint)
        .unwrap_err();
    let expected = ChunkedError::Checkpoint {
        bytes: 3000,
        expected: 2998,
    };
    assert_eq!(error, expected.into());

    let values = values();
    let transfer = Transfer::vec(values.clone(), &Limits::default());
    let transfer = transfer.with_checkpoint(&checkpoint).unwrap();
    let mut receiver = transfer.receiver(0).unwrap();
    let wire = answer(&mut offer(&values).sender(), &asked(&mut receiver)).unwrap();
    let expected = ChunkedError::Checkpoint {
        bytes: 3000,
        expected: 3072,
    };
    assert_eq!(receiver.receive(&wire), Err(expected.into()));

    for text in [
        "",
        "a7",
        "a7:1:2",
        &format!("{ID}:1"),
        &format!("{ID}:1:2:3"),
        &format!("{ID}:-1:0"),
        &format!("+{ID}:1:0"),
    ] {
        assert!(text.parse::<Checkpoint>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn after_any_breaks_of_any_streams(
        len in 0_usize..20_000,
        streams in 1_u16..6,
        breaks in prop::collection::vec((any::<u16>(), 0_usize..9000, 1_usize..3000), 0..12),
    ) {
        let values: Vec<u16> = (0..len).map(|number| (number * 31) as u16).collect();
        let offer = offer(&values);
        let mut received = vec![0; len];
        let transfer = Transfer::parallel(&mut received, streams);
        for (stream, cut, step) in breaks {
            run(&offer, &transfer, stream % streams, cut, step);
        }
        for stream in 0..streams {
            prop_assert!(run(&offer, &transfer, stream, usize::MAX, 777));
        }
        prop_assert!(transfer.is_complete());
        prop_assert_eq!(received, values);
    }
}
