use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

/// The key that both ends know, and which proofs of it are good enough.
///
/// Python has two generations of the login: since 3.12 the challenge asks for HMAC-SHA256, up to 3.11 there is only
/// HMAC-MD5. Who makes an `Auth` says which are taken:
///
/// - [`modern_only`](Self::modern_only): Python 3.12 and later. Programs of older ones are refused, and the error says why.
/// - [`with_legacy_md5`](Self::with_legacy_md5): all. Nobody is known to find the key from an HMAC-MD5 or to forge one,
///   but a peer may choose it over SHA-256, as it may in Python.
///
/// A clone is cheap and shares the key, which is wiped when the last is dropped.
#[derive(Clone)]
pub struct Auth {
    key: Arc<Zeroizing<Vec<u8>>>,
    takes_md5: bool,
    timeout: Duration,
}

impl Auth {
    /// Takes peers that prove themselves by HMAC-SHA256: Python 3.12 and later.
    ///
    /// # Errors
    ///
    /// [`EmptyKey`]
    pub fn modern_only(key: impl AsRef<[u8]>) -> Result<Self, EmptyKey> {
        Self::new(key.as_ref(), false)
    }

    /// Takes those too that know nothing but HMAC-MD5: Python up to 3.11.
    ///
    /// # Errors
    ///
    /// [`EmptyKey`]
    pub fn with_legacy_md5(key: impl AsRef<[u8]>) -> Result<Self, EmptyKey> {
        Self::new(key.as_ref(), true)
    }

    /// How long the whole login may take. Default 5 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long the whole login may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether HMAC-MD5 is good enough.
    #[must_use]
    pub fn takes_md5(&self) -> bool {
        self.takes_md5
    }

    fn new(key: &[u8], takes_md5: bool) -> Result<Self, EmptyKey> {
        if key.is_empty() {
            return Err(EmptyKey);
        }
        Ok(Self {
            key: Arc::new(Zeroizing::new(key.to_vec())),
            takes_md5,
            timeout: Duration::from_secs(5),
        })
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("takes_md5", &self.takes_md5)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A key without a byte, which Python up to 3.12 takes for "no login" at one end and not at the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyKey;

impl fmt::Display for EmptyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key has no bytes")
    }
}

impl std::error::Error for EmptyKey {}
