//! A listener among peers that are silent, slow, wrong or many.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use mp_connection::blocking::{Connection, Listener};
use mp_connection::{AcceptError, Address, Auth, AuthError, Error, Generation};
use support::login::{frame, messages, modern};
use support::{Folder, LONG};

fn loopback() -> Address {
    Address::from(([127, 0, 0, 1], 0))
}

fn tcp(listener: &Listener) -> SocketAddr {
    match listener.address() {
        Address::Tcp(address) => *address,
        other => panic!("{other} is not TCP"),
    }
}

/// A client that logs in on a thread of its own.
fn client(listener: &Listener, auth: &Auth) -> thread::JoinHandle<Result<Connection, Error>> {
    let (address, auth) = (listener.address().clone(), auth.clone());
    thread::spawn(move || Connection::connect(&address, &auth))
}

fn refused(result: Result<Connection, AcceptError>) -> (Option<SocketAddr>, AuthError) {
    match result {
        Err(AcceptError::Refused {
            peer,
            error: Error::Auth(error),
        }) => (peer, error),
        other => panic!("{other:?} instead of a refusal"),
    }
}

/// A listener with room for one connection, or two.
fn deaf_listener(path: &std::path::Path) -> std::os::fd::OwnedFd {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let socket =
        socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("sockets can be made");
    bind(&socket, &SocketAddrUnix::new(path).expect("it is short")).expect("nobody is there");
    listen(&socket, 1).expect("it is bound");
    socket
}

/// The peer's end of the stream has come, by whatever way.
fn assert_closed(mut stream: impl io::Read) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
}

#[test]
fn every_kind_of_address_can_be_listened_at() {
    let folder = Folder::new();
    let name = format!("mp-connection-{}", std::process::id());
    let addresses = [
        loopback(),
        Address::Unix(folder.path("socket")),
        Address::Abstract(name.into_bytes()),
    ];
    for address in addresses {
        let mut listener = Listener::bind(&address, &modern()).unwrap();
        let client = client(&listener, &modern());
        let connection = listener.accept().unwrap();
        let client = client.join().expect("it does not panic").unwrap();
        assert_eq!(connection.generation(), Some(Generation::Modern));
        assert_eq!(client.generation(), Some(Generation::Modern));
        assert_eq!(
            connection.peer_addr().is_some(),
            matches!(address, Address::Tcp(_))
        );
        client.send_bytes(b"hello").unwrap();
        assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"hello");
    }
}

#[test]
fn without_a_key_there_is_no_login() {
    let mut listener = Listener::bind_unauthenticated(&loopback()).unwrap();
    let client = Connection::connect_unauthenticated(listener.address()).unwrap();
    let connection = listener.accept().unwrap();
    assert_eq!(connection.generation(), None);
    connection.send_bytes(b"hello").unwrap();
    assert_eq!(client.recv_bytes().unwrap().unwrap(), b"hello");
}

