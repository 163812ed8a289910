//! Python's standard library at the other end.
#![cfg(feature = "ring")]

mod certificates;
mod peers;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use certificates::{Authority, Leaf};
use peers::python::{Python, pythons};
use peers::{DEADLINE, Echo, Log, Scene, VERSIONS, openssl};
use tls_mixin::rustls::{self, AlertDescription, CertificateError};
use tls_mixin::{Authorities, ClientOptions, Connector, Error, ServerOptions, TlsStream};

#[test]
fn a_client_in_python_is_served() {
    let scene = Scene::new("python_client");
    for mut python in pythons() {
        for (version, versions) in VERSIONS {
            let echo = Echo::start(ServerOptions {
                versions,
                ..scene.options()
            });
            for name in ["localhost", "127.0.0.1"] {
                let (ca, name) = (word("ca", scene.ca()), word("name", name));
                let said = python.connect(echo.port, &[&ca, &name, "send=1000"]).ok();
                assert_eq!(said["version"], format!("TLSv{version}"));
                assert_eq!(&said["names"], "localhost,127.0.0.1");
                assert_eq!(&said["common"], "localhost");
                assert_eq!(&said["end"], "clean");

                let served = echo.served();
                assert_eq!(served.heard, 1000);
                assert_eq!(served.session.version().to_string(), said["version"]);
                assert_eq!(served.session.cipher_bits().to_string(), said["bits"]);
                assert!(served.session.peer_certificate().is_none());
                assert!(!served.session.is_resumed());
            }
        }
    }
}

#[test]
fn a_client_in_python_refuses_who_is_not_the_server() {
    let scene = Scene::new("python_refuses");
    let other = scene.write("other.pem", &Authority::new("another").pem());
    for mut python in pythons() {
        for (_, versions) in VERSIONS {
            let echo = Echo::start(ServerOptions {
                versions,
                ..scene.options()
            });
            for (ca, name, alert) in [
                (&other, "localhost", AlertDescription::UnknownCA),
                (&scene.ca(), "example.org", AlertDescription::BadCertificate),
                (&scene.ca(), "127.0.0.2", AlertDescription::BadCertificate),
            ] {
                let words = [word("ca", ca), word("name", name)];
                let said = python.connect(echo.port, &words.each_ref().map(String::as_str));
                let said = said.refused();
                // Python 3.6 compares names itself, after the handshake.
                if &said["kind"] == "CertificateError" {
                    said.because("doesn't match");
                    assert_eq!(echo.outcome().unwrap().heard, 0);
                    continue;
                }
                said.because("certificate verify failed");
                let error = echo.refusal();
                assert!(
                    matches!(error, Error::Refused { alert: told } if told == alert),
                    "{error:?}"
                );
            }
        }
    }
}

#[test]
fn old_versions_and_weak_suites_are_refused() {
    let scene = Scene::new("python_old");
    let recipe = openssl::self_signed(&scene, "rsa", &["-addext", "subjectAltName=DNS:localhost"]);
    for mut python in pythons() {
        // Elliptic curves and RSA: each has its own weak suites.
        for identity in [scene.server.identity(), recipe.identity()] {
            let echo = Echo::start(ServerOptions::new(identity));
            for (version, ciphers) in OLD_AND_WEAK {
                let said = python.connect(echo.port, &[version, ciphers]);
                said.refused().because("alert");
                let error = echo.refusal();
                assert!(matches!(error, Error::Handshake { .. }), "{error:?}");
            }
            // What is wrong is the version and the suite alone.
            for ciphers in ["ECDHE+AESGCM", "ECDHE+CHACHA20"] {
                let ciphers = word("ciphers", ciphers);
                python.connect(echo.port, &["version=1.2", &ciphers]).ok();
                echo.served();
            }
        }
        let both = scene.authority.pem() + &recipe.certificate;
        let mut options = ClientOptions::new(Authorities::from_pem(both.as_bytes()).unwrap());
        options.resumption = false;
        let connector = Connector::new(options).unwrap();
        for pem in [&scene.server, &recipe] {
            let (cert, key) = scene.files("server", pem);
            let identity = [word("cert", cert), word("key", key)];
            let [cert, key] = identity.each_ref().map(String::as_str);
            for (version, ciphers) in OLD_AND_WEAK {
                let port = python.serve(&[cert, key, version, ciphers]);
                let error = connect(&connector, "localhost", port).unwrap_err();
                assert!(
                    matches!(
                        error,
                        Error::Refused {
                            alert: AlertDescription::ProtocolVersion
                                | AlertDescription::HandshakeFailure
                        }
                    ),
                    "{error:?}"
                );
                python.hear().refused();
            }
            let port = python.serve(&[cert, key, "version=1.2", "ciphers=ECDHE+AESGCM"]);
            let mut stream = connect(&connector, "localhost", port).unwrap();
            have_echoed(&mut stream, 5);
            stream.finish().unwrap();
            python.hear().ok();
        }
    }
}

