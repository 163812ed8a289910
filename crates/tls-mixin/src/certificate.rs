use rustls_pki_types::CertificateDer;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Returns its bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}
