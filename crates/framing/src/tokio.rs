//! Frames over tokio's `AsyncRead` and `AsyncWrite` (feature `tokio`).

use std::io::{self, IoSlice};

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use ::tokio::time::{Instant, timeout_at};
use bytes::Bytes;

use crate::decoder::Decoder;
use crate::encoder::Encoder;
use crate::error::{Error, FrameError};
use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::queue::{FrameQueue, SLICES};

/// A stream that is read and written in frames.
///
/// ```
/// use framing::Pattern;
/// use framing::tokio::FrameStream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), framing::Error> {
/// let (left, right) = tokio::io::duplex(64);
/// let mut left = FrameStream::new(left, Pattern::Lines);
/// let mut right = FrameStream::new(right, Pattern::Lines);
/// left.write_frame(b"hello").await?;
/// assert_eq!(right.read_frame().await?, Some(&b"hello"[..]));
/// drop(left);
/// assert_eq!(right.read_frame().await?, None);
/// # Ok(())
/// # }
/// ```
///
/// It reads ahead: bytes that follow a frame may be in its buffer, see [`into_parts`](Self::into_parts).
///
/// A frame that is under way for longer than [`Limits`] allow fails as
/// [`FrameError::TooSlow`]. The runtime must have its timers enabled for that, or set
/// [`min_rate`](crate::Limits::min_rate) to zero.
#[derive(Debug)]
pub struct FrameStream<S> {
    stream: S,
    decoder: Decoder,
    queue: FrameQueue,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameStream<S> {
    /// Reads and writes frames of this pattern within the limits of
    /// [`Limits::for_pattern`].
    #[must_use]
    pub fn new(stream: S, pattern: Pattern) -> Self {
        let limits = Limits::for_pattern(&pattern);
        Self::with_limits(stream, pattern, limits)
    }

    /// Reads frames of this pattern within these limits, and writes frames that are as long at most.
    #[must_use]
    pub fn with_limits(stream: S, pattern: Pattern, limits: Limits) -> Self {
        let encoder = Encoder::with_max_frame_len(pattern.clone(), limits.max_frame_len);
        let decoder = Decoder::with_limits(pattern, limits);
        Self::from_parts(stream, decoder, FrameQueue::new(encoder))
    }

    /// Reads with this decoder, which may have bytes in it already, and writes through this queue.
    #[must_use]
    pub fn from_parts(stream: S, decoder: Decoder, queue: FrameQueue) -> Self {
        Self {
            stream,
            decoder,
            queue,
            ended: false,
        }
    }

    /// Reads the next frame; `None` is the end of the stream.
    ///
    /// Cancel safe: if the future is dropped, no byte is lost and the deadline of a frame under way stands.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`], which repeats, or [`Error::Io`], after which the call may be repeated: no byte
    /// is lost.
    ///
    /// # Panics
    ///
    /// If a frame has a deadline and the runtime has no timers.
    pub async fn read_frame(&mut self) -> Result<Option<&[u8]>, Error> {
        loop {
            if let Some(found) = self.decoder.find()? {
                return Ok(Some(self.decoder.slice(found)));
            }
            if self.ended {
                return Ok(None);
            }
            self.read_more().await?;
        }
    }

    /// As [`read_frame`](Self::read_frame), but the payload is owned. It is not copied: it shares the
    /// decoder's buffer. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`read_frame`](Self::read_frame).
    ///
    /// # Panics
    ///
    /// As [`read_frame`](Self::read_frame).
    pub async fn read_bytes(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(payload) = self.decoder.next_bytes()? {
                return Ok(Some(payload));
            }
            if self.ended {
                return Ok(None);
            }
            self.read_more().await?;
        }
    }

    /// Writes a frame, after those that are queued. The payload is copied once;
    /// [`send`](Self::send) copies nothing.
    ///
    /// Cancel safe in this sense: once the future was polled the whole frame is queued, and if it is then
    /// dropped, what the stream has not taken is written by the next [`flush`](Self::flush) or
    /// `write_frame`. So do not repeat a call that was dropped; flush.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`] if the payload can't be such a frame or the queue is full; or [`Error::Io`], and
    /// then the frame stays queued.
    pub async fn write_frame(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.send(Bytes::copy_from_slice(payload))?;
        self.flush().await
    }

