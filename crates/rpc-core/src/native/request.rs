use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::{Codec, Context, DecodeLimits, Error, Metadata};

/// What a call says beside its arguments.
///
/// ```
/// use std::time::Duration;
/// use rpc_core::native::Request;
///
/// let request = Request { timeout: Some(Duration::from_secs(1)), ..Request::new("add") };
/// # assert_eq!(request.method, "add");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The function's name, of at most 255 bytes.
    pub method: &'a str,
    /// How long the answer may take. `None` is [`Options::call_timeout`](crate::Options::call_timeout),
    /// [`Duration::MAX`] is for ever.
    pub timeout: Option<Duration>,
    /// When it must be there in any case: the deadline of a call on whose behalf this one is made.
    pub deadline: Option<Instant>,
    /// What goes with the call: names of at most 255 bytes and bytes, all of them at most
    /// [`MAX_METADATA_LEN`](super::MAX_METADATA_LEN) with 3 bytes for each pair.
    pub metadata: &'a [(String, Vec<u8>)],
}

impl<'a> Request<'a> {
    /// A call without anything special.
    #[must_use]
    pub fn new(method: &'a str) -> Self {
        Self {
            method,
            timeout: None,
            deadline: None,
            metadata: &[],
        }
    }

    /// When the answer must be there, and how long that is from `now`.
    pub(super) fn deadline(
        &self,
        now: Instant,
        default: Option<Duration>,
    ) -> (Option<Instant>, Duration) {
        deadline(now, self.timeout.or(default), self.deadline)
    }
}

/// What a client gives to all of its calls.
#[derive(Clone, Default)]
pub(crate) struct Terms {
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
    metadata: Option<Arc<Metadata>>,
}

impl Terms {
    pub(crate) fn request<'a>(&'a self, method: &'a str) -> Request<'a> {
        Request {
            method,
            timeout: self.timeout,
            deadline: self.deadline,
            metadata: self.metadata.as_deref().map_or(&[], Vec::as_slice),
        }
    }

    /// When the answer of a call that begins now must be there, and how long that is.
    pub(crate) fn deadline(
        &self,
        now: Instant,
        default: Option<Duration>,
    ) -> (Option<Instant>, Duration) {
        deadline(now, self.timeout.or(default), self.deadline)
    }

    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self.clone()
        }
    }

    /// No later than the call of `cx`.
    pub(crate) fn within(&self, cx: &Context) -> Self {
        Self {
            deadline: [self.deadline, cx.deadline()].into_iter().flatten().min(),
            ..self.clone()
        }
    }

    /// With one more pair.
    pub(crate) fn with_metadata(&self, name: String, value: Vec<u8>) -> Self {
        let mut metadata = self.metadata.as_deref().cloned().unwrap_or_default();
        metadata.push((name, value));
        Self {
            metadata: Some(Arc::new(metadata)),
            ..self.clone()
        }
    }
}

/// The earlier of a timeout's end and an outer deadline.
fn deadline(
    now: Instant,
    timeout: Option<Duration>,
    outer: Option<Instant>,
) -> (Option<Instant>, Duration) {
    let own = timeout.and_then(|timeout| now.checked_add(timeout));
    match (own, outer) {
        (own, Some(outer)) if own.is_none_or(|own| outer < own) => {
            (Some(outer), outer.saturating_duration_since(now))
        }
        (own, _) => (own, timeout.unwrap_or(Duration::MAX)),
    }
}

/// The result of a call, as it came: still encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) codec: Codec,
    pub(super) limits: DecodeLimits,
}

impl Body {
    /// Decodes the result, within the limits of the connection's [`Options`](crate::Options).
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if it is not exactly a `T`.
    #[inline]
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(self.codec.decode(&self.bytes, &self.limits)?)
    }

    /// The encoded result.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Body({} bytes of {})",
            self.bytes.len(),
            self.codec.name()
        )
    }
}
