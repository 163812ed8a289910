//! What was negotiated, as both ends see it, with every driver.

mod certificates;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use certificates::{Authority, Leaf};
use event_loop::{Closed, Context, EventLoop, Options, Outgoing, StreamHandler};
use tls_mixin::{
    Acceptor, AlternativeName, ClientCertificates, ClientOptions, Connector, ServerOptions,
    Session, Version, Versions,
};

struct Ends {
    acceptor: Acceptor,
    connector: Connector,
}

fn ends(versions: Versions) -> Ends {
    let authority = Authority::new("authority");
    let server = authority.issue(Leaf::server(&["localhost", "127.0.0.1"]));
    let client = authority.issue(Leaf::client("somebody"));
    let acceptor = Acceptor::new(ServerOptions {
        client_certificates: ClientCertificates::Optional(authority.authorities()),
        versions,
        alpn: vec![b"one".to_vec(), b"two".to_vec()],
        ..ServerOptions::new(server.identity())
    });
    let connector = Connector::new(ClientOptions {
        identity: Some(client.identity()),
        alpn: vec![b"two".to_vec(), b"three".to_vec()],
        ..ClientOptions::new(authority.authorities())
    });
    Ends {
        acceptor: acceptor.expect("an acceptor"),
        connector: connector.expect("a connector"),
    }
}

/// The server's session, and the client's.
fn blocking(ends: &Ends, name: &str) -> (Session, Session) {
    let (left, right) = UnixStream::pair().expect("a pair");
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let mut stream = ends.acceptor.accept(left).expect("the client is good");
            stream.write_all(b"hello").expect("somebody reads");
            stream.finish().expect("somebody reads");
            stream.session().clone()
        });
        let mut stream = ends
            .connector
            .connect(name, right)
            .expect("the server is good");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).expect("a clean end");
        (server.join().expect("no panic"), stream.session().clone())
    })
}

async fn tokio(ends: &Ends) -> (Session, Session) {
    let (left, right) = tokio::io::duplex(100_000);
    let server = tls_mixin::tokio::accept(&ends.acceptor, left);
    let client = tls_mixin::tokio::connect(&ends.connector, "localhost", right);
    let (server, client) = tokio::join!(server, client);
    let (server, client) = (server.expect("a handshake"), client.expect("a handshake"));
    (server.session().clone(), client.session().clone())
}

fn event_loop(ends: &Ends) -> (Session, Session) {
    let seen: Rc<RefCell<Vec<Session>>> = Rc::default();
    let mut event_loop: EventLoop = EventLoop::new().expect("a loop");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    let (acceptor, of_server) = (ends.acceptor.clone(), Rc::clone(&seen));
    let of_client = Rc::clone(&seen);
    let client =
        tls_mixin::event_loop::client(&ends.connector, "localhost", move |session: &Session| {
            of_client.borrow_mut().push(session.clone());
            |_: &[u8], _: &mut Outgoing, _: &mut Context<'_>| {}
        });
    event_loop
        .listen(listener, Options::default(), move |_| {
            let seen = Rc::clone(&of_server);
            tls_mixin::event_loop::server(&acceptor, move |session: &Session| {
                seen.borrow_mut().insert(0, session.clone());
                Goodbye
            })
        })
        .expect("a listener");
    event_loop
        .connect(address, Options::default(), client.expect("a name"))
        .expect("a connection");
    event_loop.run().expect("the loop runs");
    let seen = seen.borrow();
    (seen[0].clone(), seen[1].clone())
}

/// Has nothing to say, and stops the loop.
struct Goodbye;

impl StreamHandler for Goodbye {
    fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        out.close();
    }

    fn received(&mut self, _: &[u8], _: &mut Outgoing, _: &mut Context<'_>) {}

    fn closed(&mut self, _: &Closed, cx: &mut Context<'_>) {
        cx.stop(Duration::from_secs(5));
    }
}

