//! OpenSSL's programs at the other end: `openssl s_client` and `openssl s_server`.
#![cfg(feature = "ring")]

mod certificates;
mod peers;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use certificates::{Authority, Leaf, Pem};
use peers::openssl::{self, Openssl};
use peers::{DEADLINE, Echo, Log, Scene, VERSIONS};
use tls_mixin::rustls::{self, AlertDescription, CertificateError};
use tls_mixin::{Authorities, ClientOptions, Connector, Error, ServerOptions, TlsStream};

const MEGABYTES_10: usize = 10_000_000;
/// Nothing that OpenSSL says has it.
const FILLER: u8 = b'~';

fn connect(connector: &Connector, name: &str, port: u16) -> Result<TlsStream<TcpStream>, Error> {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("OpenSSL listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
    connector.connect(name, stream)
}

/// A server that sends back each line, reversed.
fn reversing(scene: &Scene, pem: &Pem, options: &[&str]) -> (Openssl, u16) {
    let (cert, key) = scene.files("openssl_server", pem);
    let arguments = ["-rev", "-cert", &cert, "-key", &key];
    Openssl::server(&[&arguments, options].concat())
}

fn have_reversed(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"hello\n").expect("OpenSSL reads");
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).expect("OpenSSL answers");
    assert_eq!(&answer, b"olleh\n");
}

fn option(version: &str) -> &'static str {
    match version {
        "1.2" => "-tls1_2",
        _ => "-tls1_3",
    }
}

#[test]
fn s_client_is_served() {
    let scene = Scene::new("s_client");
    let ca = scene.ca();
    for (version, versions) in VERSIONS {
        let echo = Echo::start(ServerOptions {
            versions,
            ..scene.options()
        });
        for check in [
            ["-verify_hostname", "localhost"],
            ["-verify_ip", "127.0.0.1"],
        ] {
            let options = ["-brief", "-CAfile", &ca, "-verify_return_error"];
            let mut client = Openssl::client(echo.port, &[&options, &check[..]].concat());
            client.say(b"hello\n");
            client.wait_for("hello\n");
            let status = client.end();
            assert!(status.success(), "{}", client.said);
            assert!(client.said.contains("Verification: OK"), "{}", client.said);
            let agreed = format!("Protocol version: TLSv{version}");
            assert!(client.said.contains(&agreed), "{}", client.said);
            let served = echo.served();
            assert_eq!(served.heard, 6);
            assert_eq!(
                served.session.version().to_string(),
                format!("TLSv{version}")
            );
        }
    }
}

#[test]
fn s_client_refuses_who_is_not_the_server() {
    let scene = Scene::new("s_client_refuses");
    let ca = scene.ca();
    let other = scene.write("other.pem", &Authority::new("another").pem());
    for (_, versions) in VERSIONS {
        let echo = Echo::start(ServerOptions {
            versions,
            ..scene.options()
        });
        for (ca, check, name, alert) in [
            (
                &other,
                "-verify_hostname",
                "localhost",
                AlertDescription::UnknownCA,
            ),
            (
                &ca,
                "-verify_hostname",
                "example.org",
                AlertDescription::BadCertificate,
            ),
            (
                &ca,
                "-verify_ip",
                "127.0.0.2",
                AlertDescription::BadCertificate,
            ),
        ] {
            let options = ["-CAfile", ca, "-verify_return_error", check, name];
            let mut client = Openssl::client(echo.port, &options);
            let status = client.end();
            assert!(!status.success(), "{}", client.said);
            let error = echo.refusal();
            assert!(
                matches!(error, Error::Refused { alert: told } if told == alert),
                "{error:?}"
            );
        }
    }
}

