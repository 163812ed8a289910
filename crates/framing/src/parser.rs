//! Where frames begin and end: the one place that knows the patterns on receiving.
//!
//! The parser looks at the bytes that are here, which begin where it last said it was done, and says
//! what to do with them. It keeps no bytes, except of a message in blocks.
//!
//! ```text
//!            header or delimiter seen                   over the limit, Oversize::Skip
//!   Start ─────────────────────────────► Frame   Start ────────────────► Skip / SkipToDelimiter
//!     ▲                                    │       ▲                                │
//!     └────────────────────────────────────┘       └────────────────────────────────┘
//!   Start ──► Message (blocks, joined) ──► Start           any ──► Failed, for ever
//! ```

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::error::{Direction, FrameError, Opening};
use crate::limits::{Limits, Oversize};
use crate::pattern::{Pattern, Prefix};

/// What to do with the bytes that were looked at. Offsets count from their start.
pub(crate) enum Step {
    /// `start..end` is a payload; the first `consumed` bytes are done with.
    Frame {
        start: usize,
        end: usize,
        consumed: usize,
    },
    /// A message in blocks is complete, see [`Parser::message`]; `consumed` bytes are done with.
    Message { consumed: usize },
    /// This many bytes are done with; look again.
    Drop { consumed: usize },
    /// Nothing to be done before at least this many bytes more are here.
    More { missing: usize },
}

#[derive(Debug)]
pub(crate) struct Parser {
    pattern: Pattern,
    limits: Limits,
    state: State,
    /// Bytes of the frame under way that are no longer among those looked at.
    gone: u64,
    /// Frames that are over, the skipped ones included.
    frames: u64,
    skipped: u64,
    message: BytesMut,
}

#[derive(Debug)]
enum State {
    /// At the start of a frame, of which the first `scanned` bytes are known to hold no delimiter.
    Start {
        scanned: usize,
    },
    /// Inside a message of blocks; `left` bytes of a block of `block` are to come, or with zero the next
    /// header.
    Message {
        block: usize,
        left: usize,
        skipping: bool,
    },
    /// Dropping a frame of which `left` bytes are to come.
    Skip {
        left: u64,
    },
    /// Dropping a frame of unknown length.
    SkipToDelimiter,
    /// No frame can follow.
    Over,
    Failed(FrameError),
}

impl Parser {
    pub(crate) fn new(pattern: Pattern, limits: Limits) -> Self {
        Self {
            pattern,
            limits,
            state: State::Start { scanned: 0 },
            gone: 0,
            frames: 0,
            skipped: 0,
            message: BytesMut::new(),
        }
    }

    pub(crate) fn set_pattern(&mut self, pattern: Pattern, limits: Limits) {
        self.pattern = pattern;
        self.limits = limits;
        self.gone = 0;
        if !matches!(self.state, State::Failed(_)) {
            self.state = State::Start { scanned: 0 };
        }
    }

    /// Looks at the bytes that are here.
    #[inline(always)]
    pub(crate) fn step(&mut self, data: &[u8]) -> Result<Step, FrameError> {
        if let State::Start { scanned } = self.state {
            match &self.pattern {
                Pattern::Prefix(prefix) => self.prefixed(*prefix, data),
                Pattern::Lines => self.line(scanned, data),
                Pattern::Delimiter(delimiter) => {
                    let len = delimiter.as_bytes().len();
                    let window = &data[..self.window(len, data)];
                    let consumed = find_end(delimiter.as_bytes(), scanned, window);
                    self.delimited(len, consumed, data)
                }
                Pattern::Fixed(len) => {
                    let len = *len;
                    self.fixed(len, data)
                }
                Pattern::Blocks => self.first_block(data),
                Pattern::ToEnd if data.len() > self.limits.max_frame_len => self.endless(data),
                Pattern::ToEnd => Ok(Step::More { missing: 1 }),
            }
        } else {
            self.resume(data)
        }
    }

