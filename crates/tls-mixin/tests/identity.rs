//! What is wrong with files, said before anybody connects.
#![cfg(feature = "ring")]

mod certificates;
mod support;

use certificates::{Authority, Leaf, Pem};
use rcgen::{KeyPair, PKCS_ED25519};
use support::Folder;
use tls_mixin::{
    Acceptor, Authorities, ClientOptions, Connector, Error, Flaw, Identity, ServerOptions,
};

fn server() -> Pem {
    Authority::new("authority").issue(Leaf::server(&["localhost"]))
}

fn flaw(error: Error) -> Flaw {
    match error {
        Error::Unusable { flaw, .. } => flaw,
        other => panic!("{other}"),
    }
}

/// Why a server does not start with it.
fn rejected(identity: Identity) -> Flaw {
    let options = ServerOptions::new(identity);
    flaw(Acceptor::new(options).expect_err("there is a flaw"))
}

#[test]
fn one_file_may_have_it_all() {
    let folder = Folder::new("identity-one");
    let Pem { certificate, key } = server();
    let both = folder.file(
        "both.pem",
        format!("some words\n{key}more words\n{certificate}"),
    );
    let identity = Identity::from_pem_files(&both, &both).unwrap();
    Acceptor::new(ServerOptions::new(identity)).unwrap();
}

#[test]
fn an_error_names_the_file() {
    let folder = Folder::new("identity-names");
    let Pem { certificate, key } = server();
    let certificate = folder.file("server_cert.pem", certificate);
    let key = folder.file("server_key.pem", key);
    let none = folder.path("none.pem");
    for (certificates, key) in [(&none, &key), (&certificate, &none)] {
        let error = Identity::from_pem_files(certificates, key).unwrap_err();
        assert!(
            matches!(&error, Error::File { path, .. } if *path == none),
            "{error}"
        );
        assert!(error.to_string().contains("none.pem"), "{error}");
    }
    let error = Identity::from_pem_files(&key, &key).unwrap_err();
    assert!(error.to_string().contains("server_key.pem"), "{error}");
    assert_eq!(flaw(error), Flaw::KeyForCertificate);
    let error = Identity::from_pem_files(&certificate, &certificate).unwrap_err();
    assert!(error.to_string().contains("server_cert.pem"), "{error}");
    assert_eq!(flaw(error), Flaw::CertificateForKey);
    let error = Authorities::from_pem_file(&key).unwrap_err();
    assert_eq!(flaw(error), Flaw::KeyForCertificate);
    let empty = folder.file("empty.pem", "");
    assert_eq!(
        flaw(Authorities::from_pem_file(&empty).unwrap_err()),
        Flaw::NoCertificate
    );
    assert_eq!(
        flaw(Identity::from_pem_files(&empty, &key).unwrap_err()),
        Flaw::NoCertificate
    );
    assert_eq!(
        flaw(Identity::from_pem_files(&certificate, &empty).unwrap_err()),
        Flaw::NoKey
    );
    let long = folder.file("long.pem", vec![b'a'; (4 << 20) + 1]);
    let too_long = Flaw::TooLong { max: 4 << 20 };
    assert_eq!(
        flaw(Authorities::from_pem_file(long).unwrap_err()),
        too_long
    );
    // What is wrong between two files is said of the certificates.
    let other = folder.file("other_key.pem", server().key);
    let identity = Identity::from_pem_files(&certificate, other).unwrap();
    let error = Acceptor::new(ServerOptions::new(identity)).unwrap_err();
    assert!(error.to_string().contains("server_cert.pem"), "{error}");
    assert_eq!(flaw(error), Flaw::WrongKey);
}

