use std::fmt;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;

use crate::error::Error;
use crate::handshake::Permit;
use crate::options::ClientOptions;
use crate::stream::{self, TlsStream};

/// The client's side: makes TLS streams of streams that are connected to a server.
///
/// Cloning it costs nothing; the clones share the tickets that servers gave them.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    handshake_timeout: Duration,
}

impl Connector {
    /// # Errors
    ///
    /// [`Error::Unusable`], [`Error::Options`].
    pub fn new(options: ClientOptions) -> Result<Self, Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(options.provider.crypto()))
            .with_protocol_versions(options.versions.supported())
            .map_err(Error::Options)?
            .with_root_certificates(options.authorities.roots().map_err(Error::Options)?)
            .with_no_client_auth();
        config.alpn_protocols.clone_from(&options.alpn);
        // Without it two connections of TLS 1.2 can have the same secrets.
        config.require_ems = true;
        Ok(Self {
            config: Arc::new(config),
            handshake_timeout: options.handshake_timeout,
        })
    }

    /// Does the client's side of a handshake, with a server that must prove to be `name`: a DNS name or
    /// an IP address.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`], [`Error::Handshake`], [`Error::Refused`], [`Error::TimedOut`],
    /// [`Error::CutOff`], [`Error::Io`].
    pub fn connect<S: Read + Write + AsFd>(
        &self,
        name: &str,
        stream: S,
    ) -> Result<TlsStream<S>, Error> {
        self.connect_any(name, stream)
    }

    /// The same for a stream without descriptor.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    pub fn connect_any<S: Read + Write>(
        &self,
        name: &str,
        stream: S,
    ) -> Result<TlsStream<S>, Error> {
        let (config, name, permit) = self.begin(name)?;
        let connection = ClientConnection::new(config, name).map_err(Error::Options)?;
        stream::shake_hands(stream, connection.into(), permit)
    }

    /// What a driver needs for a handshake.
    pub(crate) fn begin(
        &self,
        name: &str,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>, Permit), Error> {
        let server_name = ServerName::try_from(name)
            .map_err(|_| Error::InvalidName { name: name.into() })?
            .to_owned();
        let permit = Permit::unlimited(self.handshake_timeout);
        Ok((Arc::clone(&self.config), server_name, permit))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