    /// The stream ended, and [`Parser::step`] wants more than `data`. Returns whether all of `data` is a
    /// last frame; if not, it is to be dropped.
    pub(crate) fn finish(&mut self, data: &[u8]) -> Result<bool, FrameError> {
        let here = data.len() as u64;
        let truncated = |expected, received| FrameError::Truncated { expected, received };
        let error = match (&self.state, &self.pattern) {
            (State::Failed(error), _) => return Err(error.clone()),
            (State::Over, _) => return Ok(false),
            (State::Start { .. }, _) if data.is_empty() => return Ok(false),
            (State::Start { .. }, Pattern::ToEnd | Pattern::Lines) => {
                let fits = data.len() <= self.limits.max_frame_len;
                if !fits {
                    self.endless(data)?;
                }
                self.finished();
                return Ok(fits);
            }
            (State::Start { .. }, Pattern::Fixed(len)) => truncated(*len as u64, here),
            (State::Start { .. }, Pattern::Delimiter(_)) => {
                FrameError::Unterminated { received: here }
            }
            (State::Start { .. }, Pattern::Prefix(prefix)) => match prefix.read(data)? {
                Some((header, len)) => truncated(len, here - header as u64),
                None => truncated(prefix.header_len(data) as u64, here),
            },
            (State::Start { .. } | State::Message { left: 0, .. }, Pattern::Blocks) => {
                truncated(4, here)
            }
            (State::Message { block, left, .. }, _) => {
                truncated(*block as u64, (block - left) as u64 + here)
            }
            (State::Skip { left }, _) => truncated(self.gone + left, self.gone + here),
            (State::SkipToDelimiter, Pattern::Delimiter(_)) => FrameError::Unterminated {
                received: self.gone + here,
            },
            (State::SkipToDelimiter, _) => {
                self.finished();
                return Ok(false);
            }
        };
        self.fail(error)
    }

    /// Of `input`, how much to add to bytes that wait for `missing` more, so that nothing behind the
    /// frame's end is taken.
    pub(crate) fn wanted(&self, missing: usize, input: &[u8]) -> usize {
        let last = match &self.pattern {
            Pattern::Lines => b'\n',
            Pattern::Delimiter(delimiter) => delimiter.last_byte(),
            _ => return missing.min(input.len()),
        };
        memchr(last, input).map_or(input.len(), |index| index + 1)
    }

    /// Ends the stream with an error, which every later step repeats.
    #[cold]
    pub(crate) fn fail<T>(&mut self, error: FrameError) -> Result<T, FrameError> {
        self.state = State::Failed(error.clone());
        self.message = BytesMut::new();
        Err(error)
    }

    /// The message that [`Step::Message`] spoke of; it is there until the next step.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// As [`Parser::message`], owned.
    pub(crate) fn take_message(&mut self) -> Bytes {
        self.message.split().freeze()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }

    /// How many bytes of an unfinished frame have come, `data` being the last of them; `None` between
    /// frames.
    pub(crate) fn underway(&self, data: &[u8]) -> Option<u64> {
        let between = match self.state {
            State::Start { .. } => data.is_empty(),
            State::Message { .. } | State::Skip { .. } | State::SkipToDelimiter => false,
            State::Over | State::Failed(_) => true,
        };
        (!between).then(|| self.gone + data.len() as u64)
    }

    /// The protocol that the stream resembles, if `data` is its beginning.
    pub(crate) fn looks_like(&self, data: &[u8]) -> Option<Opening> {
        let at_beginning = self.frames == 0 && matches!(self.state, State::Start { .. });
        if at_beginning {
            Opening::of(data)
        } else {
            None
        }
    }

    #[inline]
    fn finished(&mut self) {
        self.frames += 1;
        self.gone = 0;
        self.state = State::Start { scanned: 0 };
    }

