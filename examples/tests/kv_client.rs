//! The client of the KV server: one command, many from a pipe, at a terminal.

mod kv_support;
mod support;
mod tls_support;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use kv_support::Server;
use serde_json::json;
use support::{Ended, Folder, Program};
use tls_support::{Certificates, texts};

/// Runs one command.
fn run(address: SocketAddr, arguments: &[&str]) -> Ended {
    let address = address.to_string();
    Program::start("kv_client", &[&["--connect", &address], arguments].concat()).wait()
}

/// What a command prints that succeeds.
fn said(server: &Server, arguments: &[&str]) -> String {
    let ended = run(server.native_address(), arguments);
    assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
    assert_eq!(ended.stderr, "", "{arguments:?}");
    ended.stdout
}

/// What a command says that fails at the server.
fn complaint(server: &Server, arguments: &[&str]) -> String {
    let ended = run(server.native_address(), arguments);
    assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {ended:?}");
    assert_eq!(ended.stdout, "", "{arguments:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    ended.stderr
}

#[test]
fn each_command_once() {
    let folder = Folder::new("client");
    let copies = folder.path("copies");
    std::fs::create_dir(&copies).unwrap();
    let server = Server::start(&["--memory", "--backup-dir", &copies]);
    let said = |arguments: &[&str]| said(&server, arguments);
    assert_eq!(said(&["set", "left", r#"{"a": [1, 2.5, null]}"#]), "");
    assert_eq!(said(&["get", "left"]), "{\"a\":[1,2.5,null]}\n");
    for (given, stored) in [
        ("twelve", "\"twelve\""),
        ("12", "12"),
        ("-12.5", "-12.5"),
        ("\"12\"", "\"12\""),
        ("null", "null"),
        (r#"{"$bytes": "AP8K"}"#, r#"{"$bytes":"AP8K"}"#),
        ("", "\"\""),
    ] {
        assert_eq!(said(&["set", "word", given, "--ttl", "60"]), "");
        assert_eq!(said(&["get", "word"]), format!("{stored}\n"), "{given}");
    }
    assert_eq!(said(&["exists", "word"]), "true\n");
    assert_eq!(said(&["persist", "word"]), "");
    assert_eq!(said(&["ttl", "word"]), "null\n");
    assert_eq!(said(&["expire", "word", "1.5e3"]), "");
    let left: f64 = said(&["ttl", "word"]).trim().parse().unwrap();
    assert!((1400.0..=1500.0).contains(&left), "{left}");
    assert_eq!(said(&["keys"]), "left\nword\n");
    assert_eq!(said(&["keys", "--prefix", "w"]), "word\n");
    assert_eq!(said(&["items", "--after", "left"]), "word\t\"\"\n");
    assert_eq!(said(&["count"]), "2\n");
    assert_eq!(said(&["compare_and_set", "word", "x", "1"]), "false\n");
    assert_eq!(said(&["compare_and_set", "word", "", "-1"]), "true\n");
    assert_eq!(said(&["compare_and_set", "word", "-1", "null"]), "true\n");
    assert_eq!(said(&["exists", "word"]), "false\n");
    assert_eq!(said(&["delete", "left"]), "");
    assert_eq!(said(&["count", "--prefix", "l"]), "0\n");
    let statistics: serde_json::Value = serde_json::from_str(&said(&["statistics"])).unwrap();
    assert_eq!(statistics["keys"], json!(0));
    assert_eq!(said(&["backup", "copy"]), "");
    assert_eq!(
        complaint(&server, &["backup", "copy"]),
        "error: FileExistsError: there is a backup of that name\n"
    );
    assert_eq!(
        complaint(&server, &["get", "left"]),
        "error: KeyError: no such key: 'left'\n"
    );
    let help = said(&["help", "get"]);
    assert_eq!(
        help,
        "get(key)\n    The value of a key; KeyError if there is none.\n"
    );
    assert_eq!(said(&["help"]).matches("\n    ").count(), 16);
}

#[test]
fn what_was_typed_wrong_is_exit_2() {
    // Nobody is asked for it.
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    for arguments in [
        &["fetch", "left"][..],
        &["set", "left"],
        &["set", "left", "{\"a\": 1"],
        &["set", "left", "1", "--ttl", "soon"],
        &["--timeout", "0", "get", "left"],
        &["call", "get", "left"],
        &["--tls-cert", "x", "get", "left"],
    ] {
        let ended = run(nobody, arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn a_server_that_is_gone_or_silent_is_one_line_and_exit_1() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let silent = run(address, &["--timeout", "0.2", "get", "left"]);
    drop(listener);
    let gone = run(address, &["get", "left"]);
    for ended in [silent, gone] {
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        let address = format!("tcp://{address}: ");
        assert!(ended.stderr.contains(&address), "{ended:?}");
    }
}

#[test]
fn any_function_can_be_called_by_json() {
    let server = Server::start(&["--memory", "--codec", "json"]);
    let call =
        |arguments: &[&str]| said(&server, &[&["--codec", "json", "call"], arguments].concat());
    assert_eq!(call(&["set", "left", "[1, 2]"]), "null\n");
    assert_eq!(call(&["get", "left"]), "[1,2]\n");
    let signature = call(&["system.methodSignature", "ttl"]);
    assert_eq!(signature, "\"ttl(key)\"\n");
    let unknown = complaint(&server, &["--codec", "json", "call", "flushall"]);
    assert_eq!(
        unknown,
        "error: UnknownFunction: no such function: 'flushall'\n"
    );
}

#[test]
fn more_keys_than_a_page_are_all_listed() {
    const COUNT: usize = 2500;
    let server = Server::in_memory();
    let name = |n: usize| format!("{n:04}");
    let mut kv = server.json();
    for n in 0..COUNT {
        kv.call("set", json!([name(n), 1])).unwrap();
    }
    let lines = |names: std::ops::Range<usize>| names.map(|n| name(n) + "\n").collect::<String>();
    assert_eq!(said(&server, &["keys"]), lines(0..COUNT));
    assert_eq!(said(&server, &["keys", "--limit", "1500"]), lines(0..1500));
    assert_eq!(said(&server, &["keys", "--prefix", "1"]), lines(1000..2000));
    assert_eq!(said(&server, &["items", "--after", "2498"]), "2499\t1\n");
}

#[test]
fn what_a_stranger_stored_controls_no_terminal() {
    let server = Server::in_memory();
    let evil = "\x1b]0;owned\x07\u{9b}31m\r\n";
    server.json().call("set", json!([evil, evil])).unwrap();
    let shown = r"\u001b]0;owned\u0007\u009b31m\u000d\u000a";
    assert_eq!(said(&server, &["keys"]), format!("{shown}\n"));
    let items = said(&server, &["items"]);
    assert_eq!(
        items.chars().filter(|c| c.is_control()).count(),
        2,
        "{items:?}"
    );
}

#[test]
fn a_key_and_tls_are_spoken_together() {
    const KEY: &str = "a key that is long enough to be one";
    let certificates = Certificates::make();
    let (tls, authority) = (certificates.of_server(), certificates.authority());
    for mutual in [&[][..], &["--mutual"]] {
        let with_key = [&["--authkey", KEY], mutual].concat();
        let options = [&["--memory"], &with_key[..], &texts(&tls)].concat();
        let server = Server::start(&options);
        let trust = [&["--tls-ca", &authority], &with_key[..]].concat();
        said(&server, &[&trust[..], &["set", "left", "1"]].concat());
        assert_eq!(
            said(&server, &[&trust[..], &["get", "left"]].concat()),
            "1\n"
        );
        let other = [
            "--tls-ca",
            &authority,
            "--authkey",
            "another key, as long as that one",
        ];
        let other = [&other[..], mutual, &["get", "left"]].concat();
        complaint(&server, &other);
    }
}

#[test]
fn commands_come_from_a_pipe_and_go_on_after_one_that_fails() {
    let server = Server::in_memory();
    let address = server.native_address().to_string();
    let mut client = Program::start("kv_client", &["--connect", &address]);
    let commands = r#"
        set left {"a": [1, "} x"]} --ttl 60
        get left
        get right

        set 'two words' "one value"
        set list [1, 2]
        get 'two words
        fetch left
        call get left
        items
        set {"a" 1
        exists list"#;
    client.take_stdin().write_all(commands.as_bytes()).unwrap();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let expected = "{\"a\":[1,\"} x\"]}
left\t{\"a\":[1,\"} x\"]}
list\t[1,2]
two words\t\"one value\"
true
";
    assert_eq!(ended.stdout, expected, "{ended:?}");
    for said in [
        "error: KeyError: no such key: 'right'\n",
        "error: no ' at the end of 'two words\n",
        "error: unrecognized subcommand 'fetch'\n",
        "error: not JSON: ",
        "error: `call` needs --codec json",
        "error: 5 commands failed\n",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
}

#[test]
fn a_conversation_goes_on_when_the_server_was_started_anew() {
    let folder = Folder::new("anew");
    let server = Server::over(&folder);
    let address = server.native_address().to_string();
    let mut client = Program::start("kv_client", &["--connect", &address]);
    let mut commands = client.take_stdin();
    commands.write_all(b"set left 1\nget left\n").unwrap();
    client.stdout.wait_for("1\n");
    server.stop();
    let options = ["--data", &folder.path("data"), "--listen", &address];
    let server = Program::start("kv_server", &options);
    server.url();
    commands.write_all(b"get left\n").unwrap();
    client.stdout.wait_for("1\n1\n");
    drop(commands);
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn at_a_terminal_commands_and_keys_are_completed() {
    let server = Server::in_memory();
    let mut kv = server.json();
    kv.call("set", json!(["particular", "yes"])).unwrap();
    let program = support::path("kv_client");
    let command = format!(
        "'{}' --connect {}",
        program.display(),
        server.native_address()
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let mut client = Program::start_command(script.env("TERM", "xterm").env("SHELL", "/bin/sh"));
    let mut keyboard = client.take_stdin();
    client.stdout.wait_for("kv> ");
    keyboard.write_all(b"comp\t").unwrap();
    client.stdout.wait_for("compare_and_set ");
    keyboard.write_all(b"part\t").unwrap();
    client.stdout.wait_for("compare_and_set particular");
    keyboard.write_all(b" yes no\r").unwrap();
    client.stdout.wait_for("true\r\n");
    assert_eq!(kv.call("get", json!(["particular"])), Ok(json!("no")));
    // Between two prompts the terminal itself would take Ctrl-D, and the client never see it.
    client.stdout.find("the next prompt", |shown| {
        (shown.matches("\x1b[?2004h").count() == 2).then_some(())
    });
    keyboard.write_all(b"\x04").unwrap();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}
