//! Frames, byte by byte:
//!
//! ```text
//! ┌─────────────┬────────────┐
//! │ 00 00 00 05 │ h e l l o  │     up to 2³¹ - 1
//! ├─────────────┴───────────┬┴───────────┐
//! │ ff ff ff ff  u64        │ h e l l o  │     any length
//! └─────────────────────────┴────────────┘
//! ```

use framing::{Decoder, FrameError, Limits, Pattern, Prefix};

/// The header of a frame that arrives.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: [u8; LONG],
    filled: usize,
}

impl Head {
    /// Where the bytes go that are missing: none if it is complete.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let len = self.len();
        &mut self.bytes[self.filled..len]
    }

    /// So many bytes are in the [`room`](Self::room) now.
    pub(crate) fn fill(&mut self, count: usize) {
        self.filled += count;
    }

    pub(crate) fn missing(&self) -> usize {
        self.len() - self.filled
    }

    pub(crate) fn received(&self) -> usize {
        self.filled
    }

    /// How long the payload is; `None` if that is still to come.
    pub(crate) fn payload_len(&self, max: usize) -> Result<Option<usize>, FrameError> {
        let Some(short) = self.short() else {
            return Ok(None);
        };
        let announced = match short {
            EXTENDED if self.missing() > 0 => return Ok(None),
            EXTENDED => u64::from_be_bytes(self.long()),
            short => u64::try_from(short).unwrap_or(u64::MAX),
        };
        match usize::try_from(announced) {
            Ok(len) if len <= max && short >= EXTENDED => Ok(Some(len)),
            _ => Err(self.refusal(max)),
        }
    }

    /// What to say if the stream ends here.
    pub(crate) fn truncated(&self) -> FrameError {
        FrameError::Truncated {
            expected: self.len() as u64,
            received: self.filled as u64,
        }
    }

    /// What `framing` says to this, which knows other protocols by their first bytes.
    fn refusal(&self, max: usize) -> FrameError {
        let limits = Limits {
            max_frame_len: max,
            ..Limits::default()
        };
        let mut decoder = Decoder::with_limits(Pattern::Prefix(Prefix::Multiprocessing), limits);
        decoder.receive(&self.bytes[..self.filled]);
        let refused = decoder.next_frame();
        refused.expect_err("the length is negative or above the limit")
    }

    /// The length of the header, as far as is known.
    fn len(&self) -> usize {
        match self.short() {
            Some(EXTENDED) => LONG,
            _ => SHORT,
        }
    }

    fn short(&self) -> Option<i32> {
        let (short, _) = self.bytes.split_first_chunk()?;
        (self.filled >= SHORT).then(|| i32::from_be_bytes(*short))
    }

    fn long(&self) -> [u8; 8] {
        let (_, long) = self.bytes.split_last_chunk().expect("12 are more than 8");
        *long
    }
}

/// The header of a frame that is sent.
pub(crate) fn head(payload_len: usize) -> ([u8; LONG], usize) {
    let mut bytes = [0; LONG];
    match i32::try_from(payload_len) {
        Ok(short) => {
            bytes[..SHORT].copy_from_slice(&short.to_be_bytes());
            (bytes, SHORT)
        }
        Err(_) => {
            bytes[..SHORT].copy_from_slice(&EXTENDED.to_be_bytes());
            bytes[SHORT..].copy_from_slice(&(payload_len as u64).to_be_bytes());
            (bytes, LONG)
        }
    }
}

/// Appends a short message as a frame.
pub(crate) fn encode(message: &[&[u8]], out: &mut Vec<u8>) {
    let (bytes, len) = head(message.iter().map(|part| part.len()).sum());
    out.extend_from_slice(&bytes[..len]);
    message.iter().for_each(|part| out.extend_from_slice(part));
}

/// This instead of a length: it follows as 64 bits.
const EXTENDED: i32 = -1;
const SHORT: usize = 4;
const LONG: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(len: usize) -> Vec<u8> {
        let (bytes, filled) = head(len);
        bytes[..filled].to_vec()
    }

    fn read(bytes: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        let mut head = Head::default();
        for byte in bytes {
            assert_eq!(head.payload_len(max), Ok(None));
            head.room()[0] = *byte;
            head.fill(1);
        }
        assert!(head.missing() == 0 || bytes.len() < LONG);
        head.payload_len(max)
    }

    #[test]
    fn lengths_up_to_2_31_are_short() {
        assert_eq!(written(0), [0, 0, 0, 0]);
        assert_eq!(written(5), [0, 0, 0, 5]);
        assert_eq!(written(0x7fff_ffff), [0x7f, 0xff, 0xff, 0xff]);
        let longer = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0];
        assert_eq!(written(0x8000_0000), longer);
    }

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 255, 256, 0x7fff_ffff, 0x8000_0000, usize::MAX] {
            assert_eq!(read(&written(len), usize::MAX), Ok(Some(len)));
        }
        let short_as_long = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 5];
        assert_eq!(read(&short_as_long, 5), Ok(Some(5)));
    }

    #[test]
    fn the_limit_is_for_both_forms() {
        for len in [1001, 0x7fff_ffff, 0x8000_0000, usize::MAX] {
            let error = read(&written(len), 1000).unwrap_err();
            let FrameError::TooLong {
                declared, limit, ..
            } = error
            else {
                panic!("{error:?} for {len}");
            };
            assert_eq!((declared, limit), (len as u64, 1000));
        }
    }

    #[test]
    fn negative_lengths_are_none() {
        for length in [-2, -3, i32::MIN] {
            let error = read(&length.to_be_bytes(), usize::MAX).unwrap_err();
            assert_eq!(error, FrameError::NegativeLength { length });
        }
    }
}
