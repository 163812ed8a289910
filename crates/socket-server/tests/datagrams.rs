//! Datagram servers: what is answered, from where, and what costs what.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use socket_server::{
    Datagram, DatagramLimits, DatagramStats, Failure, HandlerResult, Limits, Rate, Running, Server,
    Strategy,
};

const PATIENCE: Duration = Duration::from_secs(20);
const LOCALHOST: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn echo(datagram: &mut Datagram<'_>) -> HandlerResult {
    datagram.reply(datagram.payload())?;
    Ok(())
}

fn address(running: &Running) -> SocketAddr {
    running.address().socket_addr().expect("it is a UDP server")
}

fn client(address: impl std::net::ToSocketAddrs) -> UdpSocket {
    let client = UdpSocket::bind(address).expect("a port is free");
    client
        .set_read_timeout(Some(PATIENCE))
        .expect("the patience is not zero");
    client
}

fn receive(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 65_536];
    let (len, from) = client.recv_from(&mut buffer).expect("an answer comes");
    (buffer[..len].to_vec(), from)
}

/// Waits until the counts are as wanted.
fn wait_for(running: &Running, what: impl Fn(&DatagramStats) -> bool) -> DatagramStats {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stats = running.datagram_stats();
        if what(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "{stats:?}");
        std::thread::yield_now();
    }
}

#[test]
fn answers_come_from_the_address_asked_on() {
    for (bound, asked) in [
        ("0.0.0.0:0", &["127.0.0.2", "127.0.0.1", "127.1.2.3"][..]),
        ("[::]:0", &["::1", "127.0.0.1", "127.0.0.2"]),
        ("127.0.0.3:0", &["127.0.0.3"]),
    ] {
        let running = Server::udp(bound)
            .datagram_limits(DatagramLimits {
                min_allowance: 100,
                ..DatagramLimits::default()
            })
            .serve_datagrams(|datagram| {
                let text = format!("{} {}", datagram.peer(), datagram.local_address());
                datagram.reply(text.as_bytes())?;
                Ok(())
            })
            .unwrap();
        for asked in asked {
            let asked = SocketAddr::new(asked.parse().unwrap(), address(&running).port());
            let any: IpAddr = match asked {
                SocketAddr::V4(_) => [0; 4].into(),
                SocketAddr::V6(_) => [0; 16].into(),
            };
            let client = client((any, 0));
            client.send_to(b"", asked).unwrap();
            let (answer, from) = receive(&client);
            assert_eq!(from, asked, "bound to {bound}");
            let answer = String::from_utf8(answer).unwrap();
            let (peer, local) = answer.split_once(' ').unwrap();
            assert_eq!(local.parse(), Ok(asked), "bound to {bound}");
            let peer: SocketAddr = peer.parse().unwrap();
            assert_eq!(peer.port(), client.local_addr().unwrap().port());
            assert_eq!(peer.is_ipv4(), asked.is_ipv4(), "bound to {bound}");
        }
        running.shutdown(PATIENCE);
    }
}

