//! The protocols over tokio's `AsyncRead` and `AsyncWrite` (feature `tokio`).
//!
//! The runtime must have its timers enabled.

mod sealed;

use std::io;

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use ::tokio::time::{Instant, timeout_at};

use crate::challenge::{Challenge, ChallengeOptions};
use crate::error::Error;
use crate::handshake::{Handshake, HandshakeOptions};
use crate::key::{ChallengeKey, Key, Keyring};
use crate::machine::Machine;
use crate::nonce::fresh_nonce;
use crate::session::Session;

pub use sealed::SealedStream;

/// Sends a challenge and returns once the peer has answered it rightly. The server's side of
/// [`Challenge`].
///
/// Nothing that comes behind the answer is read. After an error the stream is of no use but to be closed.
/// Not cancel safe: if the future is dropped, close the stream.
///
/// # Errors
///
/// [`Error::Auth`] if the answer is wrong, cut short or late; [`Error::Io`].
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn challenge<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    key: &ChallengeKey,
    options: &ChallengeOptions,
) -> Result<(), Error> {
    let nonce = fresh_nonce()?;
    let event = drive(stream, Challenge::asker(key, options, nonce)).await;
    event.map(drop)
}

/// Answers the peer's challenge. The client's side of [`Challenge`].
///
/// Whether the answer was right shows in what the peer does then: it goes on, or closes the stream. Nothing
/// that comes behind the challenge is read. Not cancel safe: if the future is dropped, close the stream.
///
/// # Errors
///
/// [`Error::Auth`] if the challenge is cut short or late; [`Error::Io`].
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    key: &ChallengeKey,
    options: &ChallengeOptions,
) -> Result<(), Error> {
    let event = drive(stream, Challenge::answerer(key, options)).await;
    event.map(drop)
}

/// Begins a [`Handshake`], and returns once both ends have proved themselves.
///
/// Nothing that comes behind it is read. After an error the stream is of no use but to be closed. Not
/// cancel safe: if the future is dropped, close the stream.
///
/// # Errors
///
/// [`Error::Auth`], [`Error::Io`].
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn initiate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    key: &Key,
    options: &HandshakeOptions,
) -> Result<Session, Error> {
    let nonce = fresh_nonce()?;
    drive(stream, Handshake::initiator(key, options, nonce)).await
}

/// Waits for the peer to begin a [`Handshake`], and returns once both ends have proved themselves; see
/// [`Session::key_id`] for who the peer is.
///
/// Nothing that comes behind it is read. After an error the stream is of no use but to be closed. Not
/// cancel safe: if the future is dropped, close the stream.
///
/// # Errors
///
/// [`Error::Auth`], [`Error::Io`].
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn respond<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    keys: &Keyring,
    options: &HandshakeOptions,
) -> Result<Session, Error> {
    let nonce = fresh_nonce()?;
    drive(stream, Handshake::responder(keys, options, nonce)).await
}

async fn drive<S: AsyncRead + AsyncWrite + Unpin, M: Machine>(
    stream: &mut S,
    mut machine: M,
) -> Result<M::Event, Error> {
    // For what is written, too: the machine's own deadline is about what the peer sends.
    let deadline = machine.poll_timeout(Instant::now().into_std());
    let mut out = Vec::new();
    let mut buffer = [0; 256];
    loop {
        machine.handle_timeout(Instant::now().into_std());
        let written = match machine.poll_transmit(&mut out) {
            true => until(deadline, send(stream, &out)).await,
            false => Ok(()),
        };
        out.clear();
        // That the peer can't be told why it is refused is no news.
        let event = machine.poll_event()?;
        written?;
        if let Some(event) = event {
            return Ok(event);
        }
        match until(deadline, stream.read(&mut buffer[..machine.wanted()])).await {
            Ok(0) => machine.receive_eof(),
            Ok(read) => {
                machine.receive(&buffer[..read]);
            }
            // The clock is looked at in any case.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

async fn until<T>(
    deadline: Option<std::time::Instant>,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match deadline {
        Some(deadline) => timeout_at(Instant::from_std(deadline), work)
            .await
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into())),
        None => work.await,
    }
}
