//! What is particular to the tokio driver: futures that are dropped, and tasks.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use framing::FrameError;
use mp_connection::tokio::{Connection, Listener, wait};
use mp_connection::{AcceptError, Address, Auth, AuthError, Error};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

fn auth() -> Auth {
    Auth::modern_only("peekaboo")
        .expect("not empty")
        .with_timeout(LONG)
}

fn listener() -> (Listener, Address) {
    let listener =
        Listener::bind(&Address::from(([127, 0, 0, 1], 0)), &auth()).expect("a port is free");
    let address = listener.address().clone();
    (listener, address)
}

async fn pair() -> (Connection, Connection) {
    let (mut listener, address) = listener();
    let client = tokio::spawn(async move { Connection::connect(&address, &auth()).await });
    let server = listener.accept().await.expect("the keys are the same");
    let client = client
        .await
        .expect("no panic")
        .expect("the keys are the same");
    (server, client)
}

/// A stream whose other end is written to byte by byte.
async fn written_to() -> (Connection, TcpStream) {
    let mut listener = Listener::bind_unauthenticated(&Address::from(([127, 0, 0, 1], 0)))
        .expect("a port is free");
    let Address::Tcp(address) = *listener.address() else {
        panic!("it is a TCP address");
    };
    let stream = TcpStream::connect(address).expect("it listens");
    (listener.accept().await.expect("no login"), stream)
}

/// Receives are dropped between all bytes of two messages.
#[tokio::test]
async fn receiving_can_be_cancelled_anywhere() {
    let (connection, mut stream) = written_to().await;
    for message in [
        &b"\0\0\0\x05hello"[..],
        b"\xff\xff\xff\xff\0\0\0\0\0\0\0\x03abc",
        b"\0\0\0\0",
    ] {
        let (last, bytes) = message.split_last().unwrap();
        for byte in bytes {
            stream.write_all(&[*byte]).unwrap();
            assert!(timeout(SHORT / 10, connection.recv_bytes()).await.is_err());
        }
        stream.write_all(&[*last]).unwrap();
        let received = timeout(LONG, connection.recv_bytes()).await.unwrap();
        assert!(message.ends_with(&received.unwrap().unwrap()));
    }
    drop(stream);
    assert_eq!(connection.recv_bytes().await.unwrap(), None);
}

/// Polled once at a time, the listener gets everybody in all the same.
#[tokio::test]
async fn accepting_can_be_cancelled_anywhere() {
    let (mut listener, address) = listener();
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move { Connection::connect(&address, &auth()).await })
        })
        .collect();
    let mut accepted = Vec::new();
    while accepted.len() < clients.len() {
        if let Ok(connection) = timeout(Duration::ZERO, listener.accept()).await {
            accepted.push(connection.unwrap());
        }
        tokio::task::yield_now().await;
    }
    for client in clients {
        client.await.unwrap().unwrap();
    }
}

/// A login that has begun is finished while the program does something else than accept.
#[tokio::test]
async fn logins_go_on_between_accepts() {
    let (mut listener, address) = listener();
    let connect = |address: Address| {
        tokio::spawn(async move { Connection::connect(&address, &auth()).await })
    };
    let first = connect(address.clone());
    while !first.is_finished() {
        // Looks once who is there.
        if let Ok(accepted) = timeout(Duration::ZERO, listener.accept()).await {
            // So fast that there is nothing to be seen.
            drop(accepted.unwrap());
            break;
        }
        tokio::task::yield_now().await;
    }
    timeout(LONG, first).await.unwrap().unwrap().unwrap();
}

/// One task receives while another sends, and neither waits for the other.
#[tokio::test]
async fn both_directions_at_a_time() {
    let (server, client) = pair().await;
    let (server, client) = (Arc::new(server), Arc::new(client));
    let message = Arc::new(vec![7; 5_000_000]);
    let mut tasks = Vec::new();
    for connection in [server, client] {
        let (receiver, sender) = (Arc::clone(&connection), connection);
        let (sent, expected) = (Arc::clone(&message), Arc::clone(&message));
        tasks.push(tokio::spawn(async move {
            sender.send_bytes(&sent).await.unwrap()
        }));
        tasks.push(tokio::spawn(async move {
            assert!(receiver.recv_bytes().await.unwrap().unwrap() == *expected);
        }));
    }
    for task in tasks {
        timeout(LONG, task).await.unwrap().unwrap();
    }
}

/// Several tasks send and receive on one connection: messages stay whole, and none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_on_one_connection() {
    let (server, client) = pair().await;
    let (server, client) = (Arc::new(server), Arc::new(client));
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for task in 0..4_u8 {
        let (server, client) = (Arc::clone(&server), Arc::clone(&client));
        senders.push(tokio::spawn(async move {
            for len in 0..200 {
                client.send_bytes(&vec![task; len * 100]).await.unwrap();
            }
        }));
        receivers.push(tokio::spawn(async move {
            let mut count = 0;
            while let Some(message) = server.recv_bytes().await.unwrap() {
                assert!(message.windows(2).all(|pair| pair[0] == pair[1]));
                count += 1;
            }
            count
        }));
    }
    drop(client);
    for sender in senders {
        timeout(LONG, sender).await.unwrap().unwrap();
    }
    let mut count = 0;
    for receiver in receivers {
        count += timeout(LONG, receiver).await.unwrap().unwrap();
    }
    assert_eq!(count, 800);
}

