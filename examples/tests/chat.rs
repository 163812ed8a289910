//! What members of the chat say to each other.

mod chat_support;
mod support;

use std::io::Read;
use std::net::Shutdown;

use chat_support::{Server, frame};
use rustix::process::Signal;

#[test]
fn the_wire_is_that_of_the_recipe() {
    let server = Server::start(&[]);
    let mut alice = server.connect();
    alice.write(b"\0\0\0\x0bNAME: alice");
    let mut answer = [0; 21];
    alice.0.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\0\0\0\x11CLIENT: 127.0.0.1");

    let mut bob = server.join("bob");
    bob.write(b"\0\0\0\x05hello");
    bob.0.get_ref().shutdown(Shutdown::Write).unwrap();
    let said = b"\0\0\0\x2f\n(Connected: New client (2) from bob@127.0.0.1)\
                 \0\0\0\x18\n#[bob@127.0.0.1]>>hello\
                 \0\0\0\x29\n(Now hung up: Client from bob@127.0.0.1)";
    let mut heard = vec![0; said.len()];
    alice.0.read_exact(&mut heard).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&heard),
        String::from_utf8_lossy(said)
    );
    assert_eq!(bob.hear(), None, "bob hears nothing of his own");
}

#[test]
fn messages_keep_their_order() {
    const COUNT: usize = 2000;
    let server = Server::start(&[]);
    let (mut alice, mut bob) = server.alice_and_bob();
    let mut carol = server.join("carol");
    for member in [&mut alice, &mut bob] {
        member.expect("\n(Connected: New client (3) from carol@127.0.0.1)");
    }
    // All at once: many more than the server takes in one turn.
    let crowd = |letter| {
        let frames = (0..COUNT).map(|n| frame(format!("{letter}{n}").as_bytes()));
        frames.collect::<Vec<_>>().concat()
    };
    alice.write(&crowd('a'));
    bob.write(&crowd('b'));
    let mut next = [0, 0];
    for _ in 0..2 * COUNT {
        let heard = carol.hear().unwrap();
        let (who, expected) = if heard.starts_with("\n#[alice@") {
            (0, format!("\n#[alice@127.0.0.1]>>a{}", next[0]))
        } else {
            (1, format!("\n#[bob@127.0.0.1]>>b{}", next[1]))
        };
        assert_eq!(heard, expected);
        next[who] += 1;
    }
    for n in 0..COUNT {
        alice.expect(&format!("\n#[bob@127.0.0.1]>>b{n}"));
    }
}

#[test]
fn a_sender_may_send_byte_by_byte() {
    let server = Server::start(&[]);
    let mut alice = server.join("alice");
    let mut bob = server.connect();
    bob.0.get_ref().set_nodelay(true).unwrap();
    let slowly = [frame(b"NAME: bob"), frame("zwölf".as_bytes()), frame(b"13")].concat();
    for byte in slowly {
        bob.write(&[byte]);
    }
    alice.expect("\n(Connected: New client (2) from bob@127.0.0.1)");
    alice.expect("\n#[bob@127.0.0.1]>>zwölf");
    alice.expect("\n#[bob@127.0.0.1]>>13");
}

#[test]
fn a_text_cannot_look_like_a_line_of_another() {
    let server = Server::start(&[]);
    let (mut alice, mut bob) = server.alice_and_bob();
    bob.say("hi\n#[carol@127.0.0.1]>>forged\r\n\n(Now hung up: Client from carol@127.0.0.1)\n");
    alice.expect(
        "\n#[bob@127.0.0.1]>>hi\n>>#[carol@127.0.0.1]>>forged\n>>\n>>(Now hung up: Client from carol@127.0.0.1)",
    );
    bob.say("\x1b[2J\x07\rx\u{85}y\u{2028}z\u{202e}\tend");
    alice.expect("\n#[bob@127.0.0.1]>>�[2J��x�y�z�\tend");
}

#[test]
fn an_empty_text_is_no_message() {
    let server = Server::start(&[]);
    let (mut alice, mut bob) = server.alice_and_bob();
    bob.say("");
    bob.say("something");
    alice.expect("\n#[bob@127.0.0.1]>>something");
}

#[test]
fn names_that_could_mislead_are_refused() {
    let server = Server::start(&[]);
    let mut witness = server.join("witness");
    let long = "x".repeat(33);
    let misleading = [
        "",
        &long,
        "a\nb",
        "a\rb",
        "a\tb",
        "a\x1b[2Jb",
        "a\u{7f}",
        "a\u{9b}b",
        "bob@10.0.0.1",
        "bob@10.0.0.1]>>hi",
        "[bob",
        "<bob>",
        " bob",
        "bob ",
        "bo  b",
        "bob\u{a0}",
        "bob\u{200b}",
        "bob\u{202e}",
        "bob\u{2028}",
        "bob\u{feff}",
        "\u{3164}",
    ];
    for name in misleading {
        let mut stranger = server.connect();
        stranger.say(&format!("NAME: {name}"));
        let why = stranger.expect_refusal();
        let is_about_names = why.starts_with("a name ") || why.starts_with("in a name");
        assert!(is_about_names, "{name:?}: {why}");
    }
    let other_openings = ["hello", "NAME:bob", "name: bob", "CLIENT: 127.0.0.1", ""];
    for text in other_openings {
        let mut stranger = server.connect();
        stranger.say(text);
        let why = stranger.expect_refusal();
        assert_eq!(why, "say who you are first, as in NAME: alice");
    }
    // Nobody has heard of any of them.
    let harmless = ["Zoë", "李雷", "o'neill-2", "Bob Smith", &long[1..]];
    for name in harmless {
        let member = server.join(name);
        witness.expect(&format!(
            "\n(Connected: New client (2) from {name}@127.0.0.1)"
        ));
        drop(member);
        witness.expect(&format!("\n(Now hung up: Client from {name}@127.0.0.1)"));
    }
}

#[test]
fn a_taken_name_is_refused_until_it_is_free() {
    let server = Server::start(&[]);
    let (mut alice, bob) = server.alice_and_bob();
    let mut impostor = server.connect();
    impostor.say("NAME: bob");
    assert_eq!(impostor.expect_refusal(), "the name bob is taken");
    drop(bob);
    alice.expect("\n(Now hung up: Client from bob@127.0.0.1)");
    let _bob = server.join("bob");
    alice.expect("\n(Connected: New client (2) from bob@127.0.0.1)");
}

#[test]
fn stopping_says_goodbye_and_sums_up() {
    let server = Server::start(&[]);
    let (mut alice, mut bob) = server.alice_and_bob();
    bob.say("last words");
    alice.expect("\n#[bob@127.0.0.1]>>last words");
    server.program.signal(Signal::TERM);
    for mut member in [alice, bob] {
        member.expect("\n(Server is closing)");
        assert_eq!(member.hear(), None);
    }
    let ended = server.program.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let summary = ended.stderr.lines().last().unwrap();
    let expected = "2 connections served, 2 finished; 1 messages, 0 deliveries missed";
    assert!(summary.ends_with(expected), "{summary}");
}
