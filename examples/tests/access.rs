//! Whom the servers serve: rules on the command line and in a file, which is read again on SIGHUP.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};
use support::process::Process;
use support::strategies::{at_once, connect, echo, exchange, read_to_end, start};
use support::{DEADLINE, Folder, Program};

/// Two of the many addresses of this machine.
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A file of rules in a folder of its own.
struct Rules {
    path: String,
    _folder: Folder,
}

impl Rules {
    fn new(test: &str, text: &str) -> Self {
        let folder = Folder::new(test);
        let rules = Self {
            path: folder.path("rules"),
            _folder: folder,
        };
        rules.write(text);
        rules
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.path, text).expect("room for a file");
    }

    /// Has a server read the file again, with this text, and waits until it says so.
    fn change(&self, server: &Program, text: &str, said: &str) {
        self.write(text);
        server.signal(Signal::HUP);
        server.stderr.wait_for(said);
    }
}

/// A TCP client that has this address.
fn connect_from(ip: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("room for a socket");
    let from = SocketAddr::from((ip, 0));
    socket
        .bind(&SockAddr::from(from))
        .expect("a loopback address");
    socket.connect(&server.into()).expect("the server listens");
    let stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    stream
}

/// Waits until the server ends a connection, on which it says nothing.
fn is_shut_out(mut stream: TcpStream) {
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("the server is expected to end the connection: {other:?}"),
    }
}

#[test]
fn the_narrowest_rule_decides_and_where_two_are_equal_deny() {
    at_once(|strategy| {
        let hole = ["--deny", "127.0.0.0/8", "--allow", "127.0.0.1"];
        let server = start("echo_server", strategy, &hole);
        assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
        is_shut_out(connect_from(TWO, server.address()));
        server.stderr.wait_for("127.0.0.2 denied by 127.0.0.0/8\n");

        let both = ["--deny", "127.0.0.0/8", "--allow", "127.0.0.0/8"];
        let server = start("echo_server", strategy, &both);
        is_shut_out(connect(&server));
        server.stderr.wait_for("127.0.0.1 denied by 127.0.0.0/8\n");
    });
}

#[test]
fn a_file_is_read_again_and_who_is_in_stays_in() {
    at_once(|strategy| {
        let rules = Rules::new(&format!("reload-{strategy}"), "allow 127.0.0.0/8 # us\n");
        // The command line's rules stay, too.
        let options = ["--access-file", &rules.path, "--deny", "127.0.0.2"];
        let server = start("echo_server", strategy, &options);
        server.stderr.wait_for("rules: 1 rule\n");
        is_shut_out(connect_from(TWO, server.address()));
        server.stderr.wait_for("127.0.0.2 denied by 127.0.0.2/32\n");

        let running = connect(&server);
        echo(&running, b"before");
        let text = "# nobody\n\ndeny 127.0.0.1\ndeny all\n";
        rules.change(&server, text, "rules: 2 rules, 1 rule before\n");
        echo(&running, b"after");
        assert_eq!(exchange(&running, b"bye"), b"bye");
        is_shut_out(connect(&server));
        let denied = "127.0.0.1 denied by 127.0.0.1/32 (line 3)\n";
        server.stderr.wait_for(denied);

        let text = "allow all\nallow 127.0.0.1/8\n";
        let bad = "rules: line 2, column 7: 127.0.0.1/8 has host bits set; 127.0.0.0/8 is the \
                   network; the 2 rules from before stay\n";
        rules.change(&server, text, bad);
        is_shut_out(connect(&server));
        server.stderr.find("the same again", |text| {
            (text.matches(denied).count() == 2).then_some(())
        });

        rules.change(
            &server,
            "allow 127.0.0.1",
            "rules: 1 rule, 2 rules before\n",
        );
        assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
        server.signal(Signal::TERM);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    });
}

