//! Two ends that come together, or find out why not.
#![cfg(feature = "ring")]

mod certificates;
mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use certificates::{Authority, Leaf, Pem};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError};
use socket_server::{Connection, Server};
use support::{meet, meet_well, pair};
use tls_mixin::{
    Acceptor, Authorities, ClientCertificates, ClientOptions, Connector, Error, Plaintext,
    ServerOptions, TlsStream, dangerous, rustls,
};

fn acceptor(server: &Pem) -> Acceptor {
    Acceptor::new(ServerOptions::new(server.identity())).expect("the options are right")
}

/// One that trusts what is in the file of the server's own certificate.
fn connector_for(server: &Pem) -> Connector {
    Connector::new(ClientOptions::new(server.authorities())).expect("the options are right")
}

fn good() -> (Connector, Acceptor) {
    let authority = Authority::new("authority");
    let server = authority.issue(Leaf::server(&["localhost", "127.0.0.1", "::1"]));
    let connector = Connector::new(ClientOptions::new(authority.authorities()));
    (connector.expect("the options are right"), acceptor(&server))
}

/// Why a client did not trust a server; the server must have been told `alert`.
fn distrust(
    connector: &Connector,
    server: &Pem,
    name: &str,
    alert: AlertDescription,
) -> CertificateError {
    let (client, server) = meet(connector, &acceptor(server), name);
    match server {
        Err(Error::Refused { alert: told }) => assert_eq!(told, alert),
        other => panic!("{other:?}"),
    }
    match client {
        Err(Error::Handshake {
            error: rustls::Error::InvalidCertificate(error),
            plaintext: None,
        }) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_ends_hear_each_other() {
    let (connector, acceptor) = good();
    let (left, right) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut stream = acceptor.accept(left).expect("the client is good");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).expect("it ends cleanly");
        stream.write_all(heard.as_bytes()).expect("somebody reads");
        stream.finish().expect("somebody reads");
    });
    let mut stream = connector.connect("localhost", right).unwrap();
    stream.write_all(b"hello").unwrap();
    stream.finish().unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
    server.join().unwrap();
}

#[test]
fn a_stream_without_descriptor_will_do() {
    let (connector, acceptor) = good();
    let (client, server) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut stream = acceptor.accept_any(server).expect("the client is good");
        stream.write_all(b"hello").expect("somebody reads");
        stream.finish().expect("somebody reads");
    });
    let mut heard = String::new();
    let mut stream = connector.connect_any("localhost", client).unwrap();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
    server.join().unwrap();
}

#[test]
fn tls_goes_inside_tls() {
    let (connector, acceptor) = good();
    let (client, server) = meet_well(&connector, &acceptor, "localhost");
    let server = thread::spawn(move || {
        let mut inner = acceptor.accept_any(server).expect("the client is good");
        inner.write_all(b"hello").expect("somebody reads");
        inner.finish().expect("somebody reads");
        inner
    });
    let mut inner = connector.connect_any("127.0.0.1", client).unwrap();
    let mut heard = String::new();
    inner.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
    server.join().unwrap();
}

#[test]
fn a_socket_need_not_block_and_keeps_its_timeouts() {
    let (connector, acceptor) = good();
    let (client, server) = pair();
    for end in [&client, &server] {
        end.set_nonblocking(true).unwrap();
        end.set_read_timeout(Some(Duration::from_secs(77))).unwrap();
    }
    let server = thread::spawn(move || acceptor.accept(server).expect("the client is good"));
    let client = connector.connect("localhost", client).unwrap();
    let server = server.join().unwrap();
    for end in [client.get_ref(), server.get_ref()] {
        assert_eq!(end.read_timeout().unwrap(), Some(Duration::from_secs(77)));
    }
}

#[test]
fn a_handler_of_a_server_gets_tls_by_its_type() {
    let (connector, acceptor) = good();
    let greet = acceptor.mixin(|stream: &mut TlsStream<&Connection>| {
        let mut name = String::new();
        stream.read_to_string(&mut name)?;
        let version = stream.session().version();
        write!(stream, "hello {name}, over {version}")?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    });
    let running = Server::tcp("127.0.0.1:0").serve(greet).unwrap();
    let tcp = TcpStream::connect(running.address()).unwrap();
    let mut stream = connector.connect("127.0.0.1", tcp).unwrap();
    stream.write_all(b"you").unwrap();
    stream.finish().unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello you, over TLSv1.3");
    let stats = running.shutdown(support::LONG);
    assert_eq!((stats.accepted, stats.finished), (1, 1));
}

