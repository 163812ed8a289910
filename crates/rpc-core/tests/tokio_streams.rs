//! The tokio driver over every sort of stream.
#![cfg(all(feature = "tokio", feature = "postcard"))]

mod ends;

use std::sync::Arc;
use std::time::Duration;

use auth_hmac::{HandshakeOptions, Key, Keyring};
use ends::{LONG, adder, client_over, options, peer};
use rpc_core::tokio::{connect, serve, serve_until};
use rpc_core::{Client, Context, Error, Registry, native};
use socket_server::Server;
use tls_mixin::{Acceptor, Authorities, ClientOptions, Connector, Identity, ServerOptions};
use tokio::io::{duplex, join, split};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

async fn works(client: &Client) {
    let calls: Vec<_> = (0..1000)
        .map(|x| client.call::<i64>("add", (x, 1)))
        .collect();
    for (x, call) in (0..).zip(calls) {
        let sum = timeout(LONG, call).await.expect("an answer");
        assert_eq!(sum.expect("a sum"), x + 1);
    }
}

/// Both ends end in order when the client is dropped.
async fn ends_well(
    client: Client,
    serving: impl Future<Output = Result<Result<(), Error>, tokio::task::JoinError>>,
) {
    drop(client);
    let outcome = timeout(LONG, serving).await.expect("it ends");
    outcome.expect("no panic").expect("in order");
}

#[tokio::test]
async fn unix_sockets() {
    let (near, far) = UnixStream::pair().unwrap();
    let serving = tokio::spawn(serve(far, peer(adder())));
    let client = client_over(near).await;
    works(&client).await;
    ends_well(client, serving).await;
}

#[tokio::test]
async fn a_reader_and_a_writer() {
    let (left, right) = (duplex(4096), duplex(4096));
    let (near, far) = (join(left.0, right.0), join(right.1, left.1));
    let serving = tokio::spawn(serve(far, peer(adder())));
    let client = client_over(near).await;
    works(&client).await;
    ends_well(client, serving).await;
}

#[tokio::test]
async fn the_two_halves_of_a_split_stream() {
    let (near, far) = UnixStream::pair().unwrap();
    let (reader, writer) = split(far);
    let serving = tokio::spawn(serve(join(reader, writer), peer(adder())));
    let client = client_over(near).await;
    works(&client).await;
    ends_well(client, serving).await;
}

#[tokio::test]
async fn tls() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.pem();
    let key = made.signing_key.serialize_pem();
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let acceptor = Acceptor::new(ServerOptions::new(identity)).unwrap();
    let authorities = Authorities::from_pem(certificate.as_bytes()).unwrap();
    let connector = Connector::new(ClientOptions::new(authorities)).unwrap();

    let (near, far) = UnixStream::pair().unwrap();
    let serving = tokio::spawn(async move {
        let stream = tls_mixin::tokio::accept(&acceptor, far)
            .await
            .expect("a handshake");
        let version = stream.session().version().to_string();
        let mut registry = adder();
        registry.register_with("version", [], |cx: &Context| {
            cx.state::<String>().cloned().unwrap_or_default()
        });
        let peer = native::Peer::new(Arc::new(registry), options());
        serve(stream, peer.with_state(Arc::new(version))).await
    });
    let stream = tls_mixin::tokio::connect(&connector, "localhost", near)
        .await
        .unwrap();
    let client = connect(stream, options()).await.unwrap();
    works(&client).await;
    assert_eq!(
        client.call::<String>("version", ()).await.unwrap(),
        "TLSv1.3"
    );
    ends_well(client, serving).await;
}

#[tokio::test]
async fn behind_a_handshake_with_a_shared_secret() {
    let key = || Key::new("rpc", [7; 32]).expect("32 bytes are enough");
    let mut keys = Keyring::new();
    keys.insert(key());
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let serving = tokio::spawn(async move {
        let options = HandshakeOptions::default();
        let session = auth_hmac::tokio::respond(&mut far, &keys, &options).await;
        let who = session.expect("the secret is right").key_id().to_vec();
        let mut registry = adder();
        registry.register_with("whoami", [], |cx: &Context| cx.state::<Vec<u8>>().cloned());
        serve(far, peer(registry).with_state(Arc::new(who))).await
    });
    let (key, options) = (key(), HandshakeOptions::default());
    let handshake = auth_hmac::tokio::initiate(&mut near, &key, &options);
    handshake.await.unwrap();
    let client = client_over(near).await;
    works(&client).await;
    let who: Option<Vec<u8>> = client.call("whoami", ()).await.unwrap();
    assert_eq!(who.as_deref(), Some(&b"rpc"[..]));
    ends_well(client, serving).await;
}

