use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec;

use crate::encoder::Encoder;
use crate::error::Error;
use crate::limits::Limits;
use crate::parser::{Parser, Step};
use crate::pattern::Pattern;

/// A pattern as a codec for `tokio_util::codec::Framed` (feature `codec`).
///
/// It cuts and writes exactly as [`Decoder`](crate::Decoder) and [`Encoder`] do. Frames read are parts of
/// the buffer that `Framed` reads into; payloads written are copied to the buffer it writes from. A
/// codec has no clock: [`Limits::grace`] and [`Limits::min_rate`] have no effect here.
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use framing::{FrameCodec, Pattern};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = FrameCodec::new(Pattern::Lines);
/// let mut buffer = BytesMut::new();
/// codec.encode(Bytes::from_static(b"hello"), &mut buffer)?;
/// assert_eq!(buffer, "hello\n");
/// assert_eq!(codec.decode(&mut buffer)?, Some(Bytes::from_static(b"hello")));
/// # Ok::<(), framing::Error>(())
/// ```
#[derive(Debug)]
pub struct FrameCodec {
    parser: Parser,
    encoder: Encoder,
}

impl FrameCodec {
    /// Makes a codec with the limits of [`Limits::for_pattern`], both ways.
    #[must_use]
    pub fn new(pattern: Pattern) -> Self {
        let limits = Limits::for_pattern(&pattern);
        Self::with_limits(limits, Encoder::new(pattern))
    }

    /// Makes a codec that reads within these limits, and writes with this encoder and reads its
    /// pattern.
    #[must_use]
    pub fn with_limits(limits: Limits, encoder: Encoder) -> Self {
        Self {
            parser: Parser::new(encoder.pattern().clone(), limits),
            encoder,
        }
    }

    /// How many frames were dropped for their length.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.parser.skipped()
    }
}

impl codec::Decoder for FrameCodec {
    type Item = Bytes;
    type Error = Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        loop {
            match self.parser.step(buffer)? {
                Step::Frame {
                    start,
                    end,
                    consumed,
                } => {
                    let mut payload = buffer.split_to(consumed);
                    payload.truncate(end);
                    payload.advance(start);
                    return Ok(Some(payload.freeze()));
                }
                Step::Drop { consumed } => buffer.advance(consumed),
                Step::Message { consumed } => {
                    buffer.advance(consumed);
                    return Ok(Some(self.parser.take_message()));
                }
                Step::More { missing } => {
                    // A hint for the next read; never more than a step ahead of what arrived.
                    if !buffer.try_reclaim(missing) {
                        buffer.reserve(missing.min(buffer.len().max(READ_AHEAD)));
                    }
                    return Ok(None);
                }
            }
        }
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        if let Some(frame) = self.decode(buffer)? {
            return Ok(Some(frame));
        }
        let is_frame = self.parser.finish(buffer)?;
        let rest = buffer.split();
        Ok(is_frame.then(|| rest.freeze()))
    }
}

impl codec::Encoder<Bytes> for FrameCodec {
    type Error = Error;

    #[inline]
    fn encode(&mut self, payload: Bytes, buffer: &mut BytesMut) -> Result<(), Error> {
        if let Some((word, bytes)) = self.encoder.word(payload.len()) {
            buffer.reserve(word.len() + payload.len());
            let start = buffer.len();
            buffer.extend_from_slice(&word);
            buffer.truncate(start + bytes);
            buffer.extend_from_slice(&payload);
            return Ok(());
        }
        let head = self.encoder.head(&payload)?;
        let tail = self.encoder.tail();
        buffer.reserve(head.len() + payload.len() + tail.len());
        buffer.extend_from_slice(&head);
        buffer.extend_from_slice(&payload);
        buffer.extend_from_slice(tail);
        Ok(())
    }
}

/// How many bytes a frame may be ahead of what arrived, at least.
const READ_AHEAD: usize = 8 * 1024;
