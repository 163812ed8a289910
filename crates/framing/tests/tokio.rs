//! The driver over tokio's traits.

mod support;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use framing::tokio::{FrameStream, exchange, receive_exactly};
use framing::{Decoder, Encoder, Error, FrameError, FrameQueue, Limits, Pattern, Prefix};
use support::{Frames, cuts, samples};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex};
use tokio::net::{TcpListener, TcpStream};

const U32: Pattern = Pattern::Prefix(Prefix::U32Be);

/// Gives the pieces one by one, each after the task was woken once for nothing; takes three bytes of a
/// write, every other time.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    read_ready: bool,
    write_ready: bool,
    written: Vec<u8>,
}

impl Script {
    fn new(pieces: &[&[u8]]) -> Self {
        let pieces = pieces
            .iter()
            .filter(|piece| !piece.is_empty())
            .map(|piece| piece.to_vec())
            .collect();
        Self {
            pieces,
            read_ready: false,
            write_ready: false,
            written: Vec::new(),
        }
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.read_ready = !self.read_ready;
        if self.read_ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        buffer.put_slice(&self.pieces.pop_front().unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_ready = !self.write_ready;
        if self.write_ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let taken = bytes.len().min(3);
        self.written.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls a future once and drops it.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

fn frame_error(error: Error) -> FrameError {
    match error {
        Error::Frame(error) => error,
        Error::Io(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn frames_are_the_same_however_they_are_cut() {
    async fn read(stream: &mut FrameStream<Script>, owned: bool) -> Frames {
        let mut frames = Vec::new();
        loop {
            let frame = match owned {
                true => stream
                    .read_bytes()
                    .await
                    .map(|frame| frame.map(|frame| frame.to_vec())),
                false => stream
                    .read_frame()
                    .await
                    .map(|frame| frame.map(<[u8]>::to_vec)),
            };
            match frame.map_err(frame_error)? {
                Some(frame) => frames.push(frame),
                None => return Ok(frames),
            }
        }
    }
    for sample in samples() {
        for cut in cuts(&sample.wire) {
            for owned in [false, true] {
                let mut stream = FrameStream::new(Script::new(&cut), sample.pattern.clone());
                let frames = read(&mut stream, owned).await;
                assert_eq!(frames, sample.frames, "{:?} {cut:?}", sample.pattern);
            }
        }
    }
}

#[tokio::test]
async fn reads_that_are_dropped_lose_nothing() {
    let wire = b"\0\0\0\x05hello\0\0\0\0\0\0\0\x05world";
    for cut in cuts(wire) {
        let mut stream = FrameStream::new(Script::new(&cut), U32);
        let mut frames = Vec::new();
        let mut dropped = 0;
        loop {
            match once(stream.read_frame()).await {
                Some(Ok(Some(frame))) => frames.push(frame.to_vec()),
                Some(Ok(None)) => break,
                Some(Err(error)) => panic!("{error}"),
                None => dropped += 1,
            }
        }
        assert_eq!(frames, [&b"hello"[..], b"", b"world"], "{cut:?}");
        assert!(dropped >= cut.len(), "{dropped} futures were dropped");
    }
}

#[tokio::test]
async fn writes_that_are_dropped_are_finished_by_a_flush() -> Result<(), Error> {
    let mut stream = FrameStream::new(Script::new(&[]), U32);
    assert!(once(stream.write_frame(b"hello")).await.is_none());
    assert!(
        once(stream.write_frame(b"world")).await.is_none(),
        "after three bytes"
    );
    let mut dropped = 0;
    while once(stream.flush()).await.transpose()?.is_none() {
        dropped += 1;
    }
    assert!(dropped > 3, "{dropped} futures were dropped");
    assert_eq!(
        stream.into_parts().0.written,
        b"\0\0\0\x05hello\0\0\0\x05world"
    );
    Ok(())
}

#[tokio::test]
async fn a_conversation_over_tcp() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let mut stream = FrameStream::new(listener.accept().await?.0, U32);
        while let Some(frame) = stream.read_bytes().await? {
            stream.send(frame)?;
            stream.flush().await?;
        }
        Ok::<(), Error>(())
    });
    let mut stream = FrameStream::new(TcpStream::connect(address).await?, U32);
    for len in [0, 1, 100, 100_000] {
        let payload = vec![7; len];
        stream.write_frame(&payload).await?;
        assert_eq!(stream.read_frame().await?, Some(&payload[..]));
    }
    stream.shutdown().await?;
    assert_eq!(stream.read_frame().await?, None);
    server.await.expect("no panic")
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up() -> Result<(), Error> {
    let (mut peer, stream) = duplex(64);
    let limits = Limits {
        grace: Duration::from_secs(10),
        ..Limits::default()
    };
    let queue = FrameQueue::new(Encoder::new(U32));
    let mut stream = FrameStream::from_parts(stream, Decoder::with_limits(U32, limits), queue);
    // Between frames nothing ends the waiting.
    let idle = tokio::time::timeout(Duration::from_secs(3600), stream.read_frame()).await;
    assert!(idle.is_err());
    peer.write_all(b"\0\0\0\x02a").await?;
    let start = tokio::time::Instant::now();
    // Dropping the future in between does not put the deadline off.
    let cut = tokio::time::timeout(Duration::from_secs(6), stream.read_frame()).await;
    assert!(cut.is_err());
    let error = stream.read_frame().await.unwrap_err();
    assert!(matches!(
        frame_error(error),
        FrameError::TooSlow { received: 5, .. }
    ));
    let took = start.elapsed();
    assert!(
        took >= Duration::from_secs(10) && took < Duration::from_secs(11),
        "{took:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_half_close_conversation() -> Result<(), Error> {
    for (max_len, fits) in [(5, true), (4, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut stream = TcpStream::connect(listener.local_addr()?).await?;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut question = Vec::new();
            stream.read_to_end(&mut question).await?;
            question.reverse();
            stream.write_all(&question).await
        });
        match exchange(&mut stream, b"hello", max_len).await {
            Ok(answer) => assert!(fits && answer == b"olleh"),
            Err(error) => {
                let undelimited = FrameError::Undelimited {
                    limit: 4,
                    looks_like: None,
                };
                assert_eq!(frame_error(error), undelimited);
                assert!(!fits);
            }
        }
        server.await.expect("no panic")?;
    }
    Ok(())
}

#[tokio::test]
async fn exactly_so_many_bytes_and_none_behind() {
    let mut stream = &b"Hi there, server"[..];
    assert_eq!(
        receive_exactly(&mut stream, 10).await.unwrap(),
        b"Hi there, "
    );
    assert_eq!(stream, b"server");
    let error = receive_exactly(&mut &b"Hi th"[..], 16).await.unwrap_err();
    let text = "was expecting 16 bytes but only received 5 before the stream closed";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn queued_frames_leave_in_order_and_the_unread_tail_is_handed_over() -> Result<(), Error> {
    let mut stream = FrameStream::new(Script::new(&[b"\0\0\0\x01xtail"]), U32);
    stream.send(Bytes::from_static(b"first"))?;
    stream.write_frame(b"second").await?;
    assert_eq!(stream.read_frame().await?, Some(&b"x"[..]));
    let (script, tail) = stream.into_parts();
    assert_eq!(tail, &b"tail"[..]);
    assert_eq!(script.written, b"\0\0\0\x05first\0\0\0\x06second");
    Ok(())
}
