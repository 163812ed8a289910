//! Calls of the async client, over tokio.
#![cfg(all(feature = "tokio", feature = "postcard"))]

mod ends;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ends::{LONG, adder, client_of, options, peer};
use rpc_core::tokio::{connect, connect_with, serve};
use rpc_core::{Arguments, Client, Context, Error, Fault, Kind, Options, Registry};
use tokio::io::duplex;
use tokio::sync::Semaphore;

#[tokio::test(start_paused = true)]
async fn positions_and_keywords() {
    let (client, _) = client_of(adder()).await;
    let sum: i64 = client.call("add", (2, 3)).await.unwrap();
    assert_eq!(sum, 5);
    let arguments = Arguments::new().positional(&4).keyword("y", &5);
    let sum: i64 = client.call("add", arguments).await.unwrap();
    assert_eq!(sum, 9);
}

#[tokio::test(start_paused = true)]
async fn what_fails_says_so_and_the_connection_stays() {
    let mut registry = adder();
    registry.register("fail", [], || -> Result<(), Fault> {
        Err(Fault::new("KeyError", "no such key").with_data("left"))
    });
    registry.register("panic", [], || -> () { panic!("as the test wants it") });
    let (client, _) = client_of(registry).await;

    let fault = fault_of(client.call::<()>("fail", ()).await);
    assert_eq!(fault.kind, Kind::Application("KeyError".into()));
    assert_eq!(fault.message, "no such key");
    assert_eq!(fault.data, Some("left".into()));
    let fault = fault_of(client.call::<()>("panic", ()).await);
    assert_eq!(fault.kind, Kind::Panicked);
    let fault = fault_of(client.call::<()>("none", ()).await);
    assert_eq!(fault.kind, Kind::UnknownFunction);
    let fault = fault_of(client.call::<i64>("add", (1,)).await);
    assert_eq!(fault.kind, Kind::WrongArguments);
    let error = client.call::<String>("add", (60, 2)).await.unwrap_err();
    assert!(matches!(error, Error::Decode(_)), "{error:?}");

    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
}

fn fault_of(outcome: Result<impl std::fmt::Debug, Error>) -> Fault {
    match outcome {
        Err(Error::Fault(fault)) => fault,
        other => panic!("{other:?} is no fault"),
    }
}

