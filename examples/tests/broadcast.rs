//! The broadcast programs, with each other and with Python.

mod support;

use std::net::UdpSocket;
use std::process::Command;

use rustix::process::Signal;
use support::{Ended, Program};

/// Prints one datagram as the recipe's receiver does.
const RECEIVER: &str = r"
import socket
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(('0.0.0.0', 0))
print('listening on udp://%s:%d' % receiver.getsockname(), flush=True)
payload, sender = receiver.recvfrom(65535)
print('got', repr(payload.decode('ascii')))
";

const SENDER: &str = r"
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
sender.sendto(b'Broadcast datagram!', ('127.255.255.255', int(sys.argv[1])))
";

fn receiver(more: &[&str]) -> Program {
    let mut arguments = vec!["receiver", "--listen", "0.0.0.0:0"];
    arguments.extend(more);
    Program::start("broadcast", &arguments)
}

/// The broadcast address of the loopback network.
fn everybody(receiver: &Program) -> String {
    format!("127.255.255.255:{}", receiver.address().port())
}

fn send(arguments: &[&str]) -> Ended {
    let mut all = vec!["sender"];
    all.extend(arguments);
    Program::start("broadcast", &all).wait()
}

fn python(script: &str, arguments: &[&str]) -> Program {
    Program::start_command(Command::new("python3").args(["-c", script]).args(arguments))
}

#[test]
fn a_text_reaches_the_receiver() {
    let receiver = receiver(&[]);
    let to = everybody(&receiver);
    let sent = send(&["--to", &to]);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    assert!(sent.stderr.contains("19 bytes sent to 127.255.255.255:"));
    receiver.stdout.wait_for(" says \"Broadcast datagram!\"\n");
    send(&["--to", &to, "and another"]);
    receiver.stdout.wait_for(" says \"and another\"\n");
    receiver.signal(Signal::TERM);
    let ended = receiver.wait();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stderr.contains("2 datagrams received"), "{ended:?}");
}

#[test]
fn python_sends() {
    let receiver = receiver(&[]);
    let port = receiver.address().port().to_string();
    let sent = python(SENDER, &[&port]).wait();
    assert!(sent.status.success(), "{sent:?}");
    receiver.stdout.wait_for(" says \"Broadcast datagram!\"\n");
}

#[test]
fn python_receives() {
    let receiver = python(RECEIVER, &[]);
    send(&["--to", &everybody(&receiver)]);
    let ended = receiver.wait();
    assert!(
        ended.stdout.ends_with("got 'Broadcast datagram!'\n"),
        "{ended:?}"
    );
}

#[test]
fn a_group_is_joined() {
    let receiver = receiver(&["--multicast", "239.1.2.3", "--interface", "127.0.0.1"]);
    let to = format!("239.1.2.3:{}", receiver.address().port());
    let sent = send(&["--to", &to, "--interface", "127.0.0.1", "hello, group"]);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    receiver.stdout.wait_for("127.0.0.1:");
    receiver.stdout.wait_for(" says \"hello, group\"\n");
}

#[test]
fn whatever_comes_is_printed_on_one_line() {
    let receiver = receiver(&[]);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = ("127.0.0.1", receiver.address().port());
    sender.send_to(b"\x1b[2J\r\n\xff\"\0", to).unwrap();
    sender.send_to(b"", to).unwrap();
    sender.send_to(&[b'x'; 65_507], to).unwrap();
    sender.send_to(b"end", to).unwrap();
    let printed = receiver.stdout.wait_for(" says \"end\"\n");
    let from = sender.local_addr().unwrap();
    let lines: Vec<_> = printed.lines().skip(1).collect();
    assert_eq!(
        lines[0],
        format!("{from} says \"\\x1b[2J\\r\\n\\xff\\\"\\x00\"")
    );
    assert_eq!(lines[1], format!("{from} says \"\""));
    assert_eq!(lines[2], format!("{from} says \"{}\"", "x".repeat(65_507)));
    assert_eq!(lines.len(), 4);
}

#[test]
fn what_cannot_be_sent_is_said_in_one_line() {
    let long = "x".repeat(65_508);
    let sent = send(&["--to", "127.0.0.1:9", &long]);
    assert_eq!(sent.status.code(), Some(1));
    assert!(
        sent.stderr
            .starts_with("error: cannot send 65508 bytes to 127.0.0.1:9: ")
    );
    assert_eq!(sent.stderr.lines().count(), 1);
    let sent = send(&["--interface", "192.0.2.1"]);
    assert_eq!(sent.status.code(), Some(1));
    assert!(
        sent.stderr
            .starts_with("error: cannot send from 192.0.2.1: ")
    );
}

#[test]
fn bad_options_exit_with_2() {
    let sent = send(&["gr\u{fc}\u{df}e"]);
    assert_eq!(sent.status.code(), Some(2));
    assert!(sent.stderr.contains("byte 2 is not ASCII"), "{sent:?}");
    let ended = receiver(&["--multicast", "10.0.0.1"]).wait();
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("224.0.0.0 to 239.255.255.255"));
}

#[test]
fn a_port_in_use_exits_with_1() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Program::start("broadcast", &["receiver", "--listen", &address]).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.starts_with("error: cannot listen on udp://"));
}
