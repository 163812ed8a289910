//! The far end of a simulated stream: rustls, without any of this crate.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::io::{Read, Write};
use std::sync::Arc;

use event_loop::sim::Peer;
use tls_mixin::rustls::pki_types::pem::PemObject;
use tls_mixin::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tls_mixin::rustls::{
    self, ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
};

use crate::certificates::{Authority, Pem};

pub(crate) struct Remote {
    pub(crate) peer: Peer,
    pub(crate) tls: Connection,
    pub(crate) heard: Vec<u8>,
    /// The other end has said that it has ended.
    pub(crate) has_ended: bool,
}

impl Remote {
    pub(crate) fn client(peer: Peer, config: Arc<ClientConfig>) -> Self {
        let name = "localhost".try_into().expect("it is a name");
        let tls = ClientConnection::new(config, name).expect("the configuration is right");
        Self::new(peer, tls.into())
    }

    pub(crate) fn server(peer: Peer, config: Arc<ServerConfig>) -> Self {
        let tls = ServerConnection::new(config).expect("the configuration is right");
        Self::new(peer, tls.into())
    }

    fn new(peer: Peer, tls: Connection) -> Self {
        Self {
            peer,
            tls,
            heard: Vec::new(),
            has_ended: false,
        }
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let written = self.tls.writer().write_all(bytes);
        written.expect("there is room");
    }

    pub(crate) fn finish(&mut self) {
        self.tls.send_close_notify();
    }

    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        while self.tls.wants_write() {
            let written = self.tls.write_tls(&mut output);
            written.expect("memory takes everything");
        }
        output
    }

    pub(crate) fn say_part_of_hello(&mut self) {
        let hello = self.take_output();
        self.peer.send(&hello[..hello.len() / 2]);
    }

    /// Reads what has come.
    pub(crate) fn listen(&mut self) -> Result<(), rustls::Error> {
        let bytes = self.peer.received();
        let mut left = &bytes[..];
        while !left.is_empty() && !self.has_ended {
            let read = self.tls.read_tls(&mut left);
            read.expect("memory gives everything");
            let state = self.tls.process_new_packets()?;
            let start = self.heard.len();
            self.heard
                .resize(start + state.plaintext_bytes_to_read(), 0);
            let read = self.tls.reader().read_exact(&mut self.heard[start..]);
            read.expect("rustls can count");
            self.has_ended = state.peer_has_closed();
        }
        Ok(())
    }

    /// Reads what has come and sends what is to be said; says whether there was any of it.
    pub(crate) fn exchange(&mut self) -> bool {
        let before = self.heard.len();
        self.listen().expect("the other end is good");
        let output = self.take_output();
        self.peer.send(&output);
        !output.is_empty() || self.heard.len() > before
    }
}

pub(crate) fn client_config(authority: &Authority) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(certificate(&authority.pem()))
        .expect("it is a certificate");
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("it has both")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

pub(crate) fn server_config(pem: &Pem) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).expect("it is a key");
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("it has both")
        .with_no_client_auth()
        .with_single_cert(vec![certificate(&pem.certificate)], key)
        .expect("they fit together");
    Arc::new(config)
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("it is a certificate")
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
