//! Calls that take longer: their order, back-pressure, deadlines, draining.

mod rpc_ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mp_connection::pickle::Value;
use mp_connection::rpc::{Options, Peer};
use rpc_core::{Context, Dialect, Fault, Job, Registry, Work};
use rpc_ends::{NONE, answers, registry, request};

fn peer_with(options: Options) -> Peer {
    Peer::new(Arc::new(registry()), options)
}

fn peer() -> Peer {
    peer_with(Options::default())
}

fn send(peer: &mut Peer, bytes: &[u8]) {
    peer.receive(bytes, Instant::now()).expect("whole frames");
}

/// Runs the next job, which must be ready at once.
fn finish(peer: &mut Peer) {
    let Job { id, work } = peer.next_job().expect("a call runs");
    let answer = match work {
        Work::Quick(work) | Work::Blocking(work) => work(),
        Work::Future(_) => panic!("no function here is one"),
    };
    peer.complete(id, answer, Instant::now());
}

fn class(value: &Value) -> &str {
    match value {
        Value::Exception(exception) => exception.class(),
        other => panic!("{other:?} is no exception"),
    }
}

#[test]
fn one_call_runs_at_a_time_and_the_others_wait_for_it() {
    let mut peer = peer();
    let calls = [
        request("slow_add", (1, 1)),
        request("add", (2, 1)),
        request("with_context", (3, 1)),
        request("nosuch", NONE),
        request("add", (5, 1)),
    ];
    send(&mut peer, &calls.concat());
    assert_eq!((peer.in_flight(), peer.output().len()), (1, 0));
    finish(&mut peer);
    assert_eq!(answers(peer.output()), [Value::Int(2), Value::Int(3)]);
    assert_eq!(peer.in_flight(), 1);
    finish(&mut peer);
    assert_eq!(peer.in_flight(), 0);
    let answers = answers(peer.output());
    assert_eq!(answers[2], Value::Int(4));
    assert_eq!(class(&answers[3]), "KeyError");
    assert_eq!(answers[4], Value::Int(6));
    assert!(peer.next_job().is_none());
}

#[test]
fn while_a_call_runs_no_more_is_wanted_than_may_wait() {
    let mut peer = peer_with(Options {
        max_waiting: 1000,
        ..Options::default()
    });
    let call = request("add", (2, 3));
    assert!(peer.wants_bytes());
    send(&mut peer, &request("slow_add", (1, 1)));
    let mut sent = 0;
    while peer.wants_bytes() {
        send(&mut peer, &call);
        sent += 1;
        assert!(sent <= 1000);
    }
    assert_eq!(sent, 1000_usize.div_ceil(call.len()));
    finish(&mut peer);
    assert!(peer.wants_bytes());
    assert_eq!(answers(peer.output()).len(), sent + 1);
}

#[test]
fn while_answers_wait_to_be_sent_no_call_begins() {
    let mut peer = peer_with(Options {
        max_queued: 100,
        ..Options::default()
    });
    let calls = [
        request("zeros", (200,)),
        request("add", (2, 3)),
        request("slow_add", (2, 3)),
        request("zeros", (200,)),
        request("slow_add", (2, 3)),
    ];
    send(&mut peer, &calls.concat());
    assert_eq!(answers(peer.output()).len(), 1);
    assert_eq!(peer.in_flight(), 0);
    peer.output().clear();
    send(&mut peer, &[]);
    assert_eq!(answers(peer.output()), [Value::Int(5)]);
    finish(&mut peer);
    assert_eq!(answers(peer.output()).len(), 3);
    peer.output().clear();
    send(&mut peer, &[]);
    assert_eq!(peer.in_flight(), 1);
    // And what has begun is not run while there is no room for its answer.
    peer.output().resize(100, 0);
    assert!(peer.next_job().is_none());
    peer.output().clear();
    finish(&mut peer);
    assert_eq!(answers(peer.output()), [Value::Int(5)]);
}

#[test]
fn a_call_that_takes_too_long_is_given_up_and_the_next_begins() {
    let mut peer = peer();
    let now = Instant::now();
    let calls = [
        request("never", NONE),
        request("add", (2, 3)),
        request("never", NONE),
    ];
    peer.receive(&calls.concat(), now).expect("whole frames");
    let due = peer.poll_timeout().expect("a call runs");
    assert_eq!(due, now + Duration::from_secs(30));
    let job = peer.next_job().expect("a call runs");
    peer.handle_timeout(due - Duration::from_millis(1))
        .expect("there is time");
    assert_eq!(peer.next_cancelled(), None);
    peer.handle_timeout(due).expect("the connection goes on");
    assert_eq!(peer.next_cancelled(), Some(job.id));
    let answered = answers(peer.output());
    assert_eq!(class(&answered[0]), "TimeoutError");
    assert_eq!(answered[1..], [Value::Int(5)]);
    // The answer that came too late is nobody's.
    peer.complete(job.id, Ok(b"late".to_vec()), due);
    assert_eq!(answers(peer.output()).len(), 2);
    // One that no driver has fetched is dropped here.
    assert_eq!(peer.poll_timeout(), Some(due + Duration::from_secs(30)));
    peer.handle_timeout(due + Duration::from_secs(30))
        .expect("the connection goes on");
    assert!(peer.next_job().is_none() && peer.next_cancelled().is_none());
    assert_eq!((answers(peer.output()).len(), peer.in_flight()), (3, 0));
    assert_eq!(peer.poll_timeout(), None);
}

