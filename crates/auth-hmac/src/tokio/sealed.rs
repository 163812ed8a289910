use std::io;

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::Error;
use crate::incoming::{Incoming, Next};
use crate::outgoing::Outgoing;
use crate::session::Session;

/// A stream of sealed messages, after a [`Handshake`](crate::Handshake).
///
/// ```
/// use auth_hmac::tokio::{SealedStream, initiate, respond};
/// use auth_hmac::{Error, HandshakeOptions, Key, Keyring};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = Key::new("", [7; 32])?;
/// let keys = Keyring::from(key.clone());
/// let (mut client, mut server) = tokio::io::duplex(64);
/// let echo = tokio::spawn(async move {
///     let session = respond(&mut server, &keys, &HandshakeOptions::default()).await?;
///     let mut stream = SealedStream::new(server, session);
///     while let Some(message) = stream.read_message().await? {
///         let message = message.to_vec();
///         stream.write_message(&message).await?;
///     }
///     stream.finish().await
/// });
///
/// let session = initiate(&mut client, &key, &HandshakeOptions::default()).await?;
/// let mut stream = SealedStream::new(client, session);
/// stream.write_message(b"hello").await?;
/// assert_eq!(stream.read_message().await?, Some(&b"hello"[..]));
/// stream.finish().await?;
/// assert_eq!(stream.read_message().await?, None);
/// echo.await??;
/// # Ok(())
/// # }
/// ```
///
/// It reads ahead. It has no deadline: wrap the calls in a timeout. Memory: a message in each direction,
/// at most twice what came of it, and 8 KiB.
#[derive(Debug)]
pub struct SealedStream<S> {
    stream: S,
    session: Session,
    incoming: Incoming,
    outgoing: Outgoing,
}

impl<S: AsyncRead + AsyncWrite + Unpin> SealedStream<S> {
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

    /// Reads the next message; `None` is the end of the conversation, as the peer says.
    ///
    /// Cancel safe: if the future is dropped, no byte is lost.
    ///
    /// # Errors
    ///
    /// [`Error::Session`], which repeats; it is [`SessionError::Truncated`](crate::SessionError::Truncated)
    /// if the stream ends and the peer did not say before that it would. Or [`Error::Io`], after which the
    /// call may be repeated: no byte is lost.
    pub async fn read_message(&mut self) -> Result<Option<&[u8]>, Error> {
        loop {
            match self.incoming.next(&mut self.session)? {
                Next::Message(place) => return Ok(Some(self.incoming.slice(place))),
                Next::End => return Ok(None),
                Next::More => {}
            }
            match self.stream.read(self.incoming.room()).await {
                Ok(0) => self.incoming.receive_eof(&mut self.session)?,
                Ok(read) => self.incoming.filled(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Seals a message and writes it.
    ///
    /// Cancel safe in this sense: if the future is dropped, the message is either not sealed, or the rest of
    /// it is written by the next [`flush`](Self::flush) or `write_message`. Which of both can't be told, so
    /// a conversation that must not lose a message should not drop it.
    ///
    /// # Errors
    ///
    /// [`Error::Session`] if the message is too long or [`finish`](Self::finish) was called. Or
    /// [`Error::Io`]; then the message may still be under way, and [`flush`](Self::flush) goes on with it.
    pub async fn write_message(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.flush().await?;
        self.session.seal(payload, self.outgoing.buffer())?;
        self.flush().await
    }

    /// Tells the peer that nothing follows; its messages can still be read. The stream stays open. May be
    /// repeated, so it is cancel safe.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub async fn finish(&mut self) -> Result<(), Error> {
        if !self.session.has_sealed_last() {
            self.flush().await?;
            self.session.seal_last(&[], self.outgoing.buffer())?;
        }
        self.flush().await
    }

    /// Writes what an error or a dropped future has left unwritten. Cancel safe.
    ///
    /// # Errors
    ///
    /// What the stream reports; what it has not taken is kept.
    pub async fn flush(&mut self) -> Result<(), Error> {
        while !self.outgoing.waiting().is_empty() {
            match self.stream.write(self.outgoing.waiting()).await {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => self.outgoing.advance(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.stream.flush().await?)
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
