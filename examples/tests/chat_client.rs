//! The chat clients: at a pipe, at a terminal, in Python.

mod chat_support;
mod support;

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

use chat_support::{Member, Server};
use socket2::SockRef;
use support::Program;

fn client(name: &str, address: impl ToString) -> Program {
    let address = address.to_string();
    Program::start("chat_client", &["--name", name, "--connect", &address])
}

fn python_client(name: &str, address: impl ToString) -> Program {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/chat_client.py");
    let mut command = Command::new("python3");
    command.args([script, name, &address.to_string()]);
    Program::start_command(&mut command)
}

/// Both clients behave alike at a pipe.
fn talks_through_a_pipe(mut client: Program, bob: &mut Member) {
    bob.expect("\n(Connected: New client (2) from alice@127.0.0.1)");
    bob.say("good morning\nalice");
    client
        .stdout
        .wait_for("#[bob@127.0.0.1]>>good morning\n>>alice\n");
    let mut stdin = client.take_stdin();
    stdin
        .write_all("hello\n\nwörld\nlast".as_bytes())
        .expect("the client reads");
    drop(stdin);
    bob.expect("\n#[alice@127.0.0.1]>>hello");
    bob.expect("\n#[alice@127.0.0.1]>>wörld");
    bob.expect("\n#[alice@127.0.0.1]>>last");
    bob.expect("\n(Now hung up: Client from alice@127.0.0.1)");
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "");
    assert_eq!(ended.stdout, "#[bob@127.0.0.1]>>good morning\n>>alice\n");
}

#[test]
fn the_client_talks_through_a_pipe() {
    let server = Server::start(&[]);
    let mut bob = server.join("bob");
    talks_through_a_pipe(client("alice", server.address), &mut bob);
}

#[test]
fn the_python_client_talks_through_a_pipe() {
    let server = Server::start(&[]);
    let mut bob = server.join("bob");
    talks_through_a_pipe(python_client("alice", server.address), &mut bob);
}

#[test]
fn rust_and_python_understand_each_other() {
    let server = Server::start(&[]);
    let mut witness = server.join("witness");
    let mut rust = client("rust", server.address);
    witness.expect("\n(Connected: New client (2) from rust@127.0.0.1)");
    let mut python = python_client("python", server.address);
    rust.stdout
        .wait_for("(Connected: New client (3) from python@127.0.0.1)\n");
    let mut rust_stdin = rust.take_stdin();
    rust_stdin.write_all(b"from Rust\n").unwrap();
    python.stdout.wait_for("#[rust@127.0.0.1]>>from Rust\n");
    let mut python_stdin = python.take_stdin();
    python_stdin.write_all(b"from Python\n").unwrap();
    python_stdin.flush().unwrap();
    rust.stdout.wait_for("#[python@127.0.0.1]>>from Python\n");
}

#[test]
fn a_unix_socket_serves_as_well() {
    let path = std::env::temp_dir().join(format!("chat-{}", std::process::id()));
    let address = format!("unix:{}", path.display());
    let server = Program::start("chat_server", &["--listen", &address, "-v"]);
    assert_eq!(server.url(), format!("unix://{}", path.display()));
    let bob = client("bob", &address);
    server.stderr.wait_for("bob@unix came");
    let mut alice = client("alice", &address);
    bob.stdout
        .wait_for("(Connected: New client (2) from alice@unix)\n");
    alice.take_stdin().write_all(b"hello\n").unwrap();
    bob.stdout.wait_for("#[alice@unix]>>hello\n");
    bob.stdout
        .wait_for("(Now hung up: Client from alice@unix)\n");
    assert_eq!(alice.wait().status.code(), Some(0));
}

#[test]
fn a_long_input_arrives_whole() {
    const COUNT: usize = 20_000;
    let server = Server::start(&[]);
    let mut bob = server.join("bob");
    let mut alice = client("alice", server.address);
    let mut stdin = alice.take_stdin();
    let writer = std::thread::spawn(move || {
        for n in 0..COUNT {
            writeln!(stdin, "line {n}").expect("the client reads");
        }
    });
    bob.expect("\n(Connected: New client (2) from alice@127.0.0.1)");
    let mut next = 0;
    while next < COUNT {
        let heard = bob.hear().expect("more to hear");
        assert_eq!(heard, format!("\n#[alice@127.0.0.1]>>line {next}"));
        next += 1;
    }
    writer.join().unwrap();
    let ended = alice.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn a_slow_server_slows_the_input() {
    const LEN: usize = 8 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener)
        .set_recv_buffer_size(16 << 10)
        .unwrap();
    let mut alice = client("alice", listener.local_addr().unwrap());
    let (stream, _) = listener.accept().unwrap();
    let mut server = Member::new(stream);
    server.expect("NAME: alice");
    server.say("CLIENT: 127.0.0.1");
    let line = "x".repeat(1023);
    let mut stdin = alice.take_stdin();
    let input = format!("{line}\n").repeat(LEN / 1024);
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    for _ in 0..LEN / 1024 {
        server.expect(&line);
    }
    assert_eq!(server.hear(), None);
    writer.join().unwrap().unwrap();
    drop(server);
    let ended = alice.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn the_input_may_be_a_file() {
    let server = Server::start(&[]);
    let mut bob = server.join("bob");
    let mut command = Command::new(support::path("chat_client"));
    command.args(["--name", "alice", "--connect", &server.address.to_string()]);
    let file = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let status = command.stdin(file).status().unwrap();
    assert_eq!(status.code(), Some(0));
    bob.expect("\n(Connected: New client (2) from alice@127.0.0.1)");
    bob.expect("\n#[alice@127.0.0.1]>>[package]");
}

#[test]
fn a_refused_login_ends_with_the_words_of_the_server() {
    let server = Server::start(&[]);
    let _bob = server.join("bob");
    let ended = client("bob", server.address).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stderr, "error: (Refused: the name bob is taken)\n");
    let ended = python_client("bob", server.address).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stderr, "\n(Refused: the name bob is taken)\n");
}

