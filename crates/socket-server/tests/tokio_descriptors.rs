//! Out of descriptors on a tokio runtime: the server rests, serves those it has, and recovers.
//! A file of its own, since the limit holds for the whole process.

use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket_server::Server;
use socket2::{Domain, Socket, Type};

mod support;

use support::{LONG, ask};

#[test]
fn it_rests_and_recovers() {
    // The clients block, so the server has threads of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let running = Server::tcp("127.0.0.1:0")
        .serve_tokio(async |connection| {
            tokio::io::copy(&mut &connection, &mut &connection).await?;
            Ok(())
        })
        .unwrap();
    let address = running.address().socket_addr().expect("TCP");
    let sockets: Vec<_> = (0..6)
        .map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap())
        .collect();
    let normal = getrlimit(Resource::Nofile);
    // The lowest free descriptor is the only one that can be had.
    let free = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    let current = Some(u64::try_from(free).unwrap() + 1);
    setrlimit(Resource::Nofile, Rlimit { current, ..normal }).unwrap();
    let mut clients: Vec<TcpStream> = sockets
        .into_iter()
        .map(|socket| {
            socket.connect(&address.into()).unwrap();
            socket.set_read_timeout(Some(LONG)).unwrap();
            socket.into()
        })
        .collect();
    let began = Instant::now();
    let mut first = clients.remove(0);
    while running.stats().accept_pauses < 4 {
        ask(&mut first, b"served meanwhile");
    }
    // It has rested for 10 + 20 + 40 ms before the fourth time.
    assert!(began.elapsed() >= Duration::from_millis(70));
    assert_eq!(running.stats().open, 1);
    setrlimit(Resource::Nofile, normal).unwrap();
    drop(first);
    for mut client in clients {
        ask(&mut client, b"served now");
    }
    let stats = runtime.block_on(running.shutdown(Duration::MAX));
    assert_eq!((stats.accepted, stats.finished), (6, 6));
    assert!(stats.accept_pauses < 12, "{} pauses", stats.accept_pauses);
}
