//! A handler that panics, or whose error hook does, costs its own connection only.

mod support;

use std::io::Read as _;
use std::sync::mpsc;
use std::time::Duration;

use socket_server::{Connection, Failure, HandlerResult, Server};
use support::{ask, client, each, echo, receive, rest};

fn touchy(connection: &mut Connection) -> HandlerResult {
    let mut first = [0];
    connection.read_exact(&mut first)?;
    assert_ne!(&first, b"!", "not that");
    std::io::Write::write_all(connection, &first)?;
    echo(connection)
}

#[test]
fn a_panic_costs_one_connection() {
    each(|strategy| {
        let (sender, told) = mpsc::channel();
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .on_error(move |_, failure| {
                if let Failure::Panicked(message) = failure {
                    sender.send(message.clone()).expect("the test listens");
                }
            })
            .serve(touchy)
            .unwrap();
        for _ in 0..5 {
            let mut bad = client(&running);
            std::io::Write::write_all(&mut bad, b"!").unwrap();
            assert_eq!(rest(&mut bad), b"");
            assert!(receive(&told).contains("not that"));
            ask(&mut client(&running), b"fine");
        }
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.accepted, stats.panicked, stats.finished), (10, 5, 5));
    });
}

#[test]
fn so_does_one_in_a_hook() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .verify(|peer| peer.ip().expect("TCP").is_loopback() || panic!("never"))
            .on_error(|_, _| panic!("on top of it"))
            .serve(touchy)
            .unwrap();
        let mut bad = client(&running);
        std::io::Write::write_all(&mut bad, b"!").unwrap();
        assert_eq!(rest(&mut bad), b"");
        ask(&mut client(&running), b"fine");
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.panicked, stats.finished), (1, 1));
    });
}

#[test]
fn so_does_one_where_it_is_decided_who_is_a_proxy() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .proxied(|_| panic!("undecided"))
            .on_error(|_, _| {})
            .serve(echo)
            .unwrap();
        for _ in 0..3 {
            assert_eq!(rest(&mut client(&running)), b"");
        }
        assert_eq!(running.shutdown(Duration::MAX).panicked, 3);
    });
}

#[test]
fn what_verify_panics_with_is_told() {
    let (sender, told) = mpsc::channel();
    let running = Server::tcp("127.0.0.1:0")
        .verify(|_| panic!("undecided"))
        .on_error(move |_, failure| sender.send(failure.to_string()).expect("the test listens"))
        .serve(echo)
        .unwrap();
    assert_eq!(rest(&mut client(&running)), b"");
    assert_eq!(receive(&told), "the handler panicked: undecided");
}
