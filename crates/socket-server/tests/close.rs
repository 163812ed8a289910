//! The end of a connection does not lose what was written last.

mod support;

use std::io::{Read as _, Write as _};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use socket_server::{Limits, Server};
use support::{client, each, each_parallel, echo, rest};

#[test]
fn unread_bytes_do_not_turn_the_end_into_a_reset() {
    each(|strategy| {
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(move |connection| {
                connection.read_exact(&mut [0])?;
                wait.lock().expect("one connection").recv()?;
                connection.write_all(&[b'.'; 300_000])?;
                Ok(())
            })
            .unwrap();
        for _ in 0..10 {
            let mut client = client(&running);
            client.write_all(&[b'?'; 50_000]).unwrap();
            go.send(()).unwrap();
            assert_eq!(rest(&mut client).len(), 300_000);
        }
        assert_eq!(running.shutdown(Duration::MAX).finished, 10);
    });
}

#[test]
fn nor_does_a_client_that_is_still_sending() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(|connection| {
                connection.read_exact(&mut [0])?;
                connection.write_all(b"enough")?;
                Ok(())
            })
            .unwrap();
        let mut reader = client(&running);
        let mut writer = reader.try_clone().unwrap();
        thread::scope(|scope| {
            let sending = scope.spawn(move || {
                for _ in 0..100 {
                    writer.write_all(&[b'?'; 1000]).unwrap();
                }
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            assert_eq!(rest(&mut reader), b"enough");
            sending.join().unwrap();
        });
    });
}

#[test]
fn one_that_never_stops_sending_is_closed_all_the_same() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(|connection| Ok(connection.read_exact(&mut [0])?))
            .unwrap();
        let mut client = client(&running);
        while client.write_all(&[b'?'; 1000]).is_ok() {}
        assert_eq!(running.shutdown(Duration::MAX).finished, 1);
    });
}

#[test]
fn a_refusal_arrives_even_if_the_client_spoke_first() {
    each_parallel(|strategy| {
        let limits = Limits {
            max_connections: 0,
            refusal: b"no\n".into(),
            ..Limits::default()
        };
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .limits(limits.clone())
            .serve(echo)
            .unwrap();
        for _ in 0..10 {
            running.suspend(); // so that the client's bytes are there when it is accepted
            let mut client = client(&running);
            client.write_all(b"hello, is anybody there?").unwrap();
            running.resume();
            assert_eq!(rest(&mut client), b"no\n");
        }
    });
}

#[test]
fn the_handler_may_finish_writing_and_read_on() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(|connection| {
                connection.write_all(b"over to you")?;
                connection.finish_writing()?;
                let mut answer = Vec::new();
                connection.read_to_end(&mut answer)?;
                assert_eq!(answer, b"thanks");
                Ok(())
            })
            .unwrap();
        let mut client = client(&running);
        assert_eq!(rest(&mut client), b"over to you");
        client.write_all(b"thanks").unwrap();
        drop(client);
        assert_eq!(running.shutdown(Duration::MAX).finished, 1);
    });
}
