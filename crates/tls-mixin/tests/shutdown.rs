//! How conversations end.
#![cfg(feature = "ring")]

mod certificates;
mod support;

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use certificates::{Authority, Leaf};
use rustls::AlertDescription;
use support::{Stream, meet_well};
use tls_mixin::{Acceptor, ClientOptions, Connector, Error, ServerOptions, Versions, rustls};

fn ends(versions: Versions) -> (Connector, Acceptor) {
    let authority = Authority::new("authority");
    let server = authority.issue(Leaf::server(&["localhost"]));
    let server_options = ServerOptions {
        versions,
        ..ServerOptions::new(server.identity())
    };
    (
        Connector::new(ClientOptions::new(authority.authorities())).expect("the options are right"),
        Acceptor::new(server_options).expect("the options are right"),
    )
}

fn streams(versions: Versions) -> (Stream, Stream) {
    let (connector, acceptor) = ends(versions);
    meet_well(&connector, &acceptor, "localhost")
}

const BOTH: [Versions; 2] = [Versions::Tls12, Versions::Tls13];

/// What of ours is inside.
fn ours(error: &io::Error) -> &Error {
    let inner = error.get_ref().expect("it has one inside");
    inner.downcast_ref().expect("it is one of ours")
}

#[test]
fn a_clean_end_is_no_error_and_the_other_way_goes_on() {
    for versions in BOTH {
        let (mut client, mut server) = streams(versions);
        client.write_all(b"question").unwrap();
        client.finish().unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "question");
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        server.write_all(b"answer").unwrap();
        server.finish().unwrap();
        drop(server);
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "answer");
    }
}

#[test]
fn a_cut_is_an_error_behind_all_that_was_sent() {
    for versions in BOTH {
        let (mut client, mut server) = streams(versions);
        client.write_all(b"quest").unwrap();
        client.get_ref().shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        let error = server.read_to_end(&mut heard).unwrap_err();
        assert_eq!(heard, b"quest");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(matches!(ours(&error), Error::CutOff));
        assert!(error.to_string().contains("cut off"), "{error}");
        // And stays one.
        let again = server.read(&mut [0]).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_stream_that_is_dropped_sends_nothing() {
    let (client, server) = streams(Versions::Tls13);
    let below = server.get_ref().try_clone().unwrap();
    let mut far = client.get_ref().try_clone().unwrap();
    // The server's tickets.
    let mut tickets = vec![0; 4096];
    let len = far.read(&mut tickets).unwrap();
    assert!(len > 0);
    drop(server);
    below.shutdown(Shutdown::Write).unwrap();
    assert_eq!(far.read(&mut tickets).unwrap(), 0);
}

#[test]
fn finishing_is_final_and_may_be_said_twice() {
    let (mut client, mut server) = streams(Versions::Tls13);
    client.finish().unwrap();
    client.finish().unwrap();
    let error = client.write(b"more").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    let error = (&client).write(b"more").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    client.finish_shared().unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
    server.finish_shared().unwrap();
    assert_eq!((&client).read(&mut [0]).unwrap(), 0);
}

#[test]
fn after_an_error_all_is_the_same_error() {
    for versions in BOTH {
        let (mut client, mut server) = streams(versions);
        client.write_all(b"good").unwrap();
        // A record that nobody has encrypted.
        let mut below = client.get_ref().try_clone().unwrap();
        below
            .write_all(b"\x17\x03\x03\x00\x20bad bad bad bad bad bad bad bad ")
            .unwrap();
        let mut heard = [0; 4];
        server.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"good");
        for _ in 0..2 {
            let error = server.read(&mut heard).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            match ours(&error) {
                Error::Handshake { error, .. } => assert_eq!(*error, rustls::Error::DecryptError),
                other => panic!("{other:?}"),
            }
            let error = server.write(b"more").unwrap_err();
            assert!(matches!(ours(&error), Error::Handshake { .. }));
            let error = (&server).read(&mut heard).unwrap_err();
            assert!(matches!(ours(&error), Error::Handshake { .. }));
        }
        // The other end was told.
        let error = client.read(&mut heard).unwrap_err();
        match ours(&error) {
            Error::Refused { alert } => assert_eq!(*alert, AlertDescription::BadRecordMac),
            other => panic!("{other:?}"),
        }
        assert!(
            error
                .get_ref()
                .is_some_and(|inner| inner.source().is_none())
        );
    }
}

#[test]
fn a_failed_read_tells_the_peer_shared_or_not() {
    for is_shared in [false, true] {
        let (mut client, mut server) = streams(Versions::Tls13);
        let mut below = client.get_ref().try_clone().unwrap();
        below
            .write_all(b"\x17\x03\x03\x00\x20bad bad bad bad bad bad bad bad ")
            .unwrap();
        let read = match is_shared {
            true => (&server).read(&mut [0]),
            false => server.read(&mut [0]),
        };
        assert!(read.is_err());
        let error = client.read(&mut [0]).unwrap_err();
        assert!(matches!(ours(&error), Error::Refused { .. }), "{error}");
    }
}

/// One end whose second read, of a client's last message, waits until it is told to go on.
struct Held {
    stream: UnixStream,
    reads: usize,
    go_on: Receiver<()>,
}

impl Read for Held {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads == 2 {
            self.go_on.recv().expect("the client tells when it is gone");
        }
        self.stream.read(buf)
    }
}

impl Write for Held {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_client_that_is_gone_when_the_tickets_come_was_there() {
    let (connector, acceptor) = ends(Versions::Tls13);
    let (client, stream) = UnixStream::pair().unwrap();
    let (gone, go_on) = channel();
    let server = thread::spawn(move || {
        let held = Held {
            stream,
            reads: 0,
            go_on,
        };
        let mut stream = acceptor.accept_any(held).expect("the client was good");
        let mut heard = String::new();
        stream.read_to_string(&mut heard).expect("it ended cleanly");
        heard
    });
    let mut client = connector.connect("localhost", client).unwrap();
    client.write_all(b"I was here").unwrap();
    client.finish().unwrap();
    drop(client);
    gone.send(()).unwrap();
    assert_eq!(server.join().unwrap(), "I was here");
}

#[test]
fn what_would_block_is_not_lost() {
    let (mut client, mut server) = streams(Versions::Tls13);
    server.get_ref().set_nonblocking(true).unwrap();
    let sent: Vec<u8> = (0..5_000_000_u32).map(|i| (i / 7) as u8).collect();
    let expected = sent.clone();
    // Nobody reads until the socket is full.
    let mut taken = 0;
    loop {
        match server.write(&sent[taken..]) {
            Ok(len) => taken += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        assert!(taken < sent.len(), "the socket takes everything");
    }
    let error = server.flush().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let reader = thread::spawn(move || {
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).expect("it ends cleanly");
        heard
    });
    // As the socket gets free, bit by bit; the last of it in `finish`.
    let is_done = |result: io::Result<()>| match result {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    };
    while taken < sent.len() {
        wait_writable(&server);
        let written = server.write(&sent[taken..]);
        is_done(written.map(|len| taken += len));
    }
    while !is_done(server.finish()) {
        wait_writable(&server);
    }
    assert!(reader.join().unwrap() == expected);
    let error = server.read(&mut [0]).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::UnexpectedEof
        ),
        "{error}"
    );
}

fn wait_writable(stream: &Stream) {
    use rustix::event::{PollFd, PollFlags, poll};
    poll(&mut [PollFd::new(stream, PollFlags::OUT)], None).expect("it is a socket");
}
