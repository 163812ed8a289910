use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;

/// Where the cryptography comes from.
///
/// It is always passed on explicitly: what the process has installed as rustls' default is neither used
/// nor changed.
#[derive(Clone)]
pub struct Provider {
    crypto: Arc<CryptoProvider>,
    ticketer: Option<NewTicketer>,
}

type NewTicketer = fn() -> Result<Arc<dyn ProducesTickets>, rustls::Error>;

impl Provider {
    /// *ring*: builds quickly; X25519, P-256 and P-384 for key exchange.
    #[cfg(feature = "ring")]
    #[must_use]
    pub fn ring() -> Self {
        Self {
            crypto: Arc::new(rustls::crypto::ring::default_provider()),
            ticketer: Some(rustls::crypto::ring::Ticketer::new),
        }
    }

    /// AWS-LC: those, and the post-quantum X25519MLKEM768, which it prefers.
    #[cfg(feature = "aws-lc-rs")]
    #[must_use]
    pub fn aws_lc_rs() -> Self {
        Self {
            crypto: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            ticketer: Some(rustls::crypto::aws_lc_rs::Ticketer::new),
        }
    }

    /// The first that the features have.
    #[cfg(feature = "ring")]
    pub(crate) fn preferred() -> Self {
        Self::ring()
    }

    /// The first that the features have.
    #[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
    pub(crate) fn preferred() -> Self {
        Self::aws_lc_rs()
    }

    pub(crate) fn crypto(&self) -> &Arc<CryptoProvider> {
        &self.crypto
    }

    /// Fresh keys for session tickets.
    pub(crate) fn ticketer(&self) -> Option<Result<Arc<dyn ProducesTickets>, rustls::Error>> {
        self.ticketer.map(|new| new())
    }
}

/// A provider of your own: other suites, other key exchange, an HSM. Servers with it give session tickets
/// if this crate has one of its own providers compiled in, whose cipher then seals them.
impl From<Arc<CryptoProvider>> for Provider {
    fn from(crypto: Arc<CryptoProvider>) -> Self {
        #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
        let ticketer = Self::preferred().ticketer;
        #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
        let ticketer = None;
        Self { crypto, ticketer }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suites: Vec<_> = self
            .crypto
            .cipher_suites
            .iter()
            .map(|s| s.suite())
            .collect();
        f.debug_struct("Provider")
            .field("cipher_suites", &suites)
            .finish_non_exhaustive()
    }
}
