//! The same calls over TLS, behind a handshake, through pipes, and under a server of connections.
#![cfg(feature = "postcard")]

mod two;

use std::io;
use std::net::TcpStream;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use auth_hmac::{ChallengeKey, ChallengeOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rpc_core::blocking::{Client, Pair, Pending, Stream, Workers, serve};
use rpc_core::{Error, native};
use socket_server::{Connection, HandlerResult, Server};
use tls_mixin::{
    Acceptor, Authorities, ClientOptions, Connector, Identity, ServerOptions, TlsStream,
};

use two::{functions, options, tcp};

fn peer() -> native::Peer {
    native::Peer::new(Arc::new(functions().1), options())
}

fn serving(stream: impl Stream + Send + 'static) -> JoinHandle<Result<(), Error>> {
    thread::spawn(move || serve(&stream, peer()))
}

/// Calls of all sizes, alone and together, with the reader in a plain read and polling.
fn talk(client: &Client) {
    for client in [client.clone(), client.timeout(Duration::from_millis(900))] {
        for round in 0..50 {
            assert_eq!(
                client
                    .call::<i64>("add", (round, 1))
                    .expect("it is answered"),
                round + 1
            );
        }
        let mut batch = client.batch();
        let calls: Vec<_> = (0..1000)
            .map(|n| batch.call::<i64>("add", (n, 1)).expect("it is answered"))
            .collect();
        batch.send();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.wait().expect("it is answered"), n as i64 + 1);
        }
    }
    let large = "x".repeat(3 << 20);
    let calls: Vec<_> = (0..4)
        .map(|_| {
            client
                .start::<String>("echo", (&large,))
                .expect("it is answered")
        })
        .collect();
    for call in calls {
        assert!(call.wait().expect("it is answered") == large);
    }
    assert_eq!(
        client
            .call::<String>("later", (3, "end"))
            .expect("it is answered"),
        "end"
    );
}

fn tls() -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
    let names = ["localhost".to_owned()];
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(names).expect("a certificate");
    let identity = Identity::from_pem(
        cert.pem().as_bytes(),
        signing_key.serialize_pem().as_bytes(),
    );
    let acceptor = Acceptor::new(ServerOptions::new(identity.expect("they fit")));
    let acceptor = acceptor.expect("the options are right");
    let authorities = Authorities::from_pem(cert.pem().as_bytes()).expect("a certificate");
    let connector = Connector::new(ClientOptions::new(authorities)).expect("they are right");
    let (near, far) = tcp();
    let accepting = thread::spawn(move || acceptor.accept(far).expect("the client is honest"));
    let near = connector
        .connect("localhost", near)
        .expect("so is the server");
    (near, accepting.join().expect("no panic"))
}

#[test]
fn over_tls() {
    let (near, far) = tls();
    let served = serving(far);
    let client = Client::new(near, options()).unwrap();
    talk(&client);
    thread::scope(|scope| {
        for n in 0..16 {
            let client = client.clone();
            scope.spawn(move || assert_eq!(client.call::<i64>("add", (n, 1)).unwrap(), n + 1));
        }
    });
    drop(client);
    served.join().expect("no panic").unwrap();
}

/// Writes crumbs, so that each is a TLS record.
struct Crumbs(TlsStream<TcpStream>);

impl Stream for Crumbs {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Stream::read(&self.0, buf)
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        Stream::write(&self.0, &buf[..buf.len().min(20)])
    }

    fn flush(&self) -> io::Result<()> {
        Stream::flush(&self.0)
    }

    fn reading(&self) -> BorrowedFd<'_> {
        self.0.reading()
    }

    fn writing(&self) -> BorrowedFd<'_> {
        self.0.writing()
    }
}

