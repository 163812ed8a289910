//! A running echo server is replaced by another one, and no client notices.

mod support;
mod tls_support;

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fd_passing::handover::take;
use rustix::process::Signal;
use support::strategies::{STRATEGIES, at_once, connect, echo, exchange, read_to_end};
use support::{DEADLINE, Ended, Folder, Program};
use tls_mixin::{Connector, Versions};
use tls_support::{Certificates, texts};

fn start(strategy: &str, path: &str, options: &[&str]) -> Program {
    start_at("127.0.0.1:0", strategy, path, options)
}

fn start_at(listen: &str, strategy: &str, path: &str, options: &[&str]) -> Program {
    let arguments = [
        "--listen",
        listen,
        "--strategy",
        strategy,
        "--handover",
        path,
    ];
    Program::start("echo_server", &[&arguments, options].concat())
}

/// Ends it by a signal, in order.
fn stop(server: Program) -> Ended {
    server.signal(Signal::TERM);
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    ended
}

/// How many connections a server has finished; it has had no others.
fn finished(ended: &Ended) -> u64 {
    let summary = ended.stderr.lines().last().expect("a summary");
    let (served, finished) = summary
        .split_once(" connections served, ")
        .unwrap_or_else(|| panic!("{ended:?}"));
    let finished = finished
        .strip_suffix(" finished")
        .expect("all have finished");
    assert!(served.ends_with(&format!(" {finished}")), "{ended:?}");
    finished.parse().expect("a number")
}

#[test]
fn the_next_process_takes_over_and_conversations_go_on_in_the_old_one() {
    at_once(|strategy| {
        let folder = Folder::new(&format!("next-{strategy}"));
        let path = folder.path("socket");
        let old = start(strategy, &path, &[]);
        let address = old.address();
        let before = connect(&old);
        echo(&before, b"hello");

        let new = start(strategy, &path, &[]);
        assert_eq!(new.address(), address);
        old.stderr.wait_for("stopping within 60 s");
        // The old one serves whom it has, the new one everybody else.
        let after = connect(&new);
        assert_eq!(exchange(&after, b"hello"), b"hello");
        echo(&before, b"still here");
        assert_eq!(exchange(&before, b"bye"), b"bye");
        let ended = old.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        // The one who came next may have come before the old one stopped to accept.
        let by_old = finished(&ended);
        assert!((1..=2).contains(&by_old), "{ended:?}");
        assert_eq!(finished(&stop(new)), 2 - by_old);
        assert!(!std::fs::exists(&path).unwrap(), "the socket is removed");
    });
}

/// Connects, echoes and closes for as long as the test takes.
struct Load {
    address: SocketAddr,
    /// `None` for clients without TLS.
    connector: Option<Connector>,
    is_over: AtomicBool,
    conversations: AtomicU64,
}

impl Load {
    fn new(address: SocketAddr, connector: Option<Connector>) -> Self {
        Self {
            address,
            connector,
            is_over: AtomicBool::new(false),
            conversations: AtomicU64::new(0),
        }
    }

    /// One of the clients. A conversation that goes wrong in any way is the failure of the test.
    fn run(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let talked = self.talk();
            assert!(talked.is_ok(), "{talked:?}");
            self.conversations.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn talk(&self) -> Result<(), Box<dyn Error>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let mut echoed = Vec::new();
        match &self.connector {
            Some(connector) => {
                let mut stream = connector.connect("localhost", stream)?;
                echoed = tls_support::exchange(&mut stream, b"hello")?;
            }
            None => {
                stream.write_all(b"hello")?;
                stream.shutdown(Shutdown::Write)?;
                stream.read_to_end(&mut echoed)?;
            }
        }
        match &echoed[..] {
            b"hello" => Ok(()),
            other => Err(format!("{:?} came back", other.escape_ascii().to_string()).into()),
        }
    }
}

