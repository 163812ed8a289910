//! The time server, under each of its strategies, asked by us and by Python.

mod support;

use std::net::UdpSocket;
use std::process::Command;

use jiff::civil::DateTime;
use rustix::process::Signal;
use support::{DEADLINE, Program};

const STRATEGIES: [&str; 5] = ["serial", "threads", "pool", "prefork", "loop"];

fn start(strategy: &str) -> Program {
    start_in(strategy, "UTC")
}

fn start_in(strategy: &str, zone: &str) -> Program {
    let mut command = Command::new(support::path("time_server"));
    command.args(["--listen", "127.0.0.1:0", "--strategy", strategy]);
    Program::start_command(command.env("TZ", zone))
}

fn client(server: &Program) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback address");
    socket.connect(server.address()).expect("a UDP socket");
    socket
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    socket
}

fn receive(socket: &UdpSocket) -> String {
    let mut answer = [0; 8192];
    let count = socket.recv(&mut answer).expect("an answer in time");
    String::from_utf8(answer[..count].to_vec()).expect("ASCII")
}

fn parse(time: &str) -> DateTime {
    assert_eq!(time.len(), 24, "{time}");
    DateTime::strptime("%a %b %e %H:%M:%S %Y", time).expect("the form of ctime")
}

#[test]
fn any_datagram_is_a_request() {
    for strategy in STRATEGIES {
        let server = start(strategy);
        let client = client(&server);
        for request in [&b""[..], b"?", &[0xff; 8192]] {
            client.send(request).unwrap();
            parse(&receive(&client));
        }
    }
}

#[test]
fn tells_what_python_tells() {
    // The second is 8 hours 45 minutes ahead.
    for zone in ["UTC", "Australia/Eucla", "America/New_York"] {
        let servers = STRATEGIES.map(|strategy| start_in(strategy, zone));
        let clients = servers.each_ref().map(client);
        let python = || {
            let mut python = Command::new("python3");
            python.args(["-c", "import time; print(time.ctime(), end='')"]);
            parse(&Program::start_command(python.env("TZ", zone)).wait().stdout)
        };
        let before = python();
        let told = clients.map(|client| {
            client.send(b"").unwrap();
            parse(&receive(&client))
        });
        let after = python();
        for told in told {
            assert!(before <= told && told <= after, "{before}, {told}, {after}");
        }
    }
}

#[test]
fn answers_python() {
    for strategy in STRATEGIES {
        let server = start(strategy);
        let client = concat!(env!("CARGO_MANIFEST_DIR"), "/python/time_client.py");
        let mut python = Command::new("python3");
        let ended = Program::start_command(python.args([client, &server.address().to_string()]));
        let ended = ended.wait();
        assert!(ended.status.success(), "{ended:?}");
        parse(ended.stdout.trim_end());
    }
}

#[test]
fn what_another_server_says_is_no_request() {
    for strategy in STRATEGIES {
        let server = start(strategy);
        let client = client(&server);
        client.send(b"Sat Nov 21 02:29:12 2026").unwrap();
        client.send(b"a request").unwrap();
        parse(&receive(&client));
        server.signal(Signal::TERM);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let summary = ended.stderr.lines().last().unwrap_or_default();
        assert!(
            summary.contains("1 requests answered, 1 ignored"),
            "{ended:?}"
        );
    }
}

#[test]
fn nobody_gets_answers_without_end() {
    for strategy in STRATEGIES {
        let server = start(strategy);
        let client = client(&server);
        for _ in 0..100 {
            client.send(b"").unwrap();
        }
        parse(&receive(&client));
        server.signal(Signal::TERM);
        server.wait();
        client.set_nonblocking(true).unwrap();
        let mut answers = 1;
        while client.recv(&mut [0; 64]).is_ok() {
            answers += 1;
        }
        // Twenty at once; a slow machine may take long enough for some more.
        assert!(answers <= 40, "{strategy}: {answers}");
    }
}