    /// Queues a frame, to be written by [`flush`](Self::flush). The payload is never copied.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`], with [`FrameError::QueueFull`] or what the encoder says against the payload.
    pub fn send(&mut self, payload: Bytes) -> Result<(), Error> {
        Ok(self.queue.push(payload)?)
    }

    /// Writes what is queued.
    ///
    /// Cancel safe: what the stream has not taken stays queued, and no byte is written twice.
    ///
    /// # Errors
    ///
    /// What the stream reports; what it has not taken stays queued.
    pub async fn flush(&mut self) -> Result<(), Error> {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.queue.chunks(&mut slices);
            match self.stream.write_vectored(&slices[..count]).await? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                written => self.queue.advance(written),
            }
        }
        Ok(self.stream.flush().await?)
    }

    /// Writes what is queued and ends our direction of the stream; frames can still be read. Cancel safe:
    /// call it again.
    ///
    /// # Errors
    ///
    /// What the stream reports.
    pub async fn shutdown(&mut self) -> Result<(), Error> {
        self.flush().await?;
        Ok(self.stream.shutdown().await?)
    }

    /// The stream, to set its options. Bytes read or written past the frames are lost to them.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The decoder, to change the pattern or to ask for its counts.
    pub fn decoder_mut(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// Gives back the stream, with the bytes that were read and are in no frame yet: the beginning of
    /// what comes next, for whoever speaks on this stream then. What is queued is dropped, so
    /// [`flush`](Self::flush) first.
    #[must_use]
    pub fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.decoder.into_unread())
    }

    /// Reads once, or finds that there is nothing more to read or that it takes too long.
    async fn read_more(&mut self) -> Result<(), Error> {
        let deadline = self.decoder.poll_timeout(Instant::now().into_std());
        let Some(buffer) = self.decoder.spare() else {
            return Ok(());
        };
        buffer.reserve(READ);
        let read = self.stream.read_buf(buffer);
        let read = match deadline {
            Some(deadline) => timeout_at(Instant::from_std(deadline), read).await,
            None => Ok(read.await),
        };
        match read {
            Ok(Ok(0)) => {
                self.ended = true;
                self.decoder.receive_eof();
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_elapsed) => self.decoder.handle_timeout(Instant::now().into_std())?,
        }
        Ok(())
    }
}

/// Has a half-close conversation: sends all of `request`, ends our direction, and reads the answer until
/// the peer ends theirs.
///
/// Nothing is read before all is sent, so a peer that answers while it reads must not write more than
/// the sockets' buffers hold; a request and an answer of some 100 KiB each are safe. It has no deadline:
/// wrap it in a timeout. Not cancel safe: what was sent and read is lost with the future.
///
/// # Errors
///
/// [`Error::Io`], or [`FrameError::Undelimited`] if the answer has more than `max_len` bytes.
pub async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &[u8],
    max_len: usize,
) -> Result<Vec<u8>, Error> {
    stream.write_all(request).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    let limit = max_len as u64;
    stream
        .take(limit.saturating_add(1))
        .read_to_end(&mut answer)
        .await?;
    if answer.len() > max_len {
        return Err(FrameError::Undelimited {
            limit,
            looks_like: None,
        }
        .into());
    }
    Ok(answer)
}

/// Reads exactly `len` bytes, and none behind them. Memory grows with what arrives.
///
/// Not cancel safe: what was read is lost with the future.
///
/// # Errors
///
/// [`Error::Io`], or [`FrameError::Truncated`] if the stream ends before.
pub async fn receive_exactly<S: AsyncRead + Unpin>(
    stream: &mut S,
    len: usize,
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let expected = len as u64;
    stream.take(expected).read_to_end(&mut bytes).await?;
    if bytes.len() < len {
        return Err(FrameError::Truncated {
            expected,
            received: bytes.len() as u64,
        }
        .into());
    }
    Ok(bytes)
}

/// How many bytes one read asks for, at least.
const READ: usize = 8 * 1024;
