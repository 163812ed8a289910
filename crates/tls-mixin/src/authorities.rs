use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::certificate::Certificate;
use crate::error::{Error, Flaw};
use crate::pem::{self, Source};

/// Whom to trust: those who vouch for the peer.
///
/// A certificate of an authority (`CA:TRUE`) vouches for all that it has signed. Any certificate in here,
/// of an authority or not, also stands for itself: a peer that shows the very same one and has its key is
/// trusted. So the file with a server's self-signed certificate is all that its clients need. Dates, names
/// and purpose are checked in any case.
#[derive(Clone, Debug)]
pub struct Authorities {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Certificates {
        certificates: Vec<Given>,
        file: Option<Source>,
    },
    /// Authorities that are compiled in or come from the system; they never stand for themselves.
    #[cfg_attr(
        not(any(feature = "webpki-roots", feature = "platform-roots")),
        expect(dead_code, reason = "only these features make some")
    )]
    Anchors(Vec<TrustAnchor<'static>>),
    Anybody,
}

#[derive(Clone, Debug)]
struct Given {
    der: CertificateDer<'static>,
    is_ca: bool,
}

impl Authorities {
    /// Reads all certificates in a file, which may have 4 MiB. It is remembered, for
    /// [`Acceptor::reload`](crate::Acceptor::reload).
    ///
    /// # Errors
    ///
    /// [`Error::File`], [`Error::Unusable`].
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let (file, certificates) = Source::read(path.as_ref(), given)?;
        Ok(Self::of(Part::Certificates {
            certificates,
            file: Some(file),
        }))
    }

    /// The same from memory.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        Ok(Self::of(Part::Certificates {
            certificates: given(pem).map_err(|flaw| flaw.of(None))?,
            file: None,
        }))
    }

    /// The authorities that Mozilla trusts, as they were when the program was built.
    #[cfg(feature = "webpki-roots")]
    #[must_use]
    pub fn webpki() -> Self {
        Self::of(Part::Anchors(webpki_roots::TLS_SERVER_ROOTS.to_vec()))
    }

    /// The authorities that the system trusts. Reads many files: call it once. Certificates that can't be
    /// used are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] with [`Flaw::NoCertificate`] if the system has none.
    #[cfg(feature = "platform-roots")]
    pub fn platform() -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Flaw::NoCertificate.of(None));
        }
        Ok(Self::of(Part::Anchors(roots.roots)))
    }

    pub(crate) fn anybody() -> Self {
        Self::of(Part::Anybody)
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.parts.extend(others.parts);
        self
    }

    /// Returns how many certificates there are; none if [anybody](crate::dangerous::unverified) is trusted.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks for that")]
    pub fn len(&self) -> usize {
        let len = |part: &Part| match part {
            Part::Certificates { certificates, .. } => certificates.len(),
            Part::Anchors(anchors) => anchors.len(),
            Part::Anybody => 0,
        };
        self.parts.iter().map(len).sum()
    }

    /// The same again, from the files as they are now.
    pub(crate) fn reread(&self) -> Result<Self, Error> {
        let mut parts = Vec::new();
        for part in &self.parts {
            match part {
                Part::Certificates {
                    file: Some(file), ..
                } => parts.extend(Self::from_pem_file(file.path())?.parts),
                part => parts.push(part.clone()),
            }
        }
        Ok(Self { parts })
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Source> {
        self.parts.iter().filter_map(|part| match part {
            Part::Certificates { file, .. } => file.as_ref(),
            Part::Anchors(_) | Part::Anybody => None,
        })
    }

    pub(crate) fn is_anybody(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Anybody))
    }

    /// Returns those who may vouch for others.
    pub(crate) fn roots(&self) -> Result<RootCertStore, Error> {
        self.store(|given| given.is_ca)
    }

    /// Returns all, by name.
    pub(crate) fn subjects(&self) -> Result<Vec<rustls::DistinguishedName>, Error> {
        Ok(self.store(|_| true)?.subjects())
    }

    /// Returns the certificates that stand for themselves.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.given().map(|(given, _)| &given.der)
    }

    fn store(&self, choose: impl Fn(&Given) -> bool) -> Result<RootCertStore, Error> {
        let mut store = RootCertStore::empty();
        for (given, file) in self.given().filter(|(given, _)| choose(given)) {
            let added = store.add(given.der.clone());
            added.map_err(|_| Flaw::NotX509.of(file.map(Source::path)))?;
        }
        for part in &self.parts {
            if let Part::Anchors(anchors) = part {
                store.extend(anchors.iter().cloned());
            }
        }
        Ok(store)
    }

    fn given(&self) -> impl Iterator<Item = (&Given, Option<&Source>)> {
        self.parts.iter().flat_map(|part| {
            let (certificates, file) = match part {
                Part::Certificates { certificates, file } => (&certificates[..], file.as_ref()),
                Part::Anchors(_) | Part::Anybody => (&[][..], None),
            };
            certificates.iter().map(move |given| (given, file))
        })
    }

    fn of(part: Part) -> Self {
        Self { parts: vec![part] }
    }
}

fn given(pem: &[u8]) -> Result<Vec<Given>, Flaw> {
    let given = |der: CertificateDer<'static>| {
        let certificate = Certificate::from_der(&der).map_err(|_| Flaw::NotX509)?;
        Ok(Given {
            is_ca: certificate.is_ca(),
            der,
        })
    };
    pem::certificates(pem)?.into_iter().map(given).collect()
}
