use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName};
use sha2::{Digest, Sha256};
use x509_cert::der::asn1::{Any, Ia5StringRef, ObjectIdentifier, UintRef};
use x509_cert::der::{self, Decode, Reader, SliceReader};
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::error::{Error, Flaw};

/// An X.509 certificate, read.
///
/// Cloning it costs nothing; two are equal when their bytes are.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<Inner>,
}

struct Inner {
    der: CertificateDer<'static>,
    subject: String,
    common_name: Option<String>,
    names: Vec<AlternativeName>,
    issuer: String,
    serial: String,
    not_before: SystemTime,
    not_after: SystemTime,
    is_ca: bool,
    key_kind: KeyKind,
    key_bits: Option<usize>,
}

/// One of the names that a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlternativeName {
    /// A name of a machine; may begin with `*.`.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// A mailbox.
    Email(String),
    /// A URI, often one that names a service.
    Uri(String),
}

/// What kind of key a certificate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// A point on an elliptic curve.
    Ec,
    /// Ed25519.
    Ed25519,
    /// Another one.
    Other,
}

/// A certificate is not for the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMismatch {
    /// What was asked for.
    pub asked: String,
    /// What the certificate is for.
    pub names: Vec<AlternativeName>,
}

impl Certificate {
    /// Reads a certificate. Nothing is verified: anybody can write anything into a certificate.
    ///
    /// Bytes that come from an enemy cost time in proportion to their length, and never panic.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] with [`Flaw::NotX509`].
    pub fn from_der(bytes: &[u8]) -> Result<Self, Error> {
        read(bytes).map_err(|_| Flaw::NotX509.into())
    }

    /// Says whether the certificate is for `name`, a DNS name or an IP address, as a client does in its
    /// handshake: only the [alternative names](Self::names) count, never the common name.
    ///
    /// # Errors
    ///
    /// [`NameMismatch`].
    pub fn matches(&self, name: &str) -> Result<(), NameMismatch> {
        let is_match = || {
            let server_name = ServerName::try_from(name).ok()?;
            let parsed = ParsedCertificate::try_from(&self.inner.der).ok()?;
            verify_server_name(&parsed, &server_name).ok()
        };
        is_match().ok_or_else(|| NameMismatch {
            asked: name.into(),
            names: self.inner.names.clone(),
        })
    }

    /// Computes the SHA-256 of the [bytes](Self::der): the fingerprint that other tools show too.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.der()).into()
    }

    /// Returns the certificate as it came: DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.inner.der
    }

    /// Returns whom it is about, as RFC 4514 writes it: `CN=localhost,O=Example`. It may be empty. What
    /// can't be seen is escaped.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.inner.subject
    }

    /// Returns the last common name of the subject, as it is: it may hold control characters.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.inner.common_name.as_deref()
    }

    /// Returns the alternative names of the subject, in their order. Kinds of names that
    /// [`AlternativeName`] does not have are left out.
    #[must_use]
    pub fn names(&self) -> &[AlternativeName] {
        &self.inner.names
    }

    /// Returns who signed it, written as the [subject](Self::subject).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Returns the serial number, in hexadecimal digits, as Python's `ssl` and OpenSSL write it: `0A1B`.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.inner.serial
    }

    /// Returns when it begins to be valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.inner.not_before
    }

    /// Returns until when it is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.inner.not_after
    }

    /// Says whether the subject may sign certificates.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.inner.is_ca
    }

    /// Returns the kind of the subject's key.
    #[must_use]
    pub fn key_kind(&self) -> KeyKind {
        self.inner.key_kind
    }

    /// Returns the length of the subject's key in bits: of the modulus, or of the curve's field. `None`
    /// for kinds and curves that are not known here.
    #[must_use]
    pub fn key_bits(&self) -> Option<usize> {
        self.inner.key_bits
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.inner.der == other.inner.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.inner.subject)
            .field("names", &self.inner.names)
            .field("issuer", &self.inner.issuer)
            .field("serial", &self.inner.serial)
            .finish_non_exhaustive()
    }
}

/// Control characters are escaped.
impl fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Dns(name) | Self::Email(name) | Self::Uri(name) => f.write_str(&visible(name)),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::Ec => "EC",
            Self::Ed25519 => "Ed25519",
            Self::Other => "another kind of key",
        })
    }
}

