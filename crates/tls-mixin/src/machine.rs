//! The state machine of TLS with the buffers around it, for blocking streams. It does no I/O of its own.

use std::io::{self, Read, Write};

use rustls::Connection;

use crate::error::Error;

/// One end of a connection.
pub(crate) struct Machine {
    connection: Connection,
    /// What ended it; all that comes later is answered with the same.
    failed: Option<rustls::Error>,
    is_finished: bool,
}

/// What arrived and was not looked at yet.
#[derive(Default)]
pub(crate) struct Incoming {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Machine {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            failed: None,
            is_finished: false,
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Takes some of what arrived. What is to be sent in answer is then there, an alert too.
    pub(crate) fn receive(&mut self, incoming: &mut Incoming) -> Result<(), rustls::Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let taken = match self.connection.read_tls(&mut incoming.arrived()) {
            // Nothing is taken behind the peer's end.
            Ok(0) => incoming.arrived().len(),
            Ok(taken) => taken,
            Err(error) => return Err(self.fail(rustls::Error::General(error.to_string()))),
        };
        incoming.start += taken;
        match self.connection.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The stream below has ended.
    pub(crate) fn receive_eof(&mut self) {
        // An empty read tells it; it can't fail.
        let _ = self.connection.read_tls(&mut io::empty());
    }

    /// Reads what the peer has said, out of what arrived: all of it that `buf` has room for. `None`: more must arrive
    /// first.
    pub(crate) fn read(
        &mut self,
        incoming: &mut Incoming,
        buf: &mut [u8],
    ) -> Result<Option<usize>, Error> {
        let mut len = 0;
        loop {
            match self.connection.reader().read(&mut buf[len..]) {
                Ok(0) => return Ok(Some(len)),
                Ok(read) => len += read,
                // What came before is given first; the next read comes here again.
                Err(_) if len > 0 && (incoming.is_empty() || self.failed.is_some()) => {
                    return Ok(Some(len));
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(self.failed.clone().map_or(Error::CutOff, Error::of_rustls));
                }
                Err(_would_block) => {}
            }
            if incoming.is_empty() && self.failed.is_none() {
                match len {
                    0 => return Ok(None),
                    _ => return Ok(Some(len)),
                }
            }
            match self.receive(incoming) {
                Err(_) if len > 0 => return Ok(Some(len)),
                received => received.map_err(Error::of_rustls)?,
            }
        }
    }

    /// Encrypts; see [`send`](Self::send) for the rest of the way.
    pub(crate) fn write(&mut self, bufs: &[io::IoSlice<'_>]) -> Result<usize, Error> {
        if let Some(error) = &self.failed {
            return Err(Error::of_rustls(error.clone()));
        }
        if self.is_finished {
            return Err(Error::Io(io::ErrorKind::BrokenPipe.into()));
        }
        Ok(self.connection.writer().write_vectored(bufs)?)
    }

    /// This end will say no more.
    pub(crate) fn finish(&mut self) {
        self.is_finished = true;
        self.connection.send_close_notify();
    }

    /// Sends what is there. After an error what could not be sent is still there.
    pub(crate) fn send(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(stream) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: rustls::Error) -> rustls::Error {
        self.failed.insert(error).clone()
    }
}

impl Incoming {
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn arrived(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads once from the stream below; `false` at its end. To be called when all that arrived before
    /// has been looked at.
    pub(crate) fn fill(&mut self, stream: &mut impl Read) -> io::Result<bool> {
        // One that is filled has more behind it: fewer and bigger reads.
        if self.end == self.buffer.len() {
            let len = (2 * self.buffer.len()).clamp(SMALLEST, LARGEST);
            self.buffer.resize(len, 0);
        }
        (self.start, self.end) = (0, 0);
        loop {
            match stream.read(&mut self.buffer) {
                Ok(len) => {
                    self.end = len;
                    return Ok(len > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

const SMALLEST: usize = 4 << 10;
const LARGEST: usize = 32 << 10;
