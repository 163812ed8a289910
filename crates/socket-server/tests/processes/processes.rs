//! `Strategy::Processes`: one process a connection.

use std::collections::HashSet;
use std::io::{Read, Write};

use rustix::process::{Pid, Signal};

use crate::support::{Client, Program, wait_for_end};
use crate::{Check, both};

pub(crate) const CHECKS: &[Check] = &[
    (
        "each_connection_has_a_process",
        each_connection_has_a_process,
    ),
    (
        "a_child_has_its_own_group_and_no_input",
        a_child_has_its_own_group_and_no_input,
    ),
    ("what_went_wrong_is_counted", what_went_wrong_is_counted),
    (
        "a_killed_child_is_cut_off_and_nobody_else",
        a_killed_child_is_cut_off_and_nobody_else,
    ),
    ("deadlines_hold_in_children", deadlines_hold_in_children),
    (
        "limits_reach_running_children",
        limits_reach_running_children,
    ),
    ("at_the_cap_newcomers_wait", at_the_cap_newcomers_wait),
    (
        "over_the_limits_newcomers_are_refused",
        over_the_limits_newcomers_are_refused,
    ),
    (
        "handshakes_are_counted_together",
        handshakes_are_counted_together,
    ),
    (
        "without_descriptors_the_accepted_one_waits",
        without_descriptors_the_accepted_one_waits,
    ),
    ("nothing_leaks", nothing_leaks),
    ("suspended_it_accepts_nobody", || {
        both::suspended_it_accepts_nobody("processes")
    }),
    ("shutdown_lets_handlers_finish", || {
        both::shutdown_lets_handlers_finish("processes")
    }),
    ("at_the_end_of_the_grace_all_are_cut", || {
        both::at_the_end_of_the_grace_all_are_cut("processes")
    }),
    (
        "children_end_with_their_parent",
        children_end_with_their_parent,
    ),
    (
        "a_program_that_never_serves_fails_the_connection",
        a_program_that_never_serves,
    ),
    ("much_data_passes", much_data_passes),
    (
        "an_unwanted_peer_costs_no_child",
        unwanted_peer_costs_no_child,
    ),
    (
        "a_proxy_names_the_client_in_the_child",
        proxy_names_the_client,
    ),
    ("a_listener_can_be_adopted", listener_can_be_adopted),
    (
        "several_servers_of_a_program_find_their_children",
        several_servers,
    ),
];

fn each_connection_has_a_process() {
    let mut program = Program::start("processes");
    let (mut one, mut two) = (program.connect(), program.connect());
    let ids = HashSet::from([one.ask("pid"), two.ask("pid"), program.id().to_string()]);
    assert_eq!(ids.len(), 3, "{ids:?}");
    program.expect("accepted=2 open=2");
    drop((one, two));
    program.expect("finished=2 open=0");
    // Another one may be ready.
    assert!(program.children().len() <= 1);
}

fn a_child_has_its_own_group_and_no_input() {
    let program = Program::start("processes");
    let mut client = program.connect();
    assert_eq!(client.ask("group"), client.ask("pid"));
    assert_eq!(client.ask("stdin"), "0");
    assert_eq!(client.ask("worker"), "true");
}

fn what_went_wrong_is_counted() {
    let mut program = Program::start("processes");
    let mut good = program.connect();
    for bad in ["panic", "abort", "fail"] {
        let mut client = program.connect();
        client.say(bad);
        assert_eq!(client.rest(), "");
    }
    program.expect("panicked=2 failed=1 finished=0 open=1");
    assert_eq!(good.ask("still here"), "still here");
}

fn a_killed_child_is_cut_off_and_nobody_else() {
    let mut program = Program::start("processes");
    let (mut killed, mut other) = (program.connect(), program.connect());
    kill(&mut killed);
    assert_eq!(killed.rest(), "");
    program.expect("cut_off=1 open=1");
    assert_eq!(other.ask("still here"), "still here");
}

