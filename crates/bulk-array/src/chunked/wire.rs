//! The bytes of the wire: request, header, chunk head. Numbers are little-endian.

use crc32c::crc32c;

use super::{ChunkedError, Header, TransferId};
use crate::dtype::{Dtype, Kind};
use crate::error::ArrayError;
use crate::order::ByteOrder;
use crate::shape::{Order, Shape};

/// What a receiver asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: Option<TransferId>,
    pub(super) stream: u16,
    pub(super) streams: u16,
    pub(super) first_chunk: u64,
}

impl Request {
    pub(super) const LEN: usize = 64;

    pub(super) fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(REQUEST);
        bytes[8] = VERSION;
        if let Some(TransferId(id)) = self.id {
            bytes[9] = 1;
            bytes[16..32].copy_from_slice(&id);
        }
        bytes[10..12].copy_from_slice(&self.stream.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.streams.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first_chunk.to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::LEN]) -> Result<Self, ChunkedError> {
        greet(bytes, REQUEST)?;
        unseal(bytes)?;
        let request = Self {
            id: (bytes[9] == 1).then(|| TransferId(array(bytes, 16))),
            stream: u16::from_le_bytes(array(bytes, 10)),
            streams: u16::from_le_bytes(array(bytes, 12)),
            first_chunk: u64::from_le_bytes(array(bytes, 32)),
        };
        check_stream(request.stream, request.streams)?;
        // What has no meaning today is zero, so that it can get one in another version.
        match request.encode() == *bytes {
            true => Ok(request),
            false => Err(malformed("reserved bytes")),
        }
    }
}

impl Header {
    /// Of a header that has `dims` dimensions.
    pub(super) const fn encoded_len(dims: usize) -> usize {
        (FIXED_LEN + 8 * dims + CRC_LEN).next_multiple_of(64)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let dims = self.shape.dims();
        let mut bytes = Vec::with_capacity(Self::encoded_len(dims.len()));
        bytes.extend(ANSWER);
        bytes.extend([
            VERSION,
            self.dtype.kind().letter() as u8,
            self.dtype.item_size() as u8,
            order_code(self.byte_order),
            if self.shape.order() == Order::C {
                b'C'
            } else {
                b'F'
            },
            dims.len() as u8,
        ]);
        bytes.extend((Self::encoded_len(dims.len()) as u16).to_le_bytes());
        bytes.extend(self.id.0);
        bytes.extend(self.total.to_le_bytes());
        bytes.extend(self.chunk_len.to_le_bytes());
        bytes.extend(self.stream.to_le_bytes());
        bytes.extend(self.streams.to_le_bytes());
        for dim in dims {
            bytes.extend(dim.to_le_bytes());
        }
        bytes.resize(Self::encoded_len(dims.len()), 0);
        seal(&mut bytes);
        bytes
    }

    /// Returns how long the header is, seen from its first 64 bytes.
    pub(super) fn announced_len(start: &[u8; 64], max_dims: usize) -> Result<usize, ArrayError> {
        greet(start, ANSWER)?;
        let dims = usize::from(start[13]);
        if dims > max_dims.min(MAX_DIMS) {
            return Err(ArrayError::TooManyDims {
                max_dims: max_dims.min(MAX_DIMS),
            });
        }
        let len = usize::from(u16::from_le_bytes(array(start, 14)));
        match len == Self::encoded_len(dims) {
            true => Ok(len),
            false => Err(malformed("header length").into()),
        }
    }

    /// Reads a whole header, whose length has been looked at.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ChunkedError> {
        unseal(bytes)?;
        let item_size = usize::from(bytes[10]);
        let dtype = kind(bytes[9])
            .and_then(|kind| Dtype::checked(kind, item_size))
            .ok_or_else(|| malformed("dtype"))?;
        let byte_order = match bytes[11] {
            b'<' => ByteOrder::Little,
            b'>' => ByteOrder::Big,
            _ => return Err(malformed("byte order")),
        };
        let order = match bytes[12] {
            b'C' => Order::C,
            b'F' => Order::Fortran,
            _ => return Err(malformed("order")),
        };
        let dims = bytes[FIXED_LEN..].chunks_exact(8).take(bytes[13].into());
        let dims = dims.map(|dim| u64::from_le_bytes(array(dim, 0)));
        let header = Self {
            id: TransferId(array(bytes, 16)),
            dtype,
            byte_order,
            shape: Shape::new(dims.collect::<Vec<_>>(), order),
            total: u64::from_le_bytes(array(bytes, 32)),
            chunk_len: u32::from_le_bytes(array(bytes, 40)),
            stream: u16::from_le_bytes(array(bytes, 44)),
            streams: u16::from_le_bytes(array(bytes, 46)),
        };
        let len = header.shape.len();
        if len.and_then(|len| len.checked_mul(item_size as u64)) != Some(header.total) {
            return Err(malformed("total"));
        }
        check_chunk_len(header.chunk_len)?;
        check_stream(header.stream, header.streams)?;
        match header.encode() == bytes {
            true => Ok(header),
            false => Err(malformed("reserved bytes")),
        }
    }
}