#[test]
fn by_a_socket_for_both_families_nobody_gets_around_a_rule() {
    at_once(|strategy| {
        let arguments = ["--listen", "[::]:0", "--strategy", strategy];
        let rules = ["--allow", "::/0", "--allow", "127.0.0.2"];
        let server = Program::start("echo_server", &[arguments, rules].concat());
        let address = SocketAddr::from((ONE, server.address().port()));
        is_shut_out(connect_from(ONE, address));
        server
            .stderr
            .wait_for("127.0.0.1 denied: no rule allows it\n");
        echo(&connect_from(TWO, address), b"hello");
    });
}

#[test]
fn worker_processes_survive_the_signal() {
    let rules = Rules::new("workers-hup", "allow 127.0.0.1");
    let options = ["--workers", "1", "--access-file", &rules.path];
    let server = start("echo_server", "prefork", &options);
    // One that serves is past its beginning.
    assert_eq!(exchange(&connect(&server), b"before"), b"before");
    let workers = |server: &Program| -> Vec<_> {
        let children = server.process().children().into_iter();
        children.map(|Process(pid)| pid).collect()
    };
    let before = workers(&server);
    assert_eq!(before.len(), 1);
    for worker in &before {
        rustix::process::kill_process(*worker, Signal::HUP).unwrap();
    }
    rules.change(
        &server,
        "allow 127.0.0.0/8",
        "rules: 1 rule, 1 rule before\n",
    );
    assert_eq!(exchange(&connect(&server), b"after"), b"after");
    assert_eq!(workers(&server), before);
}

#[test]
fn a_file_that_is_gone_or_empty_or_no_text_changes_nothing() {
    let rules = Rules::new("gone", "allow 127.0.0.1");
    let server = start("echo_server", "threads", &["--access-file", &rules.path]);
    server.address();
    rules.change(
        &server,
        "",
        "rules: line 1, column 1: the end, without a rule",
    );
    std::fs::write(&rules.path, b"allow \xff").unwrap();
    server.signal(Signal::HUP);
    server.stderr.wait_for("rules: invalid utf-8 sequence");
    std::fs::remove_file(&rules.path).unwrap();
    server.signal(Signal::HUP);
    let said = server.stderr.wait_for("No such file or directory");
    assert_eq!(
        said.matches("; the 1 rule from before stay\n").count(),
        3,
        "{said}"
    );
    assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
}

#[test]
fn a_server_does_not_start_with_a_file_that_it_does_not_understand() {
    let rules = Rules::new("start", "allow all\npermit all\n");
    for (path, problem) in [
        (rules.path.as_str(), "rules: line 2, column 1: no statement"),
        ("/no/such/file", "/no/such/file: No such file or directory"),
        ("/dev/zero", "/dev/zero: longer than 16777216 bytes"),
    ] {
        let arguments = ["--listen", "127.0.0.1:0", "--access-file", path];
        let ended = Program::start("echo_server", &arguments).wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains(problem), "{ended:?}");
    }
    let arguments = ["--listen", "127.0.0.1:0", "--allow", "127.0.0.1/8"];
    let ended = Program::start("echo_server", &arguments).wait();
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("127.0.0.0/8 is the network"),
        "{ended:?}"
    );
}

#[test]
fn who_comes_by_a_unix_socket_has_no_address_to_deny() {
    let folder = Folder::new("unix");
    let listen = format!("unix:{}", folder.path("socket"));
    for strategy in ["threads", "fork", "loop"] {
        let server = Program::start(
            "echo_server",
            &[
                "--listen",
                &listen,
                "--strategy",
                strategy,
                "--deny",
                "::/0",
                "--deny",
                "0.0.0.0/0",
            ],
        );
        server.url();
        let mut stream = std::os::unix::net::UnixStream::connect(folder.path("socket")).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_end(stream), b"hello", "{strategy}");
        server.signal(Signal::TERM);
        assert!(server.wait().status.success());
    }
}

/// Lets one address in after the other, and sees that this is so.
fn by_turns(name: &str, arguments: &[&str], is_served: impl Fn(&Program, TcpStream)) {
    let rules = Rules::new(name, "deny 127.0.0.2");
    let arguments = [arguments, &["--access-file", &rules.path]].concat();
    let server = Program::start(name, &arguments);
    let address = server.address();
    is_shut_out(connect_from(TWO, address));
    server
        .stderr
        .wait_for("127.0.0.2 denied by 127.0.0.2/32 (line 1)\n");
    is_served(&server, connect_from(ONE, address));
    rules.change(&server, "deny 127.0.0.1", "rules: 1 rule, 1 rule before\n");
    is_shut_out(connect_from(ONE, address));
    server
        .stderr
        .wait_for("127.0.0.1 denied by 127.0.0.1/32 (line 1)\n");
    is_served(&server, connect_from(TWO, address));
}

