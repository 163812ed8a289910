//! Serving on a tokio runtime: what the other strategies promise, for tasks.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket_server::tokio::{Connection, Running};
use socket_server::{Failure, HandlerResult, Limits, Server, Timeout};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(60);
const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 51234 443\r\n";

async fn echo(connection: Connection) -> HandlerResult {
    tokio::io::copy(&mut &connection, &mut &connection).await?;
    Ok(())
}

fn server() -> Server {
    Server::tcp("127.0.0.1:0")
}

async fn client(running: &Running) -> TcpStream {
    let address = running.address().socket_addr().expect("a TCP server");
    TcpStream::connect(address).await.expect("it listens")
}

async fn ask(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).await.expect("the server reads");
    let mut answer = vec![0; bytes.len()];
    let read = timeout(LONG, client.read_exact(&mut answer)).await;
    read.expect("in time").expect("the server answers");
    assert_eq!(answer, bytes);
}

async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(LONG, client.read_to_end(&mut rest)).await;
    read.expect("in time").expect("an orderly end");
    rest
}

async fn receive<T>(channel: &mut mpsc::UnboundedReceiver<T>) -> T {
    let told = timeout(LONG, channel.recv()).await;
    told.expect("in time").expect("somebody is left to send")
}

fn patient() -> Limits {
    Limits {
        first_byte_timeout: None,
        idle_timeout: None,
        total_timeout: None,
        ..Limits::default()
    }
}

