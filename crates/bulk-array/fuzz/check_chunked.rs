//! What must hold of anything that a peer in the chunked protocol can say. The fuzz targets run it on what the fuzzer makes
//! up, and a test on the stored corpus.
#![allow(dead_code, reason = "each fuzz target uses one function")]

use bulk_array::chunked::{Offer, Transfer, TransferId};
use bulk_array::{Element, Limits};

const ID: TransferId = TransferId([7; 16]);

/// An input is a header without its CRC, and chunks.
pub(crate) fn header(input: &[u8]) {
    let len = input
        .get(14..16)
        .map_or(64, |len| usize::from(len[0]) | usize::from(len[1]) << 8);
    let (header, chunks) = input.split_at(input.len().min(len.saturating_sub(4)));
    let wire = [header, &crc32c::crc32c(header).to_le_bytes(), chunks].concat();
    receive::<u8>(&wire);
    receive::<f64>(&wire);
    receive::<[f32; 2]>(&wire);
}

/// An input is a request without its CRC.
pub(crate) fn request(input: &[u8]) {
    let input = &input[..input.len().min(60)];
    let wire = [input, &crc32c::crc32c(input).to_le_bytes()].concat();
    let values: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let offer = offer(&values);
    let mut sender = offer.sender();
    let mut sent = 0;
    if sender.receive(&wire).is_err() || sender.wanted() > 0 {
        return;
    }
    // Whatever was asked for, it ends.
    while let Ok(bytes @ [_, ..]) = sender.poll_transmit() {
        let len = bytes.len().min(700);
        sent += len;
        sender.advance(len);
    }
    assert!((64..=64 + 6 * 16 + 5000).contains(&sent));
    assert_eq!(sender.progress().total, 5000);
}

/// An input is: how many streams, a step, and changes to what the sender sends: three bytes each, where and what.
pub(crate) fn stream(input: &[u8]) {
    let Some((&[streams, step], changes)) = input.split_first_chunk() else {
        return;
    };
    let (streams, step) = (u16::from(streams % 5) + 1, usize::from(step) + 1);
    let values: Vec<u8> = (0..=250).cycle().take(5000).collect();
    let offer = offer(&values);
    let mut received = vec![0; values.len()];
    let transfer = Transfer::parallel(&mut received, streams);
    for stream in 0..streams {
        let good = answer(&offer, &transfer, stream);
        let mut damaged = good.clone();
        for change in changes.chunks_exact(3) {
            let place = usize::from(change[0]) << 8 | usize::from(change[1]);
            match (damaged.get_mut(place), change[2]) {
                (Some(_), 0) => damaged.truncate(place),
                (Some(byte), change) => *byte ^= change,
                (None, _) => {}
            }
        }
        let mut receiver = transfer.receiver(stream).expect("it is not busy");
        let result = damaged
            .chunks(step)
            .try_for_each(|step| receiver.receive(step).map(drop));
        let result = result.and_then(|()| receiver.receive_eof());
        assert_eq!(result.is_ok(), good == damaged);
        assert_eq!(receiver.is_complete(), good == damaged);
    }
    // And then it goes on.
    for stream in 0..streams {
        let good = answer(&offer, &transfer, stream);
        let mut receiver = transfer.receiver(stream).expect("it is not busy");
        assert_eq!(receiver.receive(&good), Ok(good.len()));
    }
    assert!(transfer.is_complete());
    drop(transfer);
    assert!(received == values);
}

fn offer(values: &[u8]) -> Offer<&[u8]> {
    let offer = Offer::new(values, values.len()).expect("the shape is that of the values");
    let offer = offer.with_id(ID).with_chunk_len(1024);
    offer.expect("1024 is a length")
}

fn answer(offer: &Offer<&[u8]>, transfer: &Transfer<'_, u8>, stream: u16) -> Vec<u8> {
    let mut sender = offer.sender();
    let receiver = transfer.receiver(stream).expect("it is not busy");
    sender
        .receive(receiver.poll_transmit())
        .expect("the request is good");
    let mut wire = Vec::new();
    while !sender.is_complete() {
        let bytes = sender.poll_transmit().expect("the request is good");
        wire.extend_from_slice(bytes);
        let sent = bytes.len();
        sender.advance(sent);
    }
    wire
}

fn receive<T: Element>(wire: &[u8]) {
    let limits = Limits {
        max_bytes: 100 << 20,
        ..Limits::default()
    };
    let transfer = Transfer::<T>::vec(Vec::new(), &limits);
    let mut receiver = transfer.receiver(0).expect("it is not busy");
    let result = receiver.receive(wire);
    assert_eq!(
        receiver.is_complete(),
        result.is_ok() && receiver.receive_eof().is_ok()
    );
    drop(receiver);
    let progress = transfer.progress();
    assert!(progress.done <= progress.total && progress.done <= wire.len() as u64);
    assert!(progress.total <= limits.max_bytes);
    if let Some(header) = transfer.header() {
        let len = header.shape.len().expect("it has been looked at");
        assert_eq!(header.total, len * size_of::<T>() as u64);
        let checkpoint = transfer.checkpoint().expect("there is a header");
        assert_eq!(checkpoint.bytes, progress.done);
    }
    let values = transfer.into_vec();
    assert_eq!(values.len() * size_of::<T>(), progress.done as usize);
    assert!(values.capacity() * size_of::<T>() <= (2 * wire.len()).max(1 << 20));
}
