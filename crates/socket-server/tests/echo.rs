//! Whatever arrives comes back, in whatever pieces it came.

mod support;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use socket_server::Server;
use support::{ask, client, each, each_parallel, echo, rest};

#[test]
fn megabytes_with_half_close_and_a_client_that_sends_first_and_reads_later() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        let sent: Vec<u8> = (0..8_000_000_u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        let mut reader = client(&running);
        let mut writer = reader.try_clone().unwrap();
        let received = thread::scope(|scope| {
            scope.spawn(|| {
                writer.write_all(&sent).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            rest(&mut reader)
        });
        assert!(
            received == sent,
            "{} bytes of {}",
            received.len(),
            sent.len()
        );
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.accepted, stats.finished), (1, 1));
    });
}

#[test]
fn one_byte_at_a_time() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        let mut client = client(&running);
        client.set_nodelay(true).unwrap();
        for byte in 0..=255 {
            ask(&mut client, &[byte]);
        }
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut client), b"");
        assert_eq!(running.shutdown(Duration::MAX).finished, 1);
    });
}

#[test]
fn one_client_after_the_other() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        for _ in 0..50 {
            ask(&mut client(&running), b"hello");
        }
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.accepted, stats.finished), (50, 50));
    });
}

#[test]
fn a_silent_client_does_not_hold_up_the_others() {
    each_parallel(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        let _silent = [client(&running), client(&running)];
        for _ in 0..5 {
            ask(&mut client(&running), b"hello");
        }
    });
}

#[test]
fn a_thread_for_each_of_hundreds_at_once() {
    let running = Server::tcp("127.0.0.1:0").serve(echo).unwrap();
    let mut clients: Vec<_> = (0..300).map(|_| client(&running)).collect();
    for client in clients.iter_mut().rev() {
        ask(client, b"hello");
    }
    assert_eq!(running.stats().open, 300);
    drop(clients);
    assert_eq!(running.shutdown(Duration::MAX).finished, 300);
}

#[test]
fn reading_and_writing_on_two_threads_and_in_several_pieces() {
    let running = Server::tcp("127.0.0.1:0")
        .serve(|connection| {
            let (mut input, mut out) = connection.split();
            let (sender, receiver) = std::sync::mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(move || {
                    for piece in receiver {
                        let piece: [u8; 2] = piece;
                        let slices = [piece[..1].into(), [].as_slice(), piece[1..].into()];
                        let sent = out.write_vectored(&slices.map(std::io::IoSlice::new));
                        assert_eq!(sent.expect("the client reads"), 2);
                    }
                });
                let (mut first, mut second) = ([0], [0]);
                let slices =
                    &mut [&mut first, &mut second].map(|slice| std::io::IoSliceMut::new(slice));
                while input.read_vectored(slices)? == 2 {
                    sender.send([slices[0][0], slices[1][0]])?;
                }
                drop(sender);
                Ok(())
            })
        })
        .unwrap();
    let mut client = client(&running);
    for _ in 0..100 {
        ask(&mut client, b"ab");
    }
}
