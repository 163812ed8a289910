//! What the tokio driver does for any dialect.
#![cfg(feature = "tokio")]

mod lines;

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use lines::Lines;
use rpc_core::tokio::{serve, serve_until};
use rpc_core::{Error, Kind, Work};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// With the clock paused it takes no time.
const LONG: Duration = Duration::from_secs(20);

fn echo(_: &str) -> Option<Work> {
    None
}

/// A call that is answered with its own line when `gate` opens.
fn behind(gate: &Arc<Notify>, line: &str) -> Work {
    let (gate, line) = (Arc::clone(gate), line.as_bytes().to_vec());
    Work::Future(Box::pin(async move {
        gate.notified().await;
        Ok(line)
    }))
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_is_answered_before_the_end() {
    let (mut near, far) = duplex(1 << 10);
    let serving = tokio::spawn(serve(far, Lines::new(echo)));
    near.write_all(b"one\ntwo\nthr").await.unwrap();
    near.write_all(b"ee\n").await.unwrap();
    near.shutdown().await.unwrap();
    let mut answers = String::new();
    near.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers, "one\ntwo\nthree\n");
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_peer_gets_the_answers_it_waits_for() {
    let gate = Arc::new(Notify::new());
    let function = {
        let gate = Arc::clone(&gate);
        move |line: &str| Some(behind(&gate, line))
    };
    let (mut near, far) = duplex(1 << 10);
    let serving = tokio::spawn(serve(far, Lines::new(function)));
    near.write_all(b"late\n").await.unwrap();
    near.shutdown().await.unwrap();
    assert!(timeout(LONG, near.read_u8()).await.is_err());
    gate.notify_one();
    let mut answers = String::new();
    near.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers, "late\n");
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_kinds_of_work_are_answered_and_none_holds_up_another() {
    let (block, blocked) = std::sync::mpsc::channel::<()>();
    let mut blocked = Some(blocked);
    let function = move |line: &str| {
        let answer = line.as_bytes().to_vec();
        Some(match line {
            "quick" => Work::Quick(Box::new(|| Ok(answer))),
            "ready" => Work::Future(Box::pin(async { Ok(answer) })),
            "later" => Work::Future(Box::pin(async {
                tokio::time::sleep(LONG).await;
                Ok(answer)
            })),
            "never" => Work::Future(Box::pin(pending())),
            _ => {
                let blocked = blocked.take().expect("asked once");
                Work::Blocking(Box::new(move || {
                    blocked.recv().expect("the test lets it go on");
                    Ok(answer)
                }))
            }
        })
    };
    let (mut near, far) = duplex(1 << 10);
    tokio::spawn(serve(far, Lines::new(function)));
    near.write_all(b"never\nblocking\nquick\nready\n")
        .await
        .unwrap();
    let mut answers = [0; 12];
    near.read_exact(&mut answers).await.unwrap();
    assert_eq!(&answers, b"quick\nready\n");
    block.send(()).unwrap();
    let mut answer = [0; 9];
    near.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"blocking\n");
    near.write_all(b"later\n").await.unwrap();
    let mut answer = [0; 6];
    near.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"later\n");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_read_no_more() {
    const MAX_QUEUED: usize = 100 << 10;
    const PIPE: usize = 64 << 10;
    let (near, far) = duplex(PIPE);
    tokio::spawn(serve(far, Lines::new(echo).max_queued(MAX_QUEUED)));
    let (mut reader, mut writer) = tokio::io::split(near);

    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let mut taken = 0;
    while let Ok(written) = timeout(LONG, writer.write_all(&line)).await {
        written.unwrap();
        taken += line.len();
        assert!(taken < 10 * MAX_QUEUED, "there is no bound");
    }
    assert!(taken >= MAX_QUEUED, "{taken} is less than may be queued");
    // The two pipes are full, and what waits is over the bound by no more than one read brought, twice:
    // in the driver and in the dialect.
    let bound = 2 * PIPE + 2 * (MAX_QUEUED + (32 << 10));
    assert!(taken <= bound, "{taken} bytes were taken, {bound} allowed");

    // Then it goes on, and nothing is lost.
    let rest = tokio::spawn(async move {
        for _ in 0..1000 {
            writer.write_all(&[b'y'; 1024]).await?;
        }
        writer.write_all(b"\n").await?;
        writer.shutdown().await
    });
    let mut answers = Vec::new();
    reader.read_to_end(&mut answers).await.unwrap();
    rest.await.unwrap().unwrap();
    let first = answers.iter().filter(|&&byte| byte == b'x').count();
    let second = answers.iter().filter(|&&byte| byte == b'y').count();
    // The write that was given up may have left a part of its line.
    assert!(first >= taken / 1024 * 1023, "{first} of {taken}");
    assert_eq!(second, 1000 * 1024);
}