/// Waits until the counts are as wanted.
async fn wait_for(running: &Running, what: impl Fn(&socket_server::Stats) -> bool) {
    let deadline = Instant::now() + LONG;
    while !what(&running.stats()) {
        assert!(Instant::now() < deadline, "{:?}", running.stats());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn much_is_echoed_to_a_client_that_reads_late() {
    const LEN: usize = 20 << 20;
    let running = server().serve_tokio(echo).unwrap();
    let (mut reader, mut writer) = client(&running).await.into_split();
    let writing = tokio::spawn(async move {
        let piece: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        for _ in 0..LEN >> 20 {
            writer.write_all(&piece).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    });
    let (mut read, mut buffer) = (0, vec![0; 70_000]);
    loop {
        let len = timeout(LONG, reader.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        if len == 0 {
            break;
        }
        let is_right = |(n, &byte): (usize, &u8)| byte == (read + n) as u8;
        assert!(buffer[..len].iter().enumerate().all(is_right));
        read += len;
    }
    assert_eq!(read, LEN);
    writing.await.unwrap();
    assert_eq!(running.shutdown(LONG).await.finished, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_a_time() {
    let running = server().serve_tokio(echo).unwrap();
    let mut clients = Vec::new();
    for _ in 0..1000 {
        clients.push(client(&running).await);
    }
    for client in &mut clients {
        ask(client, b"hello").await;
    }
    assert_eq!(running.stats().open, 1000);
    drop(clients);
    assert_eq!(running.shutdown(LONG).await.finished, 1000);
}

#[tokio::test]
async fn unix_sockets_have_tasks_too() {
    let path = std::env::temp_dir().join(format!("socket-server-tokio-{}", std::process::id()));
    let running = Server::unix(&path).serve_tokio(echo).unwrap();
    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "hello");
    assert_eq!(running.shutdown(LONG).await.finished, 1);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_panic_or_an_error_costs_its_connection_only() {
    let (told, mut failures) = mpsc::unbounded_channel();
    let running = server()
        .on_error(move |peer, failure| {
            assert!(peer.ip().is_some());
            told.send(failure.to_string()).expect("the test listens");
        })
        .serve_tokio(|connection| {
            // Not even in the future, which is a panic all the same.
            assert!(connection.local_address().socket_addr().is_some());
            async move {
                let mut order = [0; 5];
                (&connection).read_exact(&mut order).await?;
                match &order {
                    b"panic" => panic!("on purpose"),
                    b"error" => Err("also on purpose".into()),
                    _ => echo(connection).await,
                }
            }
        })
        .unwrap();
    let mut bystander = client(&running).await;
    bystander.write_all(b"echo:").await.unwrap();
    for (order, failure) in [
        (b"panic", "the handler panicked: on purpose"),
        (b"error", "also on purpose"),
    ] {
        let mut client = client(&running).await;
        client.write_all(order).await.unwrap();
        assert_eq!(rest(&mut client).await, b"");
        assert_eq!(receive(&mut failures).await, failure);
    }
    ask(&mut bystander, b"still there").await;
    drop(bystander);
    let stats = running.shutdown(LONG).await;
    assert_eq!((stats.panicked, stats.failed, stats.finished), (1, 1, 1));
}

#[tokio::test]
async fn over_the_limit_newcomers_wait_or_are_refused() {
    let limits = Limits {
        max_connections: 1,
        ..Limits::default()
    };
    let running = server().limits(limits.clone()).serve_tokio(echo).unwrap();
    let (mut first, mut second) = (client(&running).await, client(&running).await);
    ask(&mut first, b"first").await;
    second.write_all(b"?").await.unwrap();
    ask(&mut first, b"still alone").await;
    assert_eq!((running.stats().accepted, running.stats().open), (1, 1));
    drop(first);
    assert_eq!(second.read_u8().await.unwrap(), b'?');
    running.set_limits(Limits {
        refusal: b"full".into(),
        ..limits
    });
    assert_eq!(rest(&mut client(&running).await).await, b"full");
    drop(second);
    let stats = running.shutdown(LONG).await;
    assert_eq!((stats.accepted, stats.refused, stats.finished), (3, 1, 2));
}

#[tokio::test]
async fn peers_are_verified_and_counted_by_address() {
    let limits = Limits {
        max_per_address: 1,
        ..Limits::default()
    };
    let running = server()
        .limits(limits)
        .proxied(|ip| ip.is_loopback())
        .verify(|peer| peer.ip() != Some([192, 0, 2, 66].into()))
        .serve_tokio(echo)
        .unwrap();
    let mut first = client(&running).await;
    first.write_all(V1).await.unwrap();
    ask(&mut first, b"hello").await;
    for (header, stays) in [
        (V1, false),
        (b"PROXY TCP4 192.0.2.66 198.51.100.7 51234 443\r\n", false),
        (b"PROXY TCP4 192.0.2.2 198.51.100.7 51234 443\r\n", true),
    ] {
        let mut client = client(&running).await;
        client.write_all(header).await.unwrap();
        if stays {
            ask(&mut client, b"hello").await;
        } else {
            assert_eq!(rest(&mut client).await, b"");
        }
    }
    drop(first);
    let stats = running.shutdown(LONG).await;
    assert_eq!((stats.refused, stats.finished), (2, 2));
}

#[tokio::test]
async fn a_proxy_names_the_peer_and_must_do_so() {
    let (told, mut failures) = mpsc::unbounded_channel();
    let running = server()
        .proxied(|ip| ip.is_loopback())
        .on_error(move |_, failure| told.send(failure.to_string()).expect("the test listens"))
        .serve_tokio(async |mut connection| {
            let peer = connection.peer().to_string();
            connection.write_all(peer.as_bytes()).await?;
            echo(connection).await
        })
        .unwrap();
    for together in [V1.to_vec(), [V1, b"hello"].concat()] {
        let mut client = client(&running).await;
        client.write_all(&together).await.unwrap();
        client.shutdown().await.unwrap();
        let answer = String::from_utf8(rest(&mut client).await).unwrap();
        assert!(
            answer.starts_with("192.0.2.1:51234 (by 127.0.0.1:"),
            "{answer}"
        );
        assert_eq!(answer.ends_with("hello"), together.ends_with(b"hello"));
    }
    for (sent, failure) in [
        (
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            "must send a PROXY protocol header",
        ),
        (&V1[..20], "after 20 bytes"),
    ] {
        let mut client = client(&running).await;
        client.write_all(sent).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, b"");
        let told = receive(&mut failures).await;
        assert!(told.contains(failure), "{told}");
    }
    let stats = running.shutdown(LONG).await;
    assert_eq!((stats.finished, stats.failed), (2, 2));
}

/// Serves one client, which sends some bytes and then waits; says which deadline ended it.
async fn timeout_of<F: Future<Output = HandlerResult> + Send + 'static>(
    limits: Limits,
    handler: impl Fn(Connection) -> F + Send + Sync + 'static,
    sent: &[u8],
) -> Timeout {
    let (told, mut timeouts) = mpsc::unbounded_channel();
    let running = server()
        .limits(limits)
        .on_error(move |_, failure| {
            if let Failure::TimedOut(timeout) = failure {
                told.send(*timeout).expect("the test listens");
            }
        })
        .serve_tokio(handler)
        .expect("a free port");
    let mut client = client(&running).await;
    let began = Instant::now();
    client.write_all(sent).await.expect("the server reads");
    wait_for(&running, |stats| stats.timed_out == 1).await;
    assert!(began.elapsed() >= SHORT, "not early");
    running.shutdown(LONG).await;
    receive(&mut timeouts).await
}

/// Gives what reading gives at a deadline, which is told to be one.
async fn wait_in_vain(connection: Connection) -> HandlerResult {
    let read = echo(connection).await.expect_err("nobody writes");
    let error: &io::Error = read.downcast_ref().expect("reading failed");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let timeout = error.source().and_then(|inner| inner.source());
    let inner = error.get_ref().expect("it says which");
    assert!(timeout.is_some() || inner.is::<Timeout>());
    Err(read)
}

#[tokio::test]
async fn deadlines_end_a_connection() {
    let first_byte = Limits {
        first_byte_timeout: Some(SHORT),
        ..patient()
    };
    let idle = Limits {
        idle_timeout: Some(SHORT),
        ..patient()
    };
    let total = Limits {
        total_timeout: Some(SHORT),
        ..patient()
    };
    assert_eq!(
        timeout_of(first_byte.clone(), wait_in_vain, b"").await,
        Timeout::FirstByte(SHORT)
    );
    assert_eq!(
        timeout_of(idle.clone(), wait_in_vain, b"x").await,
        Timeout::Idle(SHORT)
    );
    assert_eq!(
        timeout_of(total, wait_in_vain, b"x").await,
        Timeout::Total(SHORT)
    );
    let readable = async |connection: Connection| Ok(connection.readable().await?);
    assert_eq!(
        timeout_of(first_byte, readable, b"").await,
        Timeout::FirstByte(SHORT)
    );
    let write =
        async |mut connection: Connection| Ok(connection.write_all(&vec![0; 64 << 20]).await?);
    assert_eq!(timeout_of(idle, write, b"").await, Timeout::Write(SHORT));
}

#[tokio::test]
async fn looking_elsewhere_does_not_put_a_deadline_off() {
    let idle = Limits {
        idle_timeout: Some(SHORT),
        ..patient()
    };
    let impatient = async |mut connection: Connection| loop {
        let mut byte = [0];
        let read = timeout(SHORT / 10, connection.read(&mut byte));
        if let Ok(read) = read.await {
            read?;
        }
    };
    assert_eq!(
        timeout_of(idle, impatient, b"x").await,
        Timeout::Idle(SHORT)
    );
}

#[tokio::test]
async fn a_handshake_has_its_own_deadline_and_cap() {
    let limits = Limits {
        handshake_timeout: SHORT,
        ..patient()
    };
    let handshake = async |connection: Connection| {
        let hello = async {
            let mut hello = [0; 5];
            (&connection).read_exact(&mut hello).await?;
            io::Result::Ok(hello)
        };
        connection.handshake(hello).await?;
        echo(connection).await
    };
    let timeout = timeout_of(limits.clone(), handshake, b"hel").await;
    assert_eq!(timeout, Timeout::Handshake(SHORT));
    let running = server()
        .limits(Limits {
            max_handshakes: 1,
            refusal: b"busy".into(),
            ..patient()
        })
        .serve_tokio(handshake)
        .unwrap();
    let mut first = client(&running).await;
    wait_for(&running, |stats| stats.pending == 1).await;
    assert_eq!(rest(&mut client(&running).await).await, b"busy");
    first.write_all(b"hello").await.unwrap();
    ask(&mut first, b"and more").await;
    assert_eq!(running.stats().pending, 0);
    drop(first);
    let stats = running.shutdown(LONG).await;
    assert_eq!((stats.refused, stats.finished), (1, 1));
}

#[tokio::test]
async fn suspended_it_lets_newcomers_wait() {
    let running = server().serve_tokio(echo).unwrap();
    ask(&mut client(&running).await, b"before").await;
    running.suspend();
    let mut client = client(&running).await;
    client.write_all(b"later").await.unwrap();
    let nothing = timeout(SHORT, client.read_u8()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(running.stats().accepted, 1);
    running.resume();
    assert_eq!(client.read_u8().await.unwrap(), b'l');
    drop(client);
    assert_eq!(running.shutdown(LONG).await.accepted, 2);
}

#[tokio::test]
async fn shutting_down_lets_handlers_finish() {
    let go_on = Arc::new(Notify::new());
    let running = {
        let go_on = Arc::clone(&go_on);
        server().serve_tokio(move |mut connection| {
            let go_on = Arc::clone(&go_on);
            async move {
                connection.write_all(b"begun, ").await?;
                go_on.notified().await;
                assert!(connection.is_stopping());
                Ok(connection.write_all(b"done").await?)
            }
        })
    }
    .unwrap();
    let address = running.address().socket_addr().unwrap();
    let mut client = client(&running).await;
    let mut begun = [0; 7];
    client.read_exact(&mut begun).await.unwrap();
    let stopping = tokio::spawn(running.shutdown(Duration::MAX));
    // The listener is closed while the handler still runs.
    let deadline = Instant::now() + LONG;
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline);
    }
    go_on.notify_one();
    assert_eq!(rest(&mut client).await, b"done");
    let stats = stopping.await.unwrap();
    assert_eq!((stats.finished, stats.cut_off), (1, 0));
}

#[tokio::test]
async fn after_the_grace_the_rest_is_cut_off_or_cancelled() {
    let held = Arc::new(());
    let running = {
        let held = Arc::clone(&held);
        server().serve_tokio(move |connection| {
            let held = Arc::clone(&held);
            async move {
                let mut order = [0];
                (&connection).read_exact(&mut order).await?;
                if order == *b"s" {
                    // Deaf to its connection.
                    std::future::pending::<()>().await;
                }
                let result = echo(connection).await;
                drop(held);
                result
            }
        })
    }
    .unwrap();
    let (mut reader, mut stubborn) = (client(&running).await, client(&running).await);
    reader.write_all(b"r").await.unwrap();
    ask(&mut reader, b"echo").await;
    stubborn.write_all(b"s").await.unwrap();
    wait_for(&running, |stats| stats.open == 2).await;
    let began = Instant::now();
    let stats = running.shutdown(SHORT).await;
    assert!(began.elapsed() >= SHORT);
    assert_eq!((stats.open, stats.cut_off, stats.finished), (0, 2, 0));
    assert_eq!(rest(&mut reader).await, b"");
    // The handler that did not listen is dropped with all that it held.
    let deadline = Instant::now() + LONG;
    while Arc::strong_count(&held) > 1 {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn dropping_it_ends_it_at_once_and_detaching_does_not() {
    let running = server().serve_tokio(echo).unwrap();
    let mut served = client(&running).await;
    ask(&mut served, b"hello").await;
    drop(running);
    assert_eq!(rest(&mut served).await, b"");
    let running = server().serve_tokio(echo).unwrap();
    let mut client = client(&running).await;
    ask(&mut client, b"hello").await;
    let address = running.address().socket_addr().unwrap();
    running.detach();
    let deadline = Instant::now() + LONG;
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline);
    }
    ask(&mut client, b"still there").await;
}

#[tokio::test]
async fn what_the_peer_sent_unread_does_not_spoil_the_answer() {
    let running = server()
        .serve_tokio(async |mut connection| Ok(connection.write_all(b"that's all").await?))
        .unwrap();
    for _ in 0..20 {
        let mut client = client(&running).await;
        client.write_all(&[0; 50_000]).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, b"that's all");
    }
    running.shutdown(LONG).await;
}

#[test]
fn without_a_runtime_it_says_so() {
    let error = server().serve_tokio(echo).unwrap_err();
    assert!(error.to_string().contains("no reactor running"), "{error}");
}