/// What is before a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) index: u64,
    pub(super) len: u32,
    pub(super) crc: u32,
}

impl Head {
    pub(super) const LEN: usize = 16;

    /// The CRC of nothing is 0.
    pub(super) const END: Self = Self {
        index: u64::MAX,
        len: 0,
        crc: 0,
    };

    pub(super) fn encode(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.index.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::LEN]) -> Self {
        Self {
            index: u64::from_le_bytes(array(bytes, 0)),
            len: u32::from_le_bytes(array(bytes, 8)),
            crc: u32::from_le_bytes(array(bytes, 12)),
        }
    }
}

/// The first chunk of a stream that is not before `first`. `u64::MAX` where that would be beyond all numbers.
pub(super) fn first_of_stream(first: u64, stream: u16, streams: u16) -> u64 {
    let streams = u64::from(streams);
    let ahead = (u64::from(stream) + streams - first % streams) % streams;
    first.saturating_add(ahead)
}

pub(super) fn check_chunk_len(chunk_len: u32) -> Result<(), ChunkedError> {
    // So no element is in two chunks: every size of an element divides 64.
    let is_whole = chunk_len.is_multiple_of(64);
    match is_whole && (MIN_CHUNK_LEN..=MAX_CHUNK_LEN).contains(&chunk_len) {
        true => Ok(()),
        false => Err(ChunkedError::ChunkLen { chunk_len }),
    }
}

pub(super) fn check_stream(stream: u16, streams: u16) -> Result<(), ChunkedError> {
    match stream < streams {
        true => Ok(()),
        false => Err(ChunkedError::NoSuchStream { stream, streams }),
    }
}

pub(super) const MIN_CHUNK_LEN: u32 = 1024;
pub(super) const MAX_CHUNK_LEN: u32 = 4 << 20;
pub(super) const MAX_DIMS: usize = 64;
/// What is read of a header at first: it tells how long it is.
pub(super) const HEADER_STEP: usize = 64;
const FIXED_LEN: usize = 48;
const CRC_LEN: usize = 4;
const VERSION: u8 = 1;
const REQUEST: &[u8; 8] = b"NBARRAY?";
const ANSWER: &[u8; 8] = b"NBARRAY!";

fn greet(bytes: &[u8; 64], magic: &[u8; 8]) -> Result<(), ChunkedError> {
    if !bytes.starts_with(magic) {
        return Err(ChunkedError::OtherProtocol {
            start: array(bytes, 0),
        });
    }
    match bytes[8] {
        VERSION => Ok(()),
        version => Err(ChunkedError::Version { version }),
    }
}

fn seal(bytes: &mut [u8]) {
    let at = bytes.len() - CRC_LEN;
    let crc = crc32c(&bytes[..at]);
    bytes[at..].copy_from_slice(&crc.to_le_bytes());
}

fn unseal(bytes: &[u8]) -> Result<(), ChunkedError> {
    let (sealed, crc) = bytes.split_at(bytes.len() - CRC_LEN);
    let (announced, computed) = (u32::from_le_bytes(array(crc, 0)), crc32c(sealed));
    match announced == computed {
        true => Ok(()),
        false => Err(ChunkedError::DamagedHeader {
            announced,
            computed,
        }),
    }
}

fn malformed(field: &'static str) -> ChunkedError {
    ChunkedError::Malformed { field }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has N bytes")
}

fn kind(code: u8) -> Option<Kind> {
    const KINDS: [Kind; 5] = [
        Kind::Bool,
        Kind::Int,
        Kind::Uint,
        Kind::Float,
        Kind::Complex,
    ];
    KINDS.into_iter().find(|kind| kind.letter() as u8 == code)
}

fn order_code(order: ByteOrder) -> u8 {
    match order {
        ByteOrder::Little => b'<',
        ByteOrder::Big => b'>',
    }
}
