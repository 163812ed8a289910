//! Versions of TLS, application protocols, tickets, keys told.
#![cfg(feature = "ring")]

mod certificates;
mod support;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use certificates::{Authority, Leaf};
use rustls::{AlertDescription, CipherSuite, KeyLog};
use support::{meet, meet_well};
use tls_mixin::{
    Acceptor, ClientOptions, Connector, Error, Provider, ServerOptions, Version, Versions, rustls,
};

struct Ends {
    authority: Authority,
}

impl Ends {
    fn new() -> Self {
        Self {
            authority: Authority::new("authority"),
        }
    }

    fn server(&self) -> ServerOptions {
        let server = self.authority.issue(Leaf::server(&["localhost"]));
        ServerOptions::new(server.identity())
    }

    fn client(&self) -> ClientOptions {
        ClientOptions::new(self.authority.authorities())
    }
}

#[test]
fn the_newest_version_that_both_have_is_taken() {
    use Versions::{Tls12, Tls12And13, Tls13};
    let ends = Ends::new();
    for (client, server, expected) in [
        (Tls12And13, Tls12And13, Some(Version::Tls13)),
        (Tls12And13, Tls12, Some(Version::Tls12)),
        (Tls12, Tls12And13, Some(Version::Tls12)),
        (Tls13, Tls12And13, Some(Version::Tls13)),
        (Tls12, Tls13, None),
        (Tls13, Tls12, None),
    ] {
        let acceptor = Acceptor::new(ServerOptions {
            versions: server,
            ..ends.server()
        });
        let connector = Connector::new(ClientOptions {
            versions: client,
            ..ends.client()
        });
        let (at_client, at_server) = meet(&connector.unwrap(), &acceptor.unwrap(), "localhost");
        match expected {
            Some(version) => {
                assert_eq!(at_client.unwrap().session().version(), version);
                assert_eq!(at_server.unwrap().session().version(), version);
            }
            None => {
                let alert = AlertDescription::ProtocolVersion;
                let refused = at_client.unwrap_err();
                assert!(
                    matches!(refused, Error::Refused { alert: told } if told == alert),
                    "{refused}"
                );
                let error = at_server.unwrap_err();
                assert!(matches!(error, Error::Handshake { .. }), "{error}");
            }
        }
    }
}

#[test]
fn application_protocols_must_overlap() {
    let ends = Ends::new();
    let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    for (client, server, expected) in [
        (
            &["h2", "http/1.1"][..],
            &["http/1.1", "h2"][..],
            Ok(Some("http/1.1")),
        ),
        (&["h2"], &[], Ok(None)),
        (&[], &["h2"], Ok(None)),
        (&["h2"], &["http/1.1"], Err(())),
    ] {
        let acceptor = Acceptor::new(ServerOptions {
            alpn: names(server),
            ..ends.server()
        });
        let connector = Connector::new(ClientOptions {
            alpn: names(client),
            ..ends.client()
        });
        let (at_client, at_server) = meet(&connector.unwrap(), &acceptor.unwrap(), "localhost");
        match expected {
            Ok(protocol) => {
                let protocol = protocol.map(str::as_bytes);
                assert_eq!(at_client.unwrap().session().alpn(), protocol);
                assert_eq!(at_server.unwrap().session().alpn(), protocol);
            }
            Err(()) => {
                let alert = AlertDescription::NoApplicationProtocol;
                let refused = at_client.unwrap_err();
                assert!(
                    matches!(refused, Error::Refused { alert: told } if told == alert),
                    "{refused}"
                );
                assert!(at_server.is_err());
            }
        }
    }
}

#[test]
fn an_application_protocol_has_1_to_255_bytes() {
    let ends = Ends::new();
    for len in [0, 256] {
        let alpn = vec![b"h2".to_vec(), vec![b'a'; len]];
        let acceptor = Acceptor::new(ServerOptions {
            alpn: alpn.clone(),
            ..ends.server()
        });
        let connector = Connector::new(ClientOptions {
            alpn,
            ..ends.client()
        });
        for error in [acceptor.unwrap_err(), connector.unwrap_err()] {
            let told =
                matches!(error, Error::InvalidProtocol { len: told, max: 255 } if told == len);
            assert!(told, "{error}");
        }
    }
}

