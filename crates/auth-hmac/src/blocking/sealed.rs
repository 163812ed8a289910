use std::io::{self, Read, Write};

use crate::error::Error;
use crate::incoming::{Incoming, Next};
use crate::outgoing::Outgoing;
use crate::session::Session;

/// A stream of sealed messages, after a [`Handshake`](crate::Handshake).
///
/// ```
/// use std::os::unix::net::UnixStream;
///
/// use auth_hmac::blocking::{SealedStream, initiate, respond};
/// use auth_hmac::{HandshakeOptions, Key, Keyring};
///
/// let key = Key::new("", [7; 32])?;
/// let keys = Keyring::from(key.clone());
/// let (mut client, mut server) = UnixStream::pair()?;
/// let echo = std::thread::spawn(move || {
///     let session = respond(&mut server, &keys, &HandshakeOptions::default())?;
///     let mut stream = SealedStream::new(server, session);
///     while let Some(message) = stream.read_message()? {
///         let message = message.to_vec();
///         stream.write_message(&message)?;
///     }
///     stream.finish()
/// });
///
/// let session = initiate(&mut client, &key, &HandshakeOptions::default())?;
/// let mut stream = SealedStream::new(client, session);
/// stream.write_message(b"hello")?;
/// assert_eq!(stream.read_message()?, Some(&b"hello"[..]));
/// stream.finish()?;
/// assert_eq!(stream.read_message()?, None);
/// echo.join().expect("the server does not panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It reads ahead. It has no deadline: set the timeouts of the socket. Memory: a message in each direction,
/// at most twice what came of it, and 8 KiB.
#[derive(Debug)]
pub struct SealedStream<S> {
    stream: S,
    session: Session,
    incoming: Incoming,
    outgoing: Outgoing,
}

impl<S: Read + Write> SealedStream<S> {
    /// Seals what is written to `stream` and opens what is read from it, from the first byte behind the
    /// handshake.
    #[must_use]
    pub fn new(stream: S, session: Session) -> Self {
        Self {
            stream,
            session,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
        }
    }

    /// Reads the next message; `None` is the end of the conversation, as the peer says. Blocks until a
    /// message is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Session`], which repeats; it is [`SessionError::Truncated`](crate::SessionError::Truncated)
    /// if the stream ends and the peer did not say before that it would. Or [`Error::Io`], after which the
    /// call may be repeated: no byte is lost.
    pub fn read_message(&mut self) -> Result<Option<&[u8]>, Error> {
        loop {
            match self.incoming.next(&mut self.session)? {
                Next::Message(place) => return Ok(Some(self.incoming.slice(place))),
                Next::End => return Ok(None),
                Next::More => {}
            }
            match self.stream.read(self.incoming.room()) {
                Ok(0) => self.incoming.receive_eof(&mut self.session)?,
                Ok(read) => self.incoming.filled(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Seals a message and writes it. Blocks until the stream has taken it.
    ///
    /// # Errors
    ///
    /// [`Error::Session`] if the message is too long or [`finish`](Self::finish) was called. Or
    /// [`Error::Io`]; then the message may still be under way, and [`flush`](Self::flush) goes on with it.
    pub fn write_message(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.flush()?;
        self.session.seal(payload, self.outgoing.buffer())?;
        self.flush()
    }

    /// Tells the peer that nothing follows; its messages can still be read. The stream stays open. May be
    /// repeated.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn finish(&mut self) -> Result<(), Error> {
        if !self.session.has_sealed_last() {
            self.flush()?;
            self.session.seal_last(&[], self.outgoing.buffer())?;
        }
        self.flush()
    }

    /// Writes what an error has left unwritten.
    ///
    /// # Errors
    ///
    /// What the stream reports; what it has not taken is kept.
    pub fn flush(&mut self) -> Result<(), Error> {
        while !self.outgoing.waiting().is_empty() {
            match self.stream.write(self.outgoing.waiting()) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => self.outgoing.advance(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.stream.flush()?)
    }

    /// The session, for the [id of the key](Session::key_id) and to [export](Session::export) keys.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The stream, to set its options. Bytes read or written past the messages are lost to them.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}
