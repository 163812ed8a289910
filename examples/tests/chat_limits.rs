//! What the chat server does with members who break the rules, read too slowly, or are too many.

mod chat_support;
mod support;

use std::io::Read;
use std::net::Shutdown;
use std::time::Duration;

use chat_support::{Member, Server, frame};
use rustix::process::Signal;
use socket2::SockRef;
use support::Program;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

#[test]
fn a_text_may_have_64_kib() {
    let server = Server::start(&[]);
    let (mut alice, mut bob) = server.alice_and_bob();
    let longest = "x".repeat(64 * KIB);
    bob.say(&longest);
    alice.expect(&format!("\n#[bob@127.0.0.1]>>{longest}"));
    bob.say(&"\n".repeat(64 * KIB));
    let marks = "\n>>".repeat(64 * KIB - 1);
    alice.expect(&format!("\n#[bob@127.0.0.1]>>{marks}"));
    bob.say(&"x".repeat(64 * KIB + 1));
    let why = bob.expect_refusal();
    assert!(why.contains("65537") && why.contains("65536"), "{why}");
    alice.expect("\n(Now hung up: Client from bob@127.0.0.1)");
}

#[test]
fn an_announced_length_is_believed_by_nobody() {
    let server = Server::start(&[]);
    let mut alice = server.join("alice");
    let before = server.program.memory();
    for length in [64 * 1024 + 1, 1 << 31, u32::MAX] {
        for name in [None, Some("bob")] {
            let mut member = match name {
                Some(name) => server.join(name),
                None => server.connect(),
            };
            member.write(&length.to_be_bytes());
            let why = member.expect_refusal();
            assert!(why.contains(&length.to_string()), "{why}");
        }
        alice.expect("\n(Connected: New client (2) from bob@127.0.0.1)");
        alice.expect("\n(Now hung up: Client from bob@127.0.0.1)");
    }
    let grown = server.program.memory().saturating_sub(before);
    assert!(grown < 4 * MIB, "grown by {grown} bytes");
}

#[test]
fn other_protocols_are_recognised() {
    let server = Server::start(&[]);
    let mut browser = server.connect();
    browser.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8800\r\n\r\n");
    let why = browser.expect_refusal();
    assert!(why.contains("HTTP"), "{why}");
}

#[test]
fn a_text_that_is_not_utf8_ends_the_conversation() {
    let server = Server::start(&[]);
    let (mut alice, mut bob) = server.alice_and_bob();
    bob.write(&frame(b"caf\xe9"));
    let why = bob.expect_refusal();
    assert!(why.starts_with("not UTF-8"), "{why}");
    alice.expect("\n(Now hung up: Client from bob@127.0.0.1)");
}

#[test]
fn who_never_logs_in_is_disconnected() {
    let server = Server::start(&["--login-timeout", "0.2"]);
    let mut alice = server.join("alice");
    let mut silent = server.connect();
    let mut stuck = server.connect();
    stuck.write(b"\0\0\0\x09NAME: b");
    assert_eq!(silent.hear(), None);
    assert_eq!(stuck.hear(), None);
    // Who has logged in may be silent.
    server.join("bob").say("still there?");
    alice.expect("\n(Connected: New client (2) from bob@127.0.0.1)");
    alice.expect("\n#[bob@127.0.0.1]>>still there?");
}

#[test]
fn a_message_that_has_begun_may_not_stand_still() {
    let server = Server::start(&["--login-timeout", "0.2"]);
    let (mut alice, mut bob) = server.alice_and_bob();
    bob.write(&frame(b"whole"));
    bob.write(&frame(b"unfinished")[..9]);
    let why = bob.expect_refusal();
    assert!(why.starts_with("only 9 bytes"), "{why}");
    alice.expect("\n#[bob@127.0.0.1]>>whole");
    alice.expect("\n(Now hung up: Client from bob@127.0.0.1)");
}

