//! A client that connects anew, and repeats no call that may have been run.
#![cfg(all(feature = "tokio", feature = "postcard"))]

mod ends;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ends::{LONG, adder, options, peer};
use rpc_core::tokio::{Reconnecting, connect, serve, serve_until};
use rpc_core::{Error, Fault, Kind, Options, Registry};
use tokio::io::duplex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Servers that are started by connecting to them.
#[derive(Clone, Default)]
struct Servers {
    attempts: Arc<AtomicUsize>,
    /// When the attempts were.
    times: Arc<Mutex<Vec<Instant>>>,
    /// How many attempts from now on fail.
    failing: Arc<AtomicUsize>,
    last: Arc<Mutex<Option<Serving>>>,
    runs: Arc<AtomicUsize>,
    drains: Arc<Notify>,
}

type Serving = JoinHandle<Result<(), Error>>;

impl Servers {
    fn client(&self) -> Reconnecting {
        let servers = self.clone();
        Reconnecting::new(move || {
            let servers = servers.clone();
            async move {
                servers.attempts.fetch_add(1, Ordering::Relaxed);
                servers
                    .times
                    .lock()
                    .expect("no test panics in it")
                    .push(Instant::now());
                let fails = |left: usize| left.checked_sub(1);
                if servers
                    .failing
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails)
                    .is_ok()
                {
                    return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
                }
                let (near, far) = duplex(64 << 10);
                let drains = Arc::clone(&servers.drains);
                let serving =
                    tokio::spawn(serve_until(far, peer(servers.registry()), async move {
                        drains.notified().await;
                    }));
                *servers.last.lock().expect("no test panics in it") = Some(serving);
                connect(near, options()).await
            }
        })
    }

    fn registry(&self) -> Registry {
        let mut registry = adder();
        let runs = Arc::clone(&self.runs);
        registry.register_async("never", [], move |_: rpc_core::Context| {
            runs.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>()
        });
        let runs = Arc::clone(&self.runs);
        registry.register(
            "refuse",
            ["kind"],
            move |kind: String| -> Result<(), Fault> {
                runs.fetch_add(1, Ordering::Relaxed);
                let kinds = [Kind::ShuttingDown, Kind::Overloaded, Kind::UnknownFunction];
                let kind = kinds.into_iter().find(|known| known.name() == kind);
                Err(Fault::of(kind.expect("it is one of those"), "it was run"))
            },
        );
        registry
    }

    /// Ends the server there is, as if it were killed.
    async fn kill(&self) {
        let serving = self.last.lock().expect("no test panics in it").take();
        let serving = serving.expect("it has been connected to");
        serving.abort();
        assert!(
            serving
                .await
                .expect_err("it did not end before")
                .is_cancelled()
        );
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn it_connects_when_it_must() {
    let servers = Servers::default();
    let client = servers.client();
    assert_eq!(servers.attempts(), 0);
    for x in 0..10 {
        let sum: i64 = client.call("add", (x, 1)).await.unwrap();
        assert_eq!(sum, x + 1);
    }
    assert_eq!(servers.attempts(), 1);
    for round in 2..5 {
        servers.kill().await;
        let sum: i64 = client.call("add", (1, 2)).await.unwrap();
        assert_eq!((sum, servers.attempts()), (3, round));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_been_run_is_not_repeated() {
    let servers = Servers::default();
    let client = servers.client();
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call::<()>("never", ()).await }
    });
    while servers.runs.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    servers.kill().await;
    let error = call.await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Lost { not_run: false, .. }),
        "{error:?}"
    );
    assert_eq!(servers.runs.load(Ordering::Relaxed), 1);
    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_a_function_answers_is_the_answer_whatever_it_says() {
    let servers = Servers::default();
    let client = servers.client();
    for (kind, runs) in [Kind::ShuttingDown, Kind::Overloaded, Kind::UnknownFunction]
        .into_iter()
        .zip(1..)
    {
        match client.call::<()>("refuse", (kind.name(),)).await {
            Err(Error::Fault(fault)) => assert_eq!(fault, Fault::of(kind, "it was run")),
            other => panic!("{other:?}"),
        }
        assert_eq!(servers.runs.load(Ordering::Relaxed), runs);
    }
    assert_eq!(servers.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_a_draining_server_has_not_taken_go_to_the_next() {
    let servers = Servers::default();
    let client = servers.client();
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.call::<()>("never", ()).await }
    });
    while servers.runs.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    servers.drains.notify_one();
    let sum: i64 = client.call("add", (1, 2)).await.unwrap();
    assert_eq!((sum, servers.attempts()), (3, 2));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn callers_share_an_attempt() {
    let servers = Servers::default();
    servers.failing.store(3, Ordering::Relaxed);
    let client = servers.client();
    let calls: Vec<_> = (0..100)
        .map(|x| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<i64>("add", (x, 1)).await })
        })
        .collect();
    for (x, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), x + 1);
    }
    assert_eq!(servers.attempts(), 4);
}

#[tokio::test(start_paused = true)]
async fn it_waits_longer_each_time_and_gives_up() {
    let servers = Servers::default();
    servers.failing.store(usize::MAX, Ordering::Relaxed);
    let patience = Duration::from_secs(60);
    let client = servers.client().patience(patience);
    let began = Instant::now();
    let error = client.call::<i64>("add", (1, 2)).await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), patience.as_secs());
    let times = servers.times.lock().unwrap().clone();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (number, pause) in (0..).zip(&pauses[..pauses.len() - 1]) {
        let longest = Duration::from_millis((100 << number.min(8)).min(5000));
        // Timers are exact to a millisecond.
        let slack = Duration::from_millis(2);
        assert!(
            *pause <= longest + slack && *pause + slack >= longest / 2,
            "{number}: {pauses:?}"
        );
    }

    // Somebody who comes later, and the server with him.
    servers.failing.store(0, Ordering::Relaxed);
    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_makes_the_waiting_short_again() {
    let servers = Servers::default();
    servers.failing.store(6, Ordering::Relaxed);
    let client = servers.client();
    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
    tokio::time::advance(LONG).await;
    servers.kill().await;
    servers.failing.store(1, Ordering::Relaxed);
    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
    let times = servers.times.lock().unwrap();
    let pause = times[8] - times[7];
    assert!(pause <= Duration::from_millis(102), "{pause:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_suits_is_not_asked_twice() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let client = Reconnecting::new({
        let attempts = Arc::clone(&attempts);
        move || {
            attempts.fetch_add(1, Ordering::Relaxed);
            async {
                let (near, far) = duplex(64 << 10);
                tokio::spawn(serve(far, peer(adder())));
                connect(
                    near,
                    Options {
                        expect: Some(1),
                        ..options()
                    },
                )
                .await
            }
        }
    });
    let error = client.call::<i64>("add", (1, 2)).await.unwrap_err();
    assert!(
        matches!(error, Error::Mismatch { expected: 1, .. }),
        "{error:?}"
    );
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_leaves_the_attempt_to_the_next() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let client = Reconnecting::new({
        let attempts = Arc::clone(&attempts);
        move || {
            let attempt = attempts.fetch_add(1, Ordering::Relaxed);
            async move {
                if attempt == 0 {
                    std::future::pending::<()>().await;
                }
                let (near, far) = duplex(64 << 10);
                tokio::spawn(serve(far, peer(adder())));
                connect(near, options()).await
            }
        }
    });
    let call = client.call::<i64>("add", (1, 2));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), call)
            .await
            .is_err()
    );
    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
}