#[test]
fn what_is_not_pem_is_told() {
    let Pem { certificate, key } = server();
    let refused = |certificate: &[u8], key: &[u8]| {
        flaw(Identity::from_pem(certificate, key).expect_err("there is a flaw"))
    };
    let half = &certificate.as_bytes()[..certificate.len() / 2];
    assert_eq!(refused(half, key.as_bytes()), Flaw::Damaged);
    let half = &key.as_bytes()[..key.len() / 2];
    assert_eq!(refused(certificate.as_bytes(), half), Flaw::Damaged);
    assert_eq!(
        refused(&[0x30, 0x82, 1, 2, 3], key.as_bytes()),
        Flaw::NotPem
    );
    assert_eq!(
        refused(certificate.as_bytes(), &[0x30, 0x82, 1, 2, 3]),
        Flaw::NotPem
    );
    assert_eq!(refused(b"hello", key.as_bytes()), Flaw::NoCertificate);
    for mark in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    ] {
        assert_eq!(
            refused(certificate.as_bytes(), mark.as_bytes()),
            Flaw::EncryptedKey
        );
    }
    let nonsense = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert_eq!(
        rejected(Identity::from_pem(nonsense.as_bytes(), key.as_bytes()).unwrap()),
        Flaw::NotX509
    );
    let authorities = Authorities::from_pem(nonsense.as_bytes());
    assert_eq!(flaw(authorities.unwrap_err()), Flaw::NotX509);
    let nonsense = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    assert_eq!(
        rejected(Identity::from_pem(certificate.as_bytes(), nonsense.as_bytes()).unwrap()),
        Flaw::UnsupportedKey
    );
}

#[test]
fn the_key_must_belong_to_the_first_certificate() {
    let root = Authority::new("root");
    let between = root.intermediate("between");
    let leaf = between.issue(Leaf::server(&["localhost"]));
    let right = Pem {
        certificate: leaf.certificate.clone() + &between.pem(),
        key: leaf.key.clone(),
    };
    Acceptor::new(ServerOptions::new(right.identity())).unwrap();
    let wrong = Pem {
        certificate: between.pem() + &leaf.certificate,
        key: leaf.key.clone(),
    };
    assert!(matches!(
        rejected(wrong.identity()),
        Flaw::BrokenChain { index: 0, .. } | Flaw::WrongOrder { index: 1 }
    ));
    let wrong = Pem {
        certificate: leaf.certificate.clone() + &root.pem(),
        key: leaf.key.clone(),
    };
    assert_eq!(
        rejected(wrong.identity()),
        Flaw::BrokenChain {
            index: 0,
            issuer: "CN=between".into(),
            next: "CN=root".into(),
        }
    );
    let wrong = Pem {
        key: KeyPair::generate_for(&PKCS_ED25519)
            .unwrap()
            .serialize_pem(),
        ..leaf
    };
    assert_eq!(rejected(wrong.identity()), Flaw::WrongKey);
}

#[test]
fn certificates_must_be_valid_now() {
    let authority = Authority::new("authority");
    let expired = authority.issue(Leaf::server(&["localhost"]).expired());
    let options = ServerOptions::new(expired.identity());
    let error = Acceptor::new(options).unwrap_err();
    assert!(
        error.to_string().contains("2021-01-01T00:00:00Z"),
        "{error}"
    );
    assert!(matches!(flaw(error), Flaw::Expired { index: 0, .. }));
    let early = authority.issue(Leaf::client("early").not_yet_valid());
    let connector = Connector::new(ClientOptions {
        identity: Some(early.identity()),
        ..ClientOptions::new(authority.authorities())
    });
    let error = connector.unwrap_err();
    assert!(
        error.to_string().contains("2120-01-01T00:00:00Z"),
        "{error}"
    );
    assert!(matches!(flaw(error), Flaw::NotYetValid { index: 0, .. }));
}

#[test]
fn authorities_add_up() {
    let one = Authority::new("one");
    let two = Authority::new("two");
    let both = one.authorities().and(two.authorities());
    assert_eq!((one.authorities().len(), both.len()), (1, 2));
    let in_one_text = Authorities::from_pem((one.pem() + &two.pem()).as_bytes()).unwrap();
    assert_eq!(in_one_text.len(), 2);
}

#[cfg(feature = "webpki-roots")]
#[test]
fn mozillas_authorities_are_compiled_in() {
    let all = Authorities::webpki().and(Authority::new("ours").authorities());
    assert!(all.len() > 50, "{}", all.len());
    Connector::new(ClientOptions::new(all)).unwrap();
}

#[test]
fn a_key_is_never_shown() {
    let pem = server();
    let shown = format!("{:?}", ServerOptions::new(pem.identity()));
    assert!(shown.contains("Secret(..)"), "{shown}");
}
