use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::{
    ClientConnection, CommonState, ConnectionCommon, HandshakeKind, ProtocolVersion,
    ServerConnection,
};
use rustls_pki_types::CertificateDer;

use crate::certificate::Certificate;
use crate::error::Error;

/// What the two ends have agreed on in their handshake.
///
/// Cloning it costs nothing.
#[derive(Clone, Debug)]
pub struct Session {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    version: Version,
    cipher_suite: String,
    key_exchange: Option<&'static str>,
    alpn: Option<Vec<u8>>,
    server_name: Option<String>,
    is_resumed: bool,
    peer_certificate: OnceLock<Option<Certificate>>,
    peer_chain: Vec<CertificateDer<'static>>,
    channel_binding: ChannelBinding,
}

/// Secret in so far as it is a proof to whoever takes it for one.
struct ChannelBinding([u8; 32]);

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl Session {
    pub(crate) fn of_server(connection: &ServerConnection) -> Result<Self, Error> {
        let server_name = connection.server_name().map(String::from);
        let session = Self::new(connection, server_name)?;
        // A client that has proved who it is must not pass for one without a certificate.
        let leaf = session.peer_chain().first();
        let read = leaf.map(|leaf| Certificate::from_der(leaf)).transpose()?;
        let _unread = session.inner.peer_certificate.set(read);
        Ok(session)
    }

    pub(crate) fn of_client(connection: &ClientConnection) -> Result<Self, Error> {
        Self::new(connection, None)
    }

    fn new<Side>(
        connection: &ConnectionCommon<Side>,
        server_name: Option<String>,
    ) -> Result<Self, Error> {
        let state: &CommonState = connection;
        let inner = Inner {
            version: match state.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
                _ => Version::Tls12,
            },
            cipher_suite: cipher_suite(state),
            key_exchange: state
                .negotiated_key_exchange_group()
                .and_then(|group| group.name().as_str()),
            alpn: state.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
            is_resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
            peer_certificate: OnceLock::new(),
            peer_chain: state.peer_certificates().unwrap_or_default().to_vec(),
            channel_binding: ChannelBinding(
                connection
                    .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
                    .map_err(Error::of_rustls)?,
            ),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Returns the version of TLS; it prints as Python's `ssl` spells it.
    #[must_use]
    pub fn version(&self) -> Version {
        self.inner.version
    }

    /// Returns the cipher suite by its registered name: `TLS_AES_256_GCM_SHA384`.
    #[must_use]
    pub fn cipher_suite(&self) -> &str {
        &self.inner.cipher_suite
    }

    /// Returns the length of the cipher's key in bits.
    #[must_use]
    pub fn cipher_bits(&self) -> usize {
        match self.cipher_suite().contains("AES_128") {
            true => 128,
            false => 256,
        }
    }

    /// Returns the group in which the keys were agreed on: `X25519`. `None` when a session of TLS 1.2 was
    /// resumed: then there was no exchange.
    #[must_use]
    pub fn key_exchange(&self) -> Option<&'static str> {
        self.inner.key_exchange
    }

    /// Returns the protocol that is spoken inside, when one was negotiated.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.inner.alpn.as_deref()
    }

    /// Returns the name of the server that the client asked for (SNI). A client that asks for an address
    /// sends none. With a client always `None`: it knows whom it asked for.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.inner.server_name.as_deref()
    }

    /// Says whether the handshake went on from that of an earlier connection, with a ticket. The peer's
    /// certificate is the one of back then.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.inner.is_resumed
    }

    /// Returns the peer's certificate: verified, unless that was switched off with
    /// [`dangerous`](crate::dangerous). With a client, the first call reads it; `None` is then one that this
    /// crate can't read, though it was verified. (A server refuses such clients.)
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&Certificate> {
        let read = || Certificate::from_der(self.peer_chain().first()?).ok();
        self.inner.peer_certificate.get_or_init(read).as_ref()
    }

    /// Returns the peer's certificate and those that it sent to prove it, as they came. Only the first is
    /// known to be right: what is behind it may have had no part in the verification.
    #[must_use]
    pub fn peer_chain(&self) -> &[CertificateDer<'static>] {
        &self.inner.peer_chain
    }

    /// Returns 32 bytes that both ends of this connection have, and nobody else (RFC 9266,
    /// `tls-exporter`). An authentication inside that mixes them in can't be passed on by somebody who
    /// sits between two connections. In TLS 1.2 that needs the extended master secret (RFC 7627): a peer
    /// that does not have it is refused in the handshake.
    #[must_use]
    pub fn channel_binding(&self) -> [u8; 32] {
        self.inner.channel_binding.0
    }
}

/// As Python's `ssl` spells it: `TLSv1.3`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}

impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelBinding(..)")
    }
}

/// rustls marks the suites of 1.3 in its own way.
fn cipher_suite(state: &CommonState) -> String {
    let suite = state.negotiated_cipher_suite();
    let name = suite.and_then(|suite| suite.suite().as_str());
    name.unwrap_or("unknown").replacen("TLS13_", "TLS_", 1)
}
