use std::io::{self, BufRead, BufReader, Read};

use crate::Connection;

/// The lines that come in on a connection; made by [`Connection::lines`].
///
/// It is `BufRead` too, for what follows the lines.
#[derive(Debug)]
pub struct Lines<'a> {
    reader: BufReader<&'a Connection>,
    line: Vec<u8>,
    max_line_len: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(connection: &'a Connection, max_line_len: usize) -> Self {
        Self {
            reader: BufReader::new(connection),
            line: Vec::new(),
            max_line_len,
        }
    }

    /// Waits for the next line and returns it with its end (`\n`, and a `\r` before it if one came).
    /// A last line without an end is returned too; then `None`.
    ///
    /// # Errors
    ///
    /// Those of the connection, and `InvalidData` for a line of more than
    /// [`Limits::max_line_len`](crate::Limits::max_line_len) bytes. What has come of a line is lost
    /// then.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let most = self.max_line_len.saturating_add(1) as u64;
        (&mut self.reader)
            .take(most)
            .read_until(b'\n', &mut self.line)?;
        if self.line.len() > self.max_line_len {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a line of more than {} bytes, the limit", self.max_line_len),
            ));
        }
        Ok(Some(self.line.as_slice()).filter(|line| !line.is_empty()))
    }
}

impl Read for Lines<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf)
    }
}

impl BufRead for Lines<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}
