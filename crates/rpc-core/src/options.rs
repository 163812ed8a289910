use std::time::Duration;

use crate::{Codec, DecodeLimits};

/// What a native conversation may cost, and what it is held in. All limits are on by default.
///
/// The defaults are safe on the open internet; change single fields:
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use rpc_core::{Codec, Options};
///
/// let options = Options { max_in_flight: 100, ..Options::new(Codec::Postcard) };
/// # assert_eq!(options.max_frame_len, 8 << 20);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The encoding of arguments and results. Both ends must have the same.
    pub codec: Codec,
    /// The longest frame that is taken, in bytes; the peer is told. Between 1 KiB and 4 GiB; what is outside counts as
    /// the nearer of them. Default 8 MiB.
    pub max_frame_len: usize,
    /// How many of the peer's calls may be running; the peer is told. One more is answered with
    /// [`Kind::Overloaded`](crate::Kind::Overloaded), one more that is one-way is dropped. Default 1024.
    pub max_in_flight: usize,
    /// How many bytes may wait to be sent before nothing more is read, and no one-way call taken for sending. Default
    /// 1 MiB.
    pub max_queued: usize,
    /// How deep values may be nested in each other. Default 64.
    pub max_depth: usize,
    /// How many elements the lists and maps of one message may have in all. Default 1 000 000.
    pub max_elements: usize,
    /// How long a call to the peer may take that doesn't say. Default 30 s.
    pub call_timeout: Option<Duration>,
    /// How long the peer has for its hello. Default 10 s.
    pub hello_timeout: Duration,
    /// After this long without a byte, a peer that reads all the time is asked for a sign of life; after as long again
    /// it counts as lost. Default 30 s.
    pub keep_alive: Option<Duration>,
    /// The [fingerprint](crate::Registry::fingerprint) that the peer's registry must have. Default: any.
    pub expect: Option<u64>,
}

impl Options {
    /// The defaults, with this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            max_frame_len: 8 << 20,
            max_in_flight: 1024,
            max_queued: 1 << 20,
            max_depth: 64,
            max_elements: 1_000_000,
            call_timeout: Some(Duration::from_secs(30)),
            hello_timeout: Duration::from_secs(10),
            keep_alive: Some(Duration::from_secs(30)),
            expect: None,
        }
    }

    /// What a message may hold, as the codec is told.
    #[must_use]
    pub fn decode_limits(&self) -> DecodeLimits {
        DecodeLimits {
            max_depth: self.max_depth,
            max_elements: self.max_elements,
        }
    }
}
