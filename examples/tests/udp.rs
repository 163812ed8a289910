//! The UDP servers, started as processes and talked to over sockets, and by Python's.

mod support;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Instant;

use jiff::Zoned;
use jiff::civil::DateTime;
use rustix::process::Signal;
use support::{DEADLINE, Program};

const ANY: [&str; 6] = [
    "--time",
    "127.0.0.1:0",
    "--echo",
    "127.0.0.1:0",
    "--fib",
    "127.0.0.1:0",
];

struct Servers {
    program: Program,
    time: SocketAddr,
    echo: SocketAddr,
    fib: SocketAddr,
}

fn start() -> Servers {
    start_command(&mut Command::new(support::path("udp_servers")))
}

fn start_command(command: &mut Command) -> Servers {
    let program = Program::start_command(command.args(ANY));
    Servers {
        time: program.nth_address(0),
        echo: program.nth_address(1),
        fib: program.nth_address(2),
        program,
    }
}

/// A socket on one of this machine's many loopback addresses; each is a source of its own.
fn client(ip: &str) -> UdpSocket {
    client_at(&format!("{ip}:0"))
}

fn client_at(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("a loopback address");
    socket
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    socket
}

fn ask(socket: &UdpSocket, server: SocketAddr, request: &[u8]) -> Vec<u8> {
    socket.send_to(request, server).expect("loopback takes it");
    receive(socket)
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut answer = [0; 65536];
    let count = socket.recv(&mut answer).expect("an answer in time");
    answer[..count].to_vec()
}

fn ask_text(socket: &UdpSocket, server: SocketAddr, request: &str) -> String {
    String::from_utf8(ask(socket, server, request.as_bytes())).expect("an answer in ASCII")
}

