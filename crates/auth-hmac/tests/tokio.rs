//! The drivers over tokio's traits.

mod support;

use std::io;
use std::time::Duration;

use auth_hmac::tokio::{SealedStream, answer, challenge, initiate, respond};
use auth_hmac::{
    AuthError, ChallengeKey, ChallengeOptions, Error, HandshakeOptions, Key, Keyring, SessionError,
};
use support::{key, keys, messages, peekaboo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let left = TcpStream::connect(listener.local_addr()?).await?;
    Ok((left, listener.accept().await?.0))
}

fn auth(error: Error) -> AuthError {
    match error {
        Error::Auth(error) => error,
        other => panic!("{other}"),
    }
}

/// Polls a future once and drops it.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn both_ends_of_a_challenge() -> Result<(), Error> {
    let (mut left, mut right) = pair().await?;
    let server = tokio::spawn(async move {
        challenge(&mut right, &peekaboo(), &ChallengeOptions::default()).await?;
        let mut follows = String::new();
        right.read_to_string(&mut follows).await?;
        Ok::<_, Error>(follows)
    });
    answer(&mut left, &peekaboo(), &ChallengeOptions::default()).await?;
    left.write_all(b"hello").await?;
    left.shutdown().await?;
    assert_eq!(server.await.expect("no panic")?, "hello");

    let (mut left, mut right) = pair().await?;
    let server = tokio::spawn(async move {
        challenge(&mut right, &peekaboo(), &ChallengeOptions::default()).await
    });
    let other = ChallengeKey::new_short("peekboo").unwrap();
    answer(&mut left, &other, &ChallengeOptions::default()).await?;
    let error = server.await.expect("no panic").unwrap_err();
    assert_eq!(auth(error), AuthError::WrongTag);
    assert_eq!(left.read(&mut [0]).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_handshake_and_sealed_messages() -> Result<(), Error> {
    let (mut left, mut right) = pair().await?;
    let server = tokio::spawn(async move {
        let session = respond(&mut right, &keys(), &HandshakeOptions::default()).await?;
        assert_eq!(session.key_id(), b"2026-11");
        let mut stream = SealedStream::new(right, session);
        while let Some(message) = stream.read_message().await? {
            let message = message.to_vec();
            stream.write_message(&message).await?;
        }
        stream.finish().await
    });
    let session = initiate(&mut left, &key(), &HandshakeOptions::default()).await?;
    let mut stream = SealedStream::new(left, session);
    for len in [0, 1, 100, 8192, 100_000] {
        let message = vec![7; len];
        stream.write_message(&message).await?;
        assert_eq!(stream.read_message().await?, Some(&message[..]));
    }
    stream.finish().await?;
    assert_eq!(stream.read_message().await?, None);
    server.await.expect("no panic")
}

#[tokio::test]
async fn another_key_is_refused() -> Result<(), Error> {
    let (mut left, mut right) = pair().await?;
    let other = Keyring::from(Key::new("2026-11", [8; 32]).unwrap());
    let server = tokio::spawn(async move {
        respond(&mut right, &other, &HandshakeOptions::default())
            .await
            .map(drop)
    });
    let refused = initiate(&mut left, &key(), &HandshakeOptions::default()).await;
    assert_eq!(auth(refused.unwrap_err()), AuthError::Refused);
    let error = server.await.expect("no panic").unwrap_err();
    assert_eq!(auth(error), AuthError::WrongTag);
    Ok(())
}

#[tokio::test]
async fn what_follows_the_handshake_stays_in_the_stream() -> Result<(), Error> {
    let (mut left, mut right) = duplex(1024);
    let follows = async {
        let session = initiate(&mut left, &key(), &HandshakeOptions::default()).await?;
        left.write_all(b"hello").await?;
        Ok::<_, Error>(session)
    };
    let server = async {
        respond(&mut right, &keys(), &HandshakeOptions::default()).await?;
        let mut follows = [0; 5];
        right.read_exact(&mut follows).await?;
        Ok::<_, Error>(follows)
    };
    let (session, follows) = tokio::join!(follows, server);
    session?;
    assert_eq!(&follows?, b"hello");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn silent_and_dripping_peers_are_cut_at_the_deadline() {
    let (_peer, mut stream) = duplex(1024);
    let begin = Instant::now();
    let error = challenge(&mut stream, &peekaboo(), &ChallengeOptions::default()).await;
    let late = AuthError::TimedOut {
        allowed: Duration::from_secs(5),
        received: 0,
    };
    assert_eq!(auth(error.unwrap_err()), late);
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(6));

    let (mut peer, mut stream) = duplex(1024);
    let drip = async {
        for byte in &messages()[0] {
            tokio::time::advance(Duration::from_millis(300)).await;
            let written = peer.write_all(&[*byte]).await;
            written.expect("there is room for all");
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    let keys = keys();
    let options = HandshakeOptions::default();
    let error = tokio::select! {
        outcome = respond(&mut stream, &keys, &options) => auth(outcome.unwrap_err()),
        () = drip => panic!("it never ends"),
    };
    assert!(
        matches!(
            error,
            AuthError::TimedOut {
                received: 10..=20,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_cut_at_the_deadline() {
    let (_peer, mut stream) = duplex(8);
    let begin = Instant::now();
    let error = challenge(&mut stream, &peekaboo(), &ChallengeOptions::default()).await;
    match error {
        Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
        other => panic!("{other:?}"),
    }
    assert!(begin.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn a_hundred_silent_clients_keep_nobody_out() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let options = HandshakeOptions {
        timeout: Duration::from_millis(500),
        ..HandshakeOptions::default()
    };
    let server = tokio::spawn(async move {
        let mut handlers = Vec::new();
        for _ in 0..120 {
            let (mut stream, _) = listener.accept().await?;
            let options = options.clone();
            handlers.push(tokio::spawn(async move {
                respond(&mut stream, &keys(), &options).await.is_ok()
            }));
        }
        let mut served = 0;
        for handler in handlers {
            served += usize::from(handler.await.expect("no panic"));
        }
        Ok::<_, Error>(served)
    });
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(address).await?);
    }
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await?;
        initiate(&mut stream, &key(), &HandshakeOptions::default()).await?;
    }
    for mut stream in silent {
        let read = timeout(Duration::from_secs(20), async {
            stream.read(&mut [0]).await
        });
        assert_eq!(read.await.expect("closed by the server")?, 0);
    }
    assert_eq!(server.await.expect("no panic")?, 20);
    Ok(())
}

/// Both ends of a session over a pipe of so many bytes.
async fn sealed(
    size: usize,
) -> (
    SealedStream<tokio::io::DuplexStream>,
    SealedStream<tokio::io::DuplexStream>,
) {
    let (left, right) = duplex(size);
    let (ours, theirs) = support::sessions();
    (
        SealedStream::new(left, ours),
        SealedStream::new(right, theirs),
    )
}

#[tokio::test]
async fn reads_and_writes_that_are_dropped_lose_nothing() -> Result<(), Error> {
    let (mut left, mut right) = sealed(7).await;
    let mut dropped = 0;
    assert!(once(left.write_message(b"hello")).await.is_none());
    let mut heard = Vec::new();
    while heard.len() < 2 {
        match once(right.read_message()).await {
            Some(message) => heard.push(message?.expect("there is more").to_vec()),
            None => dropped += 1,
        }
        if once(left.flush()).await.transpose()?.is_some() && heard.len() == 1 {
            assert!(once(left.write_message(b"world")).await.is_none());
        }
    }
    assert_eq!(heard, [b"hello", b"world"]);
    assert!(dropped > 10, "{dropped} futures were dropped");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_ends_too_early() -> Result<(), Error> {
    let (mut left, mut right) = sealed(1024).await;
    left.write_message(b"hello").await?;
    drop(left);
    assert_eq!(right.read_message().await?, Some(&b"hello"[..]));
    for _ in 0..2 {
        let Err(Error::Session(error)) = right.read_message().await else {
            panic!("nobody said that this is the end");
        };
        assert_eq!(error, SessionError::Truncated { received: 0 });
    }
    Ok(())
}
