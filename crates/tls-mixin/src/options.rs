use std::sync::Arc;
use std::time::Duration;

use rustls::{KeyLog, SupportedProtocolVersion};

use crate::{Authorities, Error, Identity, Provider};

/// What a server needs for TLS, and may want; see [`Acceptor`](crate::Acceptor).
///
/// ```
/// use tls_mixin::{Authorities, ClientCertificates, Error, Identity, ServerOptions};
///
/// # #[cfg(feature = "ring")]
/// fn only_for_those_we_know() -> Result<ServerOptions, Error> {
///     let clients = Authorities::from_pem_file("client_ca.pem")?;
///     Ok(ServerOptions {
///         client_certificates: ClientCertificates::Required(clients),
///         alpn: vec![b"http/1.1".to_vec()],
///         ..ServerOptions::new(Identity::from_pem_files("server_cert.pem", "server_key.pem")?)
///     })
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Who the server is: for every client that asks for none of the [`others`](Self::others).
    pub identity: Identity,
    /// Who else it is, by the name that the client asks for (SNI): `www.example.org`, or
    /// `*.example.org` for every name with one label more. A name goes before a `*`. Whether the
    /// certificates are for these names is not looked at. Default: nobody.
    pub others: Vec<(String, Identity)>,
    /// Whether clients are asked for a certificate. Default: no.
    pub client_certificates: ClientCertificates,
    /// The versions of TLS. Default: 1.2 and 1.3.
    pub versions: Versions,
    /// The application protocols (ALPN), the preferred one first, of 1 to 255 bytes each. A client that names
    /// some, and none of these, is refused; one that names none is not. Default: none.
    pub alpn: Vec<Vec<u8>>,
    /// Whether clients get tickets, with which they come back within 12 hours at half the cost or less.
    /// Their keys are made with the [`Acceptor`](crate::Acceptor), and again with each reload, so other
    /// processes do not know them. Default: yes.
    pub tickets: bool,
    /// Who is told the keys of every connection, `Some(Arc::new(rustls::KeyLogFile::new()))` for the file that
    /// the environment variable `SSLKEYLOGFILE` names. Who has them can read what is said. Default: nobody.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// How long a handshake may take. `Duration::MAX` is for ever. Default: 10 s.
    pub handshake_timeout: Duration,
    /// How many handshakes may be under way at a time, of the acceptor and all its clones; one more is
    /// [`Error::TooManyHandshakes`]. Default: 256.
    pub max_handshakes: usize,
    /// How long after a [reload](crate::Acceptor::reload) connections made before it may go on; later their
    /// next use is [`Error::Retired`]. A connection that is not used is not ended. Default: for ever.
    pub retire_after: Option<Duration>,
    /// How often to see whether the files have changed, and to reload them: when a handshake begins and so
    /// much time has passed since the last look. What changes is time of modification, length or inode, so a
    /// file that is moved into place counts. It costs a `stat` for each file, on the thread of that
    /// handshake. What comes of it is logged by `tracing`. Default: never.
    pub check_files: Option<Duration>,
    /// Where the cryptography comes from.
    pub provider: Provider,
}

impl ServerOptions {
    /// Returns the defaults, for a server that is `identity`, with *ring* if that feature is on, otherwise with
    /// AWS-LC.
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self::with_provider(identity, Provider::preferred())
    }

    /// The same with a provider of your choice.
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
    /// Who the client is, for servers that ask for a certificate. To change it make another
    /// [`Connector`](crate::Connector). Default: nobody.
    pub identity: Option<Identity>,
    /// The versions of TLS. Default: 1.2 and 1.3.
    pub versions: Versions,
    /// The application protocols (ALPN), the preferred one first, of 1 to 255 bytes each. A server that has
    /// some, and none of these, refuses. Default: none.
    pub alpn: Vec<Vec<u8>>,
    /// Whether to come back to a server with the ticket it gave; tickets of 256 servers are kept, in memory.
    /// The server's certificate is then not looked at again. Default: yes.
    pub resumption: bool,
    /// Who is told the keys of every connection; see [`ServerOptions::key_log`]. Default: nobody.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// How long a handshake may take. `Duration::MAX` is for ever. Default: 10 s.
    pub handshake_timeout: Duration,
    /// Where the cryptography comes from.
    pub provider: Provider,
}

impl ClientOptions {
    /// Returns the defaults, for a client that trusts `authorities`, with *ring* if that feature is on,
    /// otherwise with AWS-LC.
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    #[must_use]
    pub fn new(authorities: Authorities) -> Self {
        Self::with_provider(authorities, Provider::preferred())
    }

    /// The same with a provider of your choice.
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
