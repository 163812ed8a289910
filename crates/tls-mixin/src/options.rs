use std::sync::Arc;
use std::time::Duration;

use rustls::{KeyLog, SupportedProtocolVersion};

use crate::{Authorities, Error, Identity, Provider};

/// What a server needs for TLS, and may want; see [`Acceptor`](crate::Acceptor).
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Who the server is: for every client that asks for none of the [`others`](Self::others).
    pub identity: Identity,
    /// Who else it is, by the name that the client asks for (SNI): `www.example.org`, or
    /// `*.example.org` for every name with one label more. The most specific wins.
    pub others: Vec<(String, Identity)>,
    /// Whether clients are asked for a certificate. Default: no.
    pub client_certificates: ClientCertificates,
    /// The versions of TLS. Default: 1.2 and 1.3.
    pub versions: Versions,
    /// The application protocols (ALPN), the preferred one first. If there are some, and the client has
    /// some and none of them, it is refused. Default: none.
    pub alpn: Vec<Vec<u8>>,
    /// Whether clients get tickets, with which they come back at less cost. Default: yes.
    pub tickets: bool,
    /// Who is told the keys of every connection: who has them can read it. Default: nobody.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// How long a handshake may take. Default: 10 s.
    pub handshake_timeout: Duration,
    /// How many handshakes may be under way at a time. Default: 256.
    pub max_handshakes: usize,
    /// How long after a [reload](crate::Acceptor::reload) the connections made before it may go on; later
    /// their next use is an error. Default: for ever.
    pub retire_after: Option<Duration>,
    /// How often to see whether the files have changed, and to reload them. Default: never.
    pub check_files: Option<Duration>,
    /// Where the cryptography comes from.
    pub provider: Provider,
}

impl ServerOptions {
    /// The defaults, for a server that is `identity`.
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self::with_provider(identity, Provider::preferred())
    }

    /// The same with another provider.
    #[must_use]
    pub fn with_provider(identity: Identity, provider: Provider) -> Self {
        Self {
            identity,
            others: Vec::new(),
            client_certificates: ClientCertificates::None,
            versions: Versions::default(),
            alpn: Vec::new(),
            tickets: true,
            key_log: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            max_handshakes: 256,
            retire_after: None,
            check_files: None,
            provider,
        }
    }
}

/// What a client needs for TLS, and may want; see [`Connector`](crate::Connector).
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Whom to trust.
    pub authorities: Authorities,
    /// Who the client is, for servers that ask for a certificate. Default: nobody.
    pub identity: Option<Identity>,
    /// The versions of TLS. Default: 1.2 and 1.3.
    pub versions: Versions,
    /// The application protocols (ALPN), the preferred one first. Default: none.
    pub alpn: Vec<Vec<u8>>,
    /// Whether to come back to a server with the ticket it gave. Default: yes.
    pub resumption: bool,
    /// Who is told the keys of every connection: who has them can read it. Default: nobody.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// How long a handshake may take. Default: 10 s.
    pub handshake_timeout: Duration,
    /// Where the cryptography comes from.
    pub provider: Provider,
}

impl ClientOptions {
    /// The defaults, for a client that trusts `authorities`.
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    #[must_use]
    pub fn new(authorities: Authorities) -> Self {
        Self::with_provider(authorities, Provider::preferred())
    }

    /// The same with another provider.
    #[must_use]
    pub fn with_provider(authorities: Authorities, provider: Provider) -> Self {
        Self {
            authorities,
            identity: None,
            versions: Versions::default(),
            alpn: Vec::new(),
            resumption: true,
            key_log: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            provider,
        }
    }
}

/// Whether a server asks clients for a certificate.
#[derive(Clone, Debug, Default)]
pub enum ClientCertificates {
    /// No.
    #[default]
    None,
    /// Yes, but who has none is let in. One that these authorities do not vouch for is refused.
    Optional(Authorities),
    /// Yes, and who has none from these authorities is refused.
    Required(Authorities),
}

/// Versions of TLS. Older ones than 1.2 there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// TLS 1.3, and 1.2 with peers that do not have it.
    #[default]
    Tls12And13,
    /// TLS 1.2 only.
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

impl Versions {
    pub(crate) fn supported(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12And13 => BOTH,
            Self::Tls12 => &BOTH[1..],
            Self::Tls13 => &BOTH[..1],
        }
    }
}

pub(crate) fn check_protocols(alpn: &[Vec<u8>]) -> Result<(), Error> {
    const MAX: usize = u8::MAX as usize;
    match alpn.iter().find(|name| !(1..=MAX).contains(&name.len())) {
        Some(name) => Err(Error::InvalidProtocol {
            len: name.len(),
            max: MAX,
        }),
        None => Ok(()),
    }
}

static BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