#[test]
fn ten_megabytes_go_both_ways() {
    let scene = Scene::new("python_bulk");
    let (cert, key) = scene.files("server", &scene.server);
    let (cert, key) = (word("cert", cert), word("key", key));
    let connector = Connector::new(ClientOptions::new(scene.authority.authorities())).unwrap();
    for mut python in pythons() {
        for (version, versions) in VERSIONS {
            let version = word("version", version);
            let echo = Echo::start(ServerOptions {
                versions,
                ..scene.options()
            });
            let send = word("send", MEGABYTES_10.to_string());
            python.connect(echo.port, &[&send]).ok();
            assert_eq!(echo.served().heard, MEGABYTES_10);

            let port = python.serve(&[&cert, &key, &version]);
            let mut stream = connect(&connector, "localhost", port).unwrap();
            have_echoed(&mut stream, MEGABYTES_10);
            stream.finish().unwrap();
            let said = python.hear().ok();
            assert_eq!(said["heard"], MEGABYTES_10.to_string());
        }
    }
}

#[test]
fn a_cut_is_not_an_end() {
    let scene = Scene::new("python_ends");
    let (cert, key) = scene.files("server", &scene.server);
    let (cert, key) = (word("cert", cert), word("key", key));
    let connector = Connector::new(ClientOptions::new(scene.authority.authorities())).unwrap();
    for mut python in pythons() {
        for (version, versions) in VERSIONS {
            let options = ServerOptions {
                versions,
                ..scene.options()
            };
            let version = word("version", version);
            // Python is the client and ends first: in order, and without a word.
            let echo = Echo::start(options.clone());
            let said = python.connect(echo.port, &["end=unwrap"]).ok();
            assert_eq!(&said["end"], "clean");
            echo.served();
            python.connect(echo.port, &["end=close"]).ok();
            let served = echo.outcome().unwrap();
            assert_eq!(served.heard, 5);
            assert_cut(served.end);
            // Our server ends first, without a word.
            let echo = Echo::that_hangs_up_after(5, options);
            let said = python.connect(echo.port, &["end=wait"]);
            assert_eq!(&said["stage"], "end");
            said.because("eof");
            echo.served();

            // Python is the server, and ends first: without a word, and in order.
            for (end, is_cut) in [("end=close", true), ("end=unwrap", false)] {
                let port = python.serve(&[&cert, &key, &version, "hear=5", end]);
                let mut stream = connect(&connector, "localhost", port).unwrap();
                have_echoed(&mut stream, 5);
                let end = stream
                    .read_to_end(&mut Vec::new())
                    .map(|rest| assert_eq!(rest, 0));
                if is_cut {
                    assert_cut(end);
                } else {
                    end.unwrap();
                    stream.finish().unwrap();
                }
                python.hear().ok();
            }
            // Our client ends first: in order, and without a word.
            for is_cut in [false, true] {
                let port = python.serve(&[&cert, &key, &version]);
                let mut stream = connect(&connector, "localhost", port).unwrap();
                have_echoed(&mut stream, 5);
                if is_cut {
                    drop(stream);
                    python.hear().because("eof");
                } else {
                    stream.finish().unwrap();
                    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "Python answers the end");
                    assert_eq!(&python.hear().ok()["end"], "clean");
                }
            }
        }
    }
}

fn assert_cut(end: io::Result<()>) {
    let error = end.expect_err("it was cut");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("close_notify"), "{error}");
}

