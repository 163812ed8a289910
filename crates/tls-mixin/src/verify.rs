//! Who is trusted: the peers of rustls' verifiers, and certificates that stand for themselves.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, SignatureScheme,
};
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::ExtendedKeyUsage;

use crate::certificate::Certificate;
use crate::error::Error;
use crate::{Authorities, Provider};

/// What a client thinks of servers.
#[derive(Debug)]
pub(crate) struct Servers {
    /// `None` if nobody may vouch for others.
    vouched: Option<Arc<WebPkiServerVerifier>>,
    known: Known,
}

/// What a server thinks of clients.
#[derive(Debug)]
pub(crate) struct Clients {
    vouched: Option<Arc<dyn ClientCertVerifier>>,
    known: Known,
    subjects: Vec<DistinguishedName>,
    is_mandatory: bool,
}

/// Certificates that stand for themselves.
#[derive(Debug)]
struct Known {
    certificates: HashSet<CertificateDer<'static>>,
    is_anybody: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

enum Answer {
    Trusted,
    Unknown,
}

impl Servers {
    pub(crate) fn new(authorities: &Authorities, provider: &Provider) -> Result<Arc<Self>, Error> {
        let roots = authorities.roots()?;
        let vouched = match roots.is_empty() {
            true => None,
            false => Some(
                WebPkiServerVerifier::builder_with_provider(
                    Arc::new(roots),
                    Arc::clone(provider.crypto()),
                )
                .build()
                .expect("there are roots, and no revocation lists"),
            ),
        };
        Ok(Arc::new(Self {
            vouched,
            known: Known::new(authorities, provider),
        }))
    }
}

impl Clients {
    pub(crate) fn new(
        authorities: &Authorities,
        provider: &Provider,
        is_mandatory: bool,
    ) -> Result<Arc<Self>, Error> {
        let roots = authorities.roots()?;
        let vouched = match roots.is_empty() {
            true => None,
            false => Some(
                WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    Arc::clone(provider.crypto()),
                )
                .build()
                .expect("there are roots, and no revocation lists"),
            ),
        };
        Ok(Arc::new(Self {
            vouched,
            known: Known::new(authorities, provider),
            subjects: authorities.subjects()?,
            is_mandatory,
        }))
    }

    /// A session that is resumed brings the certificate of the first one, which nobody has looked at since.
    /// The handshake is over then, so a client that is refused here is told no alert: the stream ends.
    pub(crate) fn verify_resumed(
        &self,
        chain: Option<&[CertificateDer<'static>]>,
    ) -> Result<(), TlsError> {
        match chain {
            Some([leaf, between @ ..]) => self
                .verify_client_cert(leaf, between, UnixTime::now())
                .map(drop),
            _ if self.is_mandatory => Err(TlsError::NoCertificatesPresented),
            _ => Ok(()),
        }
    }
}

impl Known {
    fn new(authorities: &Authorities, provider: &Provider) -> Self {
        Self {
            certificates: authorities.peers().cloned().collect(),
            is_anybody: authorities.is_anybody(),
            algorithms: provider.crypto().signature_verification_algorithms,
        }
    }

    /// All but the name.
    fn look_up(
        &self,
        leaf: &CertificateDer<'_>,
        purpose: ObjectIdentifier,
        now: UnixTime,
    ) -> Result<Answer, TlsError> {
        if self.is_anybody {
            return Ok(Answer::Trusted);
        }
        if !self.certificates.contains(leaf) {
            return Ok(Answer::Unknown);
        }
        let certificate = Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
        let at = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        if at > certificate.not_after() {
            return Err(CertificateError::ExpiredContext {
                time: now,
                not_after: unix(certificate.not_after()),
            }
            .into());
        }
        if at < certificate.not_before() {
            return Err(CertificateError::NotValidYetContext {
                time: now,
                not_before: unix(certificate.not_before()),
            }
            .into());
        }
        match is_for(leaf, purpose) {
            true => Ok(Answer::Trusted),
            false => Err(CertificateError::InvalidPurpose.into()),
        }
    }
}

/// A certificate that names no purpose is for all.
fn is_for(leaf: &CertificateDer<'_>, purpose: ObjectIdentifier) -> bool {
    let Ok(certificate) = x509_cert::Certificate::from_der(leaf) else {
        return false;
    };
    match certificate
        .tbs_certificate()
        .get_extension::<ExtendedKeyUsage>()
    {
        Ok(None) => true,
        Ok(Some((_, ExtendedKeyUsage(purposes)))) => purposes.contains(&purpose),
        Err(_) => false,
    }
}

fn unix(time: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        match (self.known.look_up(leaf, SERVER_AUTH, now)?, &self.vouched) {
            (Answer::Trusted, _) if self.known.is_anybody => Ok(ServerCertVerified::assertion()),
            (Answer::Trusted, _) => {
                verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            (Answer::Unknown, Some(vouched)) => {
                vouched.verify_server_cert(leaf, between, name, ocsp, now)
            }
            (Answer::Unknown, None) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, leaf, signed, &self.known.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, leaf, signed, &self.known.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.known.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        match (self.known.look_up(leaf, CLIENT_AUTH, now)?, &self.vouched) {
            (Answer::Trusted, _) => Ok(ClientCertVerified::assertion()),
            (Answer::Unknown, Some(vouched)) => vouched.verify_client_cert(leaf, between, now),
            (Answer::Unknown, None) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, leaf, signed, &self.known.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, leaf, signed, &self.known.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.known.algorithms.supported_schemes()
    }
}

/// RFC 5280, 4.2.1.12.
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
