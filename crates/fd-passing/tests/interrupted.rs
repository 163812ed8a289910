//! Signals that arrive while something is waited for change nothing.
//!
//! It has no harness: signals to the process interrupt its first thread, which is the one that waits here.

mod support;

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fd_passing::python::{self, Acknowledge};
use fd_passing::{Error, receive, receive_all, send};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::SIGUSR1;
use support::{LONG, NONE, null};

type Test = fn(&AtomicBool);

fn main() {
    let caught = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, Arc::clone(&caught)).expect("it can be caught");
    println!("running 5 tests");
    let tests: [(&str, Test); 5] = [
        ("it_does_interrupt", it_does_interrupt),
        ("receiving", receiving),
        ("sending", sending),
        ("waiting_for_an_answer", waiting_for_an_answer),
        ("receiving_many", receiving_many),
    ];
    for (name, test) in tests {
        test(&caught);
        println!("test {name} ... ok");
    }
}

/// Fifty signals, one after the other.
fn interrupt(caught: &AtomicBool) {
    for _ in 0..50 {
        caught.store(false, Ordering::SeqCst);
        kill_process(getpid(), Signal::USR1).expect("it is this process");
        while !caught.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }
}

/// With time-outs, since calls without are begun again by the kernel.
fn sockets() -> (UnixStream, UnixStream) {
    let (left, right) = UnixStream::pair().expect("sockets can be made");
    for socket in [&left, &right] {
        socket.set_read_timeout(Some(LONG)).expect("it is not zero");
        socket
            .set_write_timeout(Some(LONG))
            .expect("it is not zero");
    }
    (left, right)
}

/// Otherwise the other tests would show nothing.
fn it_does_interrupt(caught: &AtomicBool) {
    let (_left, right) = sockets();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                interrupt(caught);
            }
        });
        let mut byte = [0];
        let result = rustix::net::recv(&right, &mut byte, RecvFlags::empty());
        is_over.store(true, Ordering::SeqCst);
        assert_eq!(result.map(|(len, _)| len), Err(Errno::INTR));
    });
}

fn receiving(caught: &AtomicBool) {
    let (left, right) = sockets();
    thread::scope(|scope| {
        scope.spawn(|| {
            interrupt(caught);
            send(&left, b"x", &[null()]).expect("there is room");
        });
        let received = receive(&right, &mut [0]).expect("it is sent");
        assert_eq!(received.expect("not the end").descriptors.len(), 1);
    });
}

fn sending(caught: &AtomicBool) {
    let (left, right) = sockets();
    left.set_nonblocking(true).expect("it is a socket");
    let mut messages = 0;
    loop {
        match send(&left, b"x", NONE) {
            Ok(()) => messages += 1,
            Err(Error::Io(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    left.set_nonblocking(false).expect("it is a socket");
    thread::scope(|scope| {
        scope.spawn(|| {
            interrupt(caught);
            for _ in 0..messages {
                receive(&right, &mut [0]).expect("it was sent");
            }
            let received = receive(&right, &mut [0]).expect("it is sent");
            assert_eq!(received.expect("not the end").descriptors.len(), 1);
        });
        send(&left, b"y", &[null()]).expect("there is room at last");
    });
}

fn waiting_for_an_answer(caught: &AtomicBool) {
    let (left, right) = sockets();
    thread::scope(|scope| {
        scope.spawn(|| {
            interrupt(caught);
            let received = python::receive_handle(&right, Acknowledge::Always);
            assert!(received.expect("it was sent").is_some());
        });
        python::send_handle(&left, null(), Acknowledge::Always, LONG).expect("it is answered");
    });
}

fn receiving_many(caught: &AtomicBool) {
    let (left, right) = sockets();
    let file = null();
    thread::scope(|scope| {
        scope.spawn(|| {
            interrupt(caught);
            let first = [file.as_fd(); 253];
            send(&left, b"fds\x01\0\0\x01\0", &first).expect("there is room");
            interrupt(caught);
            send(&left, b"+", &[file.as_fd(); 3]).expect("there is room");
        });
        let descriptors = receive_all(&right, 256, LONG).expect("it is sent");
        assert_eq!(descriptors.expect("not the end").len(), 256);
    });
}
