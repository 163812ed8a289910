//! Certificates that change while the server runs.
#![cfg(feature = "ring")]

mod certificates;
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use certificates::{Authority, Leaf, Pem};
use support::{Folder, LONG, Stream, meet, meet_well};
use tls_mixin::{
    Acceptor, Authorities, Certificate, ClientCertificates, ClientOptions, Connector, Error, Flaw,
    Identity, ServerOptions, Version, Versions,
};

/// A server's files, and a client that trusts their authority.
struct Files {
    folder: Folder,
    authority: Authority,
}

impl Files {
    fn new(name: &str) -> Self {
        let files = Self {
            folder: Folder::new(&format!("reload-{name}")),
            authority: Authority::new("authority"),
        };
        files.renew();
        files
    }

    fn issue(&self) -> Pem {
        self.authority.issue(Leaf::server(&["localhost"]))
    }

    /// Writes a new certificate and its key, each in one step. Returns the certificate's fingerprint.
    fn renew(&self) -> [u8; 32] {
        let pem = self.issue();
        self.put("server_key.pem", &pem.key);
        self.put("server_cert.pem", &pem.certificate);
        fingerprint(&pem)
    }

    fn put(&self, name: &str, content: &str) {
        let new = self.folder.file("new", content);
        fs::rename(new, self.path(name)).expect("the folder for tests is writable");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    fn options(&self) -> ServerOptions {
        let identity =
            Identity::from_pem_files(self.path("server_cert.pem"), self.path("server_key.pem"));
        ServerOptions::new(identity.expect("the files are right"))
    }

    fn connector(&self) -> Connector {
        let options = ClientOptions::new(self.authority.authorities());
        Connector::new(options).expect("the options are right")
    }
}

fn fingerprint(pem: &Pem) -> [u8; 32] {
    use tls_mixin::rustls::pki_types::CertificateDer;
    use tls_mixin::rustls::pki_types::pem::PemObject;
    let der = CertificateDer::from_pem_slice(pem.certificate.as_bytes()).expect("it is PEM");
    let certificate = Certificate::from_der(&der).expect("it is a certificate");
    certificate.sha256()
}

/// The certificate that a new client sees.
fn shown(files: &Files, acceptor: &Acceptor) -> [u8; 32] {
    let (client, _) = meet_well(&files.connector(), acceptor, "localhost");
    let peer = client.session().peer_certificate();
    peer.expect("servers show one").sha256()
}

fn flaw(error: Error) -> Flaw {
    match error {
        Error::Unusable { flaw, .. } => flaw,
        other => panic!("{other}"),
    }
}

#[test]
fn under_load_no_connection_fails() {
    let files = Files::new("load");
    let acceptor = Acceptor::new(files.options()).unwrap();
    let connector = files.connector();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stop = AtomicBool::new(false);
    let all_gone = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let accepts = |stream: TcpStream| {
        let mut stream = acceptor.accept(stream).expect("the client is good");
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).expect("the client asks");
        stream.write_all(&heard).expect("the client listens");
        stream.finish().expect("the client listens");
    };
    let asks = || {
        while !stop.load(Ordering::Relaxed) {
            let tcp = TcpStream::connect(address).expect("the server listens");
            tcp.set_read_timeout(Some(LONG)).expect("not zero");
            let mut stream = connector.connect("localhost", tcp).expect("it is good");
            stream.write_all(b"hello").expect("the server listens");
            let mut heard = String::new();
            stream.read_to_string(&mut heard).expect("it ends cleanly");
            assert_eq!(heard, "hello");
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::scope(|scope| {
                for stream in listener.incoming().map_while(Result::ok) {
                    if all_gone.load(Ordering::Relaxed) {
                        break;
                    }
                    scope.spawn(|| accepts(stream));
                }
            });
        });
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(asks)).collect();
        for round in 1..=20 {
            let new = files.renew();
            acceptor.reload().unwrap();
            assert!(shown(&files, &acceptor) == new);
            // The load goes on meanwhile.
            while answered.load(Ordering::Relaxed) < 3 * round {
                assert!(clients.iter().all(|client| !client.is_finished()));
                thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        all_gone.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(address));
    });
}

