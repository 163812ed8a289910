//! A dialect that wants nothing more for now is sent nothing more, under every driver.
#![cfg(all(feature = "event-loop", feature = "tokio"))]

mod lines;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use event_loop::EventLoop;
use lines::Lines;
use rpc_core::event_loop::{Handler, Message};
use rpc_core::{Dialect, Work};

/// Echoes lines, except for `wait`, which is answered when the gate opens.
fn dialect(gate: Receiver<()>) -> impl Dialect {
    let mut gate = Some(gate);
    Lines::new(move |line: &str| {
        let gate = gate.take_if(|_| line == "wait")?;
        Some(Work::Blocking(Box::new(move || {
            gate.recv().expect("the test opens it");
            Ok(b"waited".to_vec())
        })))
    })
    .sequential()
}

/// Sends as much as is taken, opens the gate, and sends the rest. It is one line, so that answers which nobody reads
/// are not what it waits for.
fn check(mut near: UnixStream, open: &Sender<()>) {
    const LEN: usize = 2 << 20;
    near.write_all(b"wait\n").expect("the other end is there");
    let line = [&[b'x'; LEN][..], b"\n"].concat();
    near.set_write_timeout(Some(Duration::from_millis(200)))
        .expect("a socket can");
    let mut sent = 0;
    while sent < LEN {
        match near.write(&line[sent..]) {
            Ok(len) => sent += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent < LEN / 2, "{sent} bytes were taken");
    near.set_write_timeout(None).expect("a socket can");
    open.send(()).expect("the call waits for it");
    near.write_all(&line[sent..])
        .expect("the other end reads on");
    near.shutdown(Shutdown::Write).expect("it is connected");
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).expect("it is answered");
    assert_eq!(heard.len(), "waited\n".len() + line.len());
}

#[test]
fn under_threads() {
    let (near, far) = UnixStream::pair().unwrap();
    let (open, gate) = channel();
    let serving = thread::spawn(move || rpc_core::blocking::serve(&far, dialect(gate)));
    check(near, &open);
    serving.join().unwrap().unwrap();
}

#[tokio::test]
async fn under_tokio() {
    let (near, far) = UnixStream::pair().unwrap();
    let (open, gate) = channel();
    far.set_nonblocking(true).unwrap();
    let far = tokio::net::UnixStream::from_std(far).unwrap();
    let serving = tokio::spawn(rpc_core::tokio::serve(far, dialect(gate)));
    tokio::task::spawn_blocking(move || check(near, &open))
        .await
        .unwrap();
    serving.await.unwrap().unwrap();
}

#[test]
fn under_the_event_loop() {
    let (near, far) = UnixStream::pair().unwrap();
    let (open, gate) = channel();
    let mut event_loop: EventLoop<Message> = EventLoop::new().unwrap();
    let handler = Handler::new(dialect(gate));
    event_loop
        .add_stream(far, event_loop::Options::default(), handler)
        .unwrap();
    let handle = event_loop.handle();
    let calling = thread::spawn(move || {
        check(near, &open);
        handle.stop(Duration::from_secs(1));
    });
    event_loop.run().unwrap();
    calling.join().unwrap();
}
