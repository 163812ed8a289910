//! The wires over `std::io::{Read, Write}`.

use std::io::{self, Read, Write};

use crate::element::Element;
use crate::error::Error;
use crate::raw::{Receiver, SliceReceiver};
use crate::source::Source;

pub mod chunked;
pub mod npy;
pub mod raw;

fn write_rest(stream: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => return Ok(written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn fill_vec<T: Element>(stream: &mut impl Source, receiver: &mut Receiver<T>) -> Result<(), Error> {
    while !receiver.is_complete() {
        match receiver.fill(|spare| stream.read_spare(spare)) {
            Ok(0) => return Err(receiver.truncated().into()),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn fill_slice(stream: &mut impl Read, mut receiver: SliceReceiver<'_>) -> Result<(), Error> {
    while let spare @ [_, ..] = receiver.spare() {
        match stream.read(spare) {
            Ok(0) => return Err(receiver.truncated().into()),
            Ok(read) => receiver.advance(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
