//! Deadlines: first byte, idle, write, handshake, total.

mod support;

use std::error::Error as _;
use std::io::{self, Read as _, Write as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use socket_server::{Connection, Failure, HandlerResult, Limits, Server, Strategy, Timeout};
use support::{ask, client, each, echo, patient, receive, rest};

const SHORT: Duration = Duration::from_millis(60);

/// Runs a server until a connection has failed; gives the timeout it failed with.
fn timeout_of(
    strategy: Strategy,
    limits: Limits,
    handler: impl Fn(&mut Connection) -> HandlerResult + Send + Sync + 'static,
    play: impl Fn(&mut std::net::TcpStream),
) -> Timeout {
    let (sender, told) = mpsc::channel();
    let running = Server::tcp("127.0.0.1:0")
        .strategy(strategy)
        .limits(limits)
        .on_error(move |_, failure| {
            if let Failure::TimedOut(timeout) = failure {
                sender.send(*timeout).expect("the test listens");
            }
        })
        .serve(handler)
        .expect("a free port");
    let began = Instant::now();
    let mut client = client(&running);
    play(&mut client);
    let timeout = receive(&told);
    assert!(began.elapsed() >= SHORT, "not early");
    let stats = running.shutdown(Duration::MAX);
    assert_eq!((stats.accepted, stats.timed_out), (1, 1));
    timeout
}

#[test]
fn a_client_that_says_nothing() {
    each(|strategy| {
        let limits = Limits {
            first_byte_timeout: Some(SHORT),
            ..Limits::default()
        };
        let (sender, seen) = mpsc::channel();
        let timeout = timeout_of(
            strategy,
            limits,
            move |connection| {
                let error = connection.read(&mut [0]).expect_err("nobody writes");
                sender.send(error).expect("the test listens");
                connection.write_all(b"too late\n")?;
                Ok(())
            },
            |client| assert_eq!(rest(client), b"too late\n"),
        );
        assert_eq!(timeout, Timeout::FirstByte(SHORT));
        let error = receive(&seen);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "no byte came for 60ms, the limit");
        let inner = error.get_ref().expect("made with one");
        assert_eq!(inner.downcast_ref(), Some(&timeout));
        assert!(error.source().is_none());
    });
}

#[test]
fn a_client_that_falls_silent() {
    each(|strategy| {
        let limits = Limits {
            idle_timeout: Some(SHORT),
            ..Limits::default()
        };
        let timeout = timeout_of(strategy, limits, echo, |client| {
            ask(client, b"hello");
            assert_eq!(rest(client), b"");
        });
        assert_eq!(timeout, Timeout::Idle(SHORT));
    });
}

#[test]
fn a_client_that_does_not_read() {
    each(|strategy| {
        let limits = Limits {
            idle_timeout: Some(SHORT),
            ..Limits::default()
        };
        let firehose = |connection: &mut Connection| loop {
            connection.write_all(&[0; 100_000])?;
        };
        let timeout = timeout_of(strategy, limits, firehose, |_| {});
        assert_eq!(timeout, Timeout::Write(SHORT));
    });
}

#[test]
fn a_handshake_that_is_not_finished() {
    each(|strategy| {
        let limits = Limits {
            handshake_timeout: SHORT,
            ..Limits::default()
        };
        let slow = |connection: &mut Connection| -> HandlerResult {
            connection.handshake(|mut connection| connection.read_exact(&mut [0; 10]))?;
            unreachable!("the client sends less");
        };
        let timeout = timeout_of(strategy, limits, slow, |client| {
            client.write_all(b"123456789").unwrap();
            let _ = client.read(&mut [0]);
        });
        assert_eq!(timeout, Timeout::Handshake(SHORT));
    });
}

#[test]
fn after_the_handshake_its_deadline_is_off() {
    each(|strategy| {
        let limits = Limits {
            handshake_timeout: SHORT,
            idle_timeout: Some(SHORT * 3),
            ..Limits::default()
        };
        let fine = |connection: &mut Connection| -> HandlerResult {
            let mut hello = [0; 5];
            let hello = connection
                .handshake(|mut connection| connection.read_exact(&mut hello).map(|()| hello))?;
            connection.write_all(&hello)?;
            echo(connection)
        };
        let timeout = timeout_of(strategy, limits, fine, |client| {
            ask(client, b"hello");
            assert_eq!(rest(client), b"");
        });
        assert_eq!(timeout, Timeout::Idle(SHORT * 3));
    });
}

