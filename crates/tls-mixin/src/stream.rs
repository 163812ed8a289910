use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::Connection;

use crate::error::Error;
use crate::handshake::{Lifetime, Permit};
use crate::session::Session;

/// A stream inside TLS.
#[derive(Debug)]
pub struct TlsStream<S> {
    stream: S,
    connection: Connection,
    session: Session,
    lifetime: Lifetime,
}

impl<S> TlsStream<S> {
    /// Returns what was negotiated.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the stream below.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: Read + Write> TlsStream<S> {
    /// Sends what is still to be sent, and tells the peer that this is the end. Reading goes on.
    ///
    /// # Errors
    ///
    /// Those of the stream below.
    pub fn finish(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush()
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lifetime.check()?;
        loop {
            match self.connection.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(Error::CutOff.into());
                }
                result => return result,
            }
            self.connection
                .complete_io(&mut self.stream)
                .map_err(of_io)?;
        }
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.lifetime.check()?;
        let len = self.connection.writer().write(buf)?;
        self.flush()?;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.stream)?;
        }
        self.stream.flush()
    }
}

impl<S: AsFd> AsFd for TlsStream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

pub(crate) fn shake_hands<S: Read + Write>(
    mut stream: S,
    mut connection: Connection,
    permit: Permit,
) -> Result<TlsStream<S>, Error> {
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(of_io)?;
    }
    let (session, lifetime) = match &connection {
        Connection::Server(connection) => permit.accepted(connection)?,
        Connection::Client(connection) => permit.connected(connection)?,
    };
    Ok(TlsStream {
        stream,
        connection,
        session,
        lifetime,
    })
}

fn of_io(error: io::Error) -> Error {
    match error.downcast::<rustls::Error>() {
        Ok(error) => Error::of_rustls(error),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Error::CutOff,
        Err(error) => Error::Io(error),
    }
}
