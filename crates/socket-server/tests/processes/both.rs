//! What both strategies do alike; each check is told which program to start.

use std::net::TcpStream;
use std::time::Instant;

use crate::support::{DEADLINE, Program, wait_for_end};

pub(crate) fn suspended_it_accepts_nobody(program: &str) {
    let mut program = Program::start(program);
    let mut before = program.connect();
    assert_eq!(before.ask("1"), "1");
    assert_eq!(program.ask("suspend"), "suspended");
    let mut waiting = program.connect();
    waiting.say("2");
    assert_eq!(before.ask("3"), "3");
    program.expect("accepted=1");
    assert_eq!(program.ask("resume"), "resumed");
    assert_eq!(waiting.line(), "2");
}

pub(crate) fn shutdown_lets_handlers_finish(program: &str) {
    let program = Program::start(program);
    let address = program.address;
    let mut client = program.connect();
    assert_eq!(client.ask("hello"), "hello");
    client.say("stopping");
    let answer = std::thread::spawn(move || (client.line(), client));
    let stats = std::thread::spawn(move || program.shutdown(20_000));
    let (line, client) = answer.join().expect("does not panic");
    assert_eq!(line, "stopping");
    // The listener closes while the handler runs. Before that, one of those who try may come in.
    let end = Instant::now() + DEADLINE;
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < end, "it still listens");
    }
    drop(client);
    let stats = stats.join().expect("does not panic");
    assert_eq!(
        (stats["finished"], stats["cut_off"], stats["open"]),
        (stats["accepted"], 0, 0)
    );
}

pub(crate) fn at_the_end_of_the_grace_all_are_cut(program: &str) {
    let program = Program::start(program);
    let (mut silent, mut computing) = (program.connect(), program.connect());
    assert_eq!(
        (silent.ask("1"), computing.ask("2")),
        ("1".into(), "2".into())
    );
    let id: u32 = computing.ask("pid").parse().expect("a number");
    computing.say("spin");
    let stats = program.shutdown(50);
    assert_eq!(
        (stats["finished"], stats["cut_off"], stats["open"]),
        (0, 2, 0)
    );
    assert_eq!(silent.rest(), "");
    wait_for_end(id);
}