#[test]
fn without_a_timeout_a_call_may_take_for_ever() {
    let mut peer = peer_with(Options {
        call_timeout: None,
        ..Options::default()
    });
    send(&mut peer, &request("never", NONE));
    assert_eq!((peer.in_flight(), peer.poll_timeout()), (1, None));
}

#[test]
fn a_drain_answers_what_runs_and_refuses_what_waits() {
    let mut peer = peer();
    send(
        &mut peer,
        &[request("slow_add", (1, 1)), request("add", (2, 1))].concat(),
    );
    peer.drain(Instant::now());
    assert!(!peer.is_finished());
    finish(&mut peer);
    assert!(peer.is_finished());
    let answers = answers(peer.output());
    assert_eq!(answers[0], Value::Int(2));
    assert_eq!(class(&answers[1]), "RuntimeError");
    let Value::Exception(exception) = &answers[1] else {
        panic!("it is one");
    };
    let text = "ShuttingDown: no new calls are taken on this connection";
    assert_eq!(exception.args().as_slice(), [Value::from(text)]);
}

#[test]
fn the_peers_end_waits_for_what_runs_and_for_what_waits() {
    let mut peer = peer();
    let calls = [request("slow_add", (1, 1)), request("slow_add", (2, 1))];
    send(&mut peer, &calls.concat());
    peer.receive_eof(Instant::now())
        .expect("nothing is missing");
    for _ in calls {
        assert!(!peer.is_finished());
        finish(&mut peer);
    }
    assert!(peer.is_finished());
    assert_eq!(answers(peer.output()), [Value::Int(2), Value::Int(3)]);
}

#[test]
fn a_wrong_frame_behind_a_call_that_runs_is_found_when_that_is_answered() {
    let mut peer = peer();
    let bytes = [&request("slow_add", (1, 1))[..], &[0xff, 0xff, 0xff, 0xfe]].concat();
    send(&mut peer, &bytes);
    finish(&mut peer);
    let due = peer.poll_timeout().expect("there is something to tell");
    assert!(due <= Instant::now());
    peer.handle_timeout(Instant::now())
        .expect_err("the frame is wrong");
    let answers = answers(peer.output());
    assert_eq!(answers[0], Value::Int(2));
    assert_eq!((answers.len(), class(&answers[1])), (2, "ValueError"));
}

#[test]
fn a_function_learns_that_the_connection_is_gone() {
    let is_cancelled = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_cancelled);
    let mut registry = Registry::new();
    registry
        .register_with("looks", [], move |cx: &Context| {
            told.store(cx.is_cancelled(), Ordering::Relaxed);
            Err::<(), _>(Fault::from("nobody hears it"))
        })
        .blocking();
    let mut peer = Peer::new(Arc::new(registry), Options::default());
    send(&mut peer, &request("looks", NONE));
    let job = peer.next_job().expect("a call runs");
    drop(peer);
    let Work::Blocking(work) = job.work else {
        panic!("it blocks");
    };
    work().expect_err("it fails");
    assert!(is_cancelled.load(Ordering::Relaxed));
}

#[test]
fn an_answer_has_its_limit_wherever_it_comes_from() {
    let mut peer = peer_with(Options {
        max_answer_len: 300,
        ..Options::default()
    });
    for size in [200, 300] {
        send(&mut peer, &request("zeros", (size,)));
        send(&mut peer, &request("slow_zeros", (size,)));
        finish(&mut peer);
    }
    let long = "x".repeat(400);
    send(&mut peer, &request("fails", ("ValueError", &*long)));
    let answers = answers(peer.output());
    assert_eq!(answers[0], Value::from(&[0; 200][..]));
    assert_eq!(answers[1], answers[0]);
    for refused in &answers[2..] {
        let Value::Exception(exception) = refused else {
            panic!("{refused:?} is no exception");
        };
        let text = format!("{:?}", exception.args());
        assert!(text.contains("the limit is 300"), "{text}");
    }
    assert_eq!(answers.len(), 5);
}
