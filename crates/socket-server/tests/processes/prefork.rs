//! `Strategy::Prefork`: processes started beforehand, which share the listener.

use std::collections::HashSet;
use std::net::UdpSocket;

use crate::processes::{kill, kill_process};
use crate::support::{Client, DEADLINE, Program, wait_for_end};
use crate::{Check, both};

pub(crate) const CHECKS: &[Check] = &[
    (
        "prefork_workers_share_the_listener",
        workers_share_the_listener,
    ),
    (
        "prefork_counts_come_from_all_workers",
        counts_come_from_all_workers,
    ),
    (
        "prefork_panic_costs_one_connection",
        panic_costs_one_connection,
    ),
    (
        "prefork_killed_worker_is_replaced",
        killed_worker_is_replaced,
    ),
    (
        "prefork_limits_hold_for_all_workers_together",
        limits_hold_for_all_workers_together,
    ),
    ("prefork_deadlines_hold", deadlines_hold),
    ("prefork_limits_reach_workers", limits_reach_workers),
    ("prefork_suspended_it_accepts_nobody", || {
        both::suspended_it_accepts_nobody("prefork=2")
    }),
    ("prefork_shutdown_lets_handlers_finish", || {
        both::shutdown_lets_handlers_finish("prefork=2")
    }),
    ("prefork_at_the_end_of_the_grace_all_are_cut", || {
        both::at_the_end_of_the_grace_all_are_cut("prefork=3")
    }),
    (
        "prefork_workers_end_with_their_parent",
        workers_end_with_their_parent,
    ),
    (
        "prefork_program_that_never_serves_is_started_slowly",
        program_that_never_serves,
    ),
    ("prefork_nothing_leaks", nothing_leaks),
    ("prefork_datagrams_are_answered", datagrams_are_answered),
];

fn workers_share_the_listener() {
    let mut program = Program::start("prefork=3");
    let mut clients: Vec<Client> = (0..3).map(|_| program.connect()).collect();
    let ids: HashSet<String> = clients.iter_mut().map(|client| client.ask("pid")).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(program.children().len(), 3);
    assert_eq!(clients[0].ask("group"), clients[0].ask("pid"));
    assert_eq!(clients[0].ask("stdin"), "0");
    assert_eq!(clients[0].ask("worker"), "true");
    let mut fourth = program.connect();
    fourth.say("waits");
    program.expect("accepted=3 open=3");
    drop(clients.pop());
    assert_eq!(fourth.line(), "waits");
    program.expect("accepted=4 open=3 finished=1");
}

fn counts_come_from_all_workers() {
    let mut program = Program::start("prefork=2 first=100");
    for word in ["hello", "hello", "hello"] {
        assert_eq!(program.connect().ask(word), word);
    }
    for word in ["fail", "panic", "fail"] {
        let mut client = program.connect();
        client.say(word);
        assert_eq!(client.rest(), "");
    }
    assert_eq!(program.connect().rest(), "");
    program.expect("accepted=7 finished=3 failed=2 panicked=1 timed_out=1 open=0");
    let stats = program.shutdown(1000);
    assert_eq!(
        (stats["accepted"], stats["finished"], stats["failed"]),
        (7, 3, 2)
    );
}

fn panic_costs_one_connection() {
    let mut program = Program::start("prefork=1");
    let mut client = program.connect();
    let id = client.ask("pid");
    client.say("panic");
    assert_eq!(client.rest(), "");
    assert_eq!(program.connect().ask("pid"), id);
    program.expect("panicked=1");
    // What can't be caught costs the worker too.
    let mut client = program.connect();
    client.say("abort");
    assert_eq!(client.rest(), "");
    program.expect("panicked=2 cut_off=0");
    assert_ne!(program.connect().ask("pid"), id);
}

fn killed_worker_is_replaced() {
    let mut program = Program::start("prefork=2");
    let (mut killed, mut other) = (program.connect(), program.connect());
    let id = killed.ask("pid");
    assert_ne!(other.ask("pid"), id);
    program.expect("open=2");
    kill(&mut killed);
    killed.rest();
    program.expect("cut_off=1 open=1");
    assert_eq!(other.ask("still here"), "still here");
    let mut next = program.connect();
    let next = next.ask("pid");
    assert!(next != id && next != other.ask("pid"));
}

