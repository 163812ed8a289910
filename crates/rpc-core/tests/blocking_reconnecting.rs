//! A client that connects again, and a server that is killed at awkward moments.
#![cfg(feature = "postcard")]

mod two;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rpc_core::blocking::{Client, Reconnecting, serve};
use rpc_core::native::Envelope;
use rpc_core::{Error, Fault, Kind, Options, Reason, Registry, native};

use two::options;

/// A server whose connections end as they are told: one after the other, the last goes on for ever.
struct Fragile {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    executed: Arc<AtomicU64>,
}

#[derive(Clone, Copy)]
enum Fate {
    /// Before the hello.
    AtOnce,
    /// After the hello, before any call is read.
    BeforeReading,
    /// When a call has come, with a goodbye that names the last one taken.
    Taking(u32),
    /// When the call has been run, before its answer.
    BeforeAnswer,
    /// When so many calls have been answered, with a goodbye.
    After(u64),
    Lives,
}

impl Fragile {
    fn start(fates: Vec<Fate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let fragile = Self {
            address,
            accepted: Arc::default(),
            executed: Arc::default(),
        };
        let (accepted, executed) = (fragile.accepted.clone(), fragile.executed.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                let fate = *fates
                    .get(number)
                    .or_else(|| fates.last())
                    .expect("there is one");
                let (stream, executed) = (stream.expect("it listens"), executed.clone());
                thread::spawn(move || live(&stream, fate, executed));
            }
        });
        fragile
    }

    fn client(&self) -> Reconnecting {
        let address = self.address;
        Reconnecting::new(move || Client::new(TcpStream::connect(address)?, options()))
    }

    fn executed(&self) -> u64 {
        self.executed.load(Ordering::SeqCst)
    }
}

fn live(stream: &TcpStream, fate: Fate, executed: Arc<AtomicU64>) {
    let cut = stream.try_clone().expect("descriptors");
    let drained = rpc_core::blocking::Workers::default();
    let (mut registry, draining) = (Registry::new(), drained.clone());
    registry.register("step", [], move || {
        let steps = executed.fetch_add(1, Ordering::SeqCst) + 1;
        match fate {
            Fate::BeforeAnswer => drop(cut.shutdown(std::net::Shutdown::Both)),
            Fate::After(calls) if calls == steps => draining.drain(),
            _ => {}
        }
        steps
    });
    let peer = native::Peer::new(Arc::new(registry), options());
    match fate {
        Fate::AtOnce => {}
        Fate::BeforeReading | Fate::Taking(_) => {
            let mut peer = peer;
            let mut stream = stream;
            let hello = std::mem::take(rpc_core::Dialect::output(&mut peer));
            std::io::Write::write_all(&mut stream, &hello).expect("it is connected");
            // The client's hello has to be read, or closing would be a reset that overtakes ours.
            read_frame(stream);
            if let Fate::Taking(last) = fate {
                read_frame(stream);
                let (mut goodbye, reason) = (Vec::new(), Reason::Shutdown);
                Envelope::Goodbye { last, reason }.write(&mut goodbye);
                std::io::Write::write_all(&mut stream, &goodbye).expect("it waits");
            }
        }
        // How it ends is the matter of the test.
        Fate::After(_) => drop(drained.serve(stream, peer)),
        Fate::BeforeAnswer | Fate::Lives => drop(serve(stream, peer)),
    }
}

fn read_frame(mut stream: &TcpStream) {
    let mut header = [0; 4];
    stream.read_exact(&mut header).expect("a frame comes");
    let mut rest = vec![0; u32::from_be_bytes(header) as usize];
    stream.read_exact(&mut rest).expect("all of it");
}

#[test]
fn it_connects_when_it_must_and_only_then() {
    let server = Fragile::start(vec![Fate::Lives]);
    let client = server.client();
    assert_eq!(server.accepted.load(Ordering::SeqCst), 0);
    for step in 1..=10 {
        assert_eq!(client.call::<u64>("step", ()).unwrap(), step);
    }
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
}