fn deadlines_hold_in_children() {
    let mut program = Program::start("processes first=100 idle=200 total=60000 handshake=300");
    assert_eq!(program.connect().rest(), "");
    program.expect("timed_out=1 open=0");

    let mut idle = program.connect();
    assert_eq!(idle.ask("hello"), "hello");
    assert_eq!(idle.rest(), "");
    program.expect("timed_out=2 open=0");

    let mut silent = program.connect();
    assert_eq!(program.ask("limit idle=60000"), "limited");
    silent.say("handshake");
    assert_eq!(silent.rest(), "");
    program.expect("timed_out=3 pending=0");

    assert_eq!(program.ask("limit total=400"), "limited");
    let mut busy = program.connect();
    while busy.0.get_mut().write_all(b"x\n").is_ok() {
        let mut echo = [0; 2];
        if busy.0.read_exact(&mut echo).is_err() {
            break;
        }
    }
    program.expect("timed_out=4 open=0");
}

fn limits_reach_running_children() {
    let mut program = Program::start("processes");
    let mut client = program.connect();
    assert_eq!(client.ask("hello"), "hello");
    assert_eq!(program.ask("limit idle=100"), "limited");
    // The read that waits already keeps its timeout; the next one has the new one.
    while client.0.get_mut().write_all(b"x\n").is_ok() && client.line() == "x" {
        if program.stats()["timed_out"] == 1 {
            break;
        }
        let quiet = std::time::Duration::from_millis(200);
        client
            .0
            .get_mut()
            .set_read_timeout(Some(quiet))
            .expect("above zero");
        match client.0.read(&mut [0]) {
            Ok(0) => break,
            Ok(_) => panic!("nothing was asked"),
            Err(_) => {}
        }
    }
    program.expect("timed_out=1 open=0");
}

fn at_the_cap_newcomers_wait() {
    let mut program = Program::start("max=2");
    let (mut one, mut two) = (program.connect(), program.connect());
    assert_eq!((one.ask("1"), two.ask("2")), ("1".into(), "2".into()));
    let mut three = program.connect();
    three.say("3");
    program.expect("accepted=2 open=2 refused=0");
    drop(one);
    assert_eq!(three.line(), "3");
    program.expect("accepted=3 open=2 refused=0");
}

fn over_the_limits_newcomers_are_refused() {
    let mut program = Program::start("max=2 refusal=full");
    let (mut one, mut two) = (program.connect(), program.connect());
    assert_eq!((one.ask("1"), two.ask("2")), ("1".into(), "2".into()));
    assert_eq!(program.connect().rest(), "full");
    program.expect("open=2 refused=1");

    let mut program = Program::start("per-address=1");
    let mut one = program.connect();
    assert_eq!(one.ask("1"), "1");
    program.connect().rest();
    program.expect("open=1 refused=1");
    drop(one);
    program.expect("open=0");
    assert_eq!(program.connect().ask("again"), "again");
}

fn handshakes_are_counted_together() {
    let mut program = Program::start("processes handshakes=1");
    let mut slow = program.connect();
    slow.say("handshake");
    program.expect("pending=1");
    let mut second = program.connect();
    second.say("handshake");
    assert_eq!(second.rest(), "");
    program.expect("pending=1 refused=1 open=1");
    write!(slow.0.get_mut(), "done").expect("the connection is open");
    assert_eq!(slow.line(), "shaken");
    program.expect("pending=0");
    assert_eq!(slow.ask("after"), "after");
}

fn without_descriptors_the_accepted_one_waits() {
    let mut program = Program::start("processes");
    let mut first = program.connect();
    assert_eq!(first.ask("1"), "1");
    assert_eq!(program.ask("descriptors 10"), "descriptors limited");
    let mut clients: Vec<Client> = (0..20).map(|_| program.connect()).collect();
    for client in &mut clients {
        client.say("2");
    }
    program.expect_pause();
    assert_eq!(first.ask("still here"), "still here");
    assert_eq!(program.ask("descriptors 200"), "descriptors limited");
    for client in &mut clients {
        assert_eq!(client.line(), "2");
    }
    program.expect("accepted=21 open=21 refused=0 failed=0 cut_off=0");
}

