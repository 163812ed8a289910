//! The blocking client and the driver for threads, over real streams.
#![cfg(feature = "postcard")]

mod two;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rpc_core::blocking::Client;
use rpc_core::{Arguments, Context, Error, Fault, Kind, Registry};

use two::{PATIENCE, Server, functions, tcp};

#[test]
fn calls_with_and_without_names() {
    let server = Server::start(functions());
    let client = server.client();
    assert_eq!(client.call::<i64>("add", (2, 3)).unwrap(), 5);
    let named = Arguments::new().positional(&2).keyword("y", &3);
    assert_eq!(client.call::<i64>("add", named).unwrap(), 5);
    client.close();
    server.result().unwrap();
}

#[test]
fn a_failure_is_an_answer_like_others() {
    let server = Server::start(functions());
    let client = server.client();
    let kind = |function: &str| match client.call::<i64>(function, ()) {
        Err(Error::Fault(fault)) => fault.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind("fail"), Kind::Application("KeyError".into()));
    assert_eq!(kind("panic"), Kind::Panicked);
    assert_eq!(kind("nothing"), Kind::UnknownFunction);
    assert_eq!(kind("add"), Kind::WrongArguments);
    assert_eq!(client.call::<i64>("add", (2, 3)).unwrap(), 5);
}

#[test]
fn many_threads_share_a_client() {
    let server = Server::start(functions());
    let client = server.client();
    let begin = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS as i64 {
            let (client, begin) = (client.clone(), &begin);
            scope.spawn(move || {
                begin.wait();
                for round in 0..500 {
                    let sum: i64 = client.call("add", (thread, round)).expect("it answers");
                    assert_eq!(sum, thread + round);
                }
            });
        }
    });
    client.close();
    server.result().unwrap();
}

#[test]
fn many_threads_with_answers_in_any_order() {
    let server = Server::start(functions());
    let client = server.client();
    thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let client = client.clone();
            scope.spawn(move || {
                for round in 0..20 {
                    let pause = (thread * 7 + round * 13) % 5;
                    let name = format!("{thread}.{round}");
                    let answer: String = client
                        .call("later", (pause, name.clone()))
                        .expect("it answers");
                    assert_eq!(answer, name);
                }
            });
        }
    });
}

#[test]
fn a_thread_has_many_calls_running_and_takes_the_answers_as_it_likes() {
    let server = Server::start(functions());
    let client = server.client();
    let calls: Vec<_> = (0..100)
        .map(|n: i64| client.start::<i64>("add", (n, 1)).unwrap())
        .collect();
    for (n, call) in calls.into_iter().enumerate().rev() {
        assert_eq!(call.wait().unwrap(), n as i64 + 1);
    }
    let mut batch = client.batch();
    let calls: Vec<_> = (0..1000)
        .map(|n: i64| batch.call::<i64>("add", (n, 1)).unwrap())
        .collect();
    batch.send();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.wait().unwrap(), n as i64 + 1);
    }
}

#[test]
fn a_call_of_a_batch_that_was_not_sent_is_sent_when_it_is_waited_for() {
    let server = Server::start(functions());
    let client = server.client();
    let mut batch = client.batch();
    let call = batch.call::<i64>("add", (1, 2)).unwrap();
    assert_eq!(call.wait().unwrap(), 3);
    drop(batch);
}

#[test]
fn no_more_calls_are_in_flight_than_the_other_end_takes() {
    let server = Server::start(functions());
    let client = server.client();
    let mut batch = client.batch();
    let calls: Vec<_> = (0..1024)
        .map(|n: i64| batch.call::<i64>("add", (n, 1)).unwrap())
        .collect();
    let one_more = batch.call::<i64>("add", (0, 1));
    assert!(matches!(one_more, Err(Error::TooManyCalls { limit: 1024 })));
    batch.send();
    for call in calls {
        call.wait().unwrap();
    }
    assert_eq!(client.call::<i64>("add", (2, 3)).unwrap(), 5);
}

#[test]
fn after_a_timeout_the_connection_goes_on() {
    let server = Server::start(functions());
    let client = server.client();
    let hasty = client.timeout(Duration::from_millis(20));
    let began = Instant::now();
    let Err(Error::Timeout { after }) = hasty.call::<String>("hang", ("a",)) else {
        panic!("nobody answers");
    };
    assert_eq!(after, Duration::from_millis(20));
    assert!(began.elapsed() >= Duration::from_millis(20));
    server.world.await_cancelled("a");
    assert_eq!(client.call::<i64>("add", (2, 3)).unwrap(), 5);
}

#[test]
fn one_who_waits_for_less_than_the_reader_is_in_time() {
    let server = Server::start(functions());
    let client = server.client();
    thread::scope(|scope| {
        scope.spawn(|| client.call::<String>("hang", ("reader",)));
        server.world.await_begun("reader");
        let hasty = client.timeout(Duration::from_millis(30));
        let began = Instant::now();
        hasty.call::<String>("hang", ("hasty",)).unwrap_err();
        assert!(began.elapsed() < Duration::from_millis(900));
        server.world.open("reader");
    });
}

#[test]
fn a_call_that_is_dropped_is_cancelled() {
    let server = Server::start(functions());
    let client = server.client();
    let call = client.start::<String>("hang", ("a",)).unwrap();
    server.world.await_begun("a");
    drop(call);
    server.world.await_cancelled("a");
    let call = client.start::<String>("dream", ("b",)).unwrap();
    server.world.await_begun("b");
    drop(call);
    server.world.await_cancelled("b");
    assert_eq!(client.call::<i64>("add", (2, 3)).unwrap(), 5);
}

