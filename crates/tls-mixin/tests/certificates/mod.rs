//! Certificates for the tests, made when they run.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use tls_mixin::{Authorities, Identity};

/// One that vouches for others.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What a certificate says that one of these makes.
pub(crate) struct Leaf {
    params: CertificateParams,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("the parameters are right");
        Self { issuer }
    }

    /// One whose certificate does not say that it may vouch for others; it does all the same.
    pub(crate) fn powerless(name: &str) -> Self {
        let mut params = Leaf::server(&[name]).params;
        params.is_ca = IsCa::ExplicitNoCa;
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("the parameters are right");
        Self { issuer }
    }

    /// One that this one vouches for.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::signed_by(params, key(), &self.issuer)
            .expect("the parameters are right");
        Self { issuer }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn authorities(&self) -> Authorities {
        Authorities::from_pem(self.pem().as_bytes()).expect("it is a certificate")
    }

    pub(crate) fn issue(&self, leaf: Leaf) -> Pem {
        let key = key();
        let certificate = leaf
            .params
            .signed_by(&key, &self.issuer)
            .expect("the parameters are right");
        Pem {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Leaf {
    /// For a server that is all of `names`: DNS names and IP addresses.
    pub(crate) fn server(names: &[&str]) -> Self {
        Self::new(names[0], ExtendedKeyUsagePurpose::ServerAuth).with_names(names)
    }

    /// For a client with this common name.
    pub(crate) fn client(name: &str) -> Self {
        Self::new(name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Valid for so long from now, to the second.
    pub(crate) fn valid_for(mut self, time: Duration) -> Self {
        self.params.not_after = (SystemTime::now() + time).into();
        self
    }

    pub(crate) fn expired(mut self) -> Self {
        self.params.not_before = date_time_ymd(2020, 1, 1);
        self.params.not_after = date_time_ymd(2021, 1, 1);
        self
    }

    pub(crate) fn not_yet_valid(mut self) -> Self {
        self.params.not_before = date_time_ymd(2120, 1, 1);
        self.params.not_after = date_time_ymd(2121, 1, 1);
        self
    }

    /// For all of `names`: DNS names and IP addresses.
    pub(crate) fn with_names(mut self, names: &[&str]) -> Self {
        self.params.subject_alt_names = names.iter().map(|name| san(name)).collect();
        self
    }

    /// Says that it may vouch for others, as `openssl req -x509` does.
    pub(crate) fn ca(mut self) -> Self {
        self.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self
    }

    /// For any purpose.
    pub(crate) fn without_purpose(mut self) -> Self {
        self.params.extended_key_usages.clear();
        self
    }

    /// Vouched for by nobody but itself.
    pub(crate) fn self_signed(self) -> Pem {
        let key = key();
        let certificate = self
            .params
            .self_signed(&key)
            .expect("the parameters are right");
        Pem {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn new(name: &str, purpose: ExtendedKeyUsagePurpose) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.extended_key_usages = vec![purpose];
        Self { params }
    }
}

impl Pem {
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_pem(self.certificate.as_bytes(), self.key.as_bytes())
            .expect("it is an identity")
    }

    pub(crate) fn authorities(&self) -> Authorities {
        Authorities::from_pem(self.certificate.as_bytes()).expect("it is a certificate")
    }

    /// Followed by the certificate that vouches for it.
    pub(crate) fn followed_by(mut self, authority: &Authority) -> Self {
        self.certificate.push_str(&authority.pem());
        self
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn san(name: &str) -> SanType {
    match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().expect("it is ASCII")),
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("there are random bytes")
}
