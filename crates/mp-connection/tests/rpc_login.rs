//! The login before the calls, inside the dialect.

mod rpc_ends;

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use mp_connection::pickle::Value;
use mp_connection::rpc::{Client, Options, Peer};
use mp_connection::{Auth, AuthError, Generation, Handshake};
use rpc_core::{Dialect, Error};
use rpc_ends::{DRIVERS, Driver, KEY, Server, answers, auth, registry, request};

fn peer(auth: &Auth) -> Peer {
    Peer::new(Arc::new(registry()), Options::default()).authenticated(auth)
}

/// Has the client's end of a login talk to the peer until neither has more to say; returns what came behind it.
fn log_in(client: &mut Handshake, peer: &mut Peer, now: Instant) -> Result<Vec<u8>, Error> {
    peer.handle_timeout(now)?;
    peer.receive(&[], now)?;
    let mut rest = Vec::new();
    loop {
        let said = std::mem::take(peer.output());
        let taken = client.receive(&said);
        rest.extend_from_slice(&said[taken..]);
        let mut answer = Vec::new();
        if !client.poll_transmit(&mut answer) && said.is_empty() {
            return Ok(rest);
        }
        peer.receive(&answer, now)?;
    }
}

fn auth_error(error: &Error) -> &AuthError {
    let Error::Io(error) = error else {
        panic!("{error} is not about the login");
    };
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let inner = error.get_ref().expect("it says why");
    inner.downcast_ref().expect("it is the login's")
}

#[test]
fn calls_begin_when_the_login_is_over() {
    let told = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&told);
    let mut peer = peer(&auth()).on_login(move |generation| {
        *tell.lock().expect("nobody panicked") = Some(generation);
    });
    let mut client = Handshake::client(&auth(), [7; 40]);
    let now = Instant::now();
    let rest = log_in(&mut client, &mut peer, now).expect("the key is right");
    assert_eq!(rest, b"");
    let modern = Some(Generation::Modern);
    assert_eq!(client.poll_event(), Ok(modern));
    assert_eq!(*told.lock().expect("nobody panicked"), modern);
    assert_eq!(peer.poll_timeout(), None);
    peer.receive(&request("add", (2, 3)), now).expect("whole");
    assert_eq!(answers(peer.output()), [Value::Int(5)]);
}

#[test]
fn a_request_may_come_right_behind_the_login() {
    let mut peer = peer(&auth());
    let mut client = Handshake::client(&auth(), [7; 40]);
    let now = Instant::now();
    peer.handle_timeout(now).expect("it begins");
    for round in 0..3 {
        let said = std::mem::take(peer.output());
        client.receive(&said);
        let mut answer = Vec::new();
        client.poll_transmit(&mut answer);
        if round == 2 {
            answer.extend_from_slice(&request("add", (2, 3)));
        }
        peer.receive(&answer, now).expect("the key is right");
    }
    assert_eq!(answers(peer.output()), [Value::Int(5)]);
}

#[test]
fn before_the_login_nothing_is_called() {
    let mut peer = peer(&auth());
    let now = Instant::now();
    peer.handle_timeout(now).expect("it begins");
    peer.output().clear();
    let error = peer
        .receive(&request("add", (2, 3)), now)
        .expect_err("it is no answer to a challenge");
    assert!(
        matches!(auth_error(&error), AuthError::Unexpected { .. }),
        "{error}"
    );
    assert_eq!(peer.output(), b"\0\0\0\x09#FAILURE#");
}

#[test]
fn another_key_is_refused() {
    let other = Auth::modern_only("another").expect("it is not empty");
    let mut client = Handshake::client(&other, [7; 40]);
    let error = log_in(&mut client, &mut peer(&auth()), Instant::now()).expect_err("another key");
    assert_eq!(auth_error(&error), &AuthError::WrongKey);
}

#[test]
fn who_says_nothing_is_let_go_in_time() {
    let mut peer = peer(&auth());
    let now = Instant::now();
    peer.handle_timeout(now).expect("it begins");
    let due = peer.poll_timeout().expect("an answer is due");
    assert_eq!(due, now + Duration::from_secs(5));
    peer.handle_timeout(due - Duration::from_millis(1))
        .expect("there is time");
    let error = peer.handle_timeout(due).expect_err("it is late");
    assert!(
        matches!(auth_error(&error), AuthError::TimedOut { .. }),
        "{error}"
    );
}

#[test]
fn who_goes_during_the_login_is_no_caller() {
    let mut peer = peer(&auth());
    let now = Instant::now();
    peer.handle_timeout(now).expect("it begins");
    let error = peer.receive_eof(now).expect_err("the login is not over");
    assert!(
        matches!(auth_error(&error), AuthError::Closed { .. }),
        "{error}"
    );
}

#[test]
fn a_hundred_silent_connections_hold_up_nobody() {
    for driver in DRIVERS {
        let server = Server::new(driver, registry(), &Options::default());
        let silent: Vec<TcpStream> = (0..100)
            .map(|_| TcpStream::connect(server.address).expect("there is room"))
            .collect();
        let begun = Instant::now();
        let mut client = Client::connect(&server.address.into(), &auth()).expect("it lets us in");
        let sum: i64 = client.call("add", (2, 3)).expect("a sum");
        assert_eq!(sum, 5);
        let taken = begun.elapsed();
        assert!(taken < Duration::from_secs(1), "{driver:?}: {taken:?}");
        drop(silent);
    }
}

#[test]
fn silent_connections_are_closed_when_their_time_is_over() {
    let (tell, told) = mpsc::channel();
    let short = auth().with_timeout(Duration::from_millis(100));
    let server = Server::with(Driver::EventLoop, move || {
        let tell = tell.clone();
        peer(&short).on_login(move |generation| tell.send(generation).expect("the test waits"))
    });
    let mut silent: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(server.address).expect("there is room"))
        .collect();
    for stream in &mut silent {
        stream
            .set_read_timeout(Some(rpc_ends::LONG))
            .expect("a socket can");
        let mut said = Vec::new();
        stream.read_to_end(&mut said).expect("it is closed");
        assert!(
            said.starts_with(b"\0\0\0\x3b#CHALLENGE#{sha256}"),
            "{said:?}"
        );
    }
    let client = Client::connect(
        &server.address.into(),
        &Auth::modern_only(KEY).expect("a key"),
    );
    assert!(client.expect("it lets us in").is_usable());
    assert_eq!(told.recv_timeout(rpc_ends::LONG), Ok(Generation::Modern));
}
