//! No more threads to be had: those there are serve, and the server recovers.
//! A file of its own, since the limit holds for the whole process.

mod support;

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket_server::{Server, Strategy};
use support::{ask, client, echo};

#[test]
fn all_threads_but_one_serve_however_long_it_lasts() {
    let running = Server::tcp("127.0.0.1:0")
        .strategy(Strategy::Threads)
        .serve(echo)
        .unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| client(&running)).collect();
    for client in &mut clients {
        ask(client, b"hello");
    }
    // The stack of one more thread (2 MiB) no longer fits into the address space.
    let normal = getrlimit(Resource::As);
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    let current = Some(pages * rustix::param::page_size() as u64 + (1 << 20));
    setrlimit(Resource::As, Rlimit { current, ..normal }).unwrap();

    let mut waiting = client(&running); // accepted by the last free thread, which finds no successor
    while running.stats().accept_pauses < 2 {
        ask(&mut clients[0], b"served meanwhile");
    }
    clients.pop(); // its thread accepts from now on
    ask(&mut waiting, b"served at last");
    for _ in 0..3 {
        let mut next = client(&running); // now this one waits
        let pauses = running.stats().accept_pauses;
        while running.stats().accept_pauses == pauses {
            ask(&mut clients[0], b"served meanwhile");
        }
        drop(std::mem::replace(&mut clients[1], waiting));
        ask(&mut next, b"served at last");
        waiting = next;
    }

    let mut last = client(&running);
    setrlimit(Resource::As, normal).unwrap();
    ask(&mut last, b"and all is well");
    ask(&mut client(&running), b"and all is well");
    drop((clients, waiting, last));
    let stats = running.shutdown(Duration::MAX);
    assert_eq!((stats.accepted, stats.finished), (9, 9));
}