#[test]
fn who_comes_back_resumes() {
    let scene = Scene::new("python_resumption");
    let (cert, key) = scene.files("server", &scene.server);
    let (cert, key) = (word("cert", cert), word("key", key));
    let ca = word("ca", scene.ca());
    for mut python in pythons() {
        for (version, versions) in VERSIONS {
            let words = [ca.as_str(), "name=localhost", &word("version", version)];
            for tickets in [true, false] {
                let echo = Echo::start(ServerOptions {
                    versions,
                    tickets,
                    ..scene.options()
                });
                assert_eq!(&python.connect(echo.port, &words).ok()["reused"], "False");
                assert!(!echo.served().session.is_resumed());
                let said = python.connect(echo.port, &[&words, &["resume=yes"][..]].concat());
                let is_resumed = echo.served().session.is_resumed();
                assert_eq!(is_resumed, tickets, "TLS {version}");
                assert_eq!(&said.ok()["reused"], if tickets { "True" } else { "False" });
            }

            for resumption in [true, false] {
                let mut options = ClientOptions::new(scene.authority.authorities());
                options.resumption = resumption;
                let connector = Connector::new(options).unwrap();
                let words = [cert.as_str(), &key, &word("version", version), "times=2"];
                let port = python.serve(&words);
                for is_second in [false, true] {
                    let mut stream = connect(&connector, "localhost", port).unwrap();
                    let is_resumed = stream.session().is_resumed();
                    assert_eq!(is_resumed, is_second && resumption, "TLS {version}");
                    have_echoed(&mut stream, 5);
                    stream.finish().unwrap();
                    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
                    let reused = if is_resumed { "True" } else { "False" };
                    assert_eq!(&python.hear().ok()["reused"], reused);
                }
            }
        }
    }
}

#[test]
fn protocols_and_names_are_agreed_on() {
    let scene = Scene::new("python_alpn");
    let (cert, key) = scene.files("server", &scene.server);
    let (cert, key) = (word("cert", cert), word("key", key));
    let ca = word("ca", scene.ca());
    let other = scene.authority.issue(Leaf::server(&["other.example.org"]));
    for mut python in pythons() {
        for (version, versions) in VERSIONS {
            let version = word("version", version);
            let echo = Echo::start(ServerOptions {
                versions,
                alpn: vec![b"echo/2".into(), b"echo/1".into()],
                others: vec![("*.example.org".into(), other.identity())],
                ..scene.options()
            });
            let said = python.connect(
                echo.port,
                &[&ca, "name=other.example.org", "alpn=chat,echo/1"],
            );
            assert_eq!(&said.ok()["alpn"], "echo/1");
            let served = echo.served();
            assert_eq!(served.session.alpn(), Some(&b"echo/1"[..]));
            assert_eq!(served.session.server_name(), Some("other.example.org"));

            let said = python.connect(echo.port, &[&ca, "name=localhost"]).ok();
            assert_eq!(&said["names"], "localhost,127.0.0.1");
            assert_eq!(&said["alpn"], "None");
            assert_eq!(echo.served().session.alpn(), None);

            let said = python.connect(echo.port, &["alpn=chat"]).refused();
            said.because("no application protocol");
            assert!(matches!(echo.refusal(), Error::Handshake { .. }));

            let connector = Connector::new(ClientOptions {
                alpn: vec![b"echo/3".into(), b"echo/1".into()],
                ..ClientOptions::new(scene.authority.authorities())
            })
            .unwrap();
            let port = python.serve(&[&cert, &key, &version, "alpn=echo/1,echo/3"]);
            let mut stream = connect(&connector, "localhost", port).unwrap();
            let session = stream.session();
            assert_eq!(session.alpn(), Some(&b"echo/1"[..]), "the server chooses");
            assert_eq!(
                session.version().to_string(),
                format!("TLSv{}", &version[8..])
            );
            have_echoed(&mut stream, 5);
            stream.finish().unwrap();
            let said = python.hear().ok();
            assert_eq!(&said["sni"], "localhost");
            assert_eq!(&said["alpn"], "echo/1");
        }
    }
}