    #[inline(always)]
    fn prefixed(&mut self, prefix: Prefix, data: &[u8]) -> Result<Step, FrameError> {
        let (start, declared) = match prefix.read(data) {
            Ok(Some(header)) => header,
            Ok(None) => {
                return Ok(Step::More {
                    missing: prefix.header_len(data) - data.len(),
                });
            }
            Err(error) => return self.fail(error),
        };
        if declared > self.limits.max_frame_len as u64 {
            return self.too_long(start, declared, data);
        }
        // Fits: it is at most `max_frame_len`.
        let len = declared as usize;
        let here = data.len() - start;
        if here < len {
            return Ok(Step::More {
                missing: len - here,
            });
        }
        self.frames += 1;
        Ok(Step::Frame {
            start,
            end: start + len,
            consumed: start + len,
        })
    }

    #[inline(always)]
    fn line(&mut self, scanned: usize, data: &[u8]) -> Result<Step, FrameError> {
        let window = self.window(CR_LF, data);
        let Some(index) = memchr(b'\n', &data[scanned..window]) else {
            return self.no_delimiter(CR_LF, data);
        };
        let newline = scanned + index;
        let end = match data[..newline].last() {
            Some(b'\r') => newline - 1,
            _ => newline,
        };
        if end > self.limits.max_frame_len {
            return self.endless(data);
        }
        self.finished();
        Ok(Step::Frame {
            start: 0,
            end,
            consumed: newline + 1,
        })
    }

    fn fixed(&mut self, len: usize, data: &[u8]) -> Result<Step, FrameError> {
        if len > self.limits.max_frame_len && !data.is_empty() {
            return self.too_long(0, len as u64, data);
        }
        if data.len() < len {
            return Ok(Step::More {
                missing: len - data.len(),
            });
        }
        self.finished();
        if len == 0 {
            self.state = State::Over;
        }
        Ok(Step::Frame {
            start: 0,
            end: len,
            consumed: len,
        })
    }

    /// A delimiter of `len` bytes was looked for; the first one is the end of `consumed` bytes.
    fn delimited(
        &mut self,
        len: usize,
        consumed: Option<usize>,
        data: &[u8],
    ) -> Result<Step, FrameError> {
        let Some(consumed) = consumed else {
            return self.no_delimiter(len, data);
        };
        self.finished();
        Ok(Step::Frame {
            start: 0,
            end: consumed - len,
            consumed,
        })
    }

