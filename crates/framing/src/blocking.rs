//! Frames over `std::io::{Read, Write}`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Instant;

use bytes::Bytes;

use crate::decoder::Decoder;
use crate::encoder::Encoder;
use crate::error::{Error, FrameError};
use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::queue::FrameQueue;

/// A stream that is read and written in frames.
///
/// ```
/// use std::os::unix::net::UnixStream;
///
/// use framing::Pattern;
/// use framing::blocking::FrameStream;
///
/// let (left, right) = UnixStream::pair()?;
/// let mut left = FrameStream::new(left, Pattern::Lines);
/// let mut right = FrameStream::new(right, Pattern::Lines);
/// left.write_frame(b"hello")?;
/// assert_eq!(right.read_frame()?, Some(&b"hello"[..]));
/// drop(left);
/// assert_eq!(right.read_frame()?, None);
/// # Ok::<(), framing::Error>(())
/// ```
///
/// It reads ahead: bytes that follow a frame may be in its buffer, see [`into_parts`](Self::into_parts).
///
/// # Slow peers
///
/// Whether a frame is under way for longer than [`Limits`] allow is looked at before every
/// read. A peer that sends nothing at all is only found out if the socket has a read timeout
/// (`TcpStream::set_read_timeout`, some seconds): while a frame is under way, such timeouts serve to look
/// at the clock, and [`FrameError::TooSlow`] comes at most one of them late. Between frames the timeout
/// is returned as the `io::Error` that it is, and reading may go on after it. So is, at any time, one that
/// holds another error: it comes from a stream that has deadlines of its own, and that one is over.
#[derive(Debug)]
pub struct FrameStream<S> {
    stream: S,
    decoder: Decoder,
    queue: FrameQueue,
    /// Where reads go to; made by the first one.
    scratch: Vec<u8>,
    ended: bool,
}

impl<S: Read + Write> FrameStream<S> {
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
            scratch: Vec::new(),
            ended: false,
        }
    }

    /// Reads the next frame; `None` is the end of the stream. Blocks until a frame is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`], which repeats, or [`Error::Io`], after which the call may be repeated: no byte
    /// is lost.
    pub fn read_frame(&mut self) -> Result<Option<&[u8]>, Error> {
        loop {
            if let Some(found) = self.decoder.find()? {
                return Ok(Some(self.decoder.slice(found)));
            }
            if self.ended {
                return Ok(None);
            }
            self.read_more()?;
        }
    }

    /// As [`read_frame`](Self::read_frame), but the payload is owned. It is not copied: it shares the
    /// decoder's buffer.
    ///
    /// # Errors
    ///
    /// As [`read_frame`](Self::read_frame).
    pub fn read_bytes(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(payload) = self.decoder.next_bytes()? {
                return Ok(Some(payload));
            }
            if self.ended {
                return Ok(None);
            }
            self.read_more()?;
        }
    }

    /// Writes a frame, after those that are queued. The payload is copied once, so that it is not lost if
    /// the stream takes a part of it; [`send`](Self::send) copies nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`] if the payload can't be such a frame or the queue is full; or [`Error::Io`], and
    /// then the frame stays queued and [`flush`](Self::flush) goes on with it.
    pub fn write_frame(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.send(Bytes::copy_from_slice(payload))?;
        self.flush()
    }

    /// Queues a frame, to be written by [`flush`](Self::flush). The payload is never copied.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`], with [`FrameError::QueueFull`] or what the encoder says against the payload.
    pub fn send(&mut self, payload: Bytes) -> Result<(), Error> {
        Ok(self.queue.push(payload)?)
    }

    /// Writes what is queued. Blocks until the stream has taken all of it.
    ///
    /// # Errors
    ///
    /// What the stream reports; what it has not taken stays queued.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.queue.write_to(&mut self.stream)?;
        Ok(self.stream.flush()?)
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

    /// Reads once, or finds that there is nothing more to read.
    fn read_more(&mut self) -> Result<(), Error> {
        self.decoder.handle_timeout(Instant::now())?;
        self.scratch.resize(READ, 0);
        match self.stream.read(&mut self.scratch) {
            Ok(0) => {
                self.ended = true;
                self.decoder.receive_eof();
            }
            Ok(read) => self.decoder.receive(&self.scratch[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Some systems say the one, some the other, when a read timeout is over. What explains itself
            // comes from a stream that keeps deadlines of its own, and would say the same again at once.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) && error.get_ref().is_none()
                    && self.decoder.poll_timeout(Instant::now()).is_some() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

impl<S: Read + Write + HalfClose> FrameStream<S> {
    /// Writes what is queued and ends our direction of the stream; frames can still be read.
    ///
    /// # Errors
    ///
    /// What the stream reports.
    pub fn shutdown(&mut self) -> Result<(), Error> {
        self.flush()?;
        Ok(self.stream.shutdown_write()?)
    }
}

/// A stream of which one direction can be ended while the other goes on.
pub trait HalfClose {
    /// Ends the direction from us to the peer, who reads what was written and then the end.
    ///
    /// # Errors
    ///
    /// What the system reports.
    fn shutdown_write(&self) -> io::Result<()>;
}

impl HalfClose for TcpStream {
    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(unix)]
impl HalfClose for UnixStream {
    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Has a half-close conversation: sends all of `request`, ends our direction, and reads the answer until
/// the peer ends theirs.
///
/// Nothing is read before all is sent, so a peer that answers while it reads must not write more than
/// the sockets' buffers hold; a request and an answer of some 100 KiB each are safe.
///
/// # Errors
///
/// [`Error::Io`], or [`FrameError::Undelimited`] if the answer has more than `max_len` bytes.
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// use framing::blocking::exchange;
///
/// let (mut left, mut right) = UnixStream::pair()?;
/// let peer = std::thread::spawn(move || {
///     let mut question = String::new();
///     right.read_to_string(&mut question)?;
///     right.write_all(question.to_uppercase().as_bytes())
/// });
/// assert_eq!(exchange(&mut left, b"hello", 1024)?, b"HELLO");
/// # peer.join().unwrap()?;
/// # Ok::<(), framing::Error>(())
/// ```
pub fn exchange<S: Read + Write + HalfClose>(
    stream: &mut S,
    request: &[u8],
    max_len: usize,
) -> Result<Vec<u8>, Error> {
    stream.write_all(request)?;
    stream.flush()?;
    stream.shutdown_write()?;
    let mut answer = Vec::new();
    let limit = max_len as u64;
    stream
        .take(limit.saturating_add(1))
        .read_to_end(&mut answer)?;
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
/// # Errors
///
/// [`Error::Io`], or [`FrameError::Truncated`] if the stream ends before.
///
/// ```
/// use framing::blocking::receive_exactly;
///
/// let mut stream = &b"Hi there, server: what was next"[..];
/// assert_eq!(receive_exactly(&mut stream, 16)?, b"Hi there, server");
/// let error = receive_exactly(&mut &b"Hi th"[..], 16).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "was expecting 16 bytes but only received 5 before the stream closed"
/// );
/// # Ok::<(), framing::Error>(())
/// ```
pub fn receive_exactly(stream: &mut impl Read, len: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let expected = len as u64;
    stream.take(expected).read_to_end(&mut bytes)?;
    if bytes.len() < len {
        return Err(FrameError::Truncated {
            expected,
            received: bytes.len() as u64,
        }
        .into());
    }
    Ok(bytes)
}

/// How many bytes one read asks for.
const READ: usize = 16 * 1024;