#[test]
fn a_provider_of_your_own_has_the_suites_you_like() {
    let ends = Ends::new();
    let mut suites = rustls::crypto::ring::default_provider();
    (suites.cipher_suites)
        .retain(|suite| suite.suite() == CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    let acceptor = |provider: &Provider, versions| {
        Acceptor::new(ServerOptions {
            provider: provider.clone(),
            versions,
            ..ends.server()
        })
    };
    let provider = Provider::from(Arc::new(suites));
    let connector = Connector::new(ends.client()).unwrap();
    let (client, _) = meet_well(
        &connector,
        &acceptor(&provider, Versions::Tls12And13).unwrap(),
        "localhost",
    );
    assert_eq!(
        client.session().cipher_suite(),
        "TLS_CHACHA20_POLY1305_SHA256"
    );
    // It has none for this version.
    let error = acceptor(&provider, Versions::Tls12).unwrap_err();
    assert!(matches!(error, Error::Options(_)), "{error}");
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn both_providers_understand_each_other() {
    let ends = Ends::new();
    let providers = [Provider::ring(), Provider::aws_lc_rs()];
    for (server, at_server) in providers.iter().enumerate() {
        for (client, at_client) in providers.iter().enumerate() {
            let acceptor = Acceptor::new(ServerOptions {
                provider: at_server.clone(),
                ..ends.server()
            });
            let connector = Connector::new(ClientOptions {
                provider: at_client.clone(),
                ..ends.client()
            });
            let (client_end, _) = meet_well(&connector.unwrap(), &acceptor.unwrap(), "localhost");
            let is_post_quantum = client_end.session().key_exchange() == Some("X25519MLKEM768");
            assert_eq!(is_post_quantum, server == 1 && client == 1);
        }
    }
}

/// Whether a second connection comes back with the ticket of the first.
fn comes_back(server: ServerOptions, client: ClientOptions) -> bool {
    let acceptor = Acceptor::new(server).expect("the options are right");
    let connector = Connector::new(client).expect("the options are right");
    for is_resumed in [false, true] {
        let (mut client, mut server) = meet_well(&connector, &acceptor, "localhost");
        // The ticket comes with the first that is read.
        server.write_all(b"hello").expect("somebody reads");
        client.read_exact(&mut [0; 5]).expect("somebody writes");
        let resumed = client.session().is_resumed();
        assert_eq!(server.session().is_resumed(), resumed);
        if resumed || is_resumed {
            return resumed;
        }
    }
    false
}

#[test]
fn a_client_comes_back_with_its_ticket() {
    let ends = Ends::new();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let client = || ClientOptions {
            versions,
            ..ends.client()
        };
        assert!(comes_back(ends.server(), client()));
        let none = ServerOptions {
            tickets: false,
            ..ends.server()
        };
        assert!(!comes_back(none, client()));
        let none = ClientOptions {
            resumption: false,
            ..client()
        };
        assert!(!comes_back(ends.server(), none));
    }
}

#[derive(Debug, Default)]
struct Labels(Mutex<Vec<String>>);

impl KeyLog for Labels {
    fn log(&self, label: &str, _: &[u8], _: &[u8]) {
        let mut labels = self.0.lock().expect("nobody panics");
        labels.push(label.to_owned());
    }
}

#[test]
fn keys_are_told_to_whom_the_options_say() {
    let ends = Ends::new();
    let (at_client, at_server) = (Arc::new(Labels::default()), Arc::new(Labels::default()));
    let acceptor = Acceptor::new(ServerOptions {
        key_log: Some(Arc::clone(&at_server) as _),
        ..ends.server()
    });
    let connector = Connector::new(ClientOptions {
        key_log: Some(Arc::clone(&at_client) as _),
        ..ends.client()
    });
    meet_well(&connector.unwrap(), &acceptor.unwrap(), "localhost");
    for labels in [at_client, at_server] {
        let labels = labels.0.lock().unwrap();
        assert!(
            labels
                .iter()
                .any(|label| label == "CLIENT_TRAFFIC_SECRET_0"),
            "{labels:?}"
        );
    }
}
