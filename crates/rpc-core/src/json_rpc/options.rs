use std::time::Duration;

use crate::DecodeLimits;

/// What a caller may cost.
///
/// The defaults are safe on the open internet; change single fields:
///
/// ```
/// use rpc_core::json_rpc::Options;
/// let options = Options { max_batch: 10, ..Options::default() };
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest line, in bytes. Default 8 MiB. A longer one ends the connection; a
    /// [`Responder`](super::Responder), which has no lines, takes any message that it is given.
    pub max_line_len: usize,
    /// The longest answer, in bytes; that of a batch counts as one. Default 8 MiB. What would make it longer is
    /// replaced by an error.
    pub max_answer_len: usize,
    /// The most entries of a batch. Default 1000. A larger one gets one error and none of its calls runs.
    pub max_batch: usize,
    /// How many calls may run at a time. Default 1024. Further ones get an error, unless their function runs at
    /// once.
    pub max_in_flight: usize,
    /// How many bytes may wait to be sent before nothing more is read. Default 1 MiB.
    pub max_queued: usize,
    /// The most bytes of requests whose calls run and, counted apart, of answers that wait to be sent.
    /// Default 32 MiB. A request or an answer that goes beyond it is replaced by an error.
    pub max_backlog: usize,
    /// How deep arguments may be nested. Default 64.
    pub max_depth: usize,
    /// How many elements the lists and maps in the arguments of a call may have together. Default 1,000,000.
    pub max_elements: usize,
    /// How long a call may run before it is answered by an error and cancelled; `None` is for ever.
    /// Default 30 s. A function that blocks can't be stopped: it goes on, and nobody hears of its result.
    pub call_timeout: Option<Duration>,
}

impl Options {
    pub(super) fn decode_limits(&self) -> DecodeLimits {
        DecodeLimits {
            max_depth: self.max_depth,
            max_elements: self.max_elements,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let DecodeLimits {
            max_depth,
            max_elements,
        } = DecodeLimits::default();
        Self {
            max_line_len: 8 << 20,
            max_answer_len: 8 << 20,
            max_batch: 1000,
            max_in_flight: 1024,
            max_queued: 1 << 20,
            max_backlog: 32 << 20,
            max_depth,
            max_elements,
            call_timeout: Some(Duration::from_secs(30)),
        }
    }
}