#[test]
fn it_tries_until_there_is_a_server() {
    let server = Fragile::start(vec![Fate::AtOnce, Fate::AtOnce, Fate::Lives]);
    assert_eq!(server.client().call::<u64>("step", ()).unwrap(), 1);
    assert_eq!(server.accepted.load(Ordering::SeqCst), 3);
}

#[test]
fn a_call_that_the_server_did_not_take_is_repeated() {
    let server = Fragile::start(vec![Fate::After(3), Fate::Lives]);
    let client = server.client();
    for step in 1..=8 {
        assert_eq!(client.call::<u64>("step", ()).unwrap(), step);
    }
    assert_eq!(server.executed(), 8);
    assert_eq!(server.accepted.load(Ordering::SeqCst), 2);
}

#[test]
fn a_call_that_may_have_been_run_is_not_repeated() {
    for fate in [Fate::BeforeAnswer, Fate::BeforeReading] {
        let server = Fragile::start(vec![fate, Fate::Lives]);
        let client = server.client();
        let before = match client.call::<u64>("step", ()) {
            Err(Error::Lost { not_run: false, .. } | Error::Io(_)) => server.executed(),
            // The end was seen before the call was sent.
            Ok(1) if matches!(fate, Fate::BeforeReading) => 1,
            other => panic!("{other:?}"),
        };
        assert!(before <= 1, "it was run {before} times");
        // The next one finds the new connection.
        assert_eq!(client.call::<u64>("step", ()).unwrap(), before + 1);
        assert_eq!(server.executed(), before + 1);
    }
}

#[test]
fn the_goodbye_says_whether_a_call_on_its_way_is_repeated() {
    let server = Fragile::start(vec![Fate::Taking(0), Fate::Taking(0), Fate::Lives]);
    let client = server.client();
    assert_eq!(client.call::<u64>("step", ()).unwrap(), 1);
    assert_eq!(server.accepted.load(Ordering::SeqCst), 3);
    let reset = format!("{client:?}").contains("attempts: 0");
    assert!(reset, "an answer ends the waiting: {client:?}");

    let server = Fragile::start(vec![Fate::Taking(1), Fate::Lives]);
    let error = server.client().call::<u64>("step", ()).unwrap_err();
    assert!(
        matches!(error, Error::Lost { not_run: false, .. }),
        "{error:?}"
    );
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
}

