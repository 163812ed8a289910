//! Listening sockets go from one process to the next: here between threads, over a real socket file.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use fd_passing::handover::{Error, Handed, Offer, take};
use fd_passing::tcp_listener;

mod support;
use support::Folder;

type Outcome = Result<Option<Handed>, Error>;

/// Offers one listener on a thread.
fn offer(offer: &Arc<Offer>, listener: &TcpListener) -> JoinHandle<Outcome> {
    let offer = Arc::clone(offer);
    let listener = listener.try_clone().expect("descriptors are left");
    thread::spawn(move || offer.wait(&[("tcp", listener)]))
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port is free")
}

#[test]
fn the_next_process_has_the_listener() {
    let folder = Folder::new();
    let path = folder.path("socket");
    assert!(take(&path).unwrap().is_none());
    let first = listener();
    let address = first.local_addr().unwrap();
    let old = Arc::new(Offer::bind(&path).unwrap());
    let waiting = offer(&old, &first);

    let mut taken = take(&path).unwrap().expect("somebody offers");
    assert_eq!(taken.names().collect::<Vec<_>>(), ["tcp"]);
    assert_eq!(taken.peer().pid, Some(std::process::id()));
    assert!(taken.take("udp").is_none());
    let second = tcp_listener(taken.take("tcp").unwrap()).unwrap();
    assert!(taken.take("tcp").is_none());
    taken.ready().unwrap();
    // As soon as that returns.
    let next = Offer::bind(&path).unwrap();
    let handed = waiting.join().unwrap().unwrap().expect("it was handed");
    assert_eq!(handed.peer.pid, Some(std::process::id()));
    drop(old);
    assert!(path.exists(), "the old process leaves the new one's socket");

    drop(first);
    let client = TcpStream::connect(address).unwrap();
    let (_, peer) = second.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    drop(next);
    assert!(!path.exists());
}

#[test]
fn a_new_process_that_gives_up_changes_nothing() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let listener = listener();
    let old = Arc::new(Offer::bind(&path).unwrap());
    let waiting = offer(&old, &listener);
    drop(take(&path).unwrap().expect("somebody offers"));
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::Aborted), "{error}");

    // It can be taken all the same.
    let waiting = offer(&old, &listener);
    let taken = take(&path).unwrap().expect("somebody offers");
    taken.ready().unwrap();
    assert!(waiting.join().unwrap().unwrap().is_some());
}
