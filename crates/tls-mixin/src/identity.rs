use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::certificate::Certificate;
use crate::error::{Error, Flaw};
use crate::pem::{self, Source};
use crate::provider::Provider;

/// Who one side is: its certificate, the ones between that and the authority, and the private key.
///
/// One that was read from files remembers them, for [`Acceptor::reload`](crate::Acceptor::reload). What is
/// in them is checked when an [`Acceptor`](crate::Acceptor) or [`Connector`](crate::Connector) is made of
/// it.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    /// Of the certificates and of the key.
    files: Option<(Source, Source)>,
}

impl Identity {
    /// Reads the certificate, followed by those between it and the authority if there are some, and the
    /// key (PKCS #8, PKCS #1 or SEC 1, not encrypted). Both may be in one file. A file may have 4 MiB.
    ///
    /// # Errors
    ///
    /// [`Error::File`], [`Error::Unusable`].
    pub fn from_pem_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        let (certificates, chain) = Source::read(certificates.as_ref(), pem::certificates)?;
        let (key_file, key) = Source::read(key.as_ref(), pem::key)?;
        Ok(Self {
            chain,
            key: Arc::new(key),
            files: Some((certificates, key_file)),
        })
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`].
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let of_memory = |flaw: Flaw| flaw.of(None);
        Ok(Self {
            chain: pem::certificates(certificates).map_err(of_memory)?,
            key: Arc::new(pem::key(key).map_err(of_memory)?),
            files: None,
        })
    }

    /// The same again, from the files as they are now.
    pub(crate) fn reread(&self) -> Result<Self, Error> {
        match &self.files {
            Some((certificates, key)) => Self::from_pem_files(certificates.path(), key.path()),
            None => Ok(self.clone()),
        }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Source> {
        let files = self.files.as_ref();
        files
            .into_iter()
            .flat_map(|(first, second)| [first, second])
    }

    /// Looks at all that can be known before a peer sees it, so that a mistake shows here and not there.
    pub(crate) fn checked(&self, provider: &Provider) -> Result<CertifiedKey, Error> {
        let (certificates, key_file) = match &self.files {
            Some((certificates, key)) => (Some(certificates.path()), Some(key.path())),
            None => (None, None),
        };
        check_chain(&self.chain).map_err(|flaw| flaw.of(certificates))?;
        let key = provider
            .crypto()
            .key_provider
            .load_private_key(self.key.clone_key())
            .map_err(|_| Flaw::UnsupportedKey.of(key_file))?;
        let certified = CertifiedKey::new(self.chain.clone(), key);
        match certified.keys_match() {
            // A key outside this process need not tell.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(certified)
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(self.whose_key(&certified).of(certificates))
            }
            Err(_) => Err(Flaw::NotX509.of(certificates)),
        }
    }

    /// Which certificate the key belongs to, if it is not the first.
    fn whose_key(&self, certified: &CertifiedKey) -> Flaw {
        let is_of = |certificate: &CertificateDer<'static>| {
            let key = Arc::clone(&certified.key);
            CertifiedKey::new(vec![certificate.clone()], key)
                .keys_match()
                .is_ok()
        };
        match self.chain.iter().position(is_of) {
            Some(index) => Flaw::WrongOrder { index },
            None => Flaw::WrongKey,
        }
    }
}

/// The certificates must be valid now, and each be vouched for by the next.
fn check_chain(chain: &[CertificateDer<'static>]) -> Result<(), Flaw> {
    let chain: Vec<_> = chain
        .iter()
        .map(|der| Certificate::from_der(der).map_err(|_| Flaw::NotX509))
        .collect::<Result<_, _>>()?;
    let now = SystemTime::now();
    for (index, certificate) in chain.iter().enumerate() {
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        if now > not_after {
            return Err(Flaw::Expired { index, not_after });
        }
        if now < not_before {
            return Err(Flaw::NotYetValid { index, not_before });
        }
    }
    match (chain.windows(2)).position(|pair| pair[0].issuer() != pair[1].subject()) {
        Some(index) => Err(Flaw::BrokenChain {
            index,
            issuer: chain[index].issuer().into(),
            next: chain[index + 1].subject().into(),
        }),
        None => Ok(()),
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
