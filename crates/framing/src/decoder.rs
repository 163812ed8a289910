use std::ops::Range;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::FrameError;
use crate::limits::Limits;
use crate::parser::{Parser, Step};
use crate::pattern::Pattern;

/// Cuts the bytes of one stream into frames.
///
/// Bytes go in by [`receive`](Self::receive) and frames come out of [`next_frame`](Self::next_frame) or
/// [`next_bytes`](Self::next_bytes); or both happen in one call, [`decode`](Self::decode), for a caller
/// that lends its read buffer. The three may be mixed.
///
/// A decoder does no I/O and knows no clock. It buffers what the caller gave it and has not been
/// fetched; a caller that fetches until `None` before it gives more never has more than one partial
/// frame, of at most [`Limits::max_frame_len`] and a header, in it.
///
/// ```
/// use framing::{Decoder, Pattern, Prefix};
///
/// let mut decoder = Decoder::new(Pattern::Prefix(Prefix::U16Be));
/// decoder.receive(b"\0\x05hello\0\x05wor");
/// assert_eq!(decoder.next_frame()?, Some(&b"hello"[..]));
/// assert_eq!(decoder.next_frame()?, None);
/// decoder.receive(b"ld");
/// assert_eq!(decoder.next_frame()?, Some(&b"world"[..]));
/// # Ok::<(), framing::FrameError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    parser: Parser,
    buffer: BytesMut,
    /// Where the bytes begin that are not done with.
    start: usize,
    ended: bool,
    /// How many bytes, at least, the last step found missing to a whole frame; zero if it found one.
    missing: usize,
    /// The frame, by number, that was under way when time was last looked at, and since when.
    began: Option<(u64, Instant)>,
}

/// Where a frame lies.
pub(crate) enum Found {
    Buffer(Range<usize>),
    Message,
}

impl Decoder {
    /// Makes a decoder with the limits of [`Limits::for_pattern`].
    #[must_use]
    pub fn new(pattern: Pattern) -> Self {
        let limits = Limits::for_pattern(&pattern);
        Self::with_limits(pattern, limits)
    }

    /// Makes a decoder with these limits.
    #[must_use]
    pub fn with_limits(pattern: Pattern, limits: Limits) -> Self {
        Self {
            parser: Parser::new(pattern, limits),
            buffer: BytesMut::new(),
            start: 0,
            ended: false,
            missing: 0,
            began: None,
        }
    }

    /// Takes bytes that arrived, cut anywhere. They are copied to the decoder's buffer.
    ///
    /// Bytes after [`receive_eof`](Self::receive_eof) or after an error are ignored.
    #[inline]
    pub fn receive(&mut self, bytes: &[u8]) {
        if let Some(buffer) = self.spare() {
            buffer.extend_from_slice(bytes);
        }
    }

    /// Takes the news that the peer will send no more. What is left may then be a last frame, or an
    /// error.
    pub fn receive_eof(&mut self) {
        self.ended = true;
    }