fn limits_hold_for_all_workers_together() {
    let mut program = Program::start("prefork=4 connections=2");
    let (mut one, mut two) = (program.connect(), program.connect());
    assert_eq!((one.ask("1"), two.ask("2")), ("1".into(), "2".into()));
    let mut three = program.connect();
    three.say("3");
    program.expect("accepted=2 open=2");
    drop(one);
    assert_eq!(three.line(), "3");

    let mut program = Program::start("prefork=4 per-address=2");
    let (mut one, mut two) = (program.connect(), program.connect());
    assert_eq!((one.ask("1"), two.ask("2")), ("1".into(), "2".into()));
    assert_eq!(program.connect().rest(), "");
    program.expect("open=2 refused=1");
    drop(one);
    program.expect("open=1");
    assert_eq!(program.connect().ask("3"), "3");

    let mut program = Program::start("prefork=4 handshakes=1");
    let mut slow = program.connect();
    slow.say("handshake");
    program.expect("pending=1");
    let mut second = program.connect();
    second.say("handshake");
    assert_eq!(second.rest(), "");
    program.expect("pending=1 refused=1 open=1");
}

fn deadlines_hold() {
    let mut program = Program::start("prefork=1 first=100 idle=150 total=400 handshake=200");
    assert_eq!(program.connect().rest(), "");
    program.expect("timed_out=1");
    let mut idle = program.connect();
    assert_eq!(idle.ask("hello"), "hello");
    assert_eq!(idle.rest(), "");
    program.expect("timed_out=2 open=0");
}

fn limits_reach_workers() {
    let mut program = Program::start("prefork=2");
    assert_eq!(program.connect().ask("hello"), "hello");
    program.expect("finished=1");
    assert_eq!(program.ask("limit first=100"), "limited");
    // Whichever worker has it: the limits were sent before it came.
    assert_eq!(program.connect().rest(), "");
    assert_eq!(program.connect().rest(), "");
    program.expect("timed_out=2");
    // A worker that is started later has them too.
    let mut killed = program.connect();
    kill(&mut killed);
    killed.rest();
    program.expect("cut_off=1");
    assert_eq!(program.connect().rest(), "");
    assert_eq!(program.connect().rest(), "");
    program.expect("timed_out=4");
}

fn workers_end_with_their_parent() {
    let mut program = Program::start("prefork=3");
    let (mut silent, mut computing) = (program.connect(), program.connect());
    assert_eq!(
        (silent.ask("1"), computing.ask("2")),
        ("1".into(), "2".into())
    );
    computing.say("spin");
    let workers = program.children();
    assert_eq!(workers.len(), 3);
    program.process.kill().expect("our child");
    assert_eq!(silent.rest(), "");
    for id in workers {
        wait_for_end(id);
    }
}

fn program_that_never_serves() {
    let program = Program::start("prefork=1 exit-early");
    let mut seen = HashSet::new();
    while seen.len() < 4 {
        seen.extend(program.children());
    }
    let stats = program.shutdown(1000);
    assert_eq!((stats["accepted"], stats["open"]), (0, 0));
}

fn nothing_leaks() {
    let mut program = Program::start("prefork=2");
    let mut one = program.connect();
    let mut two = program.connect();
    let before = [one.ask("descriptors"), two.ask("descriptors")];
    let before_here = program.descriptors();
    drop((one, two));
    for round in 0..200 {
        let mut client = program.connect();
        client.say(["hello", "panic", "fail"][round % 3]);
        drop(client);
    }
    program.expect("accepted=202 open=0");
    for _ in 0..5 {
        let mut client = program.connect();
        kill(&mut client);
        client.rest();
    }
    program.expect("cut_off=5");
    let (mut one, mut two) = (program.connect(), program.connect());
    let after = [one.ask("descriptors"), two.ask("descriptors")];
    assert_eq!(after, before);
    assert_eq!(program.descriptors(), before_here);
    program.expect_children(2);
}

fn datagrams_are_answered() {
    let mut program = Program::start("prefork=2 datagrams");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(program.address).expect("the same family");
    socket.set_read_timeout(Some(DEADLINE)).expect("above zero");
    let ask = |text: &str| {
        socket.send(text.as_bytes()).expect("the server is there");
        let mut answer = [0; 64];
        let len = socket.recv(&mut answer).expect("an answer in time");
        String::from_utf8(answer[..len].to_vec()).expect("a number")
    };
    let worker = ask("process id");
    assert!(
        program
            .children()
            .contains(&worker.parse().expect("a number"))
    );
    assert_eq!(ask("panic please"), "panics");
    let worker = ask("process id");
    // A worker writes its counts down after it has answered.
    program.expect_answer("datagram-stats", "received=3 answered=3 panicked=1");
    kill_process(&worker);
    program.expect_children(2);
    assert_ne!(ask("process id"), program.id().to_string());
    program.expect_answer("datagram-stats", "received=4 answered=4 panicked=1");
    program.shutdown(1000);
}
