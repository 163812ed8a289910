//! Clients that prove who they are, and six kinds that do not: for those no application data flows.
#![cfg(feature = "ring")]

mod certificates;
mod peers;

use std::io::{self, Read, Write};
use std::net::TcpStream;

use certificates::{Authority, Leaf, Pem};
use peers::drivers::at_once;
use peers::openssl::Openssl;
use peers::python::pythons;
use peers::{Echo, Scene, VERSIONS};
use tls_mixin::{ClientCertificates, ClientOptions, Connector, Error, ServerOptions, TlsStream};

/// What is no proof of a client's, by what is wrong with it. `None` is no certificate at all.
fn bad_kinds(scene: &Scene) -> Vec<(&'static str, Option<Pem>)> {
    let issue = |leaf| Some(scene.authority.issue(leaf));
    let client = || Leaf::client("the client");
    vec![
        ("none", None),
        ("expired", issue(client().expired())),
        ("not yet valid", issue(client().not_yet_valid())),
        (
            "another authority's",
            Some(Authority::new("another").issue(client())),
        ),
        // Of the same name as the true one.
        (
            "a false authority's",
            Some(Authority::new("the authority").issue(client())),
        ),
        ("self-signed", Some(client().self_signed())),
        ("for servers only", issue(Leaf::server(&["the client"]))),
    ]
}

/// The same in files.
fn bad_files(scene: &Scene, options: [&str; 2]) -> Vec<(&'static str, Vec<String>)> {
    let kinds = bad_kinds(scene).into_iter();
    kinds
        .map(|(kind, pem)| (kind, files(scene, kind, pem.as_ref(), options)))
        .collect()
}

fn required(scene: &Scene) -> ClientCertificates {
    ClientCertificates::Required(scene.authority.authorities())
}

fn optional(scene: &Scene) -> ClientCertificates {
    ClientCertificates::Optional(scene.authority.authorities())
}

