//! Resting from accepting, and going on.

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Duration;

use socket_server::Server;
use support::{LONG, ask, client, each, each_parallel, echo};

#[test]
fn newcomers_wait_until_the_server_resumes() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        for _ in 0..3 {
            ask(&mut client(&running), b"before");
            running.suspend();
            let mut newcomer = client(&running); // the backlog takes it
            newcomer.write_all(b"?").unwrap();
            newcomer
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            let error = newcomer.read(&mut [0]).expect_err("nobody answers");
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            running.resume();
            newcomer.set_read_timeout(Some(LONG)).unwrap();
            newcomer.read_exact(&mut [0]).unwrap();
        }
        assert_eq!(running.shutdown(Duration::MAX).finished, 6);
    });
}

#[test]
fn those_who_are_in_are_served() {
    each_parallel(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        let mut client = client(&running);
        ask(&mut client, b"before");
        running.suspend();
        ask(&mut client, b"meanwhile");
    });
}

#[test]
fn a_suspended_server_can_be_shut_down() {
    each(|strategy| {
        let running = Server::tcp("127.0.0.1:0")
            .strategy(strategy)
            .serve(echo)
            .unwrap();
        running.suspend();
        assert_eq!(running.shutdown(Duration::MAX).accepted, 0);
    });
}
