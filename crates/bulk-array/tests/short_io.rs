//! 1 GiB through a socket, in reads and writes of any length, now and then interrupted.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::thread;

use bulk_array::blocking::raw;
use bulk_array::{ByteOrder, Source};

/// Reads and writes 1 byte to 64 KiB at a time.
struct Short {
    stream: UnixStream,
    random: u64,
}

impl Short {
    fn len(&mut self, of: usize) -> io::Result<usize> {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        match self.random % 50 {
            0 => Err(io::ErrorKind::Interrupted.into()),
            1..10 => Ok(of.min(1 + (self.random >> 32) as usize % 16)),
            _ => Ok(of.min(1 + (self.random >> 32) as usize % (64 * 1024))),
        }
    }
}

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.len(bytes.len())?;
        self.stream.write(&bytes[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Read for Short {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.len(buffer.len())?;
        self.stream.read(&mut buffer[..len])
    }
}

impl Source for Short {
    fn read_spare<'a>(&mut self, spare: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
        let len = self.len(spare.len())?;
        self.stream.read_spare(&mut spare[..len])
    }
}

const PIECE: usize = 32 << 20;
const PIECES: usize = 32;

#[test]
fn a_gibibyte() {
    let (here, there) = UnixStream::pair().unwrap();
    let mut here = Short {
        stream: here,
        random: 0x9e37_79b9_7f4a_7c15,
    };
    let mut there = Short {
        stream: there,
        random: 0xd1b5_4a32_d192_ed03,
    };
    // No two places of a piece are alike within half a mebibyte, and the length is odd to all buffers.
    let pattern: Vec<u8> = (0..524_287_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let mut piece = pattern.repeat(PIECE / pattern.len() + 1);
    piece.truncate(PIECE);

    let received = thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..PIECES {
                raw::send_slice(&mut here, &piece, ByteOrder::Little).expect("the other end reads");
            }
        });
        raw::recv_vec::<u8>(&mut there, PIECE * PIECES, ByteOrder::Little)
    });
    let received = received.unwrap();
    assert_eq!(received.len(), 1 << 30);
    assert!(received.chunks(PIECE).all(|received| received == piece));
    drop(received);

    // The same as numbers that are turned round, into memory that is there.
    let numbers: &[u64] = bytemuck::cast_slice(&piece[..1 << 20]);
    let mut received = vec![0_u64; numbers.len()];
    thread::scope(|scope| {
        scope.spawn(|| {
            raw::send_slice(&mut here, numbers, ByteOrder::Big).expect("the other end reads")
        });
        raw::recv_into(&mut there, &mut received, ByteOrder::Big).expect("the other end sends");
    });
    assert_eq!(received, numbers);
}