#[test]
fn a_client_that_stays_for_too_long_however_busy() {
    each(|strategy| {
        let limits = Limits {
            total_timeout: Some(SHORT),
            ..Limits::default()
        };
        let timeout = timeout_of(strategy, limits, echo, |client| {
            let mut byte = [0];
            while client.write_all(b"x").is_ok() && client.read(&mut byte).is_ok_and(|n| n == 1) {}
        });
        assert_eq!(timeout, Timeout::Total(SHORT));
    });
}

#[test]
fn a_busy_client_is_not_idle() {
    each(|strategy| {
        let limits = Limits {
            idle_timeout: Some(SHORT * 10),
            ..patient()
        };
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .limits(limits)
            .serve(echo)
            .unwrap();
        let mut client = client(&running);
        let began = Instant::now();
        while began.elapsed() < SHORT * 15 {
            ask(&mut client, b"x");
        }
        drop(client);
        assert_eq!(running.shutdown(Duration::MAX).finished, 1);
    });
}

#[test]
fn a_connection_may_have_its_own_idle_timeout() {
    each(|strategy| {
        let timeout = timeout_of(
            strategy,
            patient(),
            |connection| {
                connection.set_idle_timeout(Some(SHORT));
                echo(connection)
            },
            |client| {
                ask(client, b"hello");
                assert_eq!(rest(client), b"");
            },
        );
        assert_eq!(timeout, Timeout::Idle(SHORT));
    });
}

#[test]
fn new_timeouts_hold_for_those_who_wait_already() {
    each(|strategy| {
        let (sender, told) = mpsc::channel();
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .limits(patient())
            .on_error(move |_, failure| {
                sender.send(failure.to_string()).expect("the test listens");
            })
            .serve(echo)
            .unwrap();
        let mut client = client(&running);
        ask(&mut client, b"hello");
        running.set_limits(Limits {
            idle_timeout: Some(SHORT),
            ..running.limits()
        });
        assert_eq!(rest(&mut client), b"");
        assert_eq!(receive(&told), "idle for 60ms, the limit");
    });
}

#[test]
fn a_client_that_only_listens_is_not_idle() {
    let limits = Limits {
        idle_timeout: Some(SHORT * 10),
        ..patient()
    };
    let running = Server::tcp("127.0.0.1:0")
        .limits(limits)
        .serve(|connection| {
            connection.read_exact(&mut [0])?;
            let (mut input, mut out) = connection.split();
            std::thread::scope(|scope| {
                let news = scope.spawn(move || {
                    let began = Instant::now();
                    while began.elapsed() < SHORT * 15 {
                        out.write_all(b"news")?;
                    }
                    out.finish_writing()
                });
                let read = input.read(&mut [0])?;
                assert_eq!(read, 0, "the client says no more");
                news.join().expect("no panic")?;
                Ok(())
            })
        })
        .unwrap();
    let mut client = client(&running);
    client.write_all(b"!").unwrap();
    rest(&mut client);
    drop(client);
    let stats = running.shutdown(Duration::MAX);
    assert_eq!((stats.finished, stats.timed_out), (1, 0));
}

#[test]
fn one_that_has_timed_out_and_goes_on_writing_is_still_cut() {
    let limits = Limits {
        first_byte_timeout: Some(SHORT / 2),
        total_timeout: Some(SHORT),
        ..Limits::default()
    };
    let stubborn = |connection: &mut Connection| -> HandlerResult {
        connection.read(&mut [0]).expect_err("nobody writes");
        loop {
            connection.write_all(&[0; 1000])?;
        }
    };
    let timeout = timeout_of(Strategy::Threads, limits, stubborn, |client| {
        let _ = io::copy(client, &mut io::sink());
    });
    assert_eq!(timeout, Timeout::FirstByte(SHORT / 2));
}