#[test]
fn both_ends_see_the_same() {
    for (versions, version, shown) in [
        (Versions::Tls12, Version::Tls12, "TLSv1.2"),
        (Versions::Tls13, Version::Tls13, "TLSv1.3"),
        (Versions::Tls12And13, Version::Tls13, "TLSv1.3"),
    ] {
        let (server, client) = blocking(&ends(versions), "localhost");
        for session in [&server, &client] {
            assert_eq!(session.version(), version);
            assert_eq!(session.version().to_string(), shown);
            assert_eq!(session.alpn(), Some(&b"two"[..]));
            assert!(session.key_exchange().is_some());
            assert!(!session.is_resumed());
            assert!(session.cipher_suite().starts_with("TLS_"));
            assert!(!session.cipher_suite().contains("TLS13"));
        }
        assert_eq!(server.cipher_suite(), client.cipher_suite());
        assert_eq!(server.cipher_bits(), client.cipher_bits());
        assert_eq!(server.cipher_bits(), 256);
        assert_eq!(server.key_exchange(), client.key_exchange());
        assert_eq!(server.server_name(), Some("localhost"));
        let somebody = server.peer_certificate().expect("it has shown one");
        assert_eq!(somebody.common_name(), Some("somebody"));
        let localhost = client.peer_certificate().expect("a server has one");
        assert_eq!(
            localhost.names()[0],
            AlternativeName::Dns("localhost".into())
        );
        assert_eq!(localhost.der(), &*client.peer_chain()[0]);
    }
}

#[test]
fn an_address_is_no_server_name() {
    let (server, client) = blocking(&ends(Versions::Tls13), "127.0.0.1");
    assert_eq!(server.server_name(), None);
    let certificate = client.peer_certificate().unwrap();
    assert_eq!(certificate.matches("127.0.0.1"), Ok(()));
}

#[test]
fn a_session_that_goes_on_says_so() {
    for versions in [Versions::Tls12, Versions::Tls13] {
        let ends = ends(versions);
        let (first, _) = blocking(&ends, "localhost");
        let (server, client) = blocking(&ends, "localhost");
        assert!(server.is_resumed() && client.is_resumed());
        let certificate = server.peer_certificate().expect("that of the first time");
        assert_eq!(Some(certificate), first.peer_certificate());
        assert!(client.peer_certificate().is_some());
        assert_eq!(server.channel_binding(), client.channel_binding());
        assert_ne!(server.channel_binding(), first.channel_binding());
    }
}

#[test]
fn the_channel_binding_is_the_same_at_both_ends_and_nowhere_else() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build().unwrap();
    let mut seen = Vec::new();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let ends = ends(versions);
        for (server, client) in [
            blocking(&ends, "localhost"),
            runtime.block_on(tokio(&ends)),
            event_loop(&ends),
        ] {
            assert_eq!(server.version(), client.version());
            assert_eq!(server.channel_binding(), client.channel_binding());
            assert!(!seen.contains(&server.channel_binding()));
            assert!(!format!("{server:?}").contains(&format!("{:?}", server.channel_binding())));
            seen.push(server.channel_binding());
        }
    }
}

/// A client that does not know the extended master secret: its first message without that extension.
#[test]
fn tls_1_2_without_extended_master_secret_is_refused() {
    let ends = ends(Versions::Tls12);
    let (left, mut right) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || ends.acceptor.accept(left).map(drop));
    right.write_all(HELLO_WITHOUT_EMS).unwrap();
    let error = server.join().unwrap().unwrap_err();
    assert!(
        error.to_string().contains("ExtendedMasterSecret"),
        "{error}"
    );
    let mut alert = Vec::new();
    right.read_to_end(&mut alert).unwrap();
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 40], "handshake_failure");
}

/// TLS 1.2, ECDHE with ECDSA and AES, X25519 and P-256; nothing else.
const HELLO_WITHOUT_EMS: &[u8] = &[
    22, 3, 1, 0, 87, // record
    1, 0, 0, 83, 3, 3, // client hello
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, //
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, // random
    0,  // no session
    0, 4, 0xC0, 0x2B, 0xC0, 0x2C, // suites
    1, 0, // no compression
    0, 38, // extensions
    0, 10, 0, 6, 0, 4, 0, 29, 0, 23, // groups
    0, 11, 0, 2, 1, 0, // point formats
    0, 13, 0, 6, 0, 4, 4, 3, 5, 3, // signatures
    0, 16, 0, 8, 0, 6, 3, b't', b'w', b'o', 1, b'x', // application protocols
];