#[test]
fn old_versions_and_weak_suites_are_refused() {
    let scene = Scene::new("openssl_old");
    let recipe = openssl::self_signed(&scene, "rsa", &["-addext", "subjectAltName=DNS:localhost"]);
    for identity in [scene.server.identity(), recipe.identity()] {
        let echo = Echo::start(ServerOptions::new(identity));
        for weak in OLD_AND_WEAK {
            let mut client = Openssl::client(echo.port, weak);
            let status = client.end();
            assert!(!status.success(), "{weak:?}: {}", client.said);
            let error = echo.refusal();
            assert!(
                matches!(error, Error::Handshake { .. }),
                "{weak:?}: {error:?}"
            );
        }
        let mut client = Openssl::client(echo.port, GOOD);
        client.say(b"hello\n");
        client.wait_for("hello\n");
        client.end();
        echo.served();
    }
    let both = scene.authority.pem() + &recipe.certificate;
    let authorities = Authorities::from_pem(both.as_bytes()).unwrap();
    let connector = Connector::new(ClientOptions::new(authorities)).unwrap();
    for pem in [&scene.server, &recipe] {
        for weak in OLD_AND_WEAK {
            let (mut server, port) = reversing(&scene, pem, weak);
            let error = connect(&connector, "localhost", port).unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::Refused {
                        alert: AlertDescription::ProtocolVersion
                            | AlertDescription::HandshakeFailure
                    }
                ),
                "{weak:?}: {error:?}"
            );
            server.wait_for("CONNECTION FAILURE");
        }
        let (_server, port) = reversing(&scene, pem, GOOD);
        have_reversed(&mut connect(&connector, "localhost", port).unwrap());
    }
}

#[test]
fn ten_megabytes_go_both_ways() {
    let scene = Scene::new("openssl_bulk");
    let ca = scene.ca();
    let (cert, key) = scene.files("server", &scene.server);
    let bulk = vec![FILLER; MEGABYTES_10];
    let connector = Connector::new(ClientOptions::new(scene.authority.authorities())).unwrap();
    for (version, versions) in VERSIONS {
        let echo = Echo::start(ServerOptions {
            versions,
            ..scene.options()
        });
        let mut client = Openssl::client(echo.port, &["-CAfile", &ca, "-verify_return_error"]);
        client.say(&bulk);
        client.wait_for_many(FILLER, MEGABYTES_10);
        client.end();
        assert_eq!(echo.served().heard, MEGABYTES_10);

        let arguments = ["-cert", &cert, "-key", &key, option(version)];
        let (mut server, port) = Openssl::server(&arguments);
        let mut stream = connect(&connector, "localhost", port).unwrap();
        stream.write_all(&bulk).unwrap();
        server.wait_for_many(FILLER, MEGABYTES_10);
        let speaking = std::thread::spawn(move || {
            server.say(&vec![FILLER; MEGABYTES_10]);
            server
        });
        let mut heard = vec![0; MEGABYTES_10];
        stream.read_exact(&mut heard).unwrap();
        assert!(heard == bulk);
        drop(stream);
        drop(speaking.join().unwrap());
    }
}

#[test]
fn a_cut_is_not_an_end() {
    let scene = Scene::new("openssl_ends");
    let connector = Connector::new(ClientOptions::new(scene.authority.authorities())).unwrap();
    for (version, versions) in VERSIONS {
        let options = ServerOptions {
            versions,
            ..scene.options()
        };
        let echo = Echo::start(options.clone());
        let mut client = Openssl::client(echo.port, &[]);
        client.say(b"hello\n");
        client.wait_for("hello\n");
        drop(client);
        assert_cut(echo.outcome().unwrap().end);

        let echo = Echo::that_hangs_up_after(6, options);
        let mut client = Openssl::client(echo.port, &[]);
        client.say(b"hello\n");
        client.wait_for("unexpected eof while reading");

        let (mut server, port) = reversing(&scene, &scene.server, &[option(version)]);
        let mut stream = connect(&connector, "localhost", port).unwrap();
        have_reversed(&mut stream);
        stream.finish().unwrap();
        server.wait_for("CONNECTION CLOSED");
        assert!(!server.said.contains("unexpected eof"), "{}", server.said);
        // It serves one client after the other.
        drop(stream);
        // To this word it answers with the end.
        let mut stream = connect(&connector, "localhost", port).unwrap();
        stream.write_all(b"CLOSE\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        drop(stream);
        let mut stream = connect(&connector, "localhost", port).unwrap();
        have_reversed(&mut stream);
        drop(server);
        assert_cut(stream.read(&mut [0]).map(drop));
    }
}

fn assert_cut(end: io::Result<()>) {
    let error = end.expect_err("it was cut");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("close_notify"), "{error}");
}

