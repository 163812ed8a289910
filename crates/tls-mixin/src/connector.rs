use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, NoKeyLog};
use rustls_pki_types::ServerName;

use crate::error::Error;
use crate::handshake::Permit;
use crate::options::{ClientOptions, check_protocols};
use crate::shake::{Wait, shake_hands, wait};
use crate::stream::TlsStream;
use crate::verify::Servers;

/// The client's side: makes TLS streams of what is connected to a server.
///
/// Cloning it costs nothing. The clones share the tickets that servers gave them.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    handshake_timeout: Duration,
}

impl Connector {
    /// Looks at all that is in the options, so that mistakes show here.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] for a certificate or key, [`Error::InvalidProtocol`]; [`Error::Options`] for what
    /// the provider does not have.
    pub fn new(options: ClientOptions) -> Result<Self, Error> {
        check_protocols(&options.alpn)?;
        let servers = Servers::new(&options.authorities, &options.provider)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(options.provider.crypto()))
            .with_protocol_versions(options.versions.supported())
            .map_err(Error::Options)?
            .dangerous()
            .with_custom_certificate_verifier(servers);
        let mut config = match &options.identity {
            Some(identity) => {
                let key = SingleCertAndKey::from(identity.checked(&options.provider)?);
                builder.with_client_cert_resolver(Arc::new(key))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = options.alpn;
        // Without it two connections of TLS 1.2 can have the same secrets.
        config.require_ems = true;
        config.key_log = options.key_log.unwrap_or_else(|| Arc::new(NoKeyLog));
        if !options.resumption {
            config.resumption = Resumption::disabled();
        }
        Ok(Self {
            config: Arc::new(config),
            handshake_timeout: options.handshake_timeout,
        })
    }

    /// Does the client's side of a handshake, in the thread that calls, with a server that must prove to be
    /// `name`: a DNS name or an IP address.
    ///
    /// It waits for the descriptor with `poll`, so the stream may block or not, and its timeouts stay what
    /// they are. The descriptor must tell when there is something to read: where a stream reads ahead (TLS
    /// inside TLS), take [`connect_any`](Self::connect_any).
    ///
    /// With TLS 1.3 the client is done before the server has looked at its certificate: that it was
    /// refused shows as [`Error::Refused`] in the first read.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`]; [`Error::TimedOut`]; [`Error::Handshake`] for a server that is wrong or not
    /// to be trusted, [`Error::Refused`] for one that refuses this side, [`Error::CutOff`] for one that goes
    /// away; [`Error::Io`].
    pub fn connect<S: Read + Write + AsFd>(
        &self,
        name: &str,
        stream: S,
    ) -> Result<TlsStream<S>, Error> {
        self.shake_hands(name, stream, Some(wait))
    }

    /// The same for a stream without descriptor, or one that reads ahead.
    ///
    /// The deadline is looked at before each read and write; how long one of those may take is up to the
    /// stream, which must block.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_any<S: Read + Write>(
        &self,
        name: &str,
        stream: S,
    ) -> Result<TlsStream<S>, Error> {
        self.shake_hands(name, stream, None)
    }

    /// What a driver needs for a handshake.
    pub(crate) fn begin(
        &self,
        name: &str,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>, Permit), Error> {
        let server_name = ServerName::try_from(name)
            .map_err(|_| Error::InvalidName { name: name.into() })?
            .to_owned();
        let permit = Permit::of_client(self.handshake_timeout);
        Ok((Arc::clone(&self.config), server_name, permit))
    }

    fn shake_hands<S: Read + Write>(
        &self,
        name: &str,
        stream: S,
        wait: Option<Wait<S>>,
    ) -> Result<TlsStream<S>, Error> {
        let (config, name, permit) = self.begin(name)?;
        let connection = ClientConnection::new(config, name).map_err(Error::Options)?;
        shake_hands(stream, wait, connection.into(), permit)
    }
}
