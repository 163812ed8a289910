//! One stream, two threads.
#![cfg(feature = "ring")]

mod certificates;
mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use certificates::{Authority, Leaf};
use support::meet_well;
use tls_mixin::{Acceptor, ClientOptions, Connector, Duplex, ServerOptions, TlsStream};

const LEN: usize = 10 << 20;

fn ends() -> (Connector, Acceptor) {
    let authority = Authority::new("authority");
    let server = authority.issue(Leaf::server(&["localhost"]));
    (
        Connector::new(ClientOptions::new(authority.authorities())).expect("the options are right"),
        Acceptor::new(ServerOptions::new(server.identity())).expect("the options are right"),
    )
}

/// Says `LEN` bytes and hears as many at the same time, neither waiting for the other.
fn talk<S: Duplex + Sync>(stream: &TlsStream<S>, says: u8, hears: u8) {
    let (mut input, mut out) = stream.split();
    thread::scope(|scope| {
        scope.spawn(move || {
            let piece: Vec<u8> = (0..100_000).map(|i| i as u8 ^ says).collect();
            let mut left = LEN;
            while left > 0 {
                let len = left.min(piece.len());
                out.write_all(&piece[..len]).expect("somebody reads");
                left -= len;
            }
            stream.finish_shared().expect("somebody reads");
        });
        let mut heard = Vec::new();
        input.read_to_end(&mut heard).expect("it ends cleanly");
        assert_eq!(heard.len(), LEN);
        let is_right = |(i, byte): (usize, &u8)| *byte == (i % 100_000) as u8 ^ hears;
        assert!(heard.iter().enumerate().all(is_right));
    });
}

#[test]
fn ten_megabytes_go_both_ways_at_once() {
    let (connector, acceptor) = ends();
    let (client, server) = meet_well(&connector, &acceptor, "localhost");
    thread::scope(|scope| {
        scope.spawn(|| talk(&client, 1, 2));
        talk(&server, 2, 1);
    });
}

#[test]
fn a_stream_over_a_reference_is_shared_too() {
    let (connector, acceptor) = ends();
    let (client, server) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let stream = acceptor.accept(&server).expect("the client is good");
            talk(&stream, 2, 1);
        });
        let stream = connector.connect("localhost", &client).unwrap();
        talk(&stream, 1, 2);
    });
}

#[test]
fn a_reader_that_waits_does_not_hold_up_the_writer() {
    let (connector, acceptor) = ends();
    let (client, mut server) = meet_well(&connector, &acceptor, "localhost");
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut heard = String::new();
            (&client)
                .read_to_string(&mut heard)
                .expect("it ends cleanly");
            heard
        });
        // The peer answers what it is told, so whoever waits for the reader here waits for ever.
        for said in [b"one", b"two"] {
            (&client).write_all(said).unwrap();
            let mut heard = [0; 3];
            server.read_exact(&mut heard).unwrap();
            assert_eq!(heard, *said);
        }
        server.write_all(b"done").unwrap();
        server.finish().unwrap();
        assert_eq!(reader.join().unwrap(), "done");
    });
}

#[test]
fn both_manners_can_take_turns() {
    let (connector, acceptor) = ends();
    let (mut client, mut server) = meet_well(&connector, &acceptor, "localhost");
    for round in 0..10_u8 {
        let said = [round; 40_000];
        let mut heard = [0; 40_000];
        match round % 2 {
            0 => client.write_all(&said).unwrap(),
            _ => (&client).write_all(&said).unwrap(),
        }
        match round % 3 {
            0 => server.read_exact(&mut heard).unwrap(),
            _ => (&server).read_exact(&mut heard).unwrap(),
        }
        assert!(heard == said);
    }
}
