mod fork;

use std::error::Error;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use tls_mixin::{
    Acceptor, Authorities, ClientCertificates, ClientOptions, Connector, Identity, ServerOptions,
    Session,
};

use crate::{Remote, Strategy};
use fork::Forked;

/// Who a server is to those that speak TLS with it, and whom it serves.
#[derive(Clone, Debug, clap::Args)]
pub struct TlsServerOptions {
    /// Speak TLS, with the certificate in this file (PEM; behind it those between it and the authority).
    /// When the file changes, new connections get what is in it then
    #[arg(long, value_name = "PATH", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve those only who have a certificate from an authority in this file (PEM)
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Serve those too who have no certificate at all
    #[arg(long, requires = "tls_client_ca")]
    tls_client_optional: bool,
}

/// Whom a client believes to be the server, and who it is itself.
#[derive(Clone, Debug, clap::Args)]
pub struct TlsClientOptions {
    /// Speak TLS with a server that an authority in this file (PEM) vouches for
    #[arg(long, value_name = "PATH", group = "trust")]
    tls_ca: Option<PathBuf>,
    /// Speak TLS with a server that an authority known to this system vouches for
    #[arg(long, group = "trust")]
    tls: bool,
    /// Show this certificate to a server that asks for one (PEM)
    #[arg(long, value_name = "PATH", requires_all = ["trust", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The name or IP address that the server's certificate must be for [default: the host of --connect]
    #[arg(long, value_name = "NAME", requires = "trust")]
    tls_name: Option<String>,
}

/// TLS for the connections of a server.
#[derive(Debug)]
pub struct TlsServer(Source);

/// Where the certificate comes from.
#[derive(Debug)]
enum Source {
    /// From the files, at which the acceptor looks again by itself.
    Files(Acceptor),
    /// From the process that accepts.
    Forked(Forked),
}

/// TLS for the connection of a client.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// What makes it.
    pub connector: Connector,
    /// Who the server must be.
    pub name: String,
}

impl TlsServerOptions {
    /// Whether TLS was asked for.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// Reads the files, if TLS was asked for.
    ///
    /// # Errors
    ///
    /// Which file can't be read, or is of no use, and why.
    pub fn load(&self, strategy: Strategy) -> Result<Option<TlsServer>, Box<dyn Error>> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let files = Files {
            certificate: certificate.clone(),
            key: key.clone(),
            authorities: self.tls_client_ca.clone(),
            is_optional: self.tls_client_optional,
        };
        let source = match strategy {
            Strategy::Fork => Source::Forked(Forked::new(files)?),
            _ => Source::Files(files.acceptor()?),
        };
        Ok(Some(TlsServer(source)))
    }
}

impl TlsServer {
    /// What does the server's side of a handshake.
    ///
    /// # Errors
    ///
    /// In a process of `--strategy fork`, if it was left nothing to make it of.
    pub fn acceptor(&self) -> Result<Acceptor, tls_mixin::Error> {
        match &self.0 {
            Source::Files(acceptor) => Ok(acceptor.clone()),
            Source::Forked(forked) => forked.acceptor(),
        }
    }

    /// Call it where connections are accepted: from there the processes of `--strategy fork` have what
    /// is in the files by now.
    pub fn look_at_files(&self) {
        if let Source::Forked(forked) = &self.0 {
            forked.look_at_files();
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// Of the clients, if they need any.
    authorities: Option<PathBuf>,
    /// They need none after all.
    is_optional: bool,
}

impl Files {
    fn acceptor(&self) -> Result<Acceptor, tls_mixin::Error> {
        let identity = Identity::from_pem_files(&self.certificate, &self.key)?;
        let authorities = self.authorities.as_ref().map(Authorities::from_pem_file);
        self.acceptor_of(identity, authorities.transpose()?)
    }

    fn acceptor_of(
        &self,
        identity: Identity,
        authorities: Option<Authorities>,
    ) -> Result<Acceptor, tls_mixin::Error> {
        Acceptor::new(ServerOptions {
            client_certificates: match authorities {
                None => ClientCertificates::None,
                Some(authorities) if self.is_optional => ClientCertificates::Optional(authorities),
                Some(authorities) => ClientCertificates::Required(authorities),
            },
            check_files: Some(LOOK_AGAIN),
            ..ServerOptions::new(identity)
        })
    }
}

impl TlsClientOptions {
    /// Whether TLS was asked for.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.tls || self.tls_ca.is_some()
    }

    /// Reads the files, if TLS was asked for.
    ///
    /// # Errors
    ///
    /// Which file can't be read, or is of no use, and why; that the server has no name to look for.
    pub fn load(&self, server: &Remote) -> Result<Option<TlsClient>, Box<dyn Error>> {
        let authorities = match &self.tls_ca {
            Some(path) => Authorities::from_pem_file(path)?,
            None if self.tls => Authorities::platform()?,
            None => return Ok(None),
        };
        let name = self.tls_name.as_deref().or_else(|| server.host());
        let name = name.ok_or("who must the server be? Say it with --tls-name")?;
        let identity = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(Identity::from_pem_files(certificate, key)?),
            _ => None,
        };
        let connector = Connector::new(ClientOptions {
            identity,
            ..ClientOptions::new(authorities)
        })?;
        Ok(Some(TlsClient {
            connector,
            name: name.to_owned(),
        }))
    }
}

/// Writes down who has come by TLS, and how.
pub fn log_session(peer: impl Display, session: &Session) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let version = session.version();
    let suite = session.cipher_suite();
    let asked_for = session.server_name().unwrap_or("-");
    let resumed = session.is_resumed();
    let client = session.peer_certificate();
    let client = client.map_or_else(
        || "nobody known".to_owned(),
        |client| {
            let mut who = client.subject().to_owned();
            for name in client.names() {
                who.push_str(&format!(" {name}"));
            }
            who
        },
    );
    tracing::debug!(%peer, %version, suite, asked_for, resumed, client, "TLS");
}

/// How old what is known of the files may be.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
