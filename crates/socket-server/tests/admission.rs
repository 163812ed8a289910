//! Who is let in: limits on counts, verify, and changing them while the server runs.

mod support;

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use socket_server::{Connection, HandlerResult, Limits, Refused, Server, Strategy};
use support::{ask, client, each, each_parallel, echo, receive, rest};

fn at_most(max_connections: usize, refusal: &'static str) -> Limits {
    Limits {
        max_connections,
        refusal: refusal.as_bytes().into(),
        ..Limits::default()
    }
}

#[test]
fn over_the_limit_newcomers_wait() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .limits(at_most(1, ""))
            .serve(echo)
            .unwrap();
        let mut first = client(&running);
        ask(&mut first, b"first");
        let mut second = client(&running);
        std::io::Write::write_all(&mut second, b"?").unwrap();
        ask(&mut first, b"still alone");
        assert_eq!((running.stats().accepted, running.stats().open), (1, 1));
        drop(first);
        second.read_exact(&mut [0]).unwrap();
        ask(&mut second, b"second");
        drop(second);
        assert_eq!(running.shutdown(Duration::MAX).finished, 2);
    });
}

#[test]
fn over_the_limit_newcomers_are_refused_with_a_reason() {
    each_parallel(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .limits(at_most(1, "full, come back later\n"))
            .serve(echo)
            .unwrap();
        let mut first = client(&running);
        ask(&mut first, b"first");
        for _ in 0..3 {
            assert_eq!(rest(&mut client(&running)), b"full, come back later\n");
        }
        ask(&mut first, b"still there");
        drop(first);
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.accepted, stats.refused, stats.finished), (4, 3, 1));
    });
}

#[test]
fn one_address_does_not_take_all_places() {
    each_parallel(|strategy| {
        let limits = Limits {
            max_per_address: 1,
            refusal: b"one each\n".into(),
            ..Limits::default()
        };
        // The client is seen as 127.0.0.1, not as ::ffff:127.0.0.1, whichever it came by.
        let running = Server::tcp("[::]:0")
            .strategy(strategy)
            .limits(limits)
            .serve(echo)
            .unwrap();
        let port = running.address().socket_addr().expect("TCP").port();
        let from = |host| TcpStream::connect((host, port)).expect("the server listens");
        let mut first = from("127.0.0.1");
        ask(&mut first, b"first");
        assert_eq!(rest(&mut from("127.0.0.1")), b"one each\n");
        let mut other = from("::1");
        ask(&mut other, b"other");
        assert_eq!(rest(&mut from("::1")), b"one each\n");
        drop(first);
        // Its place is free as soon as the server has seen the end.
        while running.stats().open > 1 {
            ask(&mut other, b"waiting");
        }
        ask(&mut from("127.0.0.1"), b"again");
        drop(other);
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.refused, stats.finished), (2, 3));
    });
}

#[test]
fn limits_change_while_running() {
    each_parallel(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .limits(at_most(1, ""))
            .serve(echo)
            .unwrap();
        let mut first = client(&running);
        ask(&mut first, b"first");
        let mut second = client(&running); // waits
        running.set_limits(at_most(2, "full\n"));
        ask(&mut second, b"second");
        assert_eq!(rest(&mut client(&running)), b"full\n");
        running.set_limits(at_most(0, "closing time\n"));
        assert_eq!(rest(&mut client(&running)), b"closing time\n");
        ask(&mut first, b"not put out");
        assert_eq!(running.limits(), at_most(0, "closing time\n"));
    });
}

#[test]
fn too_many_handshakes_at_a_time() {
    each_parallel(|strategy| {
        let limits = Limits {
            max_handshakes: 1,
            refusal: b"busy\n".into(),
            ..Limits::default()
        };
        let (sender, told) = mpsc::channel();
        let shake = |connection: &mut Connection| -> HandlerResult {
            connection.handshake(|mut connection| {
                std::io::Write::write_all(&mut connection, b"?")?;
                connection.read_exact(&mut [0])
            })?;
            echo(connection)
        };
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .limits(limits)
            .on_error(move |_, failure| sender.send(failure.to_string()).expect("the test listens"))
            .serve(shake)
            .unwrap();
        let mut first = client(&running);
        first.read_exact(&mut [0]).unwrap();
        assert_eq!(running.stats().pending, 1);
        let mut second = client(&running);
        assert_eq!(rest(&mut second), b"busy\n");
        let expected = Refused::TooManyHandshakes { limit: 1 }.to_string();
        assert_eq!(receive(&told), expected);
        std::io::Write::write_all(&mut first, b"!").unwrap();
        ask(&mut first, b"done");
        assert_eq!(running.stats().pending, 0);
        let mut third = client(&running);
        third.read_exact(&mut [0]).unwrap();
        drop((first, third));
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.finished, stats.refused, stats.failed), (1, 1, 1));
    });
}

#[test]
fn verify_decides_by_the_peer() {
    each(|strategy| {
        let (sender, peers) = mpsc::channel();
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .verify(move |peer| {
                sender.send(peer.clone()).expect("the test listens");
                peer.socket_addr().expect("TCP").port().is_multiple_of(2)
            })
            .serve(echo)
            .unwrap();
        let (mut welcome, mut unwelcome) = (0, 0);
        for _ in 0..20 {
            let mut client = client(&running);
            let address = client.local_addr().unwrap();
            if address.port().is_multiple_of(2) {
                ask(&mut client, b"hello");
                welcome += 1;
            } else {
                assert_eq!(rest(&mut client), b"");
                unwelcome += 1;
            }
            let peer = receive(&peers);
            assert_eq!(peer.socket_addr(), Some(address));
            assert_eq!(
                (peer.to_string(), peer.proxy()),
                (address.to_string(), None)
            );
        }
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.finished, stats.refused), (welcome, unwelcome));
    });
}

#[test]
fn errors_of_a_handler_are_told_with_the_peer() {
    each(|strategy: Strategy| {
        let (sender, told) = mpsc::channel();
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .on_error(move |peer, failure| {
                let told = (peer.socket_addr(), failure.to_string());
                sender.send(told).expect("the test listens");
            })
            .serve(|_| Err("no such aphorism".into()))
            .unwrap();
        let mut client = client(&running);
        let address = client.local_addr().unwrap();
        assert_eq!(rest(&mut client), b"");
        assert_eq!(
            receive(&told),
            (Some(address), "no such aphorism".to_owned())
        );
        assert_eq!(running.shutdown(Duration::MAX).failed, 1);
    });
}