/// The files of a certificate and its key, as options or words.
fn files(scene: &Scene, name: &str, pem: Option<&Pem>, options: [&str; 2]) -> Vec<String> {
    let Some(pem) = pem else { return Vec::new() };
    let (cert, key) = scene.files(name, pem);
    match options {
        ["cert=", "key="] => vec![format!("cert={cert}"), format!("key={key}")],
        [first, second] => vec![first.into(), cert, second.into(), key],
    }
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

const OF_PYTHON: [&str; 2] = ["cert=", "key="];
const OF_OPENSSL: [&str; 2] = ["-cert", "-key"];

#[test]
fn a_good_client_is_known_to_the_handler() {
    let scene = Scene::new("mutual_good");
    let between = scene.authority.intermediate("between");
    let chained = between
        .issue(Leaf::client("another client"))
        .followed_by(&between);
    for (pem, name, length) in [
        (&scene.client, "the client", 1),
        (&chained, "another client", 2),
    ] {
        let of_python = files(&scene, "client", Some(pem), OF_PYTHON);
        let of_openssl = files(&scene, "client", Some(pem), OF_OPENSSL);
        for (_, versions) in VERSIONS {
            for client_certificates in [required(&scene), optional(&scene)] {
                let echo = Echo::start(ServerOptions {
                    versions,
                    client_certificates,
                    ..scene.options()
                });
                let is_known = |served: peers::drivers::Served| {
                    let peer = served.session.peer_certificate().expect("it proved itself");
                    assert_eq!(peer.common_name(), Some(name));
                    assert_eq!(served.session.peer_chain().len(), length);
                };
                for mut python in pythons() {
                    python.connect(echo.port, &words(&of_python)).ok();
                    is_known(echo.served());
                    // Who comes back with a ticket is still the same.
                    let again = [&words(&of_python)[..], &["resume=yes"]].concat();
                    assert_eq!(&python.connect(echo.port, &again).ok()["reused"], "True");
                    is_known(echo.served());
                }
                let chain = scene.write("between.pem", &between.pem());
                let options = [&words(&of_openssl)[..], &["-cert_chain", &chain]].concat();
                let options = if length == 1 {
                    words(&of_openssl)
                } else {
                    options
                };
                let mut client = Openssl::client(echo.port, &options);
                client.say(b"hello\n");
                client.wait_for("hello\n");
                client.end();
                is_known(echo.served());
            }
        }
    }
}

#[test]
fn python_without_a_good_certificate_gets_nothing() {
    let scene = Scene::new("mutual_python");
    let kinds = bad_files(&scene, OF_PYTHON);
    at_once(|driver| {
        for (_, versions) in VERSIONS {
            for client_certificates in [required(&scene), optional(&scene)] {
                let is_optional = matches!(client_certificates, ClientCertificates::Optional(_));
                let echo = Echo::under(
                    driver,
                    ServerOptions {
                        versions,
                        client_certificates,
                        ..scene.options()
                    },
                );
                for mut python in pythons() {
                    for (kind, files) in &kinds {
                        if is_optional && files.is_empty() {
                            python.connect(echo.port, &[]).ok();
                            assert!(echo.served().session.peer_certificate().is_none());
                            continue;
                        }
                        // It speaks first, as clients do that think the handshake is done.
                        let said = python.connect(echo.port, &words(files));
                        let said = said.refused();
                        let error = echo.refusal();
                        assert!(
                            matches!(error, Error::Handshake { .. }),
                            "{kind}: {error:?}"
                        );
                        assert_ne!(&said["stage"], "end", "{kind}: {said:?}");
                        // It listens first: that is how it learns why.
                        let listening = [&words(files)[..], &["send=0", "end=wait"]].concat();
                        python
                            .connect(echo.port, &listening)
                            .refused()
                            .because("alert");
                        echo.refusal();
                    }
                }
            }
        }
    });
}

#[test]
fn s_client_without_a_good_certificate_gets_nothing() {
    let scene = Scene::new("mutual_s_client");
    let kinds = bad_files(&scene, OF_OPENSSL);
    at_once(|driver| {
        for (_, versions) in VERSIONS {
            let echo = Echo::under(
                driver,
                ServerOptions {
                    versions,
                    client_certificates: required(&scene),
                    ..scene.options()
                },
            );
            for (kind, files) in &kinds {
                let mut client = Openssl::client(echo.port, &words(files));
                client.wait_for("alert");
                client.say(b"hello\n");
                client.end();
                assert!(!client.said.contains("hello"), "{kind}: {}", client.said);
                let error = echo.refusal();
                assert!(
                    matches!(error, Error::Handshake { .. }),
                    "{kind}: {error:?}"
                );
            }
        }
    });
}

#[test]
fn our_client_proves_itself_to_others() {
    let scene = Scene::new("mutual_ours");
    let (cert, key) = scene.files("server", &scene.server);
    let ca = scene.ca();
    let connector = |pem: Option<&Pem>| {
        Connector::new(ClientOptions {
            identity: pem.map(Pem::identity),
            ..ClientOptions::new(scene.authority.authorities())
        })
    };
    let good = connector(Some(&scene.client)).unwrap();
    for (version, _) in VERSIONS {
        let (_, no_version) = ("", format!("version={version}"));
        let of_python = [
            format!("cert={cert}"),
            format!("key={key}"),
            format!("ca={ca}"),
            "clients=required".into(),
            no_version,
        ];
        let tls = if version == "1.2" {
            "-tls1_2"
        } else {
            "-tls1_3"
        };
        let of_openssl = [
            "-rev",
            "-cert",
            &cert,
            "-key",
            &key,
            "-CAfile",
            &ca,
            "-Verify",
            "1",
            "-verify_return_error",
            tls,
        ];
        for mut python in pythons() {
            let port = python.serve(&words(&of_python));
            say_and_hear(&good, port, b"hello\n").unwrap();
            let said = python.hear().ok();
            assert_eq!(&said["common"], "the client");

            for (kind, pem) in bad_kinds(&scene) {
                // Some are of no use to begin with.
                let Ok(connector) = connector(pem.as_ref()) else {
                    assert!(["expired", "not yet valid"].contains(&kind), "{kind}");
                    continue;
                };
                let port = python.serve(&words(&of_python));
                let error = say_and_hear(&connector, port, b"hello\n").expect_err(kind);
                python.hear().refused();
                assert_refused(kind, error);
            }
        }
        let (_server, port) = Openssl::server(&of_openssl);
        say_and_hear(&good, port, b"hello\n").unwrap();
        let error = say_and_hear(&connector(None).unwrap(), port, b"hello\n").unwrap_err();
        assert_refused("none", error);
    }
}

/// The other side has said why it hangs up.
fn assert_refused(kind: &str, error: io::Error) {
    let source = error.get_ref().and_then(|error| error.downcast_ref());
    assert!(
        matches!(source, Some(Error::Refused { .. })),
        "{kind}: {error:?}"
    );
}

/// Says something; hears as much.
fn say_and_hear(connector: &Connector, port: u16, words: &[u8]) -> io::Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut stream: TlsStream<TcpStream> = connector.connect("localhost", stream)?;
    // Listening first, for a server of TLS 1.3 refuses after the handshake; this one may be gone then.
    stream.write_all(words)?;
    stream.read_exact(&mut vec![0; words.len()])?;
    stream.finish()
}