#[test]
fn what_is_half_written_changes_nothing() {
    let files = Files::new("half");
    let acceptor = Acceptor::new(files.options()).unwrap();
    let before = shown(&files, &acceptor);
    let new = files.issue();
    files.put("server_key.pem", &new.key[..new.key.len() / 2]);
    assert_eq!(flaw(acceptor.reload().unwrap_err()), Flaw::Damaged);
    assert!(shown(&files, &acceptor) == before);
    files.put("server_key.pem", &new.key);
    assert_eq!(flaw(acceptor.reload().unwrap_err()), Flaw::WrongKey);
    assert!(shown(&files, &acceptor) == before);
    fs::remove_file(files.path("server_cert.pem")).unwrap();
    let error = acceptor.reload().unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    assert!(shown(&files, &acceptor) == before);
    files.put("server_cert.pem", &new.certificate);
    acceptor.reload().unwrap();
    assert!(shown(&files, &acceptor) == fingerprint(&new));
}

#[test]
fn options_that_are_refused_change_nothing() {
    let files = Files::new("refused");
    let acceptor = Acceptor::new(files.options()).unwrap();
    let connector = files.connector();
    let mut before = meet_well(&connector, &acceptor, "localhost");
    assert!(!visit(&connector, &acceptor).unwrap());
    let expired = Leaf::server(&["localhost"]).expired();
    let refused = acceptor.replace(ServerOptions {
        identity: files.authority.issue(expired).identity(),
        versions: Versions::Tls12,
        retire_after: Some(Duration::ZERO),
        ..files.options()
    });
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
    is_alive(&mut before).unwrap();
    // Even tickets are as good as before.
    assert!(visit(&connector, &acceptor).unwrap());
    let (client, _) = meet_well(&files.connector(), &acceptor, "localhost");
    assert_eq!(client.session().version(), Version::Tls13);
}

#[test]
fn changed_files_are_noticed() {
    let files = Files::new("noticed");
    let acceptor = Acceptor::new(ServerOptions {
        check_files: Some(Duration::ZERO),
        ..files.options()
    })
    .unwrap();
    let before = shown(&files, &acceptor);
    let new = files.issue();
    files.put("server_key.pem", &new.key[..new.key.len() / 2]);
    assert!(shown(&files, &acceptor) == before);
    files.put("server_key.pem", &new.key);
    assert!(shown(&files, &acceptor) == before);
    files.put("server_cert.pem", &new.certificate);
    assert!(shown(&files, &acceptor) == fingerprint(&new));
    let new = files.renew();
    assert!(shown(&files, &acceptor) == new);
}

#[test]
fn what_changed_before_the_start_is_noticed_too() {
    let files = Files::new("before");
    let options = ServerOptions {
        check_files: Some(Duration::ZERO),
        ..files.options()
    };
    let new = files.renew();
    let acceptor = Acceptor::new(options).unwrap();
    assert!(shown(&files, &acceptor) == new);
}

#[test]
fn without_being_told_or_before_it_is_time_files_are_not_looked_at() {
    let files = Files::new("unseen");
    for check_files in [None, Some(LONG)] {
        let options = ServerOptions {
            check_files,
            ..files.options()
        };
        let acceptor = Acceptor::new(options).unwrap();
        let before = shown(&files, &acceptor);
        let new = files.renew();
        assert!(shown(&files, &acceptor) == before);
        acceptor.reload().unwrap();
        assert!(shown(&files, &acceptor) == new);
    }
}

fn is_alive((client, server): &mut (Stream, Stream)) -> Result<(), std::io::Error> {
    server.write_all(b"hello")?;
    client.read_exact(&mut [0; 5])?;
    client.write_all(b"hello").expect("clients do not retire");
    server.read_exact(&mut [0; 5])
}