/// Serves each connection that is made with it; how many there were, and how often its function was run.
fn counting(
    answer: impl Fn(u64) -> Result<u64, Fault> + Clone + Send + Sync + 'static,
    options: Options,
) -> (Reconnecting, Arc<AtomicUsize>, Arc<AtomicU64>) {
    let (connected, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let (connections, executed) = (connected.clone(), runs.clone());
    let client = Reconnecting::new(move || {
        connections.fetch_add(1, Ordering::SeqCst);
        let ((near, far), mut registry) = (two::tcp(), Registry::new());
        let (answer, executed) = (answer.clone(), executed.clone());
        registry
            .register("step", [], move || {
                answer(executed.fetch_add(1, Ordering::SeqCst) + 1)
            })
            .blocking();
        let peer = native::Peer::new(Arc::new(registry), two::options());
        thread::spawn(move || serve(&far, peer));
        Client::new(near, options.clone())
    });
    (client.patience(Duration::from_secs(2)), connected, runs)
}

#[test]
fn what_a_function_answers_is_the_answer_whatever_it_says() {
    for kind in [
        Kind::ShuttingDown,
        Kind::Overloaded,
        Kind::WrongArguments,
        Kind::UnknownFunction,
        Kind::Cancelled,
        Kind::Application("Busy".to_owned()),
    ] {
        let fault = Fault::of(kind, "it was run");
        let answer = fault.clone();
        let (client, connected, runs) = counting(move |_| Err(answer.clone()), options());
        match client.call::<u64>("step", ()) {
            Err(Error::Fault(found)) => assert_eq!(found, fault),
            other => panic!("{other:?}"),
        }
        let counted = (
            connected.load(Ordering::SeqCst),
            runs.load(Ordering::SeqCst),
        );
        assert_eq!(counted, (1, 1), "{fault}");
    }
}

#[test]
fn a_call_whose_time_is_over_is_not_repeated() {
    let after = Duration::from_millis(20);
    let options = Options {
        call_timeout: Some(after),
        ..options()
    };
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let answer = move |step| {
        // Until the test is over.
        let _ = held.lock().expect("nobody panics with it").recv();
        Ok(step)
    };
    let (client, connected, runs) = counting(answer, options);
    let error = client.call::<u64>("step", ()).unwrap_err();
    assert!(
        matches!(error, Error::Timeout { after: late } if late == after),
        "{error:?}"
    );
    assert!(runs.load(Ordering::SeqCst) <= 1);
    assert_eq!(connected.load(Ordering::SeqCst), 1);
    drop(hold);
}

#[test]
fn many_callers_share_one_connection_and_each_call_runs_at_most_once() {
    let server = Fragile::start(vec![
        Fate::After(100),
        Fate::AtOnce,
        Fate::BeforeAnswer,
        Fate::Lives,
    ]);
    let client = server.client();
    let (answered, unknown) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    match client.call::<u64>("step", ()) {
                        Ok(_) => answered.fetch_add(1, Ordering::SeqCst),
                        Err(error) => {
                            assert!(!error.is_safe_to_repeat(), "{error:?}");
                            unknown.fetch_add(1, Ordering::SeqCst)
                        }
                    };
                }
            });
        }
    });
    let (answered, unknown) = (answered.into_inner(), unknown.into_inner());
    assert_eq!(answered + unknown, 800);
    assert!(
        unknown <= 8,
        "one connection was lost, with at most a call of each thread"
    );
    let executed = server.executed();
    assert!(
        (answered..=800).contains(&executed),
        "{executed} for {answered}"
    );
    assert_eq!(server.accepted.load(Ordering::SeqCst), 4);
}

#[test]
fn patience_ends_with_the_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Reconnecting::new(move || Client::new(TcpStream::connect(address)?, options()))
        .patience(Duration::from_millis(150));
    let Err(Error::Io(refused)) = client.call::<u64>("step", ()) else {
        panic!("nobody listens");
    };
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn ends_that_do_not_suit_each_other_are_an_error_at_once() {
    let server = Fragile::start(vec![Fate::Lives]);
    let address = server.address;
    let client = Reconnecting::new(move || {
        let options = Options {
            expect: Some(1),
            ..options()
        };
        Client::new(TcpStream::connect(address)?, options)
    });
    let error = client.call::<u64>("step", ()).unwrap_err();
    assert!(
        matches!(error, Error::Mismatch { expected: 1, .. }),
        "{error:?}"
    );
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
}

#[test]
fn an_idle_connection_that_ended_is_noticed_before_a_call_is_lost_with_it() {
    let (near, far) = two::tcp();
    let mut registry = Registry::new();
    registry.register("one", [], || 1);
    let serving = far.try_clone().expect("descriptors");
    let peer = native::Peer::new(Arc::new(registry), options());
    let served = thread::spawn(move || serve(&serving, peer));
    let client = Client::new(near, options()).unwrap();
    assert_eq!(client.call::<i64>("one", ()).unwrap(), 1);
    far.shutdown(std::net::Shutdown::Both).unwrap();
    drop(served.join().expect("no panic"));
    let deadline = Instant::now() + two::PATIENCE;
    while client.is_open() {
        assert!(
            Instant::now() < deadline,
            "nobody reads, and it does not look"
        );
        thread::yield_now();
    }
    let error = client.call::<i64>("one", ()).unwrap_err();
    assert!(error.is_safe_to_repeat(), "{error:?}");
}