#[test]
fn a_group_is_answered_from_an_own_address() {
    let group = Ipv4Addr::new(239, 255, 20, 6);
    let running = Server::udp("0.0.0.0:0")
        .join_multicast(group, 1)
        .serve_datagrams(move |datagram| {
            assert_eq!(datagram.local_address().ip(), group);
            echo(datagram)
        })
        .unwrap();
    let port = address(&running).port();
    let client = client(LOCALHOST);
    let socket = socket2::SockRef::from(&client);
    socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    client.send_to(b"anybody?", (group, port)).unwrap();
    let (answer, from) = receive(&client);
    assert_eq!(answer, b"anybody?");
    assert_eq!(from, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    running.shutdown(PATIENCE);
}

#[test]
fn empty_requests_and_empty_answers_are_datagrams_too() {
    let running = Server::udp(LOCALHOST).serve_datagrams(echo).unwrap();
    let client = client(LOCALHOST);
    client.send_to(b"", address(&running)).unwrap();
    assert_eq!(receive(&client).0, b"");
    client.send_to(&[7; 65_507], address(&running)).unwrap();
    assert_eq!(receive(&client).0, [7; 65_507]);
    running.shutdown(PATIENCE);
}

#[test]
fn an_answer_is_no_longer_than_the_limits_allow() {
    let (told, errors) = mpsc::channel();
    let running = Server::udp(LOCALHOST)
        .datagram_limits(DatagramLimits {
            max_amplification: 3,
            min_allowance: 10,
            max_answers: 2,
            ..DatagramLimits::default()
        })
        .serve_datagrams(move |datagram| {
            let answers: Vec<usize> = datagram.payload().iter().map(|&n| n.into()).collect();
            for len in answers {
                if let Err(error) = datagram.reply(&vec![b'a'; len]) {
                    told.send(error.to_string())?;
                    return Err(error.into());
                }
            }
            Ok(())
        })
        .unwrap();
    let client = client(LOCALHOST);
    let ask = |lens: &[u8]| client.send_to(lens, address(&running)).unwrap();
    ask(&[11]);
    assert_eq!(
        errors.recv_timeout(PATIENCE).unwrap(),
        "no answer: 11 bytes to a request of 1 bytes, which may have 10"
    );
    ask(&[10]);
    assert_eq!(receive(&client).0.len(), 10);
    ask(&[6, 5]);
    assert_eq!(receive(&client).0.len(), 6);
    errors.recv_timeout(PATIENCE).unwrap();
    ask(&[11, 1, 0, 0]);
    assert_eq!(receive(&client).0.len(), 11);
    assert_eq!(receive(&client).0.len(), 1);
    assert_eq!(
        errors.recv_timeout(PATIENCE).unwrap(),
        "no answer: this datagram has had 2, the limit"
    );
    let stats = wait_for(&running, |stats| (stats.too_long, stats.answered) == (3, 4));
    assert_eq!(stats.failed, 0);
    running.shutdown(PATIENCE);
}

#[test]
fn a_longer_datagram_is_cut_and_says_so() {
    let running = Server::udp(LOCALHOST)
        .datagram_limits(DatagramLimits {
            max_payload_len: 4,
            ..DatagramLimits::default()
        })
        .serve_datagrams(|datagram| {
            let is_truncated: &[u8] = if datagram.is_truncated() { b"cut" } else { b"" };
            assert!(datagram.payload().len() <= 4);
            datagram.reply(is_truncated)?;
            Ok(())
        })
        .unwrap();
    let client = client(LOCALHOST);
    for (request, answer) in [(&b"1234"[..], &b""[..]), (b"12345", b"cut")] {
        client.send_to(request, address(&running)).unwrap();
        assert_eq!(receive(&client).0, answer);
    }
    assert_eq!(running.datagram_stats().truncated, 1);
    running.shutdown(PATIENCE);
}

#[test]
fn a_panic_or_an_error_costs_its_datagram_only() {
    let (told, failures) = mpsc::channel();
    let running = Server::udp(LOCALHOST)
        .strategy(Strategy::Serial)
        .verify(|peer| peer.ip() != Some([127, 0, 0, 9].into()))
        .on_error(move |peer, failure| {
            assert!(peer.socket_addr().is_some());
            let failure = match failure {
                Failure::Panicked(message) => format!("panic: {message}"),
                other => other.to_string(),
            };
            told.send(failure).expect("the test waits for it");
        })
        .serve_datagrams(|datagram| match datagram.payload() {
            b"panic" => panic!("on purpose"),
            b"error" => Err("also on purpose".into()),
            _ => echo(datagram),
        })
        .unwrap();
    let (unwanted, client) = (client("127.0.0.9:0"), client(LOCALHOST));
    unwanted.send_to(b"panic", address(&running)).unwrap();
    for request in [&b"panic"[..], b"error", b"hello"] {
        client.send_to(request, address(&running)).unwrap();
    }
    assert_eq!(receive(&client).0, b"hello");
    let failures: Vec<String> = failures.iter().take(2).collect();
    assert_eq!(failures, ["panic: on purpose", "also on purpose"]);
    let stats = wait_for(&running, |stats| stats.answered == 1);
    assert_eq!(stats.received, 4);
    assert_eq!((stats.panicked, stats.failed, stats.refused), (1, 1, 1));
    running.shutdown(PATIENCE);
}

#[test]
fn one_forged_datagram_sets_no_two_servers_going_for_ever() {
    let first = Server::udp(LOCALHOST).serve_datagrams(echo).unwrap();
    let limits = DatagramLimits {
        rate: Rate::new(200, 100),
        ..DatagramLimits::default()
    };
    let socket = UdpSocket::bind(LOCALHOST).unwrap();
    // As forged as it gets without privileges: it comes from where the second server will be.
    socket.send_to(b"echo me", address(&first)).unwrap();
    let second = Server::adopt(socket)
        .datagram_limits(limits)
        .serve_datagrams(echo)
        .unwrap();
    let stats = wait_for(&second, |stats| stats.too_often == 1);
    // One datagram was on its way, and now there is none.
    assert!((200..2000).contains(&stats.answered), "{stats:?}");
    assert_eq!(stats.received, stats.answered + 1);
    assert_eq!(first.datagram_stats().received, stats.received);
    first.shutdown(PATIENCE);
    second.shutdown(PATIENCE);
}

#[test]
fn a_server_does_not_answer_itself_nor_its_like() {
    let limits = |answers_servers| DatagramLimits {
        answers_servers,
        ..DatagramLimits::default()
    };
    for answers_servers in [false, true] {
        let socket = UdpSocket::bind(LOCALHOST).unwrap();
        let own = socket.local_addr().unwrap();
        socket.send_to(b"to myself", own).unwrap();
        let like = client(("127.0.0.2", own.port()));
        like.send_to(b"from another host", own).unwrap();
        let running = Server::adopt(socket)
            .datagram_limits(limits(answers_servers))
            .serve_datagrams(echo)
            .unwrap();
        let stats = wait_for(&running, |stats| stats.received == 2);
        if answers_servers {
            assert_eq!(receive(&like).0, b"from another host");
            assert_eq!((stats.to_server, stats.received), (1, 2));
        } else {
            let stats = wait_for(&running, |stats| stats.to_server == 2);
            assert_eq!(stats.answered, 0);
        }
        running.shutdown(PATIENCE);
    }
}

#[test]
fn a_client_in_a_hurry_is_served() {
    const DATAGRAMS: u32 = 3000;
    // However late the server is, this many small ones find room in its socket.
    const UNDER_WAY: u32 = 32;
    let running = Server::udp(LOCALHOST).serve_datagrams(echo).unwrap();
    let client = client(LOCALHOST);
    client.connect(address(&running)).unwrap();
    let mut sent = 0;
    let mut answers = Vec::new();
    for answered in 0..DATAGRAMS {
        while sent < DATAGRAMS.min(answered + UNDER_WAY) {
            client.send(&sent.to_be_bytes()).unwrap();
            sent += 1;
        }
        answers.push(receive(&client).0);
    }
    answers.sort_unstable();
    assert!(answers.into_iter().eq((0..DATAGRAMS).map(u32::to_be_bytes)));
    let stats = wait_for(&running, |stats| stats.answered == DATAGRAMS.into());
    assert_eq!(stats.received, DATAGRAMS.into());
    running.shutdown(PATIENCE);
}

#[test]
fn threads_share_the_socket() {
    let both = Arc::new(Barrier::new(2));
    let running = Server::udp(LOCALHOST)
        .strategy(Strategy::Pool { workers: 2 })
        .serve_datagrams(move |datagram| {
            if let [0 | 1] = datagram.payload() {
                both.wait();
            }
            echo(datagram)
        })
        .unwrap();
    let client = client(LOCALHOST);
    for request in 0..20_u8 {
        client.send_to(&[request], address(&running)).unwrap();
    }
    let mut answers: Vec<u8> = (0..20).map(|_| receive(&client).0[0]).collect();
    answers.sort_unstable();
    assert_eq!(answers, (0..20).collect::<Vec<u8>>());
    running.shutdown(PATIENCE);
}

#[test]
fn what_arrived_together_is_handled_one_by_one() {
    let running = Server::udp(LOCALHOST).serve_datagrams(echo).unwrap();
    let client = client(LOCALHOST);
    let state = quinn_udp::UdpSocketState::new((&client).into()).unwrap();
    client.set_nonblocking(false).unwrap();
    let contents: Vec<u8> = (0..95).collect();
    let together = quinn_udp::Transmit {
        destination: address(&running),
        ecn: None,
        contents: &contents,
        segment_size: Some(10),
        src_ip: None,
    };
    state.try_send((&client).into(), &together).unwrap();
    let mut answers = Vec::new();
    while answers.len() < contents.len() {
        answers.extend(receive(&client).0);
    }
    assert_eq!(answers, contents);
    assert_eq!(running.datagram_stats().received, 10);
    running.shutdown(PATIENCE);
}

#[test]
fn suspended_it_lets_datagrams_wait() {
    let running = Server::udp(LOCALHOST).serve_datagrams(echo).unwrap();
    let client = client(LOCALHOST);
    running.suspend();
    client.send_to(b"later", address(&running)).unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let nothing = client.recv(&mut [0; 64]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    running.resume();
    assert_eq!(receive(&client).0, b"later");
    running.shutdown(PATIENCE);
}

#[test]
fn shutting_down_waits_for_the_handlers() {
    let door = Arc::new((Mutex::new(false), Condvar::new()));
    let (inside, entered) = mpsc::channel();
    let has_left = Arc::new(AtomicBool::new(false));
    let (running, client) = {
        let (door, has_left) = (Arc::clone(&door), Arc::clone(&has_left));
        let running = Server::udp(LOCALHOST).serve_datagrams(move |datagram| {
            inside.send(())?;
            let opened = door.0.lock().expect("nobody panics");
            let _opened = door.1.wait_while(opened, |opened| !*opened);
            echo(datagram)?;
            has_left.store(true, Ordering::Relaxed);
            Ok(())
        });
        (running.unwrap(), client(LOCALHOST))
    };
    client.send_to(b"one", address(&running)).unwrap();
    entered.recv_timeout(PATIENCE).unwrap();
    let stopped = std::thread::spawn(move || running.shutdown(PATIENCE));
    *door.0.lock().unwrap() = true;
    door.1.notify_all();
    assert_eq!(receive(&client).0, b"one");
    stopped.join().unwrap();
    assert!(has_left.load(Ordering::Relaxed));
}

#[test]
fn streams_are_not_datagrams() {
    let listener = std::net::TcpListener::bind(LOCALHOST).unwrap();
    let error = Server::adopt(listener).serve_datagrams(echo).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let error = Server::udp(LOCALHOST).serve(|_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let processes = Strategy::Processes { max: 4 };
    let error = (Server::udp(LOCALHOST).strategy(processes))
        .serve_datagrams(echo)
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn python_asks_the_time() {
    const ASK: &str = r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
for request in b"", b"what time is it?":
    s.sendto(request, (sys.argv[1], int(sys.argv[2])))
    answer, address = s.recvfrom(8192)
    assert address == (sys.argv[1], int(sys.argv[2])), address
    print(answer.decode())
"#;
    let time = "Sat Nov 21 02:29:12 2026";
    let running = Server::udp("0.0.0.0:0")
        .limits(Limits::default())
        .datagram_limits(DatagramLimits {
            min_allowance: time.len(),
            ..DatagramLimits::default()
        })
        .serve_datagrams(move |datagram| Ok(datagram.reply(time.as_bytes())?))
        .unwrap();
    let port = address(&running).port().to_string();
    let output = Command::new("python3")
        .args(["-c", ASK, "127.0.0.2", &port])
        .output()
        .expect("python3 is required");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(output.stdout, format!("{time}\n{time}\n").as_bytes());
    running.shutdown(PATIENCE);
}