/// What waits for a message that never comes is left, and the connection is as before.
#[tokio::test]
async fn a_message_that_is_too_long_ends_receiving_only() {
    let (server, client) = pair().await;
    let server = server.with_max_message_len(10);
    client.send_bytes(&[7; 11]).await.unwrap();
    client.send_bytes(b"next").await.unwrap();
    for _ in 0..2 {
        let error = server.recv_bytes().await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Frame(FrameError::TooLong {
                    declared: 11,
                    limit: 10,
                    ..
                })
            ),
            "{error:?}"
        );
    }
    server.send_bytes(b"sorry").await.unwrap();
    assert_eq!(client.recv_bytes().await.unwrap().unwrap(), b"sorry");
}

/// A buffer that is too short loses nothing.
#[tokio::test]
async fn buffers() {
    let (server, client) = pair().await;
    client.send_bytes(b"hello").await.unwrap();
    client.send_bytes(b"").await.unwrap();
    let mut buffer = [0; 8];
    let error = server.recv_into(&mut buffer[..4]).await.unwrap_err();
    assert!(
        matches!(error, Error::BufferTooShort { len: 5, room: 4 }),
        "{error:?}"
    );
    assert_eq!(server.recv_into(&mut buffer).await.unwrap(), Some(5));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(server.recv_into(&mut []).await.unwrap(), Some(0));
    drop(client);
    assert_eq!(server.recv_into(&mut buffer).await.unwrap(), None);
}

/// Places, in order; nobody, when nobody has anything.
#[tokio::test]
async fn waiting_for_several() {
    let (one, other_one) = pair().await;
    let (two, other_two) = pair().await;
    let (three, _other_three) = pair().await;
    let all = [&one, &two, &three];
    assert_eq!(wait(&all, Some(SHORT)).await.unwrap(), [0_usize; 0]);
    other_two.send_bytes(b"").await.unwrap();
    assert_eq!(wait(&all, None).await.unwrap(), [1]);
    drop(other_one);
    assert!(one.poll(Some(LONG)).await.unwrap());
    assert_eq!(wait(&all, Some(LONG)).await.unwrap(), [0, 1]);
    assert_eq!(two.recv_bytes().await.unwrap().unwrap(), b"");
    assert_eq!(one.recv_bytes().await.unwrap(), None);
    assert_eq!(wait(&all[1..], Some(SHORT)).await.unwrap(), [0_usize; 0]);
    assert_eq!(wait(&[], None).await.unwrap(), [0_usize; 0]);
}

#[tokio::test]
async fn after_a_cut_message_nothing_is_sent() {
    let (server, client) = pair().await;
    let large = vec![7; 50_000_000];
    assert!(timeout(SHORT, client.send_bytes(&large)).await.is_err());
    match client.send_bytes(b"next").await.unwrap_err() {
        Error::Cut { sent, len } => assert!(0 < sent && sent < len && len == large.len() + 4),
        other => panic!("{other}"),
    }
    // The other direction is as it was.
    server.send_bytes(b"hello").await.unwrap();
    assert_eq!(client.recv_bytes().await.unwrap().unwrap(), b"hello");
    drop(client);
    let error = server.recv_bytes().await.unwrap_err();
    assert!(
        matches!(error, Error::Frame(FrameError::Truncated { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn nothing_is_read_ahead() {
    let (connection, mut stream) = written_to().await;
    stream.write_all(b"\0\0\0\x01a\0\0\0\x01b").unwrap();
    assert!(connection.poll(Some(LONG)).await.unwrap());
    assert_eq!(connection.recv_bytes().await.unwrap().unwrap(), b"a");
    // It is the system that has it.
    assert!(connection.poll(Some(Duration::ZERO)).await.unwrap());
    assert_eq!(connection.recv_bytes().await.unwrap().unwrap(), b"b");
    assert!(!connection.poll(Some(SHORT)).await.unwrap());
    drop(stream);
    assert!(
        connection.poll(Some(LONG)).await.unwrap(),
        "the end is there"
    );
    assert_eq!(connection.recv_bytes().await.unwrap(), None);
}

#[tokio::test]
async fn the_first_of_too_many_has_to_go() {
    let (listener, address) = listener();
    let mut listener = listener.with_max_pending(3);
    let Address::Tcp(socket) = address else {
        panic!("it is a TCP address");
    };
    let silent: Vec<_> = (0..4)
        .map(|_| TcpStream::connect(socket).unwrap())
        .collect();
    match timeout(LONG, listener.accept()).await.unwrap().unwrap_err() {
        AcceptError::Refused {
            error: Error::Auth(error),
            ..
        } => assert_eq!(error, AuthError::Displaced { max_pending: 3 }),
        other => panic!("{other}"),
    }
    drop(silent);
    let client = tokio::spawn(async move { Connection::connect(&address, &auth()).await });
    let mut refused = 0;
    while let Err(error) = timeout(LONG, listener.accept()).await.unwrap() {
        assert!(matches!(error, AcceptError::Refused { .. }), "{error}");
        refused += 1;
    }
    assert!(refused <= 3);
    client.await.unwrap().unwrap();
}

/// Who connects while the queue of a Unix listener is full waits for room.
#[tokio::test]
async fn a_full_queue_is_waited_for() {
    let name = format!("mp-connection-queue-{}", std::process::id()).into_bytes();
    let address = Address::Abstract(name);
    let mut listener = Listener::bind_unauthenticated(&address).unwrap();
    let clients: Vec<_> = (0..5000)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move { Connection::connect_unauthenticated(&address).await })
        })
        .collect();
    for _ in 0..clients.len() {
        timeout(LONG, listener.accept()).await.unwrap().unwrap();
    }
    for client in clients {
        client.await.unwrap().unwrap();
    }
}