#[test]
fn older_connections_go_on_or_retire() {
    let files = Files::new("retire");
    let connect = |acceptor: &Acceptor| meet_well(&files.connector(), acceptor, "localhost");
    let acceptor = Acceptor::new(files.options()).unwrap();
    let mut first = connect(&acceptor);
    acceptor.reload().unwrap();
    is_alive(&mut first).unwrap();
    let with = |retire_after| ServerOptions {
        retire_after: Some(retire_after),
        ..files.options()
    };
    let mut second = connect(&acceptor);
    acceptor.replace(with(LONG)).unwrap();
    is_alive(&mut second).unwrap();
    // The second was told when it ends, and is not told otherwise.
    let mut third = connect(&acceptor);
    acceptor.replace(with(Duration::ZERO)).unwrap();
    is_alive(&mut second).unwrap();
    let error = is_alive(&mut third).unwrap_err();
    let inner = error.get_ref().unwrap().downcast_ref();
    assert!(
        matches!(
            inner,
            Some(Error::Retired {
                after: Duration::ZERO
            })
        ),
        "{error}"
    );
    let mut buf = [0];
    assert!(third.1.read(&mut buf).is_err());
    assert!((&third.1).read(&mut buf).is_err());
    assert!((&third.1).write(&buf).is_err());
    // It may still say goodbye.
    third.1.finish().unwrap();
    assert_eq!(third.0.read(&mut buf).unwrap(), 0);
    is_alive(&mut connect(&acceptor)).unwrap();
}

/// Lets the client have its ticket. Returns whether it came back with one.
fn visit(connector: &Connector, acceptor: &Acceptor) -> Result<bool, Error> {
    let (client, server) = meet(connector, acceptor, "localhost");
    let mut server = server?;
    server.write_all(b"hello")?;
    let mut client = client.expect("the server is good");
    client.read_exact(&mut [0; 5])?;
    Ok(server.session().is_resumed())
}

struct Mutual {
    servers: Authority,
    clients: Authority,
}

impl Mutual {
    fn new() -> Self {
        Self {
            servers: Authority::new("of servers"),
            clients: Authority::new("of clients"),
        }
    }

    fn server(&self, trusts: Authorities) -> ServerOptions {
        let server = self.servers.issue(Leaf::server(&["localhost"]));
        ServerOptions {
            client_certificates: ClientCertificates::Required(trusts),
            ..ServerOptions::new(server.identity())
        }
    }

    fn client(&self, leaf: Leaf, versions: Versions) -> Connector {
        let options = ClientOptions {
            identity: Some(self.clients.issue(leaf).identity()),
            versions,
            ..ClientOptions::new(self.servers.authorities())
        };
        Connector::new(options).expect("the options are right")
    }
}

#[test]
fn no_ticket_gets_past_a_new_authority() {
    for versions in [Versions::Tls12, Versions::Tls13] {
        let ends = Mutual::new();
        let acceptor = Acceptor::new(ends.server(ends.clients.authorities())).unwrap();
        let connector = ends.client(Leaf::client("one"), versions);
        assert!(!visit(&connector, &acceptor).unwrap());
        assert!(visit(&connector, &acceptor).unwrap());
        acceptor.reload().unwrap();
        assert!(!visit(&connector, &acceptor).unwrap());
        assert!(visit(&connector, &acceptor).unwrap());
        let others = Authority::new("others").authorities();
        acceptor.replace(ends.server(others)).unwrap();
        let refused = visit(&connector, &acceptor).unwrap_err();
        assert!(matches!(refused, Error::Handshake { .. }), "{refused}");
    }
}

#[test]
fn no_ticket_outlives_the_certificate_it_was_given_for() {
    for versions in [Versions::Tls12, Versions::Tls13] {
        let ends = Mutual::new();
        let acceptor = Acceptor::new(ends.server(ends.clients.authorities())).unwrap();
        // Longer ones are for machines on which the first two handshakes take so long.
        let was_back = |seconds: u64| {
            let end = SystemTime::now() + Duration::from_secs(seconds);
            let leaf = Leaf::client("one").valid_for(Duration::from_secs(seconds));
            let connector = ends.client(leaf, versions);
            visit(&connector, &acceptor).ok()?;
            let is_back = visit(&connector, &acceptor).ok()?;
            is_back.then_some((end, connector))
        };
        let (end, connector) = [2, 5, 20].into_iter().find_map(was_back).unwrap();
        // It is valid until the end of its last second.
        let end = end + Duration::from_secs(1);
        while let Ok(left) = end.duration_since(SystemTime::now()) {
            thread::park_timeout(left);
        }
        let refused = visit(&connector, &acceptor).unwrap_err();
        assert!(refused.to_string().contains("expired"), "{refused}");
    }
}