/// A request to which the answer begins with this.
fn answers(request: &[u8], answer: &[u8]) -> impl Fn(&Program, TcpStream) {
    move |_, mut stream| {
        stream.write_all(request).expect("the server takes it");
        let mut start = vec![0; answer.len()];
        stream.read_exact(&mut start).expect("the answer in time");
        assert!(start == answer, "{:?}", start.escape_ascii().to_string());
    }
}

/// A message that is printed, behind who sent it.
fn prints(message: &[u8], said: &str) -> impl Fn(&Program, TcpStream) {
    move |server, mut stream| {
        let from = stream.local_addr().expect("a connected socket");
        stream.write_all(message).expect("the server takes it");
        drop(stream);
        server.stdout.wait_for(&format!("{from} {said}"));
    }
}

#[test]
fn every_server_of_the_recipes() {
    let server = ["server", "--listen", "127.0.0.1:0"];
    let greeting = answers(b"Hi there, server", b"Farewell, client");
    by_turns("sixteen", &server, greeting);
    by_turns(
        "streamer",
        &server,
        prints(b"hello", "sent 5 bytes: \"hello\""),
    );
    by_turns(
        "blocks",
        &server,
        prints(b"\0\0\0\x05hello\0\0\0\0", "says \"hello\""),
    );
    let zen = answers(b"Simple is better than?", b"Complex.");
    by_turns("zen_server", &["--listen", "127.0.0.1:0"], &zen);
    by_turns(
        "zen_server",
        &["--listen", "127.0.0.1:0", "--strategy", "loop"],
        &zen,
    );
}

#[test]
fn the_chat_server() {
    let login = answers(b"\0\0\0\x07NAME: a", b"\0\0\0\x11CLIENT: 127.0.0.");
    by_turns("chat_server", &["--listen", "127.0.0.1:0"], login);
}

#[test]
fn the_servers_of_messages() {
    for strategy in ["threads", "prefork", "loop", "tokio"] {
        let listen = ["--listen", "127.0.0.1:0", "--strategy", strategy];
        let bytes = answers(b"\0\0\0\x05hello", b"\0\0\0\x05hello");
        by_turns("mp_echo", &[&listen[..], &["--bytes"]].concat(), bytes);
        // The pickle of ("add", (1, 2), {}), and the beginning of any pickle.
        let call = b"\0\0\0\x10\x80\x02X\x03\0\0\0addK\x01K\x02\x86}\x87.";
        let call = [&[0, 0, 0, (call.len() - 4) as u8], &call[4..]].concat();
        by_turns("rpc_server", &listen, answers(&call, b"\0\0\0"));
    }
    let json = ["--memory", "--no-native", "--jsonrpc", "127.0.0.1:0"];
    let call = b"{\"jsonrpc\": \"2.0\", \"method\": \"get\", \"params\": [\"a\"], \"id\": 1}\n";
    by_turns("kv_server", &json, answers(call, b"{\"jsonrpc\":\"2.0\""));
}

#[test]
fn the_server_of_arrays() {
    let numbers = [0.0_f64, 1.0].map(f64::to_le_bytes);
    let arguments = ["--listen", "127.0.0.1:0", "--count", "2"];
    by_turns(
        "array_server",
        &arguments,
        answers(b"", numbers.as_flattened()),
    );
}

#[test]
fn the_server_that_hands_connections_over() {
    let folder = Folder::new("workers");
    let workers = folder.path("socket");
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--worker-socket",
        &workers,
        "--wait",
        "0.01",
    ];
    by_turns("fd_server", &arguments, |server, stream| {
        let from = stream.local_addr().expect("a connected socket");
        server
            .stderr
            .wait_for(&format!("{from}: given up, there was no worker for it"));
    });
}