#[test]
fn a_lost_server_is_one_line_and_exit_1() {
    let server = Server::start(&[]);
    let address = server.address;
    let mut bob = server.join("bob");
    let alice = client("alice", address);
    bob.expect("\n(Connected: New client (2) from alice@127.0.0.1)");
    drop(server);
    let ended = alice.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    let lost = format!("error: lost the server tcp://{address}: ");
    assert!(ended.stderr.starts_with(&lost), "{ended:?}");

    let nobody = client("alice", address).wait();
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    let unreachable = format!("error: can't reach tcp://{address}: Connection refused");
    assert!(nobody.stderr.starts_with(&unreachable), "{nobody:?}");
    assert_eq!(nobody.stderr.lines().count(), 1, "{nobody:?}");
}

#[test]
fn a_strange_server_controls_no_terminal() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut alice = client("alice", listener.local_addr().unwrap());
    let (stream, _) = listener.accept().unwrap();
    let mut server = Member::new(stream);
    server.expect("NAME: alice");
    server.say("CLIENT: 10.0.0.1");
    server.say("\n\x1b]0;owned\x07\x1b[2J\u{9b}31mred\rx");
    alice.stdout.wait_for("]0;owned[2J31mredx\n");
    let _open = alice.take_stdin();
    server.write(b"SSH-2.0-OpenSSH_9.2\r\n");
    let ended = alice.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("does not talk like a chat server"),
        "{ended:?}"
    );
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

/// The client on a terminal of its own, and what the shell does there afterwards.
fn client_at_a_terminal(address: impl ToString, afterwards: &str) -> Program {
    let program = support::path("chat_client");
    let program = program.display();
    let address = address.to_string();
    let command = format!("'{program}' --name alice --connect {address}; {afterwards}");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    Program::start_command(script.env("TERM", "xterm").env("SHELL", "/bin/sh"))
}

#[test]
fn the_prompt_stays_whole_while_messages_arrive() {
    let server = Server::start(&[]);
    let mut bob = server.join("bob");
    let mut alice = client_at_a_terminal(server.address, "exit $?");
    bob.expect("\n(Connected: New client (2) from alice@127.0.0.1)");
    alice.stdout.wait_for("[alice@127.0.0.1]> ");
    let mut keyboard = alice.take_stdin();
    keyboard.write_all(b"half a li").unwrap();
    alice.stdout.wait_for("half a li");
    bob.say("excuse me");
    // The message stands on lines of its own, and what was typed is there again behind the prompt.
    alice.stdout.find("the message and the prompt", |shown| {
        let (_, after) = shown.split_once("#[bob@127.0.0.1]>>excuse me\r\n")?;
        after.contains("[alice@127.0.0.1]> half a li").then_some(())
    });
    keyboard.write_all(b"ne\r").unwrap();
    bob.expect("\n#[alice@127.0.0.1]>>half a line");
    // Between two prompts the terminal itself would take Ctrl-D, and the client never see it.
    alice.stdout.find("the next prompt", |shown| {
        (shown.matches("\x1b[?2004h").count() == 2).then_some(())
    });
    keyboard.write_all(b"\x04").unwrap();
    bob.expect("\n(Now hung up: Client from alice@127.0.0.1)");
    let ended = alice.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn a_lost_server_leaves_the_terminal_as_it_was() {
    let server = Server::start(&[]);
    let mut bob = server.join("bob");
    let mut alice = client_at_a_terminal(server.address, "stty -a");
    bob.expect("\n(Connected: New client (2) from alice@127.0.0.1)");
    alice.stdout.wait_for("[alice@127.0.0.1]> ");
    let mut keyboard = alice.take_stdin();
    keyboard.write_all(b"half a li").unwrap();
    alice.stdout.wait_for("half a li");
    drop(server);
    let shown = alice.stdout.wait_for("icanon");
    assert!(shown.contains("\r\nerror: lost the server"), "{shown}");
    assert!(!shown.contains("-icanon"), "{shown}");
}