    /// Returns the next frame's payload, or `None` if more bytes are needed, or, after
    /// [`receive_eof`](Self::receive_eof), if there are no more frames.
    ///
    /// Nothing is copied: the slice lies in the decoder's buffer. (A message that came in several blocks
    /// was copied when they were joined.)
    ///
    /// # Errors
    ///
    /// Any of the receiving kind; the same error comes from then on.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        match self.find()? {
            Some(found) => Ok(Some(self.slice(found))),
            None => Ok(None),
        }
    }

    /// As [`next_frame`](Self::next_frame), but the payload is owned. It is not copied: it shares the
    /// decoder's buffer, which lives as long as any frame cut from it.
    ///
    /// # Errors
    ///
    /// As [`next_frame`](Self::next_frame).
    #[inline]
    pub fn next_bytes(&mut self) -> Result<Option<Bytes>, FrameError> {
        Ok(match self.find()? {
            Some(Found::Buffer(range)) => {
                let mut payload = self.buffer.split_to(self.start).freeze();
                self.start = 0;
                payload.truncate(range.end);
                payload.advance(range.start);
                Some(payload)
            }
            Some(Found::Message) => Some(self.parser.take_message()),
            None => None,
        })
    }

    /// Takes bytes from the front of `input` and returns the next frame's payload, or `None` if all of
    /// `input` is taken and no frame is complete.
    ///
    /// A frame that lies whole in `input` is returned as a part of it, without a copy. Only the beginning
    /// of a frame at the end of `input` is kept. When nothing is, the decoder has no buffer: ten thousand
    /// idle connections that share one read buffer need no other.
    ///
    /// ```
    /// use framing::{Decoder, Pattern};
    ///
    /// let mut decoder = Decoder::new(Pattern::Lines);
    /// let mut lines = Vec::new();
    /// for mut input in [&b"one\ntw"[..], b"o\nthree\n"] {
    ///     while let Some(line) = decoder.decode(&mut input)? {
    ///         lines.push(line.to_vec());
    ///     }
    /// }
    /// assert_eq!(lines, [&b"one"[..], b"two", b"three"]);
    /// # Ok::<(), framing::FrameError>(())
    /// ```
    ///
    /// After [`receive_eof`](Self::receive_eof), call it with an empty `input` for what is left.
    ///
    /// # Errors
    ///
    /// As [`next_frame`](Self::next_frame). `input` may be taken in part.
    #[inline]
    pub fn decode<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<&'a [u8]>, FrameError> {
        if self.start < self.buffer.len() || self.ended {
            match self.complete(input)? {
                Some(Some(found)) => return Ok(Some(self.slice(found))),
                Some(None) => return Ok(None),
                None => {}
            }
        }
        loop {
            let data = *input;
            match self.parser.step(data)? {
                Step::Frame {
                    start,
                    end,
                    consumed,
                } => {
                    *input = &data[consumed..];
                    self.missing = 0;
                    return Ok(Some(&data[start..end]));
                }
                Step::Drop { consumed } => *input = &data[consumed..],
                Step::Message { consumed } => {
                    *input = &data[consumed..];
                    self.missing = 0;
                    return Ok(Some(self.parser.message()));
                }
                Step::More { missing } => {
                    self.missing = missing;
                    self.keep(data);
                    *input = &[];
                    return Ok(None);
                }
            }
        }
    }

    /// Cuts what follows by another pattern, with other limits. Bytes that are here but not fetched are
    /// cut by the new one, so call it between frames.
    ///
    /// ```
    /// use framing::{Decoder, Limits, Pattern};
    ///
    /// let mut decoder = Decoder::new(Pattern::Lines);
    /// decoder.receive(b"Content-Length: 4\n\nbody");
    /// assert_eq!(decoder.next_frame()?, Some(&b"Content-Length: 4"[..]));
    /// assert_eq!(decoder.next_frame()?, Some(&b""[..]));
    /// decoder.set_pattern(Pattern::Fixed(4), Limits::default());
    /// assert_eq!(decoder.next_frame()?, Some(&b"body"[..]));
    /// # Ok::<(), framing::FrameError>(())
    /// ```
    pub fn set_pattern(&mut self, pattern: Pattern, limits: Limits) {
        self.parser.set_pattern(pattern, limits);
        self.missing = 0;
        self.began = None;
    }

    /// Returns when the frame under way must be complete, if one is and nothing else comes, or `None`
    /// between frames. The frame is under way since the first call that saw it, so call it after every
    /// round of reading.
    ///
    /// The time allowed is [`Limits::grace`] and one second for every [`Limits::min_rate`] bytes that
    /// arrived. A frame that is complete and waits to be fetched has no deadline.
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        if self.missing == 0 {
            return None;
        }
        let received = self.parser.underway(&self.buffer[self.start..])?;
        let frame = self.parser.frames();
        let since = match self.began {
            Some((number, since)) if number == frame => since,
            _ => {
                self.began = Some((frame, now));
                now
            }
        };
        since.checked_add(self.parser.limits().allowed(received)?)
    }

    /// Fails the stream if the frame under way should have been complete by `now`.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooSlow`], or the error that came before.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), FrameError> {
        if self.poll_timeout(now).is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        let data = &self.buffer[self.start..];
        let received = self.parser.underway(data).unwrap_or(0);
        let allowed = self.parser.limits().allowed(received).unwrap_or_default();
        let looks_like = self.parser.looks_like(data);
        self.missing = 0;
        self.parser.fail(FrameError::TooSlow {
            received,
            allowed,
            looks_like,
        })
    }

    /// How many frames were dropped for their length.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.parser.skipped()
    }

    /// How many bytes are here and not fetched.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Hands over the bytes that came after the last frame, for whoever speaks on this stream next. No
    /// copy is made. Of a message in blocks that is under way, the joined part is lost.
    #[must_use]
    pub fn into_unread(mut self) -> Bytes {
        self.buffer.advance(self.start);
        self.buffer.freeze()
    }

    /// Finds the next frame in the buffer and moves behind it.
    #[inline]
    pub(crate) fn find(&mut self) -> Result<Option<Found>, FrameError> {
        loop {
            let from = self.start;
            match self.parser.step(&self.buffer[from..])? {
                Step::Frame {
                    start,
                    end,
                    consumed,
                } => {
                    self.start += consumed;
                    self.missing = 0;
                    return Ok(Some(Found::Buffer(from + start..from + end)));
                }
                Step::Drop { consumed } => self.start += consumed,
                Step::Message { consumed } => {
                    self.start += consumed;
                    self.missing = 0;
                    return Ok(Some(Found::Message));
                }
                Step::More { missing } => {
                    self.missing = missing;
                    return if self.ended { self.last() } else { Ok(None) };
                }
            }
        }
    }

    #[inline]
    pub(crate) fn slice(&self, found: Found) -> &[u8] {
        match found {
            Found::Buffer(range) => &self.buffer[range],
            Found::Message => self.parser.message(),
        }
    }

    /// The buffer, ready to be appended to, unless nothing more is wanted.
    #[inline]
    pub(crate) fn spare(&mut self) -> Option<&mut BytesMut> {
        if self.ended || self.parser.is_failed() {
            return None;
        }
        let rest = self.buffered();
        if rest <= self.start {
            if rest == 0 && self.buffer.capacity() > KEEP {
                self.buffer = BytesMut::new();
                self.start = 0;
            }
            // Costs less than receiving the bytes in front did, and the same memory is used again.
            self.buffer.copy_within(self.start.., 0);
            self.buffer.truncate(rest);
            self.start = 0;
        }
        // If there is memory for the whole frame, move its beginning there while it is short.
        let _ = self.buffer.try_reclaim(self.missing);
        Some(&mut self.buffer)
    }

    /// What is in the buffer when the stream has ended.
    fn last(&mut self) -> Result<Option<Found>, FrameError> {
        let from = self.start;
        let is_frame = self.parser.finish(&self.buffer[from..])?;
        self.start = self.buffer.len();
        self.missing = 0;
        Ok(is_frame.then_some(Found::Buffer(from..self.start)))
    }

    /// Adds to the kept beginning of a frame what it lacks. Returns `None` when nothing is kept any more
    /// and the stream goes on.
    fn complete(&mut self, input: &mut &[u8]) -> Result<Option<Option<Found>>, FrameError> {
        loop {
            let from = self.start;
            let missing = match self.parser.step(&self.buffer[from..])? {
                Step::More { missing } => missing,
                Step::Frame {
                    start,
                    end,
                    consumed,
                } => {
                    self.start += consumed;
                    self.missing = 0;
                    return Ok(Some(Some(Found::Buffer(from + start..from + end))));
                }
                Step::Message { consumed } => {
                    self.start += consumed;
                    self.missing = 0;
                    return Ok(Some(Some(Found::Message)));
                }
                Step::Drop { consumed } => {
                    self.start += consumed;
                    if self.start == self.buffer.len() && !self.ended {
                        return Ok(None);
                    }
                    continue;
                }
            };
            if self.ended {
                return self.last().map(Some);
            }
            if input.is_empty() {
                self.missing = missing;
                return Ok(Some(None));
            }
            let (taken, rest) = input.split_at(self.parser.wanted(missing, input));
            self.buffer.extend_from_slice(taken);
            *input = rest;
        }
    }

    /// Keeps the beginning of a frame, in an empty buffer; without one, the buffer is given back.
    fn keep(&mut self, data: &[u8]) {
        if data.is_empty() || self.buffer.capacity() > KEEP {
            self.buffer = BytesMut::new();
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(data);
        self.start = 0;
    }
}

/// A buffer that grew beyond this for a long frame is given back when it is empty.
const KEEP: usize = 256 * 1024;
