//! Whatever arrives comes back, under each strategy.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket_server::{Server, Strategy};

#[test]
fn echo_to_the_end() {
    for strategy in [
        Strategy::Serial,
        Strategy::Threads,
        Strategy::Pool { workers: 3 },
    ] {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(|connection| {
                std::io::copy(&mut &*connection, &mut &*connection)?;
                Ok(())
            })
            .unwrap();
        let mut client = TcpStream::connect(running.address()).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"hello", "{strategy:?}");
        let stats = running.shutdown(Duration::MAX);
        assert_eq!((stats.accepted, stats.finished), (1, 1), "{strategy:?}");
    }
}
