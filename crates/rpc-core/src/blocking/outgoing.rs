use std::io::{self, ErrorKind};
use std::mem;

use super::line::is_passing;
use super::stream::Stream;

/// Bytes on their way into a stream.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
    /// The stream may have taken bytes that it has not sent.
    must_flush: bool,
}

impl Outgoing {
    /// Takes all bytes of `output`, and leaves it room for as many. To be called when it is empty.
    pub(super) fn take(&mut self, output: &mut Vec<u8>) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_LEN);
        self.written = 0;
        mem::swap(&mut self.bytes, output);
        self.must_flush = !self.bytes.is_empty();
    }

    /// Whether everything is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.left() == 0 && !self.must_flush
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// How many bytes were taken.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes all of it by pieces of so many bytes, or one that is, as far as the stream takes it. Returns whether it
    /// took everything.
    pub(super) fn write(&mut self, stream: &dyn Stream, piece: usize) -> io::Result<bool> {
        let end = self.bytes.len().min(self.written.saturating_add(piece));
        while self.written < end {
            match stream.write(&self.bytes[self.written..end]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_passing(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.left() == 0 && self.must_flush {
            match stream.flush() {
                Ok(()) => self.must_flush = false,
                Err(error) if is_passing(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(self.is_empty())
    }
}

/// A buffer that was once larger gives the rest back.
const KEPT_LEN: usize = 256 << 10;