#[tokio::test(start_paused = true)]
async fn answers_come_in_any_order() {
    let mut registry = Registry::new();
    registry.register_async("wait", ["seconds"], |_: Context, seconds: u64| async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        seconds
    });
    let (client, _) = client_of(registry).await;
    let (order, mut ordered) = tokio::sync::mpsc::unbounded_channel();
    for seconds in [3_u64, 1, 2] {
        let (client, order) = (client.clone(), order.clone());
        tokio::spawn(async move {
            let answer: u64 = client.call("wait", (seconds,)).await.expect("within 30 s");
            order.send(answer).expect("the test listens");
        });
    }
    let began = tokio::time::Instant::now();
    for expected in [1, 2, 3] {
        assert_eq!(ordered.recv().await, Some(expected));
        assert_eq!(began.elapsed().as_secs(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_on_its_way_before_it_is_awaited() {
    let arrived = Arc::new(Semaphore::new(0));
    let mut registry = Registry::new();
    registry.register("arrive", [], {
        let arrived = Arc::clone(&arrived);
        move || arrived.add_permits(1)
    });
    let (client, _) = client_of(registry).await;
    let calls = [(); 3].map(|()| client.call::<()>("arrive", ()));
    let all = tokio::time::timeout(LONG, arrived.acquire_many(3)).await;
    all.expect("they have arrived").unwrap().forget();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_run_and_not_answered() {
    let arrived = Arc::new(Semaphore::new(0));
    let mut registry = adder();
    registry.register("arrive", ["count"], {
        let arrived = Arc::clone(&arrived);
        move |count: usize| arrived.add_permits(count)
    });
    let (client, _) = client_of(registry).await;
    client.notify("arrive", (3,)).unwrap();
    client.notify("none", ()).unwrap();
    let all = tokio::time::timeout(LONG, arrived.acquire_many(3)).await;
    all.expect("it has arrived").unwrap().forget();
    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn metadata_comes_along() {
    let mut registry = Registry::new();
    registry.register_with("look", [], |cx: &Context| cx.metadata().to_vec());
    let (client, _) = client_of(registry).await;
    let client = client
        .metadata("trace", "7")
        .metadata("tenant", vec![0, 255]);
    let seen: Vec<(String, Vec<u8>)> = client.call("look", ()).await.unwrap();
    let expected = [
        ("trace".to_owned(), b"7".to_vec()),
        ("tenant".to_owned(), vec![0, 255]),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn both_ends_call_each_other() {
    let mut registry = Registry::new();
    registry.register_async("ask_back", ["x"], |cx: Context, x: i64| async move {
        let client = Client::of(&cx).ok_or("nobody to ask")?;
        let doubled: i64 = client
            .call("double", (x,))
            .await
            .map_err(|error| error.to_string())?;
        Ok::<_, Fault>(doubled + 1)
    });
    let (near, far) = duplex(64 << 10);
    tokio::spawn(serve(far, peer(registry)));
    let mut registry = Registry::new();
    registry.register("double", ["x"], |x: i64| 2 * x);
    let client = connect_with(near, peer(registry)).await.unwrap();
    let calls: Vec<_> = (0..100)
        .map(|x| client.call::<i64>("ask_back", (x,)))
        .collect();
    for (x, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap(), 2 * x + 1);
    }
}

#[tokio::test]
async fn a_slow_blocking_function_holds_up_nobody() {
    let (go_on, waits) = mpsc::channel::<()>();
    let waits = std::sync::Mutex::new(waits);
    let mut registry = adder();
    registry
        .register("slow", [], move || {
            let waits = waits.lock().expect("one call");
            waits.recv().map_err(|error| error.to_string())
        })
        .blocking();
    let (client, _) = client_of(registry).await;
    let slow = client.call::<()>("slow", ());
    for x in 0..100 {
        assert_eq!(client.call::<i64>("add", (x, 1)).await.unwrap(), x + 1);
    }
    go_on.send(()).unwrap();
    slow.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_one_client() {
    let (client, _) = client_of(adder()).await;
    let tasks: Vec<_> = (0..100)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                for x in 0..100 {
                    let sum: i64 = client.call("add", (task, x)).await?;
                    assert_eq!(sum, task + x);
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

/// Good calls between panicking ones, of both kinds of function.
#[tokio::test(start_paused = true)]
async fn ten_thousand_panics_among_a_hundred_thousand_calls() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut registry = adder();
    registry.register("panic", [], || -> () { panic!("as the test wants it") });
    registry.register_async("panic_later", [], |_: Context| async {
        tokio::task::yield_now().await;
        panic!("as the test wants it") as ()
    });
    let (client, _) = client_of(registry).await;
    let panics = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (client, panics) = (client.clone(), Arc::clone(&panics));
            tokio::spawn(async move {
                for x in 0..1100 {
                    let panicking = match x % 22 {
                        0 => "panic",
                        11 => "panic_later",
                        _ => {
                            let sum: i64 = client.call("add", (x, 1)).await?;
                            assert_eq!(sum, x + 1);
                            continue;
                        }
                    };
                    let fault = fault_of(client.call::<()>(panicking, ()).await);
                    assert_eq!(fault.kind, Kind::Panicked);
                    panics.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(panics.load(Ordering::Relaxed), 10_000);
}

#[tokio::test(start_paused = true)]
async fn ends_that_dont_suit_each_other_say_why() {
    let (near, far) = duplex(64 << 10);
    let serving = tokio::spawn(serve(far, peer(adder())));
    let expected = Registry::new().fingerprint();
    let strict = Options {
        expect: Some(expected),
        ..options()
    };
    let error = connect(near, strict).await.unwrap_err();
    let found = adder().fingerprint();
    assert!(
        matches!(error, Error::Mismatch { expected: e, found: f } if (e, f) == (expected, found)),
        "{error:?}"
    );
    let error = serving.await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains(&format!("{expected:016x}")),
        "{error}"
    );
    assert!(
        error.to_string().contains(&format!("{found:016x}")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_not_waited_for() {
    let (near, far) = duplex(64 << 10);
    let began = tokio::time::Instant::now();
    let error = connect(near, options()).await.unwrap_err();
    assert!(matches!(error, Error::NoHello { .. }), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), options().hello_timeout.as_secs());
    drop(far);
}
