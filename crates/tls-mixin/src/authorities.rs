use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use crate::error::Error;
use crate::identity::{certificates_in, read};

/// Whom to trust: the authorities that vouch for the peer.
#[derive(Clone, Debug)]
pub struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Reads the certificates in a file.
    ///
    /// # Errors
    ///
    /// [`Error::File`], [`Error::Unusable`].
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let certificates = certificates_in(&read(path)?).map_err(|flaw| flaw.of(path))?;
        Ok(Self { certificates })
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            certificates: certificates_in(pem)?,
        })
    }

    /// Returns how many they are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    pub(crate) fn roots(&self) -> Result<RootCertStore, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in &self.certificates {
            roots.add(certificate.clone())?;
        }
        Ok(roots)
    }
}
