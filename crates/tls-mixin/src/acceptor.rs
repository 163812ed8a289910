use std::fmt;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rustls::{ServerConfig, ServerConnection};

use crate::error::Error;
use crate::handshake::Permit;
use crate::options::ServerOptions;
use crate::stream::{self, TlsStream};

/// The server's side: makes TLS streams of the streams that clients have connected.
///
/// Cloning it costs nothing; the clones are one.
#[derive(Clone)]
pub struct Acceptor {
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<ServerConfig>,
    options: ServerOptions,
    pending: Arc<AtomicUsize>,
}

impl Acceptor {
    /// # Errors
    ///
    /// [`Error::Unusable`], [`Error::Options`].
    pub fn new(options: ServerOptions) -> Result<Self, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(options.provider.crypto()))
            .with_protocol_versions(options.versions.supported())
            .map_err(Error::Options)?
            .with_no_client_auth()
            .with_single_cert(options.identity.chain().to_vec(), options.identity.key())
            .map_err(Error::Options)?;
        config.alpn_protocols.clone_from(&options.alpn);
        // Without it two connections of TLS 1.2 can have the same secrets.
        config.require_ems = true;
        Ok(Self {
            shared: Arc::new(Shared {
                config: Arc::new(config),
                options,
                pending: Arc::default(),
            }),
        })
    }

    /// Does the server's side of a handshake.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`], [`Error::Refused`], [`Error::TimedOut`], [`Error::TooManyHandshakes`],
    /// [`Error::CutOff`], [`Error::Io`].
    pub fn accept<S: Read + Write + AsFd>(&self, stream: S) -> Result<TlsStream<S>, Error> {
        self.accept_any(stream)
    }

    /// The same for a stream without descriptor.
    ///
    /// # Errors
    ///
    /// As for [`accept`](Self::accept).
    pub fn accept_any<S: Read + Write>(&self, stream: S) -> Result<TlsStream<S>, Error> {
        let (config, permit) = self.begin()?;
        let connection = ServerConnection::new(config).map_err(Error::Options)?;
        stream::shake_hands(stream, connection.into(), permit)
    }

    /// What a driver needs for a handshake.
    pub(crate) fn begin(&self) -> Result<(Arc<ServerConfig>, Permit), Error> {
        let Shared {
            config,
            options,
            pending,
        } = &*self.shared;
        let permit = Permit::counted(options.handshake_timeout, pending, options.max_handshakes)?;
        Ok((Arc::clone(config), permit))
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}