/// The connections of a server are told to stop by a channel of the program, then the server is.
#[tokio::test]
async fn a_server_that_shuts_down_answers_what_it_has_taken() {
    let begun = Arc::new(Semaphore::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let mut registry = adder();
    registry.register_async("wait", [], {
        let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
        move |_: Context| {
            let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
            async move {
                begun.add_permits(1);
                gate.acquire()
                    .await
                    .map(drop)
                    .map_err(|error| error.to_string())
            }
        }
    });
    let registry = Arc::new(registry);
    let (stop, stopping) = watch::channel(false);
    let running = Server::tcp("127.0.0.1:0")
        .serve_tokio(move |connection| {
            let (registry, mut stopping) = (Arc::clone(&registry), stopping.clone());
            async move {
                // The keep-alive of the peers takes its place.
                connection.set_idle_timeout(None);
                let peer = native::Peer::new(registry, options());
                let stopped = async move {
                    let _ = stopping.wait_for(|stops| *stops).await;
                };
                Ok(serve_until(&connection, peer, stopped).await?)
            }
        })
        .unwrap();
    let address = running.address().socket_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = client_over(TcpStream::connect(address).await.unwrap()).await;
        works(&client).await;
        clients.push(client);
    }
    let waiting: Vec<_> = clients
        .iter()
        .map(|client| client.call::<()>("wait", ()))
        .collect();
    let all = timeout(LONG, begun.acquire_many(3)).await;
    all.expect("they have begun").unwrap().forget();

    stop.send(true).unwrap();
    let shutdown = tokio::spawn(running.shutdown(Duration::from_secs(20)));
    let refused = clients[0].call::<i64>("add", (1, 2)).await.unwrap_err();
    assert!(refused.is_safe_to_repeat(), "{refused:?}");
    gate.add_permits(3);
    for call in waiting {
        timeout(LONG, call).await.expect("an answer").unwrap();
    }
    let stats = timeout(LONG, shutdown).await.expect("it ends").unwrap();
    assert_eq!((stats.finished, stats.cut_off), (3, 0), "{stats:?}");
}

#[tokio::test]
async fn a_function_is_not_called_twice_when_the_stream_is_cut() {
    let (near, far) = UnixStream::pair().unwrap();
    let (called, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let mut registry = Registry::new();
    registry.register_async("cut", [], move |_: Context| {
        let _ = called.send(());
        std::future::pending::<()>()
    });
    let serving = tokio::spawn(serve(far, peer(registry)));
    let client = client_over(near).await;
    let call = client.call::<()>("cut", ());
    assert_eq!(calls.recv().await, Some(()));
    serving.abort();
    let error = timeout(LONG, call).await.expect("it is told").unwrap_err();
    assert!(!error.is_safe_to_repeat(), "{error:?}");
}

#[cfg(feature = "json")]
#[tokio::test]
async fn json_rpc_by_the_same_driver() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    let (near, far) = UnixStream::pair().unwrap();
    let dialect = rpc_core::json_rpc::Peer::new(Arc::new(adder()), Default::default());
    let serving = tokio::spawn(serve(far, dialect));
    let (reader, mut writer) = split(near);
    let request = br#"{"jsonrpc": "2.0", "id": 1, "method": "add", "params": [2, 3]}"#;
    writer
        .write_all(&[&request[..], b"\n"].concat())
        .await
        .unwrap();
    let mut answer = String::new();
    BufReader::new(reader).read_line(&mut answer).await.unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        answer,
        serde_json::json!({"jsonrpc": "2.0", "id": 1, "result": 5})
    );
    writer.shutdown().await.unwrap();
    timeout(LONG, serving)
        .await
        .expect("it ends")
        .unwrap()
        .unwrap();
}