/// Ends the load, even if the test fails.
struct Ending<'a>(&'a Load);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// Replaces a server under load by these, one after the other. With certificates, all is inside TLS.
fn restart_under_load(path: &str, certificates: Option<&Certificates>, first: &str, next: &[&str]) {
    let tls = certificates.map(Certificates::of_server);
    let tls = tls.as_ref().map_or(Vec::new(), |tls| texts(tls));
    let options = [&["--workers", "4"], &tls[..]].concat();
    let mut server = start(first, path, &options);
    let address = server.address();
    let connector = certificates.map(|known| known.connector(Versions::default(), None));
    let load = Load::new(address, connector);
    let mut restarts = 0;
    let mut served = 0;
    std::thread::scope(|scope| {
        let _ending = Ending(&load);
        for _ in 0..2 {
            scope.spawn(|| load.run());
        }
        for &strategy in next {
            let new = start(strategy, path, &options);
            assert_eq!(new.address(), address);
            let old = std::mem::replace(&mut server, new).wait();
            assert_eq!(old.status.code(), Some(0), "{old:?}");
            served += finished(&old);
            restarts += 1;
        }
    });
    served += finished(&stop(server));
    let talked = load.conversations.into_inner();
    println!("{first}: {talked} conversations over {restarts} restarts");
    assert_eq!((restarts, served), (next.len(), talked));
}

#[test]
fn twenty_restarts_under_load_fail_no_connection() {
    at_once(|strategy| {
        let folder = Folder::new(&format!("load-{strategy}"));
        restart_under_load(&folder.path("socket"), None, strategy, &[strategy; 20]);
    });
}

#[test]
fn each_structure_takes_over_from_each_other() {
    let folder = Folder::new("mixed");
    let next = STRATEGIES.iter().cycle().skip(1).step_by(3).take(20);
    let next: Vec<_> = next.copied().collect();
    restart_under_load(&folder.path("socket"), None, "serial", &next);
}

#[test]
fn inside_tls_no_connection_fails_either() {
    let folder = Folder::new("tls");
    let certificates = Certificates::make();
    // Each structure takes over from itself, and from another one.
    let next: Vec<_> = STRATEGIES
        .iter()
        .flat_map(|&strategy| [strategy; 2])
        .collect();
    restart_under_load(&folder.path("socket"), Some(&certificates), "loop", &next);
}

#[test]
fn a_new_process_that_is_killed_before_it_is_ready_changes_nothing() {
    at_once(|strategy| {
        let folder = Folder::new(&format!("killed-{strategy}"));
        let path = folder.path("socket");
        let old = start(strategy, &path, &[]);
        let mut python = Command::new("python3");
        let mut new = python
            .args(["-c", TAKES_AND_WAITS, &path])
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs python3");
        let mut said = String::new();
        let stdout = new.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut said).unwrap();
        assert_eq!(said, "has it\n");
        new.kill().unwrap();
        new.wait().unwrap();
        old.stderr
            .wait_for("not handed over: the other process is gone");
        assert_eq!(exchange(&connect(&old), b"hello"), b"hello");

        // One that gives up.
        drop(take(&path).unwrap().expect("the old process is there"));
        old.stderr
            .wait_for("not handed over: the new process has given up");
        assert_eq!(exchange(&connect(&old), b"hello"), b"hello");

        // And then one that does not.
        let address = old.address();
        let new = start(strategy, &path, &[]);
        assert_eq!(new.address(), address);
        assert_eq!(old.wait().status.code(), Some(0));
        assert_eq!(exchange(&connect(&new), b"hello"), b"hello");
        assert_eq!(finished(&stop(new)), 1);
    });
}

/// Takes the listener, does not say that it is ready, and waits.
const TAKES_AND_WAITS: &str = r#"
import socket, sys, time
old = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
old.connect(sys.argv[1])
old.send(b"hand\x01h")
message, descriptors, _, _ = socket.recv_fds(old, 65536, 253)
assert message == b"hand\x01o\x01\x08listener" and len(descriptors) == 1, message
print("has it", flush=True)
old.recv(1)
"#;

#[test]
fn a_new_process_that_can_not_start_changes_nothing() {
    let folder = Folder::new("bad");
    let path = folder.path("socket");
    let old = start("threads", &path, &[]);
    let address = old.address().to_string();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = other.local_addr().unwrap().to_string();
    let unix = format!("unix:{}", folder.path("other"));
    let long = folder.path(&"x".repeat(108));
    let elsewhere = format!("listens on tcp://{address}, not on tcp://{other}");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--handover", &path, "--strategy", "best"], 2, "best"),
        (&["--handover", &path, "--drain", "0"], 2, "more than 0"),
        (&["--handover", &path, "--listen", &other], 1, &elsewhere),
        (
            &["--handover", &path, "--listen", &unix],
            1,
            "must be a Unix listener",
        ),
        (&["--handover", &long], 1, "the limit is 107"),
        // Without a handover.
        (&["--listen", &address], 1, "in use"),
    ];
    for (options, code, why) in cases {
        let ended = Program::start("echo_server", options).wait();
        assert_eq!(ended.status.code(), Some(code), "{options:?}: {ended:?}");
        assert!(ended.stderr.contains(why), "{options:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{options:?}");
        assert_eq!(exchange(&connect(&old), b"hello"), b"hello");
    }
    assert_eq!(finished(&stop(old)), 6);
}