impl fmt::Display for NameMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is for ")?;
        for (index, name) in self.names.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            name.fmt(f)?;
        }
        if self.names.is_empty() {
            f.write_str("no name")?;
        }
        write!(f, ", not for {}", visible(&self.asked))
    }
}

impl std::error::Error for NameMismatch {}

fn read(bytes: &[u8]) -> der::Result<Certificate> {
    let certificate = x509_cert::Certificate::from_der(bytes)?;
    let content = certificate.tbs_certificate();
    let names = match content.get_extension::<SubjectAltName>()? {
        Some((_, names)) => alternative_names(names)?,
        None => Vec::new(),
    };
    let constraints = content.get_extension::<BasicConstraints>()?;
    let (key_kind, key_bits) = key(content.subject_public_key_info());
    let inner = Inner {
        der: bytes.to_vec().into(),
        subject: visible(&content.subject().to_string()).into_owned(),
        common_name: content.subject().iter().filter_map(common_name).last(),
        names,
        issuer: visible(&content.issuer().to_string()).into_owned(),
        serial: hex(content.serial_number().as_bytes()),
        not_before: content.validity().not_before.to_system_time(),
        not_after: content.validity().not_after.to_system_time(),
        is_ca: constraints.is_some_and(|(_, constraints)| constraints.ca),
        key_kind,
        key_bits,
    };
    Ok(Certificate {
        inner: Arc::new(inner),
    })
}

fn alternative_names(SubjectAltName(names): SubjectAltName) -> der::Result<Vec<AlternativeName>> {
    let known = names.into_iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(Ok(AlternativeName::Dns(name.to_string()))),
        GeneralName::Rfc822Name(name) => Some(Ok(AlternativeName::Email(name.to_string()))),
        GeneralName::UniformResourceIdentifier(name) => {
            Some(Ok(AlternativeName::Uri(name.to_string())))
        }
        GeneralName::IpAddress(octets) => {
            let address = ip_address(octets.as_bytes());
            Some(address.map(AlternativeName::Ip))
        }
        _ => None,
    });
    known.collect()
}

fn ip_address(octets: &[u8]) -> der::Result<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).into());
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).into()))
        .map_err(|_| der::Tag::OctetString.length_error().into())
}

fn common_name(attribute: &x509_cert::attr::AttributeTypeAndValue) -> Option<String> {
    if attribute.oid != COMMON_NAME {
        return None;
    }
    let text = |value: &Any| {
        let directory = DirectoryString::try_from(value).map(String::from);
        directory.or_else(|_| Ia5StringRef::try_from(value).map(|text| text.to_string()))
    };
    text(&attribute.value).ok()
}

fn key(info: &SubjectPublicKeyInfoOwned) -> (KeyKind, Option<usize>) {
    match info.algorithm.oid {
        RSA => {
            let bytes = info.subject_public_key.raw_bytes();
            (KeyKind::Rsa, rsa_bits(bytes).ok())
        }
        EC => {
            let curve = info.algorithm.parameters.as_ref();
            let curve = curve.and_then(|value| value.decode_as::<ObjectIdentifier>().ok());
            let bits = curve.and_then(|curve| match curve {
                P256 => Some(256),
                P384 => Some(384),
                P521 => Some(521),
                _ => None,
            });
            (KeyKind::Ec, bits)
        }
        ED25519 => (KeyKind::Ed25519, Some(256)),
        _ => (KeyKind::Other, None),
    }
}

/// The length of the modulus: the first number in the key.
fn rsa_bits(key: &[u8]) -> der::Result<usize> {
    SliceReader::new(key)?.sequence(|numbers| {
        let modulus = UintRef::decode(numbers)?;
        let _exponent = UintRef::decode(numbers)?;
        let bytes = modulus.as_bytes();
        let unused = bytes
            .first()
            .map_or(0, |first| first.leading_zeros() as usize);
        Ok(bytes.len() * 8 - unused)
    })
}

/// Escapes control characters as RFC 4514 does, so that a certificate can't write on a terminal.
fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut shown = String::new();
    for character in text.chars() {
        if character.is_control() {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                shown.push('\\');
                shown.push_str(&hex(&[byte]));
            }
        } else {
            shown.push(character);
        }
    }
    shown.into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02X}");
        text
    })
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