#[test]
fn the_name_must_be_on_the_certificate() {
    let (connector, acceptor) = good();
    for name in ["localhost", "LOCALHOST", "127.0.0.1", "::1"] {
        meet_well(&connector, &acceptor, name);
    }
    let authority = Authority::new("authority");
    let server = authority.issue(Leaf::server(&["localhost"]));
    let connector = Connector::new(ClientOptions::new(authority.authorities())).unwrap();
    for name in ["example.org", "127.0.0.1", "a.localhost"] {
        let error = distrust(&connector, &server, name, AlertDescription::BadCertificate);
        let is_name = matches!(error, CertificateError::NotValidForNameContext { .. });
        assert!(is_name, "{name}: {error:?}");
    }
    // Its common name alone is no name.
    let server = authority.issue(Leaf::client("localhost").without_purpose());
    let alert = AlertDescription::BadCertificate;
    let error = distrust(&connector, &server, "localhost", alert);
    let is_name = matches!(error, CertificateError::NotValidForNameContext { .. });
    assert!(is_name, "{error:?}");
}

#[test]
fn a_name_that_is_none_is_told_before_anything_is_sent() {
    let (connector, _) = good();
    for name in ["", "local host", "127.0.0.1:443", "https://localhost"] {
        let (client, _server) = pair();
        match connector.connect(name, client) {
            Err(Error::InvalidName { name: told }) => assert_eq!(told, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn an_unknown_authority_is_refused() {
    let (connector, _) = good();
    let stranger = Authority::new("stranger").issue(Leaf::server(&["localhost"]));
    let alert = AlertDescription::UnknownCA;
    let error = distrust(&connector, &stranger, "localhost", alert);
    assert_eq!(error, CertificateError::UnknownIssuer);
}

#[test]
fn an_authority_may_be_known_through_another() {
    let root = Authority::new("root");
    let between = root.intermediate("between");
    let leaf = between.issue(Leaf::server(&["localhost"]));
    let server = leaf.followed_by(&between);
    let connector = Connector::new(ClientOptions::new(root.authorities())).unwrap();
    meet_well(&connector, &acceptor(&server), "localhost");
}

#[test]
fn a_self_signed_certificate_stands_for_itself() {
    // Made as `openssl req -x509` does, which says that it is an authority, and without saying so.
    for leaf in [
        Leaf::server(&["localhost"]).ca(),
        Leaf::server(&["localhost"]),
    ] {
        let server = leaf.self_signed();
        meet_well(&connector_for(&server), &acceptor(&server), "localhost");
        let alert = AlertDescription::BadCertificate;
        let error = distrust(&connector_for(&server), &server, "example.org", alert);
        let is_name = matches!(error, CertificateError::NotValidForNameContext { .. });
        assert!(is_name, "{error:?}");
        let other = Leaf::server(&["localhost"]).ca().self_signed();
        let (client, _) = meet(&connector_for(&server), &acceptor(&other), "localhost");
        assert!(matches!(client, Err(Error::Handshake { .. })), "{client:?}");
    }
    let server = Leaf::client("localhost").ca().self_signed();
    let alert = AlertDescription::UnsupportedCertificate;
    let error = distrust(&connector_for(&server), &server, "localhost", alert);
    assert_eq!(error, CertificateError::InvalidPurpose);
}

/// What comes of a handshake with a server that shows any certificate it is given.
fn meet_careless(server: &Pem) -> Result<(), Error> {
    let chain = CertificateDer::from_pem_slice(server.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("it has them")
        .with_no_client_auth()
        .with_single_cert(vec![chain.expect("it is PEM")], key.expect("it is PEM"));
    let config = Arc::new(config.expect("they belong together"));
    let mut careless = rustls::ServerConnection::new(config).expect("the options are right");
    let (client, mut tcp) = pair();
    let careless = thread::spawn(move || careless.complete_io(&mut tcp));
    let connected = connector_for(server).connect("localhost", client);
    let heard = careless.join().expect("it does not panic");
    assert_eq!(heard.is_ok(), connected.is_ok());
    connected.map(drop)
}

#[test]
fn a_certificate_that_stands_for_itself_has_its_time() {
    let leaf = || Leaf::server(&["localhost"]);
    meet_careless(&leaf().self_signed()).unwrap();
    for (leaf, why) in [
        (leaf().expired(), "expired"),
        (leaf().not_yet_valid(), "not valid yet"),
    ] {
        let error = meet_careless(&leaf.self_signed()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_certificate_that_stands_for_itself_vouches_for_nobody() {
    let powerless = Authority::powerless("localhost");
    let server = powerless.issue(Leaf::server(&["localhost"]));
    let connector = Connector::new(ClientOptions::new(powerless.authorities())).unwrap();
    let alert = AlertDescription::UnknownCA;
    let error = distrust(&connector, &server, "localhost", alert);
    assert_eq!(error, CertificateError::UnknownIssuer);
}

#[test]
fn who_wants_danger_gets_it() {
    let server = Leaf::server(&["elsewhere"]).self_signed();
    let connector = Connector::new(ClientOptions::new(dangerous::unverified())).unwrap();
    let (client, _) = meet_well(&connector, &acceptor(&server), "localhost");
    assert_eq!(client.session().peer_chain().len(), 1);
}

#[test]
fn a_clients_certificate_may_stand_for_itself_or_be_any() {
    let (known, any) = (
        Leaf::client("known").ca().self_signed(),
        Leaf::client("any").self_signed(),
    );
    let server = Leaf::server(&["localhost"]).self_signed();
    let accepts = |trusted: Authorities, client: Option<&Pem>| {
        let acceptor = Acceptor::new(ServerOptions {
            client_certificates: ClientCertificates::Required(trusted),
            ..ServerOptions::new(server.identity())
        });
        let connector = Connector::new(ClientOptions {
            identity: client.map(Pem::identity),
            ..ClientOptions::new(server.authorities())
        });
        let (_client, server) = meet(
            &connector.expect("the options are right"),
            &acceptor.expect("the options are right"),
            "localhost",
        );
        server.is_ok()
    };
    assert!(accepts(known.authorities(), Some(&known)));
    assert!(!accepts(known.authorities(), Some(&any)));
    assert!(!accepts(known.authorities(), None));
    assert!(accepts(dangerous::unverified(), Some(&any)));
    assert!(!accepts(dangerous::unverified(), None));
    let for_servers = Leaf::server(&["localhost"]).ca().self_signed();
    assert!(!accepts(for_servers.authorities(), Some(&for_servers)));
}

#[test]
fn a_client_that_does_not_speak_tls_is_recognized() {
    let (_, acceptor) = good();
    for (says, plaintext) in [
        (
            &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
            Some(Plaintext::Http),
        ),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Some(Plaintext::Ssh)),
        (
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
            Some(Plaintext::ProxyHeader),
        ),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
            Some(Plaintext::ProxyHeader),
        ),
        (b"hello there\n", Some(Plaintext::Text)),
        (&[0; 40], None),
        (&[0xff; 40], None),
    ] {
        let (mut client, server) = pair();
        client.write_all(says).unwrap();
        match acceptor.accept(server) {
            Err(
                error @ Error::Handshake {
                    plaintext: seen, ..
                },
            ) => {
                assert_eq!(seen, plaintext, "{says:?}");
                let told = seen.is_none_or(|seen| error.to_string().contains(&seen.to_string()));
                assert!(told, "{error}");
            }
            other => panic!("{says:?}: {other:?}"),
        }
        // It was told an alert, and no more.
        let mut alert = Vec::new();
        client.read_to_end(&mut alert).unwrap();
        assert_eq!((alert.len(), alert[0]), (7, 0x15), "{says:?}");
    }
}

/// What is unread when a socket is closed resets it.
#[test]
fn who_says_much_that_is_not_tls_gets_an_alert_and_a_clean_end() {
    let (_, acceptor) = good();
    let (mut client, server) = pair();
    client.write_all(&[b'x'; 20_000]).unwrap();
    acceptor.accept(server).unwrap_err();
    let mut alert = Vec::new();
    client.read_to_end(&mut alert).unwrap();
    assert_eq!((alert[0], alert.len()), (21, 7), "an alert");
}

#[test]
fn a_server_that_does_not_speak_tls_is_recognized() {
    let (connector, _) = good();
    for (says, plaintext) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Plaintext::Http),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Plaintext::Ssh),
        (b"220 mail.example.org ESMTP\r\n", Plaintext::Text),
    ] {
        let (client, mut server) = pair();
        server.write_all(says).unwrap();
        match connector.connect("localhost", client) {
            Err(Error::Handshake {
                plaintext: seen, ..
            }) => assert_eq!(seen, Some(plaintext)),
            other => panic!("{other:?}"),
        }
    }
    let (client, mut server) = pair();
    let echo = thread::spawn(move || {
        let mut out = server.try_clone().expect("there are descriptors");
        // The client goes away in the middle of it.
        let _ = std::io::copy(&mut server, &mut out);
    });
    match connector.connect("localhost", client) {
        Err(Error::Handshake {
            plaintext: seen, ..
        }) => assert_eq!(seen, Some(Plaintext::Echo)),
        other => panic!("{other:?}"),
    }
    echo.join().unwrap();
}

#[test]
fn a_peer_that_goes_away_is_told_apart() {
    let (connector, acceptor) = good();
    for sent in [&b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let (mut client, server) = pair();
        client.write_all(sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let accepted = acceptor.accept(server);
        assert!(matches!(accepted, Err(Error::CutOff)), "{accepted:?}");
        let (client, server) = pair();
        server.shutdown(Shutdown::Write).unwrap();
        let connected = connector.connect("localhost", client);
        assert!(matches!(connected, Err(Error::CutOff)), "{connected:?}");
    }
}

/// RUSTSEC-2024-0336 was an endless loop.
#[test]
fn the_peers_end_in_a_handshake_is_an_error() {
    let (_, acceptor) = good();
    let (mut client, server) = pair();
    let close_notify = b"\x15\x03\x03\x00\x02\x01\x00";
    client.write_all(close_notify).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let accepted = acceptor.accept(server);
    assert!(matches!(accepted, Err(Error::CutOff)), "{accepted:?}");
    // Nor does a peer hold up anybody with more of them.
    let (mut client, server) = pair();
    client.write_all(&close_notify.repeat(100)).unwrap();
    let accepted = acceptor.accept(server);
    assert!(
        matches!(accepted, Err(Error::Handshake { .. })),
        "{accepted:?}"
    );
}