#[test]
fn a_reset_is_a_hang_up() {
    let server = Server::start(&[]);
    let (mut alice, mut bob) = server.alice_and_bob();
    bob.write(&frame(b"unfinished")[..6]);
    SockRef::from(bob.0.get_ref())
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(bob);
    alice.expect("\n(Now hung up: Client from bob@127.0.0.1)");
    drop(alice);
    server.program.signal(Signal::TERM);
    let ended = server.program.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn who_comes_when_all_places_are_taken_is_told_so() {
    let server = Server::start(&["--max-connections", "2"]);
    let (mut alice, bob) = server.alice_and_bob();
    let mut third = server.connect();
    assert_eq!(third.expect_refusal(), "2 of 2 places are taken");
    drop(bob);
    alice.expect("\n(Now hung up: Client from bob@127.0.0.1)");
    server.join("carol");
    alice.expect("\n(Connected: New client (2) from carol@127.0.0.1)");
}

/// Sends more to the room than all buffers on the way to one member hold, while another reads.
fn talk(speaker: &mut Member, listener: &mut Member, count: usize) {
    for n in 0..count {
        let text = format!("{n} {}", "x".repeat(32 * KIB));
        speaker.say(&text);
        // The listener keeps pace, so that no speed of this machine can make it miss anything.
        listener.expect(&format!("\n#[bob@127.0.0.1]>>{text}"));
    }
}

#[test]
fn a_member_who_does_not_read_misses_messages_and_nobody_else_does() {
    const COUNT: usize = 1024;
    let server = Server::start(&["--slow-peer", "drop"]);
    let (mut alice, mut bob) = server.alice_and_bob();
    let mut sleeper = server.join("sleeper");
    for member in [&mut alice, &mut bob] {
        member.expect("\n(Connected: New client (3) from sleeper@127.0.0.1)");
    }
    let before = server.program.memory();
    talk(&mut bob, &mut alice, COUNT);
    let grown = server.program.memory().saturating_sub(before);
    assert!(grown < 8 * MIB, "grown by {grown} bytes");

    // Awake again: what was queued, then how much is missing, and all that is said from then on.
    let mut heard = 0;
    let missed = loop {
        let told = sleeper.hear().expect("more to hear");
        if let Some(told) = told.strip_prefix("\n(Missed: ") {
            let count = told.strip_suffix(" messages)").expect("the recipe's form");
            break count.parse::<usize>().unwrap();
        }
        assert!(told.starts_with(&format!("\n#[bob@127.0.0.1]>>{heard} ")));
        heard += 1;
    };
    assert!(missed > 0);
    assert_eq!(heard + missed, COUNT);
    bob.say("good morning");
    sleeper.expect("\n#[bob@127.0.0.1]>>good morning");
}

#[test]
fn a_member_who_does_not_read_may_be_disconnected() {
    let server = Server::start(&["--slow-peer", "disconnect"]);
    let (mut alice, mut bob) = server.alice_and_bob();
    let mut sleeper = server.join("sleeper");
    for member in [&mut alice, &mut bob] {
        member.expect("\n(Connected: New client (3) from sleeper@127.0.0.1)");
    }
    let mut said = 0;
    let gone = "\n(Now hung up: Client from sleeper@127.0.0.1)";
    while said < 1024 {
        let text = format!("{said} {}", "x".repeat(32 * KIB));
        bob.say(&text);
        said += 1;
        let heard = alice.hear().expect("more to hear");
        if heard == gone {
            break;
        }
        assert_eq!(heard, format!("\n#[bob@127.0.0.1]>>{text}"));
    }
    assert!(said < 1024, "the sleeper is still there");
    // The end comes before all that was said.
    let mut rest = Vec::new();
    let _ = sleeper.0.read_to_end(&mut rest);
    assert!(rest.len() < said * 32 * KIB);
}

#[test]
fn two_thousand_members_hear_what_one_says() {
    const COUNT: usize = 2000;
    examples::raise_file_limit().unwrap();
    let server = Server::start(&[]);
    let mut members: Vec<_> = (0..COUNT).map(|_| server.connect()).collect();
    for (n, member) in members.iter_mut().enumerate() {
        member.say(&format!("NAME: member {n}"));
    }
    for member in &mut members {
        member.expect("CLIENT: 127.0.0.1");
    }
    let (speaker, listeners) = members.split_last_mut().unwrap();
    speaker.say("hello, all of you");
    let hello = frame(b"\n#[member 1999@127.0.0.1]>>hello, all of you");
    for listener in listeners {
        let mut heard = Vec::new();
        let mut buffer = [0; 64 * KIB];
        while !heard.ends_with(&hello) {
            let count = listener.0.read(&mut buffer).expect("more to hear");
            assert_ne!(count, 0, "the server hung up");
            heard.extend_from_slice(&buffer[..count]);
        }
    }
    let used = server.program.memory();
    assert!(used < 64 * MIB, "{used} bytes");
    // They leave all at once, and the room is empty again.
    for member in members {
        member.0.get_ref().shutdown(Shutdown::Both).unwrap();
    }
    server.program.signal(Signal::TERM);
    let ended = server.program.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("2000 connections served"),
        "{ended:?}"
    );
}

#[test]
fn what_cannot_work_is_said_in_one_line() {
    let server = Server::start(&[]);
    let address = server.address.to_string();
    let second = Program::start("chat_server", &["--listen", &address]).wait();
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert_eq!(second.stderr.lines().count(), 1, "{second:?}");
    assert!(second.stderr.contains(&address), "{second:?}");
    for wrong in [
        ["--slow-peer", "wait"],
        ["--queue", "1000"],
        ["--login-timeout", "-1"],
    ] {
        let ended = Program::start("chat_server", &wrong).wait();
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    }
}

#[test]
fn a_member_who_reads_hears_all_though_many_speak_at_once() {
    const COUNT: usize = 24;
    let server = Server::start(&[]);
    let mut speakers: Vec<_> = (0..COUNT)
        .map(|n| server.join(&format!("speaker {n}")))
        .collect();
    let mut listener = server.join("listener");
    // The server finds all of it at once when it goes on: more than a queue holds.
    server.program.signal(Signal::STOP);
    for speaker in &mut speakers {
        speaker.say(&"x".repeat(64 * KIB));
    }
    server.program.signal(Signal::CONT);
    for _ in 0..COUNT {
        let heard = listener.hear().expect("more to hear");
        assert!(heard.starts_with("\n#[speaker "), "{heard}");
    }
}