#[test]
fn who_comes_back_resumes() {
    let scene = Scene::new("openssl_resumption");
    for (version, versions) in VERSIONS {
        let file = scene.path(&format!("session_{version}"));
        for tickets in [true, false] {
            let echo = Echo::start(ServerOptions {
                versions,
                tickets,
                ..scene.options()
            });
            // Without a ticket there may be no file.
            let _ = std::fs::remove_file(&file);
            for is_second in [false, true] {
                let arguments = match is_second && std::fs::exists(&file).unwrap() {
                    false => ["-sess_out", &file],
                    true => ["-sess_in", &file],
                };
                let mut client = Openssl::client(echo.port, &arguments);
                client.say(b"hello\n");
                client.wait_for("hello\n");
                client.end();
                let is_resumed = echo.served().session.is_resumed();
                assert_eq!(is_resumed, is_second && tickets);
                let says_so = client.said.contains("Reused, TLSv");
                assert_eq!(says_so, is_resumed, "{}", client.said);
            }
        }

        let connector = Connector::new(ClientOptions::new(scene.authority.authorities())).unwrap();
        let (_server, port) = reversing(&scene, &scene.server, &[option(version)]);
        for is_second in [false, true] {
            let mut stream = connect(&connector, "localhost", port).unwrap();
            assert_eq!(stream.session().is_resumed(), is_second);
            have_reversed(&mut stream);
            stream.finish().unwrap();
        }
    }
}

#[test]
fn protocols_and_names_are_agreed_on() {
    let scene = Scene::new("openssl_alpn");
    let ca = scene.ca();
    let other = scene.authority.issue(Leaf::server(&["other.example.org"]));
    for (version, versions) in VERSIONS {
        let echo = Echo::start(ServerOptions {
            versions,
            alpn: vec![b"echo/2".into(), b"echo/1".into()],
            others: vec![("*.example.org".into(), other.identity())],
            ..scene.options()
        });
        let name = "other.example.org";
        let mut client = Openssl::client(
            echo.port,
            &[
                "-alpn",
                "chat,echo/1",
                "-servername",
                name,
                "-CAfile",
                &ca,
                "-verify_return_error",
                "-verify_hostname",
                name,
            ],
        );
        client.say(b"hello\n");
        client.wait_for("hello\n");
        client.end();
        assert!(
            client.said.contains("ALPN protocol: echo/1"),
            "{}",
            client.said
        );
        let served = echo.served();
        assert_eq!(served.session.alpn(), Some(&b"echo/1"[..]));
        assert_eq!(served.session.server_name(), Some(name));

        let mut client = Openssl::client(echo.port, &["-alpn", "chat"]);
        client.wait_for("no application protocol");
        assert!(matches!(echo.refusal(), Error::Handshake { .. }));

        let connector = Connector::new(ClientOptions {
            alpn: vec![b"echo/3".into(), b"echo/1".into()],
            ..ClientOptions::new(scene.authority.authorities())
        })
        .unwrap();
        let (_server, port) =
            reversing(&scene, &scene.server, &["-alpn", "echo/1", option(version)]);
        let mut stream = connect(&connector, "localhost", port).unwrap();
        assert_eq!(stream.session().alpn(), Some(&b"echo/1"[..]));
        have_reversed(&mut stream);

        // Only who asks for the second name is shown its certificate.
        let (cert, key) = scene.files("second", &other);
        let second = ["-servername", name, "-cert2", &cert, "-key2", &key];
        let options = [&second, &[option(version)][..]].concat();
        let (_server, port) = reversing(&scene, &scene.server, &options);
        let connector = Connector::new(ClientOptions::new(scene.authority.authorities())).unwrap();
        for name in [name, "localhost"] {
            have_reversed(&mut connect(&connector, name, port).unwrap());
        }
    }
}

#[test]
fn the_key_log_is_that_of_openssl() {
    let scene = Scene::new("openssl_keylog");
    for (version, versions) in VERSIONS {
        let file = scene.path(&format!("keys_{version}"));
        // It would append.
        let _ = std::fs::remove_file(&file);
        let log = Arc::new(Log::default());
        let echo = Echo::start(ServerOptions {
            versions,
            key_log: Some(log.clone()),
            ..scene.options()
        });
        let mut client = Openssl::client(echo.port, &["-keylogfile", &file]);
        client.say(b"hello\n");
        client.wait_for("hello\n");
        client.end();
        echo.served();
        log.assert_same_as(&file, version);
    }
}

