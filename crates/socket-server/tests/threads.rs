//! No more threads to be had: those there are serve, and the server recovers.
//! A file of its own, since the limit holds for the whole process.

mod support;

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket_server::{Running, Server, Strategy};
use support::{LONG, ask, client, echo};

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
    let current = Some(address_space() + (1 << 20));
    setrlimit(Resource::As, Rlimit { current, ..normal }).unwrap();

    let mut waiting = client(&running); // accepted by the last free thread, which finds no successor
    serve_until_paused(&running, 2, &mut clients[0]);
    clients.pop(); // its thread accepts from now on
    ask(&mut waiting, b"served at last");
    for _ in 0..3 {
        let mut next = client(&running); // now this one waits
        let pauses = running.stats().accept_pauses;
        serve_until_paused(&running, pauses + 1, &mut clients[0]);
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

/// Asks again and again until the server has paused so often.
fn serve_until_paused(running: &Running, pauses: u64, client: &mut TcpStream) {
    let begin = Instant::now();
    while running.stats().accept_pauses < pauses {
        ask(client, b"served meanwhile");
        assert!(begin.elapsed() < LONG, "a thread was to be had");
    }
}

/// How many bytes of addresses this process uses once all threads have come to rest: one that starts
/// takes more, and for a moment much more.
fn address_space() -> u64 {
    let begin = Instant::now();
    loop {
        let before = pages();
        if others_sleep() && pages() == before {
            return before * rustix::param::page_size() as u64;
        }
        assert!(begin.elapsed() < LONG, "the threads do not come to rest");
    }
}

fn pages() -> u64 {
    let sizes = fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let size = sizes.split(' ').next().and_then(|size| size.parse().ok());
    size.expect("the first number is the size")
}

fn others_sleep() -> bool {
    let this = rustix::thread::gettid().as_raw_nonzero().to_string();
    let tasks = fs::read_dir("/proc/self/task").expect("Linux tells");
    tasks.flatten().all(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default();
        task.file_name() == *this || state.trim_start().starts_with('S')
    })
}
