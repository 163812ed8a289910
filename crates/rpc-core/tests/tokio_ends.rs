//! How calls and connections end: by deadlines, by callers that go, in order and without.
#![cfg(all(feature = "tokio", feature = "postcard"))]

mod ends;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use ends::{Alarm, LONG, adder, client_of, client_over, peer};
use rpc_core::tokio::{connect_with, serve, serve_until};
use rpc_core::{Client, Context, Error, Fault, Kind, Registry};
use tokio::io::duplex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// A function that never ends; it tells when it has begun, and when it is dropped.
fn never(registry: &mut Registry, name: &'static str) -> mpsc::UnboundedReceiver<&'static str> {
    let (tell, told) = mpsc::unbounded_channel();
    registry.register_async(name, [], move |_: Context| {
        let alarm = Alarm::new(&tell, "dropped");
        let _ = tell.send("begun");
        async move {
            let _alarm = alarm;
            pending::<()>().await;
        }
    });
    told
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_ends_the_function() {
    let mut registry = adder();
    let mut told = never(&mut registry, "never");
    let (client, _) = client_of(registry).await;
    let call = client.call::<()>("never", ());
    assert_eq!(told.recv().await, Some("begun"));
    drop(call);
    let dropped = timeout(LONG, told.recv()).await;
    assert_eq!(dropped.expect("long before its deadline"), Some("dropped"));
    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_ends_at_its_deadline() {
    let mut registry = adder();
    let mut told = never(&mut registry, "never");
    let (client, _) = client_of(registry).await;
    let began = Instant::now();
    let hasty = client.timeout(Duration::from_secs(5));
    let error = hasty.call::<()>("never", ()).await.unwrap_err();
    // Either end's clock may be the first.
    match error {
        Error::Timeout { after } => assert_eq!(after.as_secs(), 5),
        Error::Fault(fault) => assert_eq!(fault.kind, Kind::DeadlineExceeded),
        other => panic!("{other:?} is about something else"),
    }
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(told.recv().await, Some("begun"));
    assert_eq!(told.recv().await, Some("dropped"));
    assert!(began.elapsed() < Duration::from_secs(6));
    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_of_its_own_a_call_has_the_options() {
    let mut registry = Registry::new();
    let _told = never(&mut registry, "never");
    let (client, _) = client_of(registry).await;
    let began = Instant::now();
    client.call::<()>("never", ()).await.unwrap_err();
    let expected = ends::options().call_timeout.unwrap();
    assert_eq!(began.elapsed().as_secs(), expected.as_secs());
}

#[tokio::test(start_paused = true)]
async fn deadlines_cascade_over_both_directions() {
    // The client calls "relay" there, that calls "relay" here, …; the innermost never ends.
    fn relay(registry: &mut Registry, seen: &mpsc::UnboundedSender<Duration>) {
        let seen = seen.clone();
        registry.register_async("relay", ["depth"], move |cx: Context, depth: u32| {
            let now = Instant::now().into_std();
            seen.send(cx.remaining(now).expect("each call has a deadline"))
                .expect("read below");
            async move {
                let client = Client::of(&cx).ok_or("nobody to call")?;
                let client = client.timeout(Duration::from_secs(1000));
                tokio::time::sleep(Duration::from_secs(1)).await;
                let call = client.call::<()>("relay", (depth + 1,));
                call.await.map_err(|error| Fault::from(error.to_string()))
            }
        });
    }
    let (seen, mut remaining) = mpsc::unbounded_channel();
    let (near, far) = duplex(64 << 10);
    let (mut here, mut there) = (Registry::new(), Registry::new());
    relay(&mut here, &seen);
    relay(&mut there, &seen);
    tokio::spawn(serve(far, peer(there)));
    let client = connect_with(near, peer(here)).await.unwrap();

    let began = Instant::now();
    let client = client.timeout(Duration::from_secs(10));
    client.call::<()>("relay", (0,)).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 10);
    let mut left = Vec::new();
    while let Ok(remaining) = remaining.try_recv() {
        left.push(remaining);
    }
    assert!((9..=11).contains(&left.len()), "{left:?}");
    for (spent, left) in (0..).zip(left) {
        // Timers are exact to a millisecond or two for each hop.
        let expected = Duration::from_secs(10 - spent);
        assert!(
            left <= expected + Duration::from_millis(50),
            "{left:?} after {spent} s"
        );
        assert!(
            left + Duration::from_millis(50) >= expected,
            "{left:?} after {spent} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_cancels_those_it_made() {
    let mut here = Registry::new();
    let mut told = never(&mut here, "never");
    let mut there = Registry::new();
    there.register_async("ask_back", [], |cx: Context| async move {
        let client = Client::of(&cx).ok_or("nobody to ask")?;
        let call = client.call::<()>("never", ());
        call.await.map_err(|error| Fault::from(error.to_string()))
    });
    let (near, far) = duplex(64 << 10);
    tokio::spawn(serve(far, peer(there)));
    let client = connect_with(near, peer(here)).await.unwrap();
    let call = client.call::<()>("ask_back", ());
    assert_eq!(told.recv().await, Some("begun"));
    drop(call);
    let dropped = timeout(LONG, told.recv()).await;
    assert_eq!(dropped.expect("long before its deadline"), Some("dropped"));
}

#[tokio::test(start_paused = true)]
async fn draining_answers_what_runs_and_refuses_the_rest() {
    let gate = Arc::new(Notify::new());
    let begun = Arc::new(Notify::new());
    let mut registry = adder();
    registry.register_async("wait", [], {
        let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
        move |_: Context| {
            let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
            async move {
                begun.notify_one();
                gate.notified().await;
                7
            }
        }
    });
    let (near, far) = duplex(64 << 10);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve_until(far, peer(registry), async {
        let _ = stopped.await;
    }));
    let client = client_over(near).await;
    let running = client.call::<i32>("wait", ());
    begun.notified().await;
    stop.send(()).unwrap();
    // It crosses with the goodbye, or comes after it.
    let late = client.call::<i64>("add", (1, 2));
    let error = late.await.unwrap_err();
    assert!(error.is_safe_to_repeat(), "{error:?}");
    let error = client.call::<i64>("add", (1, 2)).await.unwrap_err();
    assert!(error.is_safe_to_repeat(), "{error:?}");
    gate.notify_one();
    assert_eq!(running.await.unwrap(), 7);
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_the_last_client_is_gone_both_ends_end_in_order() {
    let mut registry = Registry::new();
    registry.register_async("wait", [], |_: Context| tokio::time::sleep(LONG));
    let (client, serving) = client_of(registry).await;
    let call = client.timeout(2 * LONG).call::<()>("wait", ());
    drop(client);
    // A call keeps its connection.
    call.await.unwrap();
    timeout(LONG, serving)
        .await
        .expect("it ends")
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_notified_last_still_arrives() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut registry = Registry::new();
    registry.register("log", ["text"], move |text: String| {
        let _ = tell.send(text);
    });
    let (client, serving) = client_of(registry).await;
    client.notify("log", ("the last words",)).unwrap();
    drop(client);
    assert_eq!(told.recv().await.as_deref(), Some("the last words"));
    timeout(LONG, serving)
        .await
        .expect("it ends")
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_the_server_is_gone_callers_learn_it() {
    let mut registry = adder();
    let mut told = never(&mut registry, "never");
    let (client, serving) = client_of(registry).await;
    let call = client.call::<()>("never", ());
    assert_eq!(told.recv().await, Some("begun"));
    serving.abort();
    assert_eq!(told.recv().await, Some("dropped"));
    let error = call.await.unwrap_err();
    assert!(
        matches!(error, Error::Lost { not_run: false, .. }),
        "{error:?}"
    );
    assert!(!error.is_safe_to_repeat());
    let error = client.call::<i64>("add", (1, 2)).await.unwrap_err();
    assert!(error.is_safe_to_repeat(), "{error:?}");
    assert!(!client.is_open());
}

#[tokio::test(start_paused = true)]
async fn when_the_client_is_gone_functions_are_dropped() {
    let mut registry = Registry::new();
    let mut told = never(&mut registry, "never");
    let (near, far) = duplex(64 << 10);
    let serving = tokio::spawn(serve(far, peer(registry)));
    // A client whose task is ended, as that of a program that was killed.
    let its_runtime = tokio::task::LocalSet::new();
    its_runtime
        .run_until(async {
            let client = client_over(near).await;
            tokio::task::spawn_local(async move {
                let _ = client.call::<()>("never", ()).await;
            });
            assert_eq!(told.recv().await, Some("begun"));
        })
        .await;
    drop(its_runtime);
    let dropped = timeout(LONG, told.recv()).await;
    assert_eq!(dropped.expect("long before its deadline"), Some("dropped"));
    timeout(LONG, serving)
        .await
        .expect("it ends")
        .unwrap()
        .unwrap();
}

/// Callers that wait, go at once, go a little later, or have no patience, of functions that are quick, and others.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn any_mixture_of_ends_leaves_the_connection_good() {
    let mut registry = adder();
    registry.register_async("later", ["x"], |_: Context, x: u64| async move {
        for _ in 0..x % 5 {
            tokio::task::yield_now().await;
        }
        x
    });
    registry.register("elsewhere", ["x"], |x: u64| x).blocking();
    let _told = never(&mut registry, "never");
    let (client, serving) = client_of(registry).await;
    let tasks: Vec<_> = (0..16_u64)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                for x in task..task + 1000 {
                    let later = client.call::<u64>("later", (x,));
                    let elsewhere = client.call::<u64>("elsewhere", (x,));
                    let hasty = client.timeout(Duration::from_millis(1 + x % 3));
                    let never = hasty.call::<()>("never", ());
                    match x % 4 {
                        0 => assert_eq!((later.await?, elsewhere.await?), (x, x)),
                        1 => drop((never, later, elsewhere)),
                        2 => {
                            tokio::task::yield_now().await;
                            drop(later);
                            assert_eq!(elsewhere.await?, x);
                        }
                        _ => {
                            drop(elsewhere);
                            if x % 16 == 3 {
                                never.await.expect_err("it has no answer");
                            }
                            assert_eq!(later.await?, x);
                        }
                    }
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    for task in tasks {
        timeout(6 * LONG, task)
            .await
            .expect("all are answered")
            .unwrap()
            .unwrap();
    }
    assert_eq!(client.call::<i64>("add", (1, 2)).await.unwrap(), 3);
    drop(client);
    timeout(LONG, serving)
        .await
        .expect("it ends")
        .unwrap()
        .unwrap();
}