#[test]
fn the_file_of_a_unix_socket_stays_until_the_last_one_ends() {
    at_once(|strategy| {
        let folder = Folder::new(&format!("unix-{strategy}"));
        let path = folder.path("socket");
        let name = format!("@echo-{strategy}-{}", std::process::id());
        let file = folder.path("echo");
        for (listen, url) in [
            (&file, format!("unix://{file}")),
            (&name, format!("unix:{name}")),
        ] {
            let start = || {
                let listen = format!("unix:{listen}");
                let server = start_at(&listen, strategy, &path, &[]);
                assert_eq!(server.url(), url);
                server
            };
            let talk = || {
                let mut stream = examples::connect_unix(listen.as_ref()).expect("it listens");
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                stream.write_all(b"hello").unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                assert_eq!(read_to_end(stream), b"hello");
            };
            let old = start();
            talk();
            let new = start();
            assert_eq!(old.wait().status.code(), Some(0));
            talk();
            stop(new);
            assert!(!std::fs::exists(listen).unwrap(), "{listen} is removed");
            assert!(!std::fs::exists(&path).unwrap(), "{path} is removed");
        }
    });
}

#[test]
fn a_conversation_that_goes_on_is_cut_off_after_the_drain() {
    at_once(|strategy| {
        let folder = Folder::new(&format!("drain-{strategy}"));
        let path = folder.path("socket");
        let old = start(strategy, &path, &["--drain", "0.5"]);
        let stream = connect(&old);
        echo(&stream, b"before");
        let began = Instant::now();
        let new = start(strategy, &path, &[]);
        new.address();
        old.stderr.wait_for("stopping within 0.5 s");
        // Cut off: the end, or a reset.
        assert_eq!((&stream).read(&mut [0]).unwrap_or(0), 0);
        assert!(began.elapsed() >= Duration::from_millis(500));
        let ended = old.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let summary = "1 connections served, 0 finished, 1 cut off\n";
        assert!(ended.stderr.ends_with(summary), "{ended:?}");
    });
}

#[test]
fn a_signal_ends_a_process_that_has_handed_over_at_once() {
    at_once(|strategy| {
        let folder = Folder::new(&format!("signal-{strategy}"));
        let path = folder.path("socket");
        let old = start(strategy, &path, &[]);
        let stream = connect(&old);
        echo(&stream, b"hello");
        let new = start(strategy, &path, &[]);
        new.address();
        old.stderr.wait_for("stopping within 60 s");
        old.signal(Signal::TERM);
        let ended = old.wait();
        assert_eq!(ended.status.code(), Some(143), "{ended:?}");
        assert_eq!(exchange(&connect(&new), b"hello"), b"hello");
    });
}

#[test]
fn who_comes_after_a_signal_is_refused_at_once() {
    at_once(|strategy| {
        let folder = Folder::new(&format!("refused-{strategy}"));
        let path = folder.path("socket");
        let server = start(strategy, &path, &[]);
        let address = server.address();
        let stream = connect(&server);
        echo(&stream, b"hello");
        server.signal(Signal::TERM);
        server.stderr.wait_for("stopping within 5 s");
        // The listener closes a moment later; who comes before that is reset.
        let until = Instant::now() + Duration::from_secs(3);
        while TcpStream::connect(address).is_ok() {
            assert!(Instant::now() < until, "it still listens");
        }
        assert_eq!(exchange(&stream, b"bye"), b"bye");
        assert_eq!(server.wait().status.code(), Some(0));
    });
}

#[test]
fn the_zen_server_is_replaced_too() {
    let folder = Folder::new("zen");
    let path = folder.path("socket");
    let start = || support::strategies::start("zen_server", "threads", &["--handover", &path]);
    let old = start();
    let address = old.address();
    let new = start();
    assert_eq!(new.address(), address);
    assert_eq!(old.wait().status.code(), Some(0));
    let answer = exchange(&connect(&new), b"Simple is better than?");
    assert_eq!(answer, b"Complex.");
}
