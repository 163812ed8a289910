use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use zeroize::Zeroizing;

/// The key that both ends know, and which proofs of it are good enough.
///
/// Python has two generations of the login: since 3.12 the challenge asks for HMAC-SHA256, up to 3.11 there is only
/// HMAC-MD5. Who makes an `Auth` says which are taken, as listener and as client:
///
/// | | Python 3.12 and later | Python up to 3.11 |
/// |---|---|---|
/// | [`modern_only`](Self::modern_only) | HMAC-SHA256 | refused, and [`AuthError::LegacyPeer`](crate::AuthError::LegacyPeer) says so |
/// | [`with_legacy_md5`](Self::with_legacy_md5) | HMAC-SHA256 | HMAC-MD5 |
///
/// Nobody is known to find the key from an HMAC-MD5 or to forge one, but MD5 is no hash function to build on, and
/// some may not use it at all. Where it is taken a peer may choose it over SHA-256, as it may in Python;
/// [`Generation`](crate::Generation) tells how a peer proved itself.
///
/// The key can be any bytes; make it 32 random ones. To HMAC, trailing zero bytes of a short key do not count.
///
/// A clone is cheap and shares the key, which is wiped when the last is dropped.
///
/// ```
/// use mp_connection::Auth;
///
/// let auth = Auth::with_legacy_md5("peekaboo")?;
/// assert_eq!(auth.timeout().as_secs(), 5);
/// assert!(!format!("{auth:?}").contains("peekaboo"));
/// # Ok::<(), mp_connection::EmptyKey>(())
/// ```
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

    /// Sets how long the whole login may take. Default 5 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns how long the whole login may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether HMAC-MD5 is good enough.
    #[must_use]
    pub fn takes_md5(&self) -> bool {
        self.takes_md5
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
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
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("takes_md5", &self.takes_md5)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Returns 40 bytes from the system's source of random bytes, for one login.
///
/// # Errors
///
/// If the system has none, which Linux never says once it has started.
pub fn fresh_nonce() -> io::Result<[u8; 40]> {
    let mut nonce = [0; 40];
    getrandom::fill(&mut nonce)?;
    Ok(nonce)
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