#[test]
fn silent_peers_keep_nobody_waiting_and_are_closed_in_time() {
    let auth = modern().with_timeout(Duration::from_millis(500));
    let mut listener = Listener::bind(&loopback(), &auth).unwrap();
    let began = Instant::now();
    let address = tcp(&listener);
    let silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let good = client(&listener, &modern());
    let connection = listener.accept().unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    good.join().expect("it does not panic").unwrap();
    assert!(connection.peer_addr().is_some());
    let mut peers = Vec::new();
    for _ in 0..100 {
        let (peer, error) = refused(listener.accept());
        assert!(
            matches!(error, AuthError::TimedOut { received: 0, .. }),
            "{error:?}"
        );
        peers.push(peer.expect("it is TCP"));
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    for stream in silent {
        assert!(peers.contains(&stream.local_addr().unwrap()));
        assert_closed(stream);
    }
}

#[test]
fn drops_of_bytes_do_not_prolong_a_login() {
    let auth = modern().with_timeout(Duration::from_millis(300));
    let mut listener = Listener::bind(&loopback(), &auth).unwrap();
    let mut stream = TcpStream::connect(tcp(&listener)).unwrap();
    let (stop, stopped) = mpsc::channel::<()>();
    let dripping = thread::spawn(move || {
        let answer = &messages(&modern())[1];
        for byte in answer.iter().cycle() {
            let waited = stopped.recv_timeout(Duration::from_millis(20));
            if waited != Err(mpsc::RecvTimeoutError::Timeout) || stream.write_all(&[*byte]).is_err()
            {
                return;
            }
        }
    });
    let (_, error) = refused(listener.accept());
    let AuthError::TimedOut { received, .. } = error else {
        panic!("{error:?}");
    };
    assert!((1..30).contains(&received), "{received}");
    drop(stop);
    dripping.join().expect("it does not panic");
}

/// Every point at which a login can stop, and then end.
#[test]
fn half_a_login_is_refused() {
    let mut listener = Listener::bind(&loopback(), &modern()).unwrap();
    let answer = [7; 44];
    for cut in 0..answer.len() {
        let mut stream = TcpStream::connect(tcp(&listener)).unwrap();
        let mut wire = frame(&[b"{sha256}".as_slice(), &[7; 32]].concat());
        wire.truncate(cut);
        stream.write_all(&wire).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let (peer, error) = refused(listener.accept());
        assert_eq!(peer, Some(stream.local_addr().unwrap()));
        assert!(
            matches!(error, AuthError::Closed { received, .. } if received == cut),
            "{error:?}"
        );
    }
    // The listener is as good as before.
    let good = client(&listener, &modern());
    listener.accept().unwrap();
    good.join().expect("it does not panic").unwrap();
}

/// The address is that of whoever called, even if they are gone.
#[test]
fn a_reset_is_a_refusal_like_others() {
    let mut listener = Listener::bind(&loopback(), &modern()).unwrap();
    for written in [0, 3, 8] {
        let mut stream = TcpStream::connect(tcp(&listener)).unwrap();
        let expected = stream.local_addr().unwrap();
        stream.write_all(&b"\0\0\0\x28{sha"[..written]).unwrap();
        assert!(
            listener
                .accept_timeout(Duration::from_millis(1))
                .unwrap()
                .is_none()
        );
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        drop(stream);
        match listener.accept() {
            Err(AcceptError::Refused {
                peer: Some(peer),
                error: Error::Io(error),
            }) => {
                assert_eq!(
                    (peer, error.kind()),
                    (expected, io::ErrorKind::ConnectionReset)
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_wrong_key_is_told_and_closed() {
    let mut listener = Listener::bind(&loopback(), &modern()).unwrap();
    let other = client(&listener, &Auth::modern_only("peekboo").unwrap());
    let (_, error) = refused(listener.accept());
    assert_eq!(error, AuthError::WrongKey);
    let error = other.join().expect("it does not panic").unwrap_err();
    assert!(
        matches!(error, Error::Auth(AuthError::Refused)),
        "{error:?}"
    );

    let mut stream = TcpStream::connect(tcp(&listener)).unwrap();
    stream.write_all(&frame(&[7; 16])).unwrap();
    let (_, error) = refused(listener.accept());
    assert!(
        error.to_string().contains("Auth::with_legacy_md5"),
        "{error}"
    );
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert!(said.ends_with(b"#FAILURE#"));
}

/// The listener is a peer of its own: it proves nothing to those who have not.
#[test]
fn a_challenge_played_back_is_not_answered() {
    let mut listener = Listener::bind(&loopback(), &modern()).unwrap();
    let mut stream = TcpStream::connect(tcp(&listener)).unwrap();
    let accepting = thread::spawn(move || refused(listener.accept()));
    let mut challenge = [0; 63];
    stream.read_exact(&mut challenge).unwrap();
    stream.write_all(&challenge).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert_eq!(said, frame(b"#FAILURE#"));
    let (_, error) = accepting.join().expect("it does not panic");
    assert!(matches!(error, AuthError::Unexpected { .. }), "{error:?}");
}

#[test]
fn of_too_many_the_first_is_dropped() {
    let listener = Listener::bind(&loopback(), &modern()).unwrap();
    let mut listener = listener.with_max_pending(3);
    let streams: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(tcp(&listener)).unwrap())
        .collect();
    for stream in &streams[..2] {
        let (peer, error) = refused(listener.accept());
        assert_eq!(peer, Some(stream.local_addr().unwrap()));
        assert_eq!(error, AuthError::Displaced { max_pending: 3 });
    }
    assert!(listener.accept_timeout(Duration::ZERO).unwrap().is_none());
    // A good one has a place, too: another's, unless it is done at once.
    let good = client(&listener, &modern());
    while let Err(error) = listener.accept() {
        let (peer, _) = refused(Err(error));
        assert_eq!(peer, Some(streams[2].local_addr().unwrap()));
    }
    good.join().expect("it does not panic").unwrap();
}

/// A server that serves one client at a time lets the others wait, and that is not their fault.
#[test]
fn time_outside_of_accept_does_not_count() {
    let auth = modern().with_timeout(Duration::from_millis(200));
    let mut listener = Listener::bind(&loopback(), &auth).unwrap();
    let mut stream = TcpStream::connect(tcp(&listener)).unwrap();
    stream.set_nonblocking(true).unwrap();
    while stream.peek(&mut [0]).is_err() {
        assert!(
            listener
                .accept_timeout(Duration::from_millis(1))
                .unwrap()
                .is_none()
        );
    }
    stream.set_nonblocking(false).unwrap();
    // The program is busy for longer than a login may take.
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut challenge = [0; 63];
    stream.read_exact(&mut challenge).unwrap();
    stream.read_exact(&mut [0]).unwrap_err();
    assert!(
        listener
            .accept_timeout(Duration::from_millis(1))
            .unwrap()
            .is_none()
    );
    let (_, error) = refused(listener.accept());
    assert!(matches!(error, AuthError::TimedOut { .. }), "{error:?}");
}

#[test]
fn waiting_can_be_limited() {
    let mut listener = Listener::bind(&loopback(), &modern()).unwrap();
    let began = Instant::now();
    assert!(
        listener
            .accept_timeout(Duration::from_millis(50))
            .unwrap()
            .is_none()
    );
    assert!(began.elapsed() >= Duration::from_millis(50));
    let good = client(&listener, &modern());
    assert!(listener.accept_timeout(LONG).unwrap().is_some());
    good.join().expect("it does not panic").unwrap();
}

#[test]
fn many_log_in_at_a_time() {
    let mut listener = Listener::bind(&loopback(), &modern()).unwrap();
    let clients: Vec<_> = (0..50).map(|_| client(&listener, &modern())).collect();
    let connections: Vec<_> = (0..50).map(|_| listener.accept().unwrap()).collect();
    for connection in &connections {
        connection.send_bytes(b"hello").unwrap();
    }
    for client in clients {
        let connection = client.join().expect("it does not panic").unwrap();
        assert_eq!(connection.recv_bytes().unwrap().unwrap(), b"hello");
    }
}

#[test]
fn a_socket_file_is_private_and_removed() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let listener = Listener::bind(&Address::Unix(path.clone()), &modern()).unwrap();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    listener.set_unix_mode(0o666).unwrap();
    assert_eq!(mode(), 0o666);
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn another_s_file_is_left_alone() {
    let folder = Folder::new();
    let address = Address::Unix(folder.path("socket"));
    let first = Listener::bind(&address, &modern()).unwrap();
    fs::remove_file(folder.path("socket")).unwrap();
    let _second = Listener::bind(&address, &modern()).unwrap();
    drop(first);
    assert!(folder.path("socket").exists());
    UnixStream::connect(folder.path("socket")).unwrap();
}

#[test]
fn errors_say_where_and_what_to_do() {
    let folder = Folder::new();
    let address = Address::Unix(folder.path("socket"));
    let error = Connection::connect_unauthenticated(&address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains(&address.to_string()), "{error}");

    let listener = Listener::bind(&address, &modern()).unwrap();
    let error = Listener::bind(&address, &modern()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(!error.to_string().contains("left behind"), "{error}");
    drop(listener);

    // A listener that is killed leaves its file.
    drop(std::os::unix::net::UnixListener::bind(folder.path("socket")).unwrap());
    let error = Listener::bind(&address, &modern()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains("left behind"), "{error}");
    let error = Connection::connect(&address, &modern()).unwrap_err();
    assert!(error.to_string().contains("left behind"), "{error}");

    // One that has no room does not keep us for ever.
    let full = Address::Unix(folder.path("full"));
    let deaf = deaf_listener(&folder.path("full"));
    let waiting: Vec<_> = (0..2)
        .map(|_| Connection::connect_unauthenticated(&full).unwrap())
        .collect();
    let error =
        Connection::connect(&full, &modern().with_timeout(Duration::from_millis(20))).unwrap_err();
    assert!(
        matches!(&error, Error::Io(error) if error.kind() == io::ErrorKind::TimedOut),
        "{error:?}"
    );
    drop((deaf, waiting));

    let long = Address::Unix(folder.path(&"x".repeat(200)));
    let error = Listener::bind(&long, &modern()).unwrap_err();
    assert!(
        error.to_string().contains("can't listen at unix:"),
        "{error}"
    );

    let taken = Listener::bind(&loopback(), &modern()).unwrap();
    let error = Listener::bind(taken.address(), &modern()).unwrap_err();
    assert!(
        error.to_string().contains(&taken.address().to_string()),
        "{error}"
    );
}