/// What came to `socket` in answer to what it sent before. Somebody else's question has been answered
/// since, and a server takes datagrams in order: so if there is nothing now, nothing will come.
fn answer_at_once(socket: &UdpSocket, server: SocketAddr, other: &UdpSocket) -> Option<Vec<u8>> {
    ask(other, server, b"1");
    socket.set_nonblocking(true).expect("a socket");
    let mut answer = [0; 65536];
    let received = socket.recv(&mut answer);
    socket.set_nonblocking(false).expect("a socket");
    match received {
        Ok(count) => Some(answer[..count].to_vec()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn time_is_local_and_in_the_form_of_ctime() {
    let zone = "XYZ-5:30";
    let servers = start_command(Command::new(support::path("udp_servers")).env("TZ", zone));
    let before = Zoned::now();
    for request in ["", "what time is it?"] {
        let answer = ask_text(&client("127.0.0.1"), servers.time, request);
        assert_eq!(answer.len(), 24, "{answer:?}");
        let time = DateTime::strptime("%a %b %e %H:%M:%S %Y", &answer).unwrap();
        let zone = jiff::tz::TimeZone::posix(zone).unwrap();
        let late = time.to_zoned(zone).unwrap().timestamp().as_second();
        let early = before.timestamp().as_second();
        assert!((early..early + 20).contains(&late), "{answer:?}");
    }
}

#[test]
fn echo_sends_back_any_length() {
    let servers = start();
    let socket = client("127.0.0.1");
    let longest: Vec<u8> = (0..65507_u32).map(|n| n as u8).collect();
    for len in [0, 1, 1400, 8192, 8193, 65507] {
        assert!(ask(&socket, servers.echo, &longest[..len]) == longest[..len]);
    }
}

#[test]
fn fib_counts_from_one_one() {
    let servers = start();
    let socket = client("127.0.0.1");
    for (n, number) in [
        ("0", "1"),
        ("1", "1"),
        ("2", "2"),
        ("5", "8"),
        ("10", "89"),
        (" 10\n", "89"),
        ("20", "10946"),
        ("21", "17711"),
        ("25", "121393"),
    ] {
        assert_eq!(ask_text(&socket, servers.fib, n), number, "{n}");
    }
}

#[test]
fn fib_says_what_is_wrong() {
    let servers = start();
    let socket = client("127.0.0.1");
    for no_number in ["", "ten", "-1", "1.5", "1 2", "0x10", "\u{e9}"] {
        let answer = ask_text(&socket, servers.fib, no_number);
        assert_eq!(answer, "error: not a number", "{no_number:?}");
    }
    assert_eq!(ask(&socket, servers.fib, &[0xff]), b"error: not a number");
    for large in ["41", "4294967296", &"9".repeat(1000)] {
        let answer = ask_text(&socket, servers.fib, large);
        assert_eq!(answer, "error: n is at most 40", "{large:?}");
    }
}

#[test]
fn a_slow_fib_delays_nobody() {
    let servers = start();
    let slow = client("127.0.0.1");
    slow.send_to(b"40", servers.fib).unwrap();
    let quick = client("127.0.0.2");
    assert_eq!(ask_text(&quick, servers.fib, "5"), "8");
    assert_eq!(ask_text(&quick, servers.echo, "there?"), "there?");
    // The threads are not all taken by the one source either.
    slow.send_to(b"22", servers.fib).unwrap();
    assert_eq!(ask_text(&quick, servers.fib, "21"), "17711");
    assert_eq!(answer_at_once(&slow, servers.fib, &quick), None);
    assert_eq!(receive(&slow), b"165580141");
    assert_eq!(receive(&slow), b"28657");
}

#[test]
fn one_source_can_have_only_so_much_computed() {
    let servers = start();
    let greedy = client("127.0.0.1");
    for _ in 0..18 {
        greedy.send_to(b"30", servers.fib).unwrap();
    }
    let mut answers: Vec<Vec<u8>> = (0..18).map(|_| receive(&greedy)).collect();
    answers.sort();
    assert_eq!(answers[0], b"1346269");
    // One runs and sixteen wait. Perhaps one was done before the last came.
    assert!(answers[16] == b"1346269" && answers[17].len() <= 11);
}

#[test]
fn servers_are_not_answered() {
    let servers = start();
    let honest = client("127.0.0.1");
    for server in [servers.time, servers.echo, servers.fib] {
        for port in [servers.time, servers.echo, servers.fib].map(|own| own.port()) {
            // As the datagram looks that another machine's server sends, or this one to itself.
            let forged = client_at(&format!("127.0.0.2:{port}"));
            forged.send_to(b"2", server).unwrap();
            assert_eq!(answer_at_once(&forged, server, &honest), None);
        }
    }
}

#[test]
fn answers_of_other_servers_are_not_answered() {
    let servers = start();
    let honest = client("127.0.0.1");
    let relay = client("127.0.0.2");
    let time = ask(&relay, servers.time, b"");
    relay.send_to(&time, servers.time).unwrap();
    assert_eq!(answer_at_once(&relay, servers.time, &honest), None);
    let error = ask(&relay, servers.fib, b"x");
    relay.send_to(&error, servers.fib).unwrap();
    assert_eq!(answer_at_once(&relay, servers.fib, &honest), None);
}

/// Sends what `next` makes of each answer back to the service, as another server would, until there is
/// no answer or `max` were sent. Returns how many were answered, and in how many seconds.
fn rounds(server: SocketAddr, max: u32, next: impl Fn(Vec<u8>) -> Vec<u8>) -> (u32, f64) {
    // The limits hold for those who only watch, too: let many take turns.
    let watchers: Vec<UdpSocket> = (1..=100).map(|n| client(&format!("127.0.1.{n}"))).collect();
    let relay = client("127.0.0.2");
    let began = Instant::now();
    let mut datagram = b"1".to_vec();
    let mut count = 0;
    for watcher in watchers.iter().cycle().take(max as usize) {
        relay.send_to(&datagram, server).expect("loopback takes it");
        match answer_at_once(&relay, server, watcher) {
            Some(answer) => datagram = next(answer),
            None => break,
        }
        count += 1;
    }
    (count, began.elapsed().as_secs_f64())
}

#[test]
fn a_loop_through_the_time_server_dies_out() {
    let servers = start();
    // Two servers of this kind: the first answer is left alone by the second.
    assert_eq!(rounds(servers.time, 100, |time| time).0, 1);
    // A server of another kind.
    let servers = start();
    let (count, seconds) = rounds(servers.time, 1000, |_| b"what?".to_vec());
    let most = 20.0 + 10.0 * seconds;
    assert!((20.0..=most).contains(&f64::from(count)), "{count}");
    // Its limit is nobody else's.
    assert_eq!(ask(&client("127.0.0.3"), servers.time, b"").len(), 24);
}

#[test]
fn a_loop_through_the_fib_server_dies_out() {
    let servers = start();
    let (count, seconds) = rounds(servers.fib, 100_000, |number| number);
    let most = 500.0 + 20.0 * seconds;
    assert!((500.0..=most).contains(&f64::from(count)), "{count}");
}

#[test]
fn a_loop_through_the_echo_server_dies_out() {
    let servers = start();
    let (count, seconds) = rounds(servers.echo, 40_000, |payload| payload);
    let most = 8000.0 + 8000.0 * seconds;
    assert!((8000.0..=most).contains(&f64::from(count)), "{count}");
}

#[test]
fn a_busy_echo_client_loses_nothing() {
    let servers = start();
    let socket = client("127.0.0.1");
    for n in 0..6000_u32 {
        let request = n.to_be_bytes();
        assert_eq!(ask(&socket, servers.echo, &request), request);
    }
}

#[test]
fn pythons_clients_are_understood() {
    let servers = start_command(Command::new(support::path("udp_servers")).env("TZ", "XYZ-5:30"));
    let script = "\
import sys, time
from socket import socket, AF_INET, SOCK_DGRAM
s = socket(AF_INET, SOCK_DGRAM)
s.settimeout(20)
ports = [int(port) for port in sys.argv[1:]]
def ask(port, request):
    s.sendto(request, ('127.0.0.1', port))
    return s.recv(8192).decode('ascii')
then = time.mktime(time.strptime(ask(ports[0], b'')))
assert abs(time.time() - then) < 20, then
assert len(ask(ports[0], b'')) == len(time.ctime())
assert ask(ports[1], b'hello') == 'hello'
assert [ask(ports[2], str(n).encode()) for n in range(11)][-1] == '89'
";
    let ports = [servers.time, servers.echo, servers.fib].map(|address| address.port().to_string());
    let python = Program::start_command(
        Command::new("python3")
            .env("TZ", "XYZ-5:30")
            .args(["-c", script])
            .args(ports),
    );
    let ended = python.wait();
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn sigterm_ends_it_with_a_summary() {
    let servers = start();
    let socket = client("127.0.0.1");
    ask(&socket, servers.echo, b"hello");
    ask(&socket, servers.fib, b"1");
    servers.program.signal(Signal::TERM);
    let ended = servers.program.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap();
    let summary = "2 requests answered, 0 ignored, 0 answers lost";
    assert!(last.ends_with(summary), "{ended:?}");
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_1() {
    let kept = client("127.0.0.1");
    let taken = kept.local_addr().unwrap().to_string();
    let mut command = Command::new(support::path("udp_servers"));
    command.args([
        "--time",
        "127.0.0.1:0",
        "--echo",
        &taken,
        "--fib",
        "127.0.0.1:0",
    ]);
    let ended = Program::start_command(&mut command).wait();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stdout, "");
    let why = format!("error: cannot listen on udp://{taken}: Address already in use");
    assert!(ended.stderr.starts_with(&why), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}