    /// Continues a message or a skipped frame.
    fn resume(&mut self, data: &[u8]) -> Result<Step, FrameError> {
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            State::Message {
                block,
                left,
                skipping,
            } => {
                let (block, left, skipping) = (*block, *left, *skipping);
                self.blocks(block, left, skipping, data)
            }
            State::Skip { left } => {
                let left = *left;
                let consumed = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                if consumed == 0 {
                    return Ok(Step::More { missing: 1 });
                }
                self.gone += consumed as u64;
                match left - consumed as u64 {
                    0 => self.finished(),
                    left => self.state = State::Skip { left },
                }
                Ok(Step::Drop { consumed })
            }
            State::SkipToDelimiter => Ok(self.skip_to_delimiter(data)),
            State::Over | State::Start { .. } => Ok(Step::More { missing: 1 }),
        }
    }

    fn skip_to_delimiter(&mut self, data: &[u8]) -> Step {
        let delimiter = match &self.pattern {
            Pattern::Lines => b"\n",
            Pattern::Delimiter(delimiter) => delimiter.as_bytes(),
            _ => b"",
        };
        if !delimiter.is_empty()
            && let Some(consumed) = find_end(delimiter, 0, data)
        {
            self.finished();
            return Step::Drop { consumed };
        }
        // The last bytes may be the beginning of a delimiter.
        let consumed = data.len().saturating_sub(delimiter.len().saturating_sub(1));
        if consumed == 0 {
            return Step::More { missing: 1 };
        }
        self.gone += consumed as u64;
        Step::Drop { consumed }
    }

    /// A message that is here as one block and its end needs no joining.
    fn first_block(&mut self, data: &[u8]) -> Result<Step, FrameError> {
        if let Some((start, declared)) = Prefix::U32Be.read(data)?
            && declared <= self.limits.max_frame_len as u64
            && let end = start.saturating_add(declared as usize)
            && let Some(rest) = data.get(end..)
            && (declared == 0 || rest.starts_with(&[0; 4]))
        {
            self.finished();
            let consumed = if declared == 0 { start } else { end + 4 };
            return Ok(Step::Frame {
                start,
                end,
                consumed,
            });
        }
        if data.len() < 4 {
            return Ok(Step::More {
                missing: 4 - data.len(),
            });
        }
        self.message = BytesMut::new();
        self.blocks(0, 0, false, data)
    }

    fn blocks(
        &mut self,
        mut block: usize,
        mut left: usize,
        mut skipping: bool,
        data: &[u8],
    ) -> Result<Step, FrameError> {
        let mut consumed = 0;
        loop {
            let part = left.min(data.len() - consumed);
            if !skipping {
                self.message
                    .extend_from_slice(&data[consumed..consumed + part]);
            }
            consumed += part;
            left -= part;
            if left > 0 {
                break;
            }
            let Some((header, len)) = Prefix::U32Be.read(&data[consumed..])? else {
                break;
            };
            if len == 0 {
                consumed += header;
                self.finished();
                return Ok(match skipping {
                    true => Step::Drop { consumed },
                    false => Step::Message { consumed },
                });
            }
            let total = self.message.len() as u64 + len;
            if total > self.limits.max_frame_len as u64 && !skipping {
                if self.limits.oversize == Oversize::Fail {
                    return self.too_long(0, total, data);
                }
                self.skipped += 1;
                self.message = BytesMut::new();
                skipping = true;
            }
            consumed += header;
            block = len as usize;
            left = block;
        }
        self.state = State::Message {
            block,
            left,
            skipping,
        };
        self.gone += consumed as u64;
        Ok(match (consumed, left) {
            (0, 0) => Step::More {
                missing: 4 - data.len(),
            },
            (0, _) => Step::More { missing: left },
            _ => Step::Drop { consumed },
        })
    }

    /// How much of `data` a frame with a delimiter of `len` bytes can be.
    #[inline]
    fn window(&self, len: usize, data: &[u8]) -> usize {
        self.limits
            .max_frame_len
            .saturating_add(len)
            .min(data.len())
    }

    /// There is no delimiter of `len` bytes in the window.
    fn no_delimiter(&mut self, len: usize, data: &[u8]) -> Result<Step, FrameError> {
        if data.len() >= self.limits.max_frame_len.saturating_add(len) {
            return self.endless(data);
        }
        self.state = State::Start {
            scanned: data.len(),
        };
        Ok(Step::More { missing: 1 })
    }

    /// The frame has a known length, behind `header` bytes, and is longer than it may be.
    #[cold]
    fn too_long(&mut self, header: usize, declared: u64, data: &[u8]) -> Result<Step, FrameError> {
        if self.limits.oversize == Oversize::Skip {
            self.skipped += 1;
            self.state = State::Skip { left: declared };
            return Ok(Step::Drop { consumed: header });
        }
        let limit = self.limits.max_frame_len as u64;
        let looks_like = self.looks_like(data);
        self.fail(FrameError::TooLong {
            declared,
            limit,
            direction: Direction::Receive,
            looks_like,
        })
    }

    /// The frame is longer than it may be, and nobody knows how long.
    #[cold]
    fn endless(&mut self, data: &[u8]) -> Result<Step, FrameError> {
        if self.limits.oversize == Oversize::Skip {
            self.skipped += 1;
            self.state = State::SkipToDelimiter;
            return Ok(Step::Drop { consumed: 0 });
        }
        let limit = self.limits.max_frame_len as u64;
        let looks_like = self.looks_like(data);
        self.fail(FrameError::Undelimited { limit, looks_like })
    }
}

/// The longest end of a line.
const CR_LF: usize = 2;

/// Where the first `delimiter` ends in `data`, of which the first `scanned` bytes hold no end of one.
fn find_end(delimiter: &[u8], scanned: usize, data: &[u8]) -> Option<usize> {
    let last = *delimiter.last()?;
    let mut from = scanned;
    loop {
        from += memchr(last, &data[from..])? + 1;
        if data[..from].ends_with(delimiter) {
            return Some(from);
        }
    }
}