#[test]
fn s_server_is_trusted_if_it_is_the_one() {
    let scene = Scene::new("s_server");
    let names = ["localhost", "127.0.0.1"];
    let connector = Connector::new(ClientOptions::new(scene.authority.authorities())).unwrap();
    let issue = |leaf| scene.authority.issue(leaf);
    let kinds = [
        ("good", issue(Leaf::server(&names))),
        ("expired", issue(Leaf::server(&names).expired())),
        ("early", issue(Leaf::server(&names).not_yet_valid())),
        (
            "other",
            Authority::new("another").issue(Leaf::server(&names)),
        ),
        ("self-signed", Leaf::server(&names).self_signed()),
        (
            "for clients",
            issue(Leaf::client("localhost").with_names(&names)),
        ),
    ];
    for (version, _) in VERSIONS {
        for (kind, pem) in &kinds {
            let (mut server, port) = reversing(&scene, pem, &[option(version)]);
            if *kind != "good" {
                let error = connect(&connector, "localhost", port).expect_err(kind);
                assert!(is_about(kind, &error), "{kind}: {error:?}");
                server.wait_for("CONNECTION FAILURE");
                continue;
            }
            for name in names {
                have_reversed(&mut connect(&connector, name, port).unwrap());
            }
            for name in ["example.org", "127.0.0.2"] {
                let error = connect(&connector, name, port).expect_err(name);
                assert!(is_about("wrong name", &error), "{name}: {error:?}");
            }
        }
    }
}

/// Whether the error says what is wrong with a certificate of this kind.
fn is_about(kind: &str, error: &Error) -> bool {
    let Error::Handshake {
        error: rustls::Error::InvalidCertificate(error),
        ..
    } = error
    else {
        return false;
    };
    match kind {
        "expired" => matches!(error, CertificateError::ExpiredContext { .. }),
        "early" => matches!(error, CertificateError::NotValidYetContext { .. }),
        "other" | "self-signed" => matches!(error, CertificateError::UnknownIssuer),
        "for clients" => matches!(error, CertificateError::InvalidPurposeContext { .. }),
        "wrong name" => matches!(error, CertificateError::NotValidForNameContext { .. }),
        _ => false,
    }
}

#[test]
fn the_recipes_certificate_is_its_own_authority() {
    let scene = Scene::new("openssl_recipe");
    let named = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    let pem = openssl::self_signed(&scene, "named", &named);
    let authorities = Authorities::from_pem_file(scene.path("named_cert.pem")).unwrap();
    let connector = Connector::new(ClientOptions::new(authorities)).unwrap();
    let (_server, port) = reversing(&scene, &pem, &[]);
    for name in ["localhost", "127.0.0.1"] {
        have_reversed(&mut connect(&connector, name, port).unwrap());
    }
    let error = connect(&connector, "example.org", port).unwrap_err();
    assert!(is_about("wrong name", &error), "{error:?}");

    let echo = Echo::start(ServerOptions::new(pem.identity()));
    let file = scene.path("named_cert.pem");
    let options = [
        "-CAfile",
        &file,
        "-verify_return_error",
        "-verify_hostname",
        "localhost",
    ];
    let mut client = Openssl::client(echo.port, &options);
    client.say(b"hello\n");
    client.wait_for("hello\n");
    client.end();
    echo.served();

    // As the recipes make it: the name is in the subject, where nobody looks any more.
    let pem = openssl::self_signed(&scene, "plain", &[]);
    let connector = Connector::new(ClientOptions::new(pem.authorities())).unwrap();
    let (_server, port) = reversing(&scene, &pem, &[]);
    let error = connect(&connector, "localhost", port).unwrap_err();
    assert!(is_about("wrong name", &error), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("localhost"), "{text}");
    assert!(
        text.contains("subjectAltName") || text.contains("alternative name"),
        "{text}"
    );
}

/// What OpenSSL takes only when asked: old versions, then CBC, then no forward secrecy.
const OLD_AND_WEAK: [&[&str]; 5] = [
    &["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
    &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    &[
        "-tls1_2",
        "-cipher",
        "ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",
    ],
    &[
        "-tls1_2",
        "-cipher",
        "AES128-GCM-SHA256:AES128-SHA:@SECLEVEL=0",
    ],
    &["-tls1_2", "-cipher", "kDHE:@SECLEVEL=0"],
];
const GOOD: &[&str] = &["-tls1_2", "-cipher", "ECDHE+AESGCM"];
