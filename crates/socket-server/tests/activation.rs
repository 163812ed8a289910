//! Sockets handed over by the service manager.
//!
//! The test starts itself as the manager would, with the sockets open from descriptor 3 on. It has no
//! harness because the started program is to have one thread.

use std::env;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use rustix::io::{FdFlags, fcntl_getfd};
use rustix::net::{getsockname, sockopt::socket_type};
use socket_server::activation::listen_fds;

/// Opens a TCP listener and a UDP socket, puts them at 3 and 4, and becomes the program.
const MANAGER: &str = r#"
import fcntl, os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 0))
high = [fcntl.fcntl(s, fcntl.F_DUPFD, 10) for s in (listener, datagrams)]
for place, fd in enumerate(high, 3):
    os.dup2(fd, place)
    os.set_inheritable(place, True)
os.closerange(5, 100)
pid, *variables = sys.argv[2:]
os.environ["LISTEN_PID"] = str(os.getpid()) if pid == "own" else pid
os.environ.update(v.split("=", 1) for v in variables)
os.execv(sys.argv[1], [sys.argv[1], "started"])
"#;

fn main() {
    if env::args().nth(1).as_deref() == Some("started") {
        return started();
    }
    let tests: [(&str, fn()); 6] = [
        (
            "sockets_come_with_their_names",
            sockets_come_with_their_names,
        ),
        ("unnamed_sockets_are_unknown", unnamed_sockets_are_unknown),
        (
            "another_process_s_sockets_are_left",
            another_process_s_sockets_are_left,
        ),
        (
            "mistakes_are_told_with_numbers",
            mistakes_are_told_with_numbers,
        ),
        (
            "without_a_manager_there_are_none",
            without_a_manager_there_are_none,
        ),
        (
            "a_second_thread_keeps_the_variables",
            a_second_thread_keeps_the_variables,
        ),
    ];
    println!("running {} tests", tests.len());
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
    println!("test result: ok. {} passed; 0 failed", tests.len());
}

/// What the started program does: tells what it was given.
fn started() {
    let second_thread = env::var_os("SECOND_THREAD").map(|_| {
        let (stay, stop) = std::sync::mpsc::channel::<()>();
        (stay, std::thread::spawn(move || stop.recv()))
    });
    match listen_fds() {
        Err(error) => println!("error: {error}"),
        Ok(activated) => {
            for one in activated {
                let address = getsockname(&one.socket).expect("it is a socket");
                let address = SocketAddr::try_from(address).expect("it is an IP socket");
                let kind = socket_type(&one.socket).expect("it is a socket");
                let flags = fcntl_getfd(&one.socket).expect("it is open");
                let is_kept = !flags.contains(FdFlags::CLOEXEC);
                println!("{} {kind:?} {} kept: {is_kept}", one.name, address.ip());
            }
            println!("again: {}", listen_fds().expect("it worked before").len());
        }
    }
    println!("variables: {}", env::vars_os().filter(is_listen).count());
    drop(second_thread);
}

fn is_listen((name, _): &(std::ffi::OsString, std::ffi::OsString)) -> bool {
    name.as_encoded_bytes().starts_with(b"LISTEN_")
}

fn start(pid: &str, variables: &[&str]) -> Vec<String> {
    let output = Command::new("python3")
        .args(["-c", MANAGER])
        .arg(env::current_exe().expect("this program has a path"))
        .arg(pid)
        .args(variables)
        .stderr(Stdio::inherit())
        .output()
        .expect("python3 is required");
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).expect("it prints text");
    text.lines().map(str::to_owned).collect()
}

fn sockets_come_with_their_names() {
    assert_eq!(
        start("own", &["LISTEN_FDS=2", "LISTEN_FDNAMES=web:clock"]),
        [
            "web SocketType(1) 127.0.0.1 kept: false",
            "clock SocketType(2) 127.0.0.1 kept: false",
            "again: 0",
            "variables: 0",
        ]
    );
}

fn unnamed_sockets_are_unknown() {
    assert_eq!(
        start("own", &["LISTEN_FDS=1"]),
        [
            "unknown SocketType(1) 127.0.0.1 kept: false",
            "again: 0",
            "variables: 0",
        ]
    );
}

fn another_process_s_sockets_are_left() {
    let told = start("1", &["LISTEN_FDS=2", "LISTEN_FDNAMES=web:clock"]);
    assert_eq!(told, ["again: 0", "variables: 3"]);
}

fn mistakes_are_told_with_numbers() {
    for (variables, error) in [
        (
            &["LISTEN_FDS=2", "LISTEN_FDNAMES=web"][..],
            "LISTEN_FDNAMES has 1 names, LISTEN_FDS is 2",
        ),
        (
            &["LISTEN_FDS=4"],
            "LISTEN_FDS is 4, but descriptor 5 is not open: Bad file descriptor (os error 9)",
        ),
        (&["LISTEN_FDS=two"], "LISTEN_FDS is \"two\", not a number"),
        (
            &["LISTEN_FDS=4294967295"],
            "LISTEN_FDS is 4294967295, too large",
        ),
    ] {
        assert_eq!(start("own", variables)[0], format!("error: {error}"));
    }
}

fn without_a_manager_there_are_none() {
    let taken = listen_fds().expect("nothing is wrong");
    assert!(taken.is_empty());
    // The descriptors that a manager would have used are left to whoever opens something.
    TcpListener::bind("127.0.0.1:0").expect("a port is free");
}

fn a_second_thread_keeps_the_variables() {
    let told = start("own", &["LISTEN_FDS=2", "SECOND_THREAD=yes"]);
    assert_eq!(told[2..], ["again: 0", "variables: 2"]);
}
