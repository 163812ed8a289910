//! A server that is several.
#![cfg(feature = "ring")]

mod certificates;
mod support;

use certificates::{Authority, Leaf};
use support::meet_well;
use tls_mixin::{
    Acceptor, ClientOptions, Connector, Error, Identity, ServerOptions, Version, Versions,
    dangerous,
};

/// Whose certificate says in its common name what it is for.
fn named(authority: &Authority, name: &str) -> Identity {
    authority
        .issue(Leaf::client(name).without_purpose())
        .identity()
}

fn options(others: &[&str]) -> ServerOptions {
    let authority = Authority::new("authority");
    ServerOptions {
        others: (others.iter())
            .map(|name| (name.to_string(), named(&authority, name)))
            .collect(),
        ..ServerOptions::new(named(&authority, "default"))
    }
}

#[test]
fn the_name_that_is_asked_for_chooses() {
    let acceptor = Acceptor::new(options(&[
        "example.org",
        "*.example.org",
        "www.example.org",
        "*.www.example.org",
        "UPPER.example.net",
    ]))
    .unwrap();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let connector = Connector::new(ClientOptions {
            versions,
            ..ClientOptions::new(dangerous::unverified())
        })
        .unwrap();
        for (asked, shown) in [
            ("example.org", "example.org"),
            ("mail.example.org", "*.example.org"),
            ("www.example.org", "www.example.org"),
            ("WWW.Example.ORG", "www.example.org"),
            ("a.www.example.org", "*.www.example.org"),
            ("a.b.example.org", "default"),
            ("upper.example.net", "UPPER.example.net"),
            ("org", "default"),
            ("elsewhere.com", "default"),
            ("127.0.0.1", "default"),
        ] {
            let (client, server) = meet_well(&connector, &acceptor, asked);
            let peer = client.session().peer_certificate().unwrap();
            assert_eq!(peer.common_name(), Some(shown), "{asked}");
            let told = server.session().server_name();
            assert_eq!(told.is_none(), asked == "127.0.0.1");
            let is_new = server.session().version() == Version::Tls13;
            assert_eq!(is_new, versions == Versions::Tls13);
        }
    }
}

#[test]
fn names_are_checked_before_anybody_asks() {
    for name in ["", "*.", "*", "www.*.org", "a b", "127.0.0.1", "*.*.org"] {
        match Acceptor::new(options(&[name])) {
            Err(Error::InvalidName { name: told }) => assert_eq!(told, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    match Acceptor::new(options(&["a.org", "*.a.org", "A.org"])) {
        Err(Error::DuplicateName { name }) => assert_eq!(name, "A.org"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_identities_are_checked_too() {
    let authority = Authority::new("authority");
    let expired = authority.issue(Leaf::server(&["a.org"]).expired());
    let options = ServerOptions {
        others: vec![("a.org".into(), expired.identity())],
        ..options(&[])
    };
    let error = Acceptor::new(options).unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
}
