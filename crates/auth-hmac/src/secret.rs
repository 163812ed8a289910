use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that are wiped when dropped, compared in constant time and never printed.
#[derive(Clone)]
pub(crate) struct Secret<const N: usize>(Zeroizing<[u8; N]>);

impl<const N: usize> Secret<N> {
    pub(crate) fn new(bytes: [u8; N]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// What `fill` writes.
    pub(crate) fn filled(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut bytes = Zeroizing::new([0; N]);
        fill(&mut bytes);
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// Whether `other` is the same; how long that takes depends on the length alone.
    pub(crate) fn is(&self, other: &[u8]) -> bool {
        self.0[..].ct_eq(other).into()
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A key for HMAC-SHA256 that is ready for messages.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

impl MacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    pub(crate) fn tag(&self, parts: [&[u8]; 2]) -> Secret<32> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        Secret::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}
