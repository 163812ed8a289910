//! Out of descriptors: the server rests, serves those it has, and recovers.
//! A file of its own, since the limit holds for the whole process.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket_server::Server;
use socket2::{Domain, Socket, Type};
use support::{LONG, ask, each_parallel, echo};

#[test]
fn it_rests_and_recovers() {
    let normal = getrlimit(Resource::Nofile);
    each_parallel(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        let address = running.address().socket_addr().expect("TCP");
        let sockets: Vec<_> = (0..6)
            .map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap())
            .collect();
        // The lowest free descriptor is the only one that can be had (or nearly: threads of the server
        // before may be closing some of theirs).
        let free = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
        let current = Some(u64::try_from(free).unwrap() + 1);
        setrlimit(Resource::Nofile, Rlimit { current, ..normal }).unwrap();
        let began = Instant::now();
        let mut clients: Vec<TcpStream> = sockets
            .into_iter()
            .map(|socket| {
                socket.connect(&address.into()).unwrap();
                socket.set_read_timeout(Some(LONG)).unwrap();
                socket.into()
            })
            .collect();
        let mut first = clients.remove(0);
        while running.stats().accept_pauses < 4 {
            ask(&mut first, b"served meanwhile");
        }
        // Each of those that are over took 10 ms at least.
        assert!(began.elapsed() >= Duration::from_millis(30));
        assert!(running.stats().open < 6);
        setrlimit(Resource::Nofile, normal).unwrap();
        drop(first);
        for mut client in clients {
            client.write_all(b"?").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.accepted, stats.finished), (6, 6));
        assert!(stats.accept_pauses < 12, "{} pauses", stats.accept_pauses);
    });
}
