use std::time::Duration;

use crate::pickle;

/// What the other end may cost, for both roles. Lengths are in bytes.
///
/// The defaults are safe on the open internet; change single fields:
///
/// ```
/// use mp_connection::rpc::Options;
/// let options = Options { max_answer_len: 64 << 20, ..Options::default() };
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest request. Default 8 MiB. A [`Peer`](super::Peer) answers a longer one with an exception and ends the
    /// connection; a [`Client`](super::Client) doesn't send it.
    pub max_request_len: usize,
    /// The longest answer. Default 8 MiB. A longer one is replaced by an exception, or breaks the client. More than
    /// 1 GiB counts as 1 GiB.
    pub max_answer_len: usize,
    /// How much may wait behind the call that runs before a [`Peer`](super::Peer) has nothing more read. Default 1 MiB.
    pub max_waiting: usize,
    /// How much may wait to be sent before a [`Peer`](super::Peer) takes no more requests. Default 1 MiB.
    pub max_queued: usize,
    /// How long a call may take; `None` is for ever. Default 30 s. A [`Peer`](super::Peer) then answers with
    /// `TimeoutError` and cancels the function; one that blocks can't be stopped, it goes on and nobody hears of its
    /// result. A [`Client`](super::Client) gives up and is [broken](super::Error::Broken).
    pub call_timeout: Option<Duration>,
    /// What pickles may look like. A [`Peer`](super::Peer) answers in the protocol of the request, at most this one.
    pub pickle: pickle::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_request_len: 8 << 20,
            max_answer_len: 8 << 20,
            max_waiting: 1 << 20,
            max_queued: 1 << 20,
            call_timeout: Some(Duration::from_secs(30)),
            pickle: pickle::Options::default(),
        }
    }
}
