use std::time::Duration;

use crate::Pattern;

/// What a [`Decoder`](crate::Decoder) lets a peer do.
///
/// ```
/// use framing::{Limits, Oversize};
///
/// let limits = Limits { max_frame_len: 64 * 1024, oversize: Oversize::Skip, ..Limits::default() };
/// assert_eq!(limits.grace.as_secs(), 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest payload, in bytes, without prefix or delimiter. Default 8 MiB; [`Limits::for_pattern`]
    /// gives lines and other delimited frames 64 KiB.
    pub max_frame_len: usize,
    /// What happens to a longer one. Default [`Oversize::Fail`].
    pub oversize: Oversize,
    /// How long a frame may be under way before its rate is looked at. Default 10 s.
    pub grace: Duration,
    /// The slowest pace in bytes per second: each second's worth of bytes that arrived of a frame allows
    /// it one second more than `grace`. Default 1024. Zero asks for no pace, so there is no deadline.
    pub min_rate: u64,
}

impl Limits {
    /// The default limits, with the longest frame that suits the pattern: 64 KiB for
    /// [`Pattern::Lines`] and [`Pattern::Delimiter`], 8 MiB for the others.
    #[must_use]
    pub fn for_pattern(pattern: &Pattern) -> Self {
        let max_frame_len = match pattern {
            Pattern::Lines | Pattern::Delimiter(_) => 64 * 1024,
            Pattern::ToEnd | Pattern::Fixed(_) | Pattern::Prefix(_) | Pattern::Blocks => 8 << 20,
        };
        Self {
            max_frame_len,
            ..Self::default()
        }
    }

    /// How long a frame may take of which `received` bytes are here; `None` is for ever.
    pub(crate) fn allowed(&self, received: u64) -> Option<Duration> {
        let millis = received.saturating_mul(1000).checked_div(self.min_rate)?;
        self.grace.checked_add(Duration::from_millis(millis))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_len: 8 << 20,
            oversize: Oversize::Fail,
            grace: Duration::from_secs(10),
            min_rate: 1024,
        }
    }
}

/// What a decoder does with a frame that is longer than it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oversize {
    /// Ends the stream with an error.
    #[default]
    Fail,
    /// Drops the frame's bytes as they arrive and goes on with the next one;
    /// [`Decoder::skipped`](crate::Decoder::skipped) counts.
    Skip,
}
