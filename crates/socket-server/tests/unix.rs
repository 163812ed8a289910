//! Unix sockets: with a path, with an abstract name, and what dead servers leave behind.

mod support;

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use socket_server::{Address, Server};
use support::{each, echo};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

fn ask(mut client: UnixStream) {
    client.write_all(b"hello").expect("the server reads");
    client.shutdown(Shutdown::Write).expect("it is there");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an orderly end");
    assert_eq!(answer, b"hello");
}

#[test]
fn a_path_is_served_and_removed_at_the_end() {
    each(|strategy| {
        let path = path("served");
        let running = Server::unix(&path)
            .strategy(strategy)
            .verify(|peer| peer.ip().is_none() && peer.to_string() == "unix")
            .serve(echo)
            .unwrap();
        assert_eq!(running.address().path(), Some(path.as_path()));
        assert_eq!(
            running.address().to_string(),
            format!("unix://{}", path.display())
        );
        ask(UnixStream::connect(&path).unwrap());
        assert_eq!(running.shutdown(Duration::MAX).finished, 1);
        assert!(!path.exists());
    });
}

#[test]
fn the_file_of_a_dead_server_is_replaced() {
    let path = path("stale");
    drop(UnixListener::bind(&path).unwrap()); // leaves its file
    let _running = Server::unix(&path).serve(echo).unwrap();
    ask(UnixStream::connect(&path).unwrap());
}

#[test]
fn the_file_of_a_living_server_is_not() {
    let path = path("living");
    let _running = Server::unix(&path).serve(echo).unwrap();
    let error = Server::unix(&path).serve(echo).expect_err("it is in use");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    ask(UnixStream::connect(&path).unwrap());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let path = path("data");
    fs::write(&path, "precious").unwrap();
    let error = Server::unix(&path).serve(echo).expect_err("it is in use");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_another_has_put_there_meanwhile_is_left_alone() {
    let path = path("taken");
    let running = Server::unix(&path).serve(echo).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    drop(running);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_path_that_is_too_long_is_said_to_be() {
    let error = Server::unix("x".repeat(200))
        .bind()
        .expect_err("108 bytes are the most");
    assert_eq!(error.raw_os_error(), Some(36)); // ENAMETOOLONG
}

#[test]
fn an_abstract_name_is_served() {
    each(|strategy| {
        let name = format!("socket-server test {}", std::process::id());
        let running = Server::unix_abstract(name.as_bytes())
            .strategy(strategy)
            .serve(|connection| {
                assert!(matches!(
                    connection.local_address(),
                    Address::UnixAbstract(_)
                ));
                echo(connection)
            })
            .unwrap();
        assert_eq!(running.address().to_string(), format!("unix:@{name}"));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        ask(UnixStream::connect_addr(&address).unwrap());
        assert_eq!(running.shutdown(Duration::MAX).finished, 1);
    });
}
