//! Limits to the byte, ids that nobody waits for, and one-way calls at the edges of a conversation.
#![cfg(feature = "postcard")]

mod native_ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use native_ends::{Ends, messages, none, options, written};
use rpc_core::native::{Envelope, Peer, Request};
use rpc_core::{Context, Dialect, Error, Kind, Options, Registry, Violation, Work};

#[test]
fn a_call_may_be_as_long_as_the_peer_takes_and_not_a_byte_longer() {
    let limit = 2048;
    let server = Options {
        max_frame_len: limit,
        ..options()
    };
    let mut ends = Ends::with(options(), server);
    // 16 bytes before the name, 6 of it, 2 that say how long the text is, and the count of times.
    let longest = limit - 16 - "repeat".len() - 2 - 1;
    let text = "x".repeat(longest + 1);
    let empty: String = ends.call("repeat", (&text[1..], 0)).expect("it fits");
    assert_eq!(empty, "");
    let error = ends
        .client
        .call(&Request::new("repeat"), &(&text, 0), ends.now);
    assert!(
        matches!(error, Err(Error::TooLarge { len, limit: known }) if (len, known) == (limit + 1, limit)),
        "{error:?}"
    );
}

#[test]
fn an_answer_belongs_to_one_call_and_comes_once() {
    // The table has places for 16, so that the last one shares its place with the call.
    for ids in [&[1, 1][..], &[17]] {
        let mut ends = Ends::new();
        ends.start("slow", (1,));
        let answers: Vec<_> = ids
            .iter()
            .map(|&id| Envelope::Answer { id, body: &[2] })
            .collect();
        let error = ends.client.receive(&written(&answers), ends.now);
        let unknown = ids[ids.len() - 1];
        assert!(
            matches!(error, Err(Error::Protocol(Violation::UnknownId { id })) if id == unknown),
            "{ids:?}: {error:?}"
        );
    }
}

#[test]
fn a_pong_has_the_number_of_its_ping() {
    let mut ends = Ends::new();
    let ping = written(&[Envelope::Ping { id: 77 }]);
    ends.server.receive(&ping, ends.now).unwrap();
    let mut pongs = Vec::new();
    messages(&mut ends.server, &mut |message| {
        if let Envelope::Pong { id } = message {
            pongs.push(id);
        }
    });
    assert_eq!(pongs, [77]);
}

#[test]
fn a_one_way_call_has_no_deadline_unless_it_says_so_and_is_not_run_after_a_goodbye() {
    let runs = Arc::new(AtomicUsize::new(0));
    let (mut registry, counted) = (Registry::new(), Arc::clone(&runs));
    registry.register("count", [], move || counted.fetch_add(1, Ordering::Relaxed));
    let server = Peer::new(Arc::new(registry), options());
    let mut ends = Ends::of(Peer::new(Arc::default(), options()), server);

    let told = Request {
        timeout: Some(Duration::from_millis(1500)),
        ..Request::new("count")
    };
    ends.client
        .notify(&Request::new("count"), &none(), ends.now)
        .unwrap();
    ends.client.notify(&told, &none(), ends.now).unwrap();
    let calls = ends.client.output().clone();
    let mut timeouts = Vec::new();
    messages(&mut ends.client, &mut |message| {
        if let Envelope::OneWay(call) = message {
            timeouts.push(call.timeout);
        }
    });
    assert_eq!(timeouts, [0, 1500]);

    ends.server.receive(&calls, ends.now).unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    ends.server.drain(ends.now);
    ends.server.receive(&calls, ends.now).unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[test]
fn what_runs_learns_that_the_conversation_is_over() {
    let mut registry = Registry::new();
    registry
        .register_with("asks", [], |cx: &Context| cx.is_cancelled())
        .blocking();
    let server = Peer::new(Arc::new(registry), options());
    let mut ends = Ends::of(Peer::new(Arc::default(), options()), server);
    ends.start("asks", none());
    ends.exchange();
    let job = ends.jobs.remove(0);
    ends.server.connection_lost(None);
    let Work::Blocking(work) = job.work else {
        panic!("{job:?}");
    };
    assert_eq!(work().unwrap(), [1], "a postcard for true");
}

#[test]
fn a_panic_of_a_quick_or_a_blocking_function_ends_in_its_answer() {
    let mut registry = Registry::new();
    registry.register_with("quick", [], |_: &Context| -> i64 { panic!("on purpose") });
    registry
        .register("blocking", [], || -> i64 { panic!("on purpose") })
        .blocking();
    let server = Peer::new(Arc::new(registry), options());
    let mut ends = Ends::of(Peer::new(Arc::default(), options()), server);
    for name in ["quick", "blocking"] {
        ends.start(name, none());
        let asked = std::mem::take(ends.client.output());
        ends.server.receive(&asked, ends.now).unwrap();
        let (Work::Quick(work) | Work::Blocking(work)) = ends.server.next_job().unwrap().work
        else {
            panic!("{name} is no future");
        };
        assert_eq!(work().unwrap_err().kind, Kind::Panicked, "{name}");
    }
}
