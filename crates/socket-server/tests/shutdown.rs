//! Coming to an end: with grace, without, and left alone.

mod support;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use socket_server::{Address, Connection, HandlerResult, Server, Strategy};
use support::{ask, client, each, each_parallel, echo, receive, rest};

/// Answers byte by byte; after a full stop it may end.
fn polite(connection: &mut Connection) -> HandlerResult {
    let mut byte = [0];
    while connection.read(&mut byte)? == 1 {
        connection.write_all(&byte)?;
        if byte == *b"." && connection.is_stopping() {
            break;
        }
    }
    Ok(())
}

fn wait_until_closed(address: &Address) {
    while TcpStream::connect(address).is_ok() {}
}

#[test]
fn those_in_conversation_may_finish() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(polite)
            .unwrap();
        let address = running.address().clone();
        let mut client = client(&running);
        ask(&mut client, b"a.a");
        let shutdown = thread::spawn(move || running.shutdown(Duration::MAX));
        wait_until_closed(&address);
        ask(&mut client, b"b.");
        assert_eq!(rest(&mut client), b"");
        let stats = shutdown.join().unwrap();
        assert_eq!((stats.open, stats.failed, stats.cut_off), (0, 0, 0));
        // Some of the probes above may have been accepted.
        assert_eq!(stats.finished, stats.accepted);
    });
}

#[test]
fn those_that_wait_for_their_client_are_freed_when_the_grace_is_over() {
    each(|strategy| {
        let (sender, seen) = mpsc::channel();
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(move |connection| {
                let (mut input, mut out) = connection.split();
                let result = io::copy(&mut input, &mut out);
                sender.send(result).expect("the test listens");
                Ok(()) // whatever the handler says
            })
            .unwrap();
        let mut client = client(&running);
        ask(&mut client, b"hello");
        let grace = Duration::from_millis(60);
        let began = Instant::now();
        let stats = running.shutdown(grace);
        assert!(began.elapsed() >= grace);
        assert_eq!((stats.open, stats.finished, stats.cut_off), (0, 0, 1));
        let error = receive(&seen).expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert_eq!(
            error.to_string(),
            "the server stops, and the grace period is over"
        );
        assert_eq!(rest(&mut client), b"");
    });
}

#[test]
fn one_that_does_something_else_for_ever_is_left_alone() {
    each(|strategy| {
        let (release, held) = mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(move |connection| {
                connection.write_all(b"!")?;
                let _ = held.lock().expect("one connection").recv();
                Ok(())
            })
            .unwrap();
        let mut client = client(&running);
        client.read_exact(&mut [0]).unwrap();
        let stats = running.shutdown(Duration::ZERO);
        assert_eq!((stats.open, stats.finished, stats.cut_off), (0, 0, 1));
        drop(release);
    });
}

#[test]
fn dropping_the_server_ends_it_without_grace() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        let mut client = client(&running);
        ask(&mut client, b"hello");
        let address = running.address().clone();
        drop(running);
        assert_eq!(rest(&mut client), b"");
        assert!(TcpStream::connect(&address).is_err());
    });
}

#[test]
fn a_detached_server_accepts_nobody_and_serves_those_it_has() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        let mut client = client(&running);
        ask(&mut client, b"hello");
        let address = running.address().clone();
        running.detach();
        assert!(TcpStream::connect(&address).is_err());
        ask(&mut client, b"still there");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut client), b"");
    });
}

#[test]
fn afterwards_nothing_holds_the_handler_or_the_port() {
    each(|strategy| {
        let shared = Arc::new(());
        let held = Arc::clone(&shared);
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(move |connection| {
                let _ = Arc::clone(&held);
                connection.write_all(b"bye")?;
                Ok(()) // the server closes first
            })
            .unwrap();
        let address = running.address().clone();
        assert_eq!(rest(&mut client(&running)), b"bye");
        drop(running);
        assert_eq!(Arc::strong_count(&shared), 1);
        let running = Server::tcp(&address)
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        assert_eq!(*running.address(), address);
        ask(&mut client(&running), b"hello");
    });
}

#[test]
fn every_connection_is_counted_once() {
    each_parallel(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .on_error(|_, _| {})
            .serve(|connection| {
                let mut byte = [0];
                while connection.read(&mut byte)? == 1 {
                    match byte[0] {
                        b'f' => return Err("failed".into()),
                        b'p' => panic!("panicked"),
                        _ => connection.write_all(&byte)?,
                    }
                }
                Ok(())
            })
            .unwrap();
        for _ in 0..3 {
            let mut failing = client(&running);
            failing.write_all(b"f").unwrap();
            assert_eq!(rest(&mut failing), b"");
            let mut panicking = client(&running);
            panicking.write_all(b"p").unwrap();
            assert_eq!(rest(&mut panicking), b"");
            ask(&mut client(&running), b"hello");
        }
        let mut stuck = client(&running);
        ask(&mut stuck, b"hello");
        let stats = running.shutdown(Duration::from_millis(200));
        assert_eq!((stats.accepted, stats.open), (10, 0));
        assert_eq!((stats.finished, stats.failed), (3, 3));
        assert_eq!((stats.panicked, stats.cut_off), (3, 1));
    });
}

#[test]
fn it_says_what_it_is() {
    let running = Server::tcp("127.0.0.1:0")
        .strategy(Strategy::Serial)
        .serve(echo)
        .unwrap();
    let address = running.address().to_string();
    assert!(address.starts_with("tcp://127.0.0.1:"), "{address}");
    assert!(format!("{running:?}").contains("accepted: 0"));
}
