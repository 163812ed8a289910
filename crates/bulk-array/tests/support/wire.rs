//! The chunked wire, written by hand from its description.
#![allow(dead_code, reason = "each test uses a part of it")]

use bulk_array::ArrayError;
use bulk_array::chunked::{Receiver, Sender, TransferId};

pub(crate) const ID: TransferId = TransferId([0xa7; 16]);

/// CRC32C, bit by bit.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc = (crc >> 1) ^ (0x82f6_3b78 * low);
        }
    }
    !crc
}

/// Puts the CRC into the last four bytes.
pub(crate) fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 4;
    let crc = crc(&bytes[..at]);
    bytes[at..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub(crate) fn request(id: Option<TransferId>, stream: u16, streams: u16, first: u64) -> Vec<u8> {
    let mut bytes = b"NBARRAY?\x01".to_vec();
    bytes.push(id.is_some().into());
    bytes.extend(stream.to_le_bytes());
    bytes.extend(streams.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(id.map_or([0; 16], |id| id.0));
    bytes.extend(first.to_le_bytes());
    bytes.extend([0; 24]);
    sealed(bytes)
}

/// A header, to be changed as a test likes.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) version: u8,
    /// Kind, size, byte order, order.
    pub(crate) element: [u8; 4],
    pub(crate) dims: Vec<u64>,
    pub(crate) dims_announced: u8,
    pub(crate) len: u16,
    pub(crate) id: TransferId,
    pub(crate) total: u64,
    pub(crate) chunk_len: u32,
    pub(crate) stream: u16,
    pub(crate) streams: u16,
}

impl Header {
    pub(crate) fn of(element: [u8; 4], dims: &[u64], chunk_len: u32) -> Self {
        let len = (48 + 8 * dims.len() + 4).next_multiple_of(64) as u16;
        Self {
            version: 1,
            element,
            dims: dims.to_vec(),
            dims_announced: dims.len() as u8,
            len,
            id: ID,
            total: dims.iter().product::<u64>() * u64::from(element[1]),
            chunk_len,
            stream: 0,
            streams: 1,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"NBARRAY!".to_vec();
        bytes.push(self.version);
        bytes.extend(self.element);
        bytes.push(self.dims_announced);
        bytes.extend(self.len.to_le_bytes());
        bytes.extend(self.id.0);
        bytes.extend(self.total.to_le_bytes());
        bytes.extend(self.chunk_len.to_le_bytes());
        bytes.extend(self.stream.to_le_bytes());
        bytes.extend(self.streams.to_le_bytes());
        for dim in &self.dims {
            bytes.extend(dim.to_le_bytes());
        }
        let len = (bytes.len() + 4).next_multiple_of(64);
        bytes.resize(len, 0);
        sealed(bytes)
    }
}

pub(crate) fn chunk(index: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = index.to_le_bytes().to_vec();
    bytes.extend((content.len() as u32).to_le_bytes());
    bytes.extend(crc(content).to_le_bytes());
    bytes.extend(content);
    bytes
}

pub(crate) fn end() -> Vec<u8> {
    chunk(u64::MAX, &[])
}

/// All that a sender answers to a receiver's request.
pub(crate) fn answer(sender: &mut Sender<'_>, request: &[u8]) -> Result<Vec<u8>, ArrayError> {
    assert_eq!(sender.receive(request)?, request.len());
    let mut wire = Vec::new();
    while !sender.is_complete() {
        let bytes = sender.poll_transmit()?;
        wire.extend_from_slice(bytes);
        let sent = bytes.len();
        sender.advance(sent);
    }
    assert_eq!(sender.poll_transmit(), Ok(&[][..]));
    Ok(wire)
}

/// The request of a receiver, which then is sent.
pub(crate) fn asked<T: bulk_array::Element>(receiver: &mut Receiver<'_, T>) -> Vec<u8> {
    let request = receiver.poll_transmit().to_vec();
    receiver.advance(request.len());
    assert_eq!(receiver.poll_transmit(), b"");
    request
}