#[test]
fn answers_in_many_tls_records_are_not_left_lying() {
    let (near, far) = tls();
    let served = serving(Crumbs(far));
    let client = Client::new(near, options()).unwrap();
    // What has less than a second polls the descriptor, which knows nothing of what was read and is left.
    let polling = client.timeout(Duration::from_millis(900));
    // A busy machine may need longer for some; what is left lying needs longer for nearly all.
    let in_time = (0..40).filter(|_| {
        let mut batch = polling.batch();
        let calls: Vec<_> = (0..1000)
            .map(|n| batch.call::<i64>("add", (n, 1)).unwrap())
            .collect();
        batch.send();
        let answers: Result<Vec<_>, Error> = calls.into_iter().map(Pending::wait).collect();
        match answers {
            Ok(_) => true,
            Err(Error::Timeout { .. }) => {
                // Answered after those that were given up.
                client.call::<i64>("add", (1, 1)).unwrap();
                false
            }
            Err(error) => panic!("{error}"),
        }
    });
    assert_eq!(in_time.take(20).count(), 20);
    drop((client, polling));
    served.join().expect("no panic").unwrap();
}

#[test]
fn behind_a_proof_of_the_key() {
    let key = ChallengeKey::new([7; 32]).expect("long enough");
    let (mut near, mut far) = tcp();
    let asked = key.clone();
    let served = thread::spawn(move || {
        let options = ChallengeOptions::default();
        auth_hmac::blocking::challenge(&mut far, &asked, &options).expect("it knows the key");
        serve(&far, peer())
    });
    auth_hmac::blocking::answer(&mut near, &key, &ChallengeOptions::default()).unwrap();
    let client = Client::new(near, options()).unwrap();
    talk(&client);
    drop(client);
    served.join().expect("no panic").unwrap();
}

#[test]
fn over_a_unix_socket() {
    let (near, far) = UnixStream::pair().unwrap();
    let served = serving(far);
    let client = Client::new(near, options()).unwrap();
    talk(&client);
    client.close();
    served.join().expect("no panic").unwrap();
}

#[test]
fn through_pipes() {
    let (near_input, far_output) = io::pipe().unwrap();
    let (far_input, near_output) = io::pipe().unwrap();
    let served = serving(Pair::new(far_input, far_output));
    let client = Client::new(Pair::new(near_input, near_output), options()).unwrap();
    talk(&client);
    thread::scope(|scope| {
        let running = client.clone();
        let run = scope.spawn(move || running.run());
        talk(&client);
        client.close();
        run.join().expect("no panic").unwrap();
    });
    drop(client);
    served.join().expect("no panic").unwrap();
}

#[test]
fn as_the_handler_of_a_server() {
    let workers = Workers::default();
    let serving = workers.clone();
    let handler = move |connection: &mut Connection| -> HandlerResult {
        serving.serve(&*connection, peer())?;
        Ok(())
    };
    let running = Server::tcp("127.0.0.1:0").serve(handler).unwrap();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stream = TcpStream::connect(running.address()).unwrap();
            Client::new(stream, options()).unwrap()
        })
        .collect();
    talk(&clients[0]);
    workers.drain();
    // Nobody has to be cut: all are idle, and end when they are told.
    let stats = running.shutdown(two::PATIENCE);
    assert_eq!((stats.finished, stats.cut_off), (4, 0));
}

#[cfg(feature = "json")]
#[test]
fn a_child_process_calls_through_its_standard_streams() {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    const CHILD: &str = r#"
import json, sys
for number in range(100):
    print(json.dumps({"jsonrpc": "2.0", "method": "add", "params": [number, 1], "id": number}), flush=True)
    answer = json.loads(sys.stdin.readline())
    assert answer == {"jsonrpc": "2.0", "result": number + 1, "id": number}, answer
"#;
    let mut child = Command::new("python3")
        .args(["-c", CHILD])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let input = File::from(OwnedFd::from(child.stdout.take().expect("it is piped")));
    let output = File::from(OwnedFd::from(child.stdin.take().expect("it is piped")));
    let registry = Arc::new(functions().1);
    let dialect = rpc_core::json_rpc::Peer::new(registry, rpc_core::json_rpc::Options::default());
    serve(&Pair::new(input, output), dialect).unwrap();
    assert!(child.wait().unwrap().success());
}
