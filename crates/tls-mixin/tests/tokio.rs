//! TLS over tokio: both ends, deadlines, dropped futures, a server of `socket-server`.

mod certificates;

use std::io::ErrorKind;
use std::time::Duration;

use certificates::{Authority, Leaf};
use socket_server::Server;
use tls_mixin::tokio::{TlsStream, accept, connect};
use tls_mixin::{Acceptor, ClientOptions, Connector, Error, Plaintext, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy, duplex, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

fn ends(change: impl FnOnce(ServerOptions) -> ServerOptions) -> (Acceptor, Connector) {
    let authority = Authority::new("authority");
    let identity = authority.issue(Leaf::server(&["localhost"])).identity();
    let acceptor = Acceptor::new(change(ServerOptions::new(identity))).expect("an acceptor");
    let connector = Connector::new(ClientOptions::new(authority.authorities()));
    (acceptor, connector.expect("a connector"))
}

/// Two ends whose handshake is done: the server's, the client's.
async fn pair() -> (TlsStream<DuplexStream>, TlsStream<DuplexStream>) {
    let (acceptor, connector) = ends(|options| options);
    let (left, right) = duplex(100_000);
    let (server, client) = tokio::join!(
        accept(&acceptor, left),
        connect(&connector, "localhost", right)
    );
    (server.expect("a handshake"), client.expect("a handshake"))
}

#[tokio::test]
async fn both_ends_talk_and_end_in_order() {
    let (server, mut client) = pair().await;
    assert_eq!(server.session().version().to_string(), "TLSv1.3");
    assert_eq!(server.session().server_name(), Some("localhost"));
    assert!(client.session().peer_certificate().is_some());
    let (mut reader, mut writer) = split(server);
    let echo = async move {
        copy(&mut reader, &mut writer).await.expect("it is good");
        writer.shutdown().await.expect("somebody reads");
    };
    let talk = async move {
        let sent: Vec<u8> = (0..50_000_u32).map(|n| (n / 3) as u8).collect();
        client.write_all(&sent).await.expect("somebody reads");
        client.shutdown().await.expect("somebody reads");
        let error = client.write_all(b"more").await.expect_err("it is over");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.expect("a clean end");
        assert!(heard == sent);
    };
    tokio::join!(echo, talk);
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_error() {
    let (server, mut client) = pair().await;
    drop(server);
    let error = client.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let inside = error.get_ref().and_then(|error| error.downcast_ref());
    assert!(matches!(inside, Some(Error::CutOff)), "{inside:?}");

    let (acceptor, connector) = ends(|options| options);
    let (left, right) = duplex(100_000);
    drop(right);
    let error = accept(&acceptor, left).await.unwrap_err();
    assert!(matches!(error, Error::CutOff), "{error:?}");
    let (left, right) = duplex(100_000);
    drop(right);
    let error = connect(&connector, "localhost", left).await.unwrap_err();
    assert!(matches!(error, Error::Io(_) | Error::CutOff), "{error:?}");
}

#[tokio::test]
async fn an_error_stays() {
    let (acceptor, connector) = ends(|options| options);
    let (left, right) = duplex(100_000);
    // Between the two ends, so that it can be changed what they say.
    let (middle, far) = duplex(100_000);
    let (mut from_server, mut to_server) = split(right);
    let (mut from_client, mut to_client) = split(middle);
    let pump = async {
        let mut buffer = [0; 10_000];
        tokio::join!(copy(&mut from_server, &mut to_client), async {
            loop {
                let count = from_client.read(&mut buffer).await.expect("it is good");
                let bytes = &mut buffer[..count];
                if bytes.len() == 5 + 1 + 16 + 3 {
                    bytes[7] ^= 1;
                }
                to_server.write_all(bytes).await.expect("it is good");
            }
        })
    };
    let talk = async {
        let (server, client) = tokio::join!(
            accept(&acceptor, left),
            connect(&connector, "localhost", far)
        );
        let (mut server, mut client) = (server.expect("a handshake"), client.expect("a handshake"));
        client.write_all(b"bad").await.expect("somebody reads");
        client.flush().await.expect("somebody reads");
        for _ in 0..2 {
            let error = server.read(&mut [0; 10]).await.expect_err("it was changed");
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let inside = error.get_ref().and_then(|error| error.downcast_ref());
            assert!(
                matches!(inside, Some(Error::Handshake { .. })),
                "{inside:?}"
            );
        }
        let error = server.write(b"hello").await.expect_err("it has failed");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let error = client.read(&mut [0; 10]).await.expect_err("an alert");
        let inside = error.get_ref().and_then(|error| error.downcast_ref());
        assert!(matches!(inside, Some(Error::Refused { .. })), "{inside:?}");
    };
    tokio::select! {
        _ = pump => panic!("it never ends"),
        () = talk => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_not_waited_for() {
    let timeout = Duration::from_secs(7);
    let (acceptor, connector) = ends(|options| ServerOptions {
        handshake_timeout: timeout,
        max_handshakes: 1,
        ..options
    });
    let (left, _silent) = duplex(100_000);
    let began = Instant::now();
    let error = accept(&acceptor, left).await.unwrap_err();
    assert!(
        matches!(error, Error::TimedOut { after } if after == timeout),
        "{error:?}"
    );
    assert!(began.elapsed() <= timeout + Duration::from_millis(1));

    let (left, _silent) = duplex(100_000);
    let error = connect(&connector, "localhost", left).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_dropped_handshake_leaves_its_place() {
    let (acceptor, connector) = ends(|options| ServerOptions {
        max_handshakes: 1,
        ..options
    });
    let (left, _silent) = duplex(100_000);
    let waiting = Box::pin(accept(&acceptor, left));
    let Err(waiting) = poll_once(waiting).await else {
        panic!("nobody has said anything");
    };
    let (left, right) = duplex(100_000);
    let error = accept(&acceptor, left).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooManyHandshakes {
                pending: 1,
                limit: 1
            }
        ),
        "{error:?}"
    );
    drop((waiting, right));
    let (left, right) = duplex(100_000);
    let (server, client) = tokio::join!(
        accept(&acceptor, left),
        connect(&connector, "localhost", right)
    );
    assert!(server.is_ok() && client.is_ok());
}

#[tokio::test]
async fn what_is_not_tls_is_named_and_gets_an_alert() {
    let (acceptor, _) = ends(|options| options);
    let (left, mut right) = duplex(100_000);
    right.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let error = accept(&acceptor, left).await.unwrap_err();
    let plaintext = match error {
        Error::Handshake { plaintext, .. } => plaintext,
        other => panic!("{other:?}"),
    };
    assert_eq!(plaintext, Some(Plaintext::Http));
    let mut alert = Vec::new();
    right.read_to_end(&mut alert).await.unwrap();
    assert_eq!((alert[0], alert.len()), (21, 7), "an alert");
}

/// What is unread when a socket is closed resets it.
#[tokio::test]
async fn who_says_much_that_is_not_tls_gets_an_alert_and_a_clean_end() {
    let (acceptor, _) = ends(|options| options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    client.write_all(&[b'x'; 20_000]).await.unwrap();
    accept(&acceptor, server).await.unwrap_err();
    let mut alert = Vec::new();
    client.read_to_end(&mut alert).await.unwrap();
    assert_eq!((alert[0], alert.len()), (21, 7), "an alert");
}

#[tokio::test]
async fn who_is_refused_hears_the_alert() {
    let (acceptor, _) = ends(|options| options);
    let (_, stranger) = ends(|options| options);
    let (left, right) = duplex(100_000);
    let (server, client) = tokio::join!(
        accept(&acceptor, left),
        connect(&stranger, "localhost", right)
    );
    assert!(matches!(client, Err(Error::Handshake { .. })), "{client:?}");
    assert!(matches!(server, Err(Error::Refused { .. })), "{server:?}");
}

#[tokio::test]
async fn a_dropped_read_or_write_loses_nothing() {
    let (mut server, mut client) = pair().await;
    let mut buffer = [0; 10];
    assert!(poll_once(Box::pin(server.read(&mut buffer))).await.is_err());
    client.write_all(b"all of it").await.unwrap();
    assert!(
        poll_once(Box::pin(client.read(&mut [0; 10])))
            .await
            .is_err()
    );
    server.read_exact(&mut buffer[..9]).await.unwrap();
    assert_eq!(&buffer[..9], b"all of it");

    // Until the stream below is full: what was not taken is not sent.
    let mut taken = 0;
    while let Ok(count) = poll_once(Box::pin(client.write(&[7; 1000]))).await {
        taken += count.unwrap();
    }
    let rest = async move {
        client.flush().await.expect("somebody reads");
        client.shutdown().await.expect("somebody reads");
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(rest, server.read_to_end(&mut heard));
    assert_eq!(read.unwrap(), taken);
}

#[tokio::test]
async fn a_server_lends_its_connection() {
    let (acceptor, connector) = ends(|options| options);
    let running = Server::tcp("127.0.0.1:0")
        .serve_tokio(move |connection| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = accept(&acceptor, &connection).await?;
                let mut heard = [0; 5];
                stream.read_exact(&mut heard).await?;
                stream.write_all(&heard).await?;
                stream.shutdown().await?;
                Ok(())
            }
        })
        .unwrap();
    let address = running.address().socket_addr().unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let mut client = connect(&connector, "localhost", tcp).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello");
    drop(client);
    let stats = running.shutdown(Duration::from_secs(5)).await;
    assert_eq!(stats.finished, 1);
}

/// Polls it once, and gives it back when it is not ready.
async fn poll_once<F: Future + Unpin>(mut future: F) -> Result<F::Output, F> {
    let outcome =
        std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(cx)));
    match outcome.await {
        std::task::Poll::Ready(outcome) => Ok(outcome),
        std::task::Poll::Pending => Err(future),
    }
}
