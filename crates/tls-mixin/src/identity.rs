use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Flaw};

/// Who one side is: its certificate, the ones between that and the authority, and the private key.
///
/// An identity that was read from files remembers them, for [`Acceptor::reload`](crate::Acceptor::reload).
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    files: Option<Files>,
}

#[derive(Clone, Debug)]
struct Files {
    certificates: PathBuf,
    key: PathBuf,
}

impl Identity {
    /// Reads the certificate, followed by those between it and the authority if there are some, and the
    /// key. Both may be in one file.
    ///
    /// # Errors
    ///
    /// [`Error::File`], [`Error::Unusable`].
    pub fn from_pem_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        let (certificates, key) = (certificates.as_ref(), key.as_ref());
        let chain = certificates_in(&read(certificates)?).map_err(|flaw| flaw.of(certificates))?;
        Ok(Self {
            chain,
            key: key_in(&read(key)?).map_err(|flaw| flaw.of(key))?.into(),
            files: Some(Files {
                certificates: certificates.into(),
                key: key.into(),
            }),
        })
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`].
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            chain: certificates_in(certificates)?,
            key: key_in(key)?.into(),
            files: None,
        })
    }

    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificates", &self.chain.len())
            .field("key", &"Secret(..)")
            .field("files", &self.files)
            .finish()
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::File {
        path: path.into(),
        error,
    })
}

pub(crate) fn certificates_in(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| Flaw::NotPem)?;
    if certificates.is_empty() {
        return Err(Flaw::NoCertificate);
    }
    Ok(certificates)
}

fn key_in(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Flaw> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| Flaw::NoKey)
}