#[tokio::test(start_paused = true)]
async fn when_told_to_stop_it_answers_what_runs_and_ends() {
    let gate = Arc::new(Notify::new());
    let function = {
        let gate = Arc::clone(&gate);
        move |line: &str| Some(behind(&gate, line))
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let (mut near, far) = duplex(1 << 10);
    let serving = tokio::spawn(serve_until(far, Lines::new(function), async {
        let _ = stopped.await;
    }));
    near.write_all(b"running\n").await.unwrap();
    assert!(timeout(LONG, near.read_u8()).await.is_err());
    stop.send(()).unwrap();
    assert!(timeout(LONG, near.read_u8()).await.is_err());
    gate.notify_one();
    let mut answers = String::new();
    near.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers, "running\n");
    drop(near);
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_after_the_end_is_left_in_a_second() {
    let (near, far) = duplex(1 << 10);
    let began = tokio::time::Instant::now();
    serve_until(far, Lines::new(echo), async {}).await.unwrap();
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(2),
        "{took:?}"
    );
    drop(near);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_to_the_peer_and_here() {
    let (mut near, far) = duplex(1 << 10);
    let serving = tokio::spawn(serve(far, Lines::new(echo)));
    near.write_all(b"good\nbad\nnever read\n").await.unwrap();
    let mut answers = String::new();
    near.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers, "good\nfarewell\n");
    drop(near);
    let error = serving.await.unwrap().unwrap_err();
    let Error::Fault(fault) = error else {
        panic!("{error:?} is not the dialect's error");
    };
    assert_eq!(fault.kind, Kind::Application("Bad".into()));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_connection_drops_what_runs() {
    let (gone, mut is_gone) = oneshot::channel::<()>();
    let mut gone = Some(gone);
    let function = move |_: &str| {
        let gone = gone.take();
        Some(Work::Future(Box::pin(async move {
            let _gone = gone;
            pending().await
        })))
    };
    let (mut near, far) = duplex(1 << 10);
    let serving = tokio::spawn(serve(far, Lines::new(function)));
    near.write_all(b"for ever\n").await.unwrap();
    assert!(timeout(LONG, &mut is_gone).await.is_err());
    serving.abort();
    assert!(is_gone.await.is_err(), "only its end is heard of");
}

#[tokio::test(start_paused = true)]
async fn what_one_read_brings_is_answered_by_one_write() {
    let writes = Arc::new(Mutex::new(Vec::new()));
    let stream = Script {
        reads: VecDeque::from([b"a\nb\nc\n".to_vec(), b"d\ne\n".to_vec()]),
        writes: Arc::clone(&writes),
    };
    serve(stream, Lines::new(echo)).await.unwrap();
    assert_eq!(*writes.lock().unwrap(), [&b"a\nb\nc\n"[..], b"d\ne\n"]);
}

#[tokio::test(start_paused = true)]
async fn answers_that_come_together_go_together() {
    let gate = Arc::new(Notify::new());
    let function = {
        let gate = Arc::clone(&gate);
        move |line: &str| Some(behind(&gate, line))
    };
    let writes = Arc::new(Mutex::new(Vec::new()));
    let lines: String = (0..100).map(|number| format!("{number}\n")).collect();
    let stream = Script {
        reads: VecDeque::from([lines.into_bytes()]),
        writes: Arc::clone(&writes),
    };
    let serving = tokio::spawn(serve(stream, Lines::new(function)));
    assert!(timeout(LONG, pending::<()>()).await.is_err());
    gate.notify_waiters();
    serving.await.unwrap().unwrap();
    let writes = writes.lock().unwrap();
    assert_eq!(writes.concat().split(|&byte| byte == b'\n').count(), 101);
    assert!(writes.len() <= 2, "{} writes", writes.len());
}

#[tokio::test(start_paused = true)]
async fn the_streams_error_is_the_result() {
    let error = serve(Reset, Lines::new(echo)).await.unwrap_err();
    let Error::Io(error) = error else {
        panic!("{error:?} is not the stream's");
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// A stream that gives what is written down, then ends, and notes what it is given.
struct Script {
    reads: VecDeque<Vec<u8>>,
    writes: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(bytes) = self.reads.pop_front() {
            buf.put_slice(&bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes
            .lock()
            .expect("no test panics in it")
            .push(buf.to_vec());
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A stream that was reset.
struct Reset;

impl AsyncRead for Reset {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncWrite for Reset {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