fn nothing_leaks() {
    let mut program = Program::start("processes");
    assert_eq!(program.connect().ask("warm"), "warm");
    program.expect("finished=1 open=0");
    let before = program.descriptors();
    for round in 0..200 {
        let mut client = program.connect();
        client.say(["hello", "panic", "fail"][round % 3]);
        drop(client);
    }
    program.expect("accepted=201 open=0");
    // Which includes those of the child that is kept ready, and of one that is being started.
    assert!(program.descriptors() <= before + 4);
    program.expect_children(1);

    // Nor do the children inherit anything but what is theirs.
    let mut one = program.connect();
    let alone = one.ask("descriptors");
    let mut others: Vec<Client> = (0..20).map(|_| program.connect()).collect();
    for other in &mut others {
        assert_eq!(other.ask("descriptors"), alone);
    }
}

fn children_end_with_their_parent() {
    let mut program = Program::start("processes");
    let (mut silent, mut computing) = (program.connect(), program.connect());
    let ids = [silent.ask("pid"), computing.ask("pid")];
    computing.say("spin");
    program.process.kill().expect("our child");
    assert_eq!(silent.rest(), "");
    for id in ids {
        wait_for_end(id.parse().expect("a number"));
    }
}

fn a_program_that_never_serves() {
    let mut program = Program::start("processes exit-early");
    assert_eq!(program.connect().rest(), "");
    program.expect("failed=1 finished=0 open=0");
}

fn much_data_passes() {
    let mut program = Program::start("processes");
    let client = program.connect();
    let mut writer = client.0.get_ref().try_clone().expect("a descriptor");
    let sender = std::thread::spawn(move || {
        for _ in 0..LINES {
            writer
                .write_all(LINE.as_bytes())
                .expect("the connection is open");
        }
        writer
            .shutdown(std::net::Shutdown::Write)
            .expect("the connection is open");
    });
    assert_eq!(client.rest().len(), LINES * LINE.len());
    sender.join().expect("does not panic");
    program.expect("finished=1 open=0");
}

fn unwanted_peer_costs_no_child() {
    let mut program = Program::start("processes deny");
    program.expect_children(1);
    let before = program.children();
    assert_eq!(program.connect().rest(), "");
    program.expect("refused=1 open=0 failed=0");
    assert_eq!(program.children(), before);
}

fn proxy_names_the_client() {
    let mut program = Program::start("processes proxied per-address=1");
    let by_proxy = |client: &str| {
        let mut connection = program.connect();
        connection.say(&format!("PROXY TCP4 {client} 192.0.2.9 1000 2000\r"));
        connection
    };
    let (mut one, mut two) = (by_proxy("192.0.2.1"), by_proxy("192.0.2.2"));
    assert!(one.ask("peer").starts_with("192.0.2.1:1000"));
    assert!(two.ask("peer").starts_with("192.0.2.2:1000"));
    assert_eq!(by_proxy("192.0.2.1").rest(), "");
    drop(one);
    program.expect("open=1 refused=1 pending=0");
    assert_eq!(program.connect().rest(), "", "without the header");
}

fn listener_can_be_adopted() {
    for strategy in ["processes adopt", "prefork=1 adopt"] {
        let mut program = Program::start(strategy);
        assert_eq!(program.connect().ask("hello"), "hello");
        program.expect("finished=1");
    }
}

fn several_servers() {
    let mut program = Program::start("processes beside");
    assert_eq!(program.connect().ask("hello"), "hello");
    let addresses = program.ask("beside");
    let (threads, prefork) = addresses.split_once(' ').expect("two addresses");
    let mut client = Client::to(threads.trim_start_matches("tcp://"));
    assert_eq!(client.ask("pid"), program.id().to_string());
    assert_eq!(
        Client::to(prefork.trim_start_matches("tcp://")).rest(),
        "beside"
    );
    program.expect("accepted=1");
}

const LINE: &str = "a line that is not so short that only the calls would count\n";
const LINES: usize = 100_000;

/// Kills the process that serves this client.
pub(crate) fn kill(client: &mut Client) {
    kill_process(&client.ask("pid"));
}

pub(crate) fn kill_process(id: &str) {
    let id = id.parse().expect("a number");
    let id = Pid::from_raw(id).expect("not zero");
    rustix::process::kill_process(id, Signal::KILL).expect("it runs");
}