#[test]
fn when_the_caller_vanishes_its_calls_are_cancelled() {
    let server = Server::start(functions());
    let client = server.client();
    let call = client.start::<String>("dream", ("a",)).unwrap();
    server.world.await_begun("a");
    client.close();
    std::mem::forget(call); // nobody cancels it
    drop(client);
    server.world.open("a");
    server.result().unwrap();
}

#[test]
fn nobody_hears_of_one_way_calls() {
    let server = Server::start(functions());
    let client = server.client();
    for _ in 0..1000 {
        client.notify("count", ()).unwrap();
    }
    assert_eq!(client.call::<u64>("counted", ()).unwrap(), 1000);
}

#[test]
fn calls_go_both_ways_and_into_each_other() {
    let mut registry = Registry::new();
    // Each end counts down by calling the other.
    registry.register_with(
        "down",
        ["n"],
        |cx: &Context, n: i64| -> Result<i64, Fault> {
            let client = Client::of(cx).ok_or("no client")?;
            match n {
                0 => Ok(0),
                _ => Ok(1 + client
                    .call::<i64>("down", (n - 1,))
                    .map_err(|e| e.to_string())?),
            }
        },
    );
    registry
        .register_with("down_elsewhere", ["n"], |cx: &Context, n: i64| {
            let client = Client::of(cx).ok_or("no client")?;
            client
                .call::<i64>("down", (n,))
                .map_err(|error| error.to_string())
        })
        .blocking();
    let registry = Arc::new(registry);
    let (near, far) = tcp();
    let (tell, ended) = channel();
    let other = Arc::clone(&registry);
    thread::spawn(move || {
        let far = Client::with_registry(far, other, two::options()).expect("they suit");
        tell.send(far.run())
    });
    let client = Client::with_registry(near, registry, two::options()).unwrap();
    // Nobody but the caller reads at this end.
    assert_eq!(client.call::<i64>("down", (7,)).unwrap(), 7);
    assert_eq!(client.call::<i64>("down_elsewhere", (7,)).unwrap(), 7);
    // Now somebody reads all the time, and many call.
    thread::scope(|scope| {
        let running = client.clone();
        let run = scope.spawn(move || running.run());
        let callers: Vec<_> = (0..8)
            .map(|n| {
                let client = client.clone();
                scope.spawn(move || {
                    for _ in 0..20 {
                        assert_eq!(client.call::<i64>("down_elsewhere", (n,)).unwrap(), n);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().expect("no panic");
        }
        client.close();
        run.join().expect("no panic").expect("it ends in order");
    });
    let ended = ended.recv_timeout(PATIENCE).expect("it ends");
    ended.unwrap();
    assert!(matches!(client.call::<i64>("down", (0,)), Err(error) if error.is_safe_to_repeat()));
}

#[test]
fn a_large_call_and_large_answers_do_not_wait_for_each_other() {
    let server = Server::start(functions());
    let client = server.client();
    // More than the kernel keeps, in both directions, and nobody else reads.
    let large = "x".repeat(4 << 20);
    let calls: Vec<_> = (0..8)
        .map(|_| client.start::<String>("echo", (&large,)).unwrap())
        .collect();
    for call in calls {
        assert_eq!(call.wait().unwrap().len(), large.len());
    }
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer: String = client.call("echo", (&large,)).expect("it answers");
                assert_eq!(answer.len(), large.len());
            });
        }
    });
}

#[test]
fn a_peer_that_says_nothing_is_given_up() {
    let (near, _far) = tcp();
    let options = rpc_core::Options {
        hello_timeout: Duration::from_millis(50),
        ..two::options()
    };
    let Err(Error::NoHello { after }) = Client::new(near, options) else {
        panic!("nobody said hello");
    };
    assert_eq!(after, Duration::from_millis(50));
}

#[test]
fn when_the_server_is_gone_every_caller_is_told() {
    let server = Server::start(functions());
    let client = server.client();
    let told = AtomicUsize::new(0);
    thread::scope(|scope| {
        for n in 0..8 {
            let (client, told) = (client.clone(), &told);
            scope.spawn(move || {
                let error = client.call::<String>("hang", (n.to_string(),)).unwrap_err();
                assert!(
                    matches!(error, Error::Lost { not_run: false, .. }),
                    "{error:?}"
                );
                told.fetch_add(1, Ordering::SeqCst);
            });
        }
        for n in 0..8 {
            server.world.await_begun(&n.to_string());
        }
        server.cut();
    });
    assert_eq!(told.load(Ordering::SeqCst), 8);
    let error = client.call::<i64>("add", (2, 3)).unwrap_err();
    assert!(error.is_safe_to_repeat(), "{error:?}");
}

#[test]
fn a_drain_answers_what_runs_and_refuses_the_rest() {
    let server = Server::start(functions());
    let client = server.client();
    let call = client.start::<String>("hang", ("a",)).unwrap();
    server.world.await_begun("a");
    server.workers.drain();
    let late = loop {
        match client.call::<i64>("add", (2, 3)) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(late.is_safe_to_repeat(), "{late:?}");
    server.world.open("a");
    assert_eq!(call.wait().unwrap(), "a");
    server.result().unwrap();
}

#[test]
fn time_is_handed_down() {
    let server = Server::start(functions());
    let client = server.client();
    let left: u64 = client
        .timeout(Duration::from_secs(5))
        .call("left", ())
        .unwrap();
    assert!((1..=5000).contains(&left), "{left}");
    let metadata: String = client.metadata("who", *b"me").call("who", ()).unwrap();
    assert_eq!(metadata, "me");
}

const THREADS: usize = 64;
