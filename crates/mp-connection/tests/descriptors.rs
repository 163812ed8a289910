//! Descriptors between the messages of a connection.
#![cfg(feature = "fd-passing")]

mod support;

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use fd_passing::MessageError;
use fd_passing::python::Acknowledge;
use mp_connection::blocking::{Connection, Listener};
use mp_connection::{Address, Error};
use support::login::{KEY, legacy};
use support::{Folder, LONG, pair, pythons};

use Acknowledge::{Always, Never};

fn null() -> File {
    File::open("/dev/null").expect("there is one")
}

fn message_error<T: std::fmt::Debug>(result: Result<T, Error>) -> MessageError {
    match result {
        Err(Error::Descriptor(fd_passing::Error::Message(error))) => error,
        other => panic!("{other:?} instead of a wrong message"),
    }
}

#[test]
fn descriptors_and_messages_take_turns() {
    for acknowledge in [Never, Always] {
        let (server, worker) = UnixStream::pair().unwrap();
        let (server, worker) = (Connection::from(server), Connection::from(worker));
        let serving = thread::spawn(move || {
            for round in 0..10_u8 {
                let (mut reader, writer) = std::io::pipe().expect("descriptors are left");
                server.send_bytes(&[round; 3]).expect("it is read");
                server
                    .send_handle(writer, acknowledge)
                    .expect("it is taken");
                server.send_bytes(&[]).expect("it is read");
                assert_eq!(
                    server
                        .recv_bytes()
                        .expect("one is sent")
                        .expect("one is sent"),
                    [round]
                );
                let mut written = Vec::new();
                reader.read_to_end(&mut written).expect("it is a pipe");
                assert_eq!(written, [round]);
            }
        });
        for round in 0..10_u8 {
            assert_eq!(worker.recv_bytes().unwrap().unwrap(), [round; 3]);
            let writer = worker.recv_handle(acknowledge).unwrap().unwrap();
            File::from(writer).write_all(&[round]).unwrap();
            assert_eq!(worker.recv_bytes().unwrap().unwrap(), b"");
            worker.send_bytes(&[round]).unwrap();
        }
        assert!(worker.recv_handle(acknowledge).unwrap().is_none());
        serving.join().expect("it does not panic");
    }
}

/// Over TCP Python sends the byte, and loses the descriptor.
#[test]
fn only_unix_sockets_pass_descriptors() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Connection::from(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let server = Connection::from(listener.accept().unwrap().0);
    for acknowledge in [Never, Always] {
        let error = message_error(client.send_handle(null(), acknowledge));
        assert_eq!(error, MessageError::NotUnix);
    }
    client.send_bytes(b"nothing was sent before this").unwrap();
    assert_eq!(
        message_error(server.recv_handle(Always)),
        MessageError::NotUnix
    );
    assert_eq!(
        server.recv_bytes().unwrap().unwrap(),
        b"nothing was sent before this"
    );
}

#[test]
fn a_message_is_no_descriptor() {
    let (connection, mut peer) = pair();
    peer.write_all(b"\0\0\0\x05hello").unwrap();
    let error = message_error(connection.recv_handle(Never));
    let expected = MessageError::WrongCount {
        expected: 1,
        received: 0,
        byte: 0,
    };
    assert_eq!(error, expected);
}

#[test]
fn no_descriptor_comes_inside_a_message() {
    let (connection, mut peer) = pair();
    peer.write_all(b"\0\0\0\x05hello").unwrap();
    connection.recv_into(&mut []).unwrap_err();
    for _ in 0..2 {
        let error = connection.recv_handle(Never).unwrap_err();
        assert!(matches!(error, Error::MessageUnderWay), "{error:?}");
    }
    assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"hello");
    fd_passing::send(&peer, b"\x01", &[null()]).unwrap();
    assert!(connection.recv_handle(Never).unwrap().is_some());
}

#[test]
fn a_descriptor_may_be_waited_for_in_vain() {
    let (connection, _peer) = pair();
    let connection = connection.with_read_timeout(Some(Duration::from_millis(10)));
    let error = connection.recv_handle(Always).unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::TimedOut));
}

/// The recipe: the worker tells its pid, which shows how its Python acknowledges.
#[test]
fn python_takes_and_gives_descriptors() {
    const WORKER: &str = "
import os, sys
from multiprocessing.connection import Client
from multiprocessing.reduction import recv_handle, send_handle
connection = Client(sys.argv[1], authkey=sys.argv[2].encode())
connection.send(os.getpid())
for _ in range(5):
    assert connection.recv_bytes() == b'a descriptor follows'
    handle = recv_handle(connection)
    connection.send_bytes(b'another follows')
    send_handle(connection, handle, None)
    os.close(handle)
";
    for python in pythons() {
        let folder = Folder::new();
        let path = folder.path("socket");
        let mut listener = Listener::bind(&Address::Unix(path.clone()), &legacy()).unwrap();
        let worker = Command::new(&python)
            .args(["-c", WORKER])
            .arg(path)
            .arg(KEY)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let connection = listener.accept_timeout(LONG).unwrap().expect("it logs in");
        let pid = connection.recv_bytes().unwrap().unwrap();
        let acknowledge = Acknowledge::of_pickle(&pid).unwrap();
        for _ in 0..5 {
            let (mut reader, writer) = std::io::pipe().unwrap();
            connection.send_bytes(b"a descriptor follows").unwrap();
            connection.send_handle(writer, acknowledge).unwrap();
            assert_eq!(
                connection.recv_bytes().unwrap().unwrap(),
                b"another follows"
            );
            let writer = connection.recv_handle(acknowledge).unwrap().unwrap();
            File::from(writer).write_all(b"hello").unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello");
        }
        let output = worker.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", python.display());
    }
}