/// A UDP client that has this address.
fn client(ip: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("a loopback address");
    socket
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    socket
}

/// Sends a datagram; it is answered.
fn ask(ip: Ipv4Addr, server: SocketAddr) {
    let socket = client(ip);
    socket.send_to(b"1", server).expect("loopback takes it");
    socket.recv(&mut [0; 64]).expect("an answer in time");
}

/// Sends a datagram; that it is denied is logged, by a rule of this line.
fn is_ignored(ip: Ipv4Addr, server: &Program, address: SocketAddr, times: usize) {
    let socket = client(ip);
    socket.send_to(b"1", address).expect("loopback takes it");
    let denied = format!("{ip} denied by {ip}/32 (line 1)\n");
    server.stderr.find(&denied, |text| {
        (text.matches(&denied).count() == times).then_some(())
    });
    // It would have been answered by now, before the next one is.
    socket.set_nonblocking(true).expect("a socket");
    assert!(socket.recv(&mut [0; 64]).is_err());
}

#[test]
fn the_servers_of_datagrams() {
    for strategy in ["serial", "threads", "pool", "prefork", "loop"] {
        let rules = Rules::new(&format!("time-{strategy}"), "deny 127.0.0.2");
        let listen = ["-v", "--listen", "127.0.0.1:0", "--strategy", strategy];
        let arguments = [&listen[..], &["--access-file", &rules.path]].concat();
        let server = Program::start("time_server", &arguments);
        let address = server.address();
        ask(ONE, address);
        is_ignored(TWO, &server, address, 1);
        rules.change(&server, "deny 127.0.0.1", "rules: 1 rule, 1 rule before\n");
        ask(TWO, address);
        is_ignored(ONE, &server, address, 1);
    }
    let rules = Rules::new("udp", "deny 127.0.0.2");
    let any = ["--time", "--echo", "--fib"].map(|service| [service, "127.0.0.1:0"]);
    let arguments = [&any.concat()[..], &["-v", "--access-file", &rules.path]].concat();
    let server = Program::start("udp_servers", &arguments);
    let addresses = [0, 1, 2].map(|n| server.nth_address(n));
    for (n, address) in addresses.into_iter().enumerate() {
        ask(ONE, address);
        is_ignored(TWO, &server, address, n + 1);
    }
    rules.change(&server, "deny 127.0.0.1", "rules: 1 rule, 1 rule before\n");
    for (n, address) in addresses.into_iter().enumerate() {
        ask(TWO, address);
        is_ignored(ONE, &server, address, n + 1);
    }
}

#[test]
fn the_receiver_of_broadcasts() {
    let rules = Rules::new("broadcast", "deny 127.0.0.2");
    let arguments = [
        "receiver",
        "--listen",
        "127.0.0.1:0",
        "-v",
        "--access-file",
        &rules.path,
    ];
    let server = Program::start("broadcast", &arguments);
    let says = |ip: Ipv4Addr, text: &str| {
        let socket = client(ip);
        let sent = socket.send_to(text.as_bytes(), server.address());
        sent.expect("loopback takes it");
    };
    says(TWO, "first");
    says(ONE, "second");
    let printed = server.stdout.wait_for("says \"second\"\n");
    assert!(!printed.contains("first"), "{printed}");
    rules.change(&server, "deny 127.0.0.1", "rules: 1 rule, 1 rule before\n");
    says(ONE, "third");
    says(TWO, "fourth");
    let printed = server.stdout.wait_for("says \"fourth\"\n");
    assert!(!printed.contains("third"), "{printed}");
}

#[test]
fn a_hundred_thousand_rules_hold_up_nobody() {
    let text: String = (0..100_000_u32)
        .map(|number| format!("deny {}\n", Ipv4Addr::from(0x0a00_0000 + number)))
        .collect();
    let rules = Rules::new("many", &text);
    let server = start(
        "echo_server",
        "prefork",
        &["--workers", "2", "--access-file", &rules.path],
    );
    let mut stream = connect(&server);
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    server.stderr.wait_for("rules: 100000 rules\n");
}