#[test]
fn a_server_in_python_that_is_not_the_one_is_refused() {
    let scene = Scene::new("python_server");
    let other = Authority::new("another");
    let names = ["localhost", "127.0.0.1"];
    let connector = Connector::new(ClientOptions::new(scene.authority.authorities())).unwrap();
    let good = Leaf::server(&names);
    let for_clients = Leaf::client("localhost").with_names(&names);
    let kinds = [
        ("good", scene.authority.issue(good)),
        (
            "expired",
            scene.authority.issue(Leaf::server(&names).expired()),
        ),
        (
            "early",
            scene.authority.issue(Leaf::server(&names).not_yet_valid()),
        ),
        ("other", other.issue(Leaf::server(&names))),
        ("self_signed", Leaf::server(&names).self_signed()),
        ("for_clients", scene.authority.issue(for_clients)),
    ];
    for mut python in pythons() {
        for (version, _) in VERSIONS {
            let version = word("version", version);
            for (kind, pem) in &kinds {
                let (cert, key) = scene.files(kind, pem);
                let words = [word("cert", cert), word("key", key), version.clone()];
                let words = words.each_ref().map(String::as_str);
                if *kind != "good" {
                    let error = our_refusal(&mut python, &words, &connector, "localhost");
                    assert!(is_about(kind, &error), "{kind}: {error:?}");
                    continue;
                }
                for name in names {
                    let port = python.serve(&words);
                    let mut stream = connect(&connector, name, port).unwrap();
                    have_echoed(&mut stream, 1000);
                    let peer = stream
                        .session()
                        .peer_certificate()
                        .expect("servers have one");
                    peer.matches("localhost").unwrap();
                    stream.finish().unwrap();
                    assert_eq!(&python.hear().ok()["heard"], "1000");
                }
                for name in ["example.org", "127.0.0.2", "localhost.example.org"] {
                    let error = our_refusal(&mut python, &words, &connector, name);
                    assert!(is_about("wrong_name", &error), "{name}: {error:?}");
                }
            }
        }
    }
}

/// Whether the error says what is wrong with a certificate of this kind.
fn is_about(kind: &str, error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(error) = error else {
        return false;
    };
    match kind {
        "expired" => matches!(error, CertificateError::ExpiredContext { .. }),
        "early" => matches!(error, CertificateError::NotValidYetContext { .. }),
        "other" | "self_signed" => matches!(error, CertificateError::UnknownIssuer),
        "for_clients" => matches!(error, CertificateError::InvalidPurposeContext { .. }),
        "wrong_name" => matches!(error, CertificateError::NotValidForNameContext { .. }),
        _ => false,
    }
}

#[test]
fn the_key_log_is_that_of_python() {
    let scene = Scene::new("python_keylog");
    for mut python in pythons() {
        if !python.has_key_logs() {
            continue;
        }
        for (version, versions) in VERSIONS {
            let log = Arc::new(Log::default());
            let echo = Echo::start(ServerOptions {
                versions,
                key_log: Some(log.clone()),
                ..scene.options()
            });
            let file = scene.write(&format!("keys_{version}"), "");
            python.connect(echo.port, &[&word("keylog", &file)]).ok();
            echo.served();
            log.assert_same_as(&file, version);
        }
    }
}

/// What OpenSSL takes only when asked: the versions, then the suites without forward secrecy or with CBC.
const OLD_AND_WEAK: [(&str, &str); 3] = [
    ("version=old", "ciphers=ALL:@SECLEVEL=0"),
    (
        "version=1.2",
        "ciphers=ALL:!AESGCM:!CHACHA20:!AESCCM:!ARIAGCM:@SECLEVEL=0",
    ),
    ("version=1.2", "ciphers=kRSA:kDHE:@SECLEVEL=0"),
];

const MEGABYTES_10: usize = 10_000_000;

/// `key=value`, for a path of the scene.
fn word(key: &str, value: impl AsRef<str>) -> String {
    format!("{key}={}", value.as_ref())
}

fn connect(connector: &Connector, name: &str, port: u16) -> Result<TlsStream<TcpStream>, Error> {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("Python listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
    connector.connect(name, stream)
}

/// Says so many bytes and hears them come back.
fn have_echoed(stream: &mut TlsStream<TcpStream>, len: usize) {
    let payload: Vec<u8> = (0..=250).cycle().take(65536.min(len)).collect();
    let mut heard = vec![0; payload.len()];
    let mut left = len;
    while left > 0 {
        let part = left.min(payload.len());
        stream.write_all(&payload[..part]).expect("Python reads");
        stream
            .read_exact(&mut heard[..part])
            .expect("Python echoes");
        assert!(heard[..part] == payload[..part], "the echo differs");
        left -= part;
    }
}

/// Python serves with this certificate, and our client refuses it.
fn our_refusal(
    python: &mut Python,
    words: &[&str],
    connector: &Connector,
    name: &str,
) -> rustls::Error {
    let port = python.serve(words);
    let error = connect(connector, name, port).expect_err("it must not be trusted");
    // It learns of it by an alert, and hears nothing.
    python.hear().refused();
    match error {
        Error::Handshake { error, .. } => error,
        error => panic!("{error:?}"),
    }
}
