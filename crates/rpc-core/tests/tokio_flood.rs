//! Peers that take more than they should, and give nothing.
#![cfg(all(feature = "tokio", feature = "postcard"))]

mod ends;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};

use ends::{LONG, adder, client_over, options, peer};
use rpc_core::tokio::{connect, serve};
use rpc_core::{Error, Kind, Registry};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::time::timeout;

/// A stream whose reader sleeps until it is let go.
struct Sleepy {
    stream: DuplexStream,
    sleeps: Arc<AtomicBool>,
}

impl AsyncRead for Sleepy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // What lets it go makes a call after that, so it is polled again.
        match self.sleeps.load(Ordering::Relaxed) {
            true => Poll::Pending,
            false => Pin::new(&mut self.stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Sleepy {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_reads_are_not_made() {
    const ANSWER: usize = 64 << 10;
    let made = Arc::new(AtomicUsize::new(0));
    let mut registry = Registry::new();
    registry.register("big", [], {
        let made = Arc::clone(&made);
        move || {
            made.fetch_add(1, Ordering::Relaxed);
            "x".repeat(ANSWER)
        }
    });
    let (near, far) = duplex(64 << 10);
    tokio::spawn(serve(far, peer(registry)));
    let sleeps = Arc::new(AtomicBool::new(false));
    let stream = Sleepy {
        stream: near,
        sleeps: Arc::clone(&sleeps),
    };
    let client = client_over(stream).await;
    sleeps.store(true, Ordering::Relaxed);
    let calls: Vec<_> = (0..1000)
        .map(|_| client.call::<String>("big", ()))
        .collect();
    // All that can happen without a reader happens before the clock moves.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = made.load(Ordering::Relaxed);
    // What may be queued, in the dialect and in the driver, the pipe, and one answer more for each.
    let most = (2 * options().max_queued + (64 << 10)) / ANSWER + 3;
    assert!(before <= most, "{before} answers were made, {most} allowed");
    assert!(
        before * ANSWER >= options().max_queued,
        "only {before} answers were made"
    );

    sleeps.store(false, Ordering::Relaxed);
    client.notify("nothing", ()).unwrap();
    for call in calls {
        let answer = timeout(LONG, call).await.expect("an answer").unwrap();
        assert_eq!(answer.len(), ANSWER);
    }
    assert_eq!(made.load(Ordering::Relaxed), 1000);
}

#[tokio::test(start_paused = true)]
async fn notifications_that_nobody_reads_are_refused() {
    const LEN: usize = 32 << 10;
    let heard = Arc::new(AtomicUsize::new(0));
    let mut registry = adder();
    registry.register("hear", ["text"], {
        let heard = Arc::clone(&heard);
        move |text: String| {
            heard.fetch_add(text.len(), Ordering::Relaxed);
        }
    });
    let (near, far) = duplex(64 << 10);
    let sleeps = Arc::new(AtomicBool::new(false));
    let stream = Sleepy {
        stream: far,
        sleeps: Arc::clone(&sleeps),
    };
    let serving = tokio::spawn(serve(stream, peer(registry)));
    let client = client_over(near).await;
    sleeps.store(true, Ordering::Relaxed);
    let text = "x".repeat(LEN);
    let mut sent = 0;
    let error = loop {
        match client.notify("hear", (&text,)) {
            Ok(()) => sent += LEN,
            Err(error) => break error,
        }
        assert!(sent < 10 * options().max_queued, "there is no bound");
        tokio::task::yield_now().await;
    };
    assert!(matches!(error, Error::QueueFull { .. }), "{error:?}");
    assert!(
        sent >= options().max_queued && sent <= 3 * options().max_queued,
        "{sent}"
    );
    sleeps.store(false, Ordering::Relaxed);
    // The reader is looked at again at the latest when it asks for a sign of life.
    drop(client);
    timeout(4 * LONG, serving)
        .await
        .expect("it ends")
        .unwrap()
        .unwrap();
    assert_eq!(heard.load(Ordering::Relaxed), sent);
}

/// Counts what is written.
struct Counted {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn what_many_tasks_say_goes_out_together() {
    const ROUNDS: usize = 50;
    let (near, far) = duplex(64 << 10);
    let writes = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let counted = |stream, end: usize| Counted {
        stream,
        writes: Arc::clone(&writes[end]),
    };
    tokio::spawn(serve(counted(far, 0), peer(adder())));
    let client = client_over(counted(near, 1)).await;
    let tasks: Vec<_> = (0..1000)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    let sum: i64 = client.call("add", (task, 1)).await.expect("an answer");
                    assert_eq!(sum, task + 1);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for end in writes {
        let writes = end.load(Ordering::Relaxed);
        assert!(
            writes <= 3 * ROUNDS,
            "{writes} writes for {ROUNDS} rounds of 1000 calls"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn calls_above_the_limit_are_refused_here() {
    let mut registry = adder();
    registry.register_async("never", [], |_: rpc_core::Context| {
        std::future::pending::<()>()
    });
    let (near, far) = duplex(64 << 10);
    tokio::spawn(serve(far, peer(registry)));
    let client = connect(near, options()).await.unwrap();
    let limit = options().max_in_flight;
    let calls: Vec<_> = (0..limit).map(|_| client.call::<()>("never", ())).collect();
    let error = client.call::<i64>("add", (1, 2)).await.unwrap_err();
    assert!(
        matches!(error, Error::TooManyCalls { limit: l } if l == limit),
        "{error:?}"
    );
    drop(calls);
    // Once the other end knows that they are cancelled.
    let mut sum = Err(error);
    while let Err(Error::TooManyCalls { .. }) = sum {
        tokio::task::yield_now().await;
        sum = client.call::<i64>("add", (1, 2)).await;
    }
    assert_eq!(sum.unwrap(), 3);
}

/// A thread can't be stopped, so who cancels such calls over and over is refused more of them.
#[tokio::test]
async fn cancelled_calls_that_go_on_are_bounded() {
    let (go_on, waits) = mpsc::channel::<()>();
    let waits = std::sync::Mutex::new(waits);
    let mut registry = adder();
    registry
        .register("stuck", [], move || {
            let waits = waits
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            let _ = waits.recv();
        })
        .blocking();
    let (near, far) = duplex(64 << 10);
    tokio::spawn(serve(far, peer(registry)));
    let client = client_over(near).await;
    let mut refused = None;
    for _ in 0..200 {
        let call = client.call::<()>("stuck", ());
        // The call has arrived when this is answered.
        assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
        match timeout(std::time::Duration::ZERO, call).await {
            Err(_still_running) => {}
            Ok(answer) => refused = Some(answer),
        }
    }
    let Some(Err(Error::Fault(fault))) = refused else {
        panic!("{refused:?}: none was refused");
    };
    assert_eq!(fault.kind, Kind::Overloaded);
    drop(go_on);
    // Those that go on come to their ends, and then others may.
    let mut answer: Result<(), _> = Err(Error::Fault(fault));
    while let Err(Error::Fault(_)) = answer {
        answer = timeout(LONG, client.call("stuck", ()))
            .await
            .expect("an answer");
    }
    answer.unwrap();
}
