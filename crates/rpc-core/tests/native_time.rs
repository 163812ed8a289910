//! Time in the native protocol, by a clock that is moved by hand.
#![cfg(feature = "postcard")]

mod native_ends;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::Waker;
use std::time::{Duration, Instant};

use native_ends::{Ends, fault, none, options, written};
use rpc_core::native::{Envelope, Hello, Peer, Request};
use rpc_core::{Context, Dialect, Error, Kind, Options, Registry, Work};

const SECOND: Duration = Duration::from_secs(1);

fn timeout<'a>(method: &'a str, timeout: Duration) -> Request<'a> {
    Request {
        timeout: Some(timeout),
        ..Request::new(method)
    }
}

#[test]
fn a_caller_stops_waiting_at_its_deadline_and_the_callee_is_told() {
    let mut ends = Ends::new();
    let id = ends
        .client
        .call(&timeout("slow", 5 * SECOND), &(1,), ends.now)
        .unwrap();
    assert_eq!(ends.client.poll_timeout(), Some(ends.now + 5 * SECOND));
    let bytes = std::mem::take(ends.client.output());
    // The network loses two seconds, so the caller is first.
    let sent = ends.now;
    ends.server.receive(&bytes, sent + 2 * SECOND).unwrap();
    let job = ends.server.next_job().unwrap();
    ends.now += 5 * SECOND;
    ends.client.handle_timeout(ends.now).unwrap();
    let error = ends.answer::<i64>(id).unwrap_err();
    assert_eq!(error.to_string(), "no answer within 5s");
    assert!(!error.is_safe_to_repeat());
    ends.exchange();
    assert_eq!(ends.server.next_cancelled(), Some(job.id));
    assert_eq!(ends.server.in_flight(), 0);
    assert_eq!(ends.call::<i64>("add", (2, 3)).unwrap(), 5);
}

#[test]
fn a_callee_answers_when_its_caller_stops_waiting() {
    let mut ends = Ends::new();
    let id = ends
        .client
        .call(&timeout("slow", 5 * SECOND), &(1,), ends.now)
        .unwrap();
    ends.exchange();
    assert_eq!(ends.server.poll_timeout(), Some(ends.now + 5 * SECOND));
    ends.server
        .handle_timeout(ends.now + 5 * SECOND - Duration::from_nanos(1))
        .unwrap();
    assert_eq!(ends.server.in_flight(), 1);
    ends.server.handle_timeout(ends.now + 5 * SECOND).unwrap();
    assert_eq!(ends.server.next_cancelled(), Some(ends.jobs[0].id));
    // The caller's clock is late.
    ends.exchange();
    assert_eq!(
        fault(ends.answer::<i64>(id)).to_string(),
        "DeadlineExceeded: the call took longer than the 5s that its caller waits"
    );
    ends.finish_job();
    assert!(ends.server.output().is_empty());
}

#[test]
fn an_answer_that_comes_after_the_deadline_is_dropped() {
    let mut ends = Ends::new();
    let id = ends
        .client
        .call(&timeout("slow", SECOND), &(1,), ends.now)
        .unwrap();
    ends.exchange();
    ends.now += SECOND;
    ends.client.handle_timeout(ends.now).unwrap();
    ends.finish_job();
    assert!(matches!(
        ends.answer::<i64>(id),
        Err(Error::Timeout { after: SECOND })
    ));
    // The other order: first the caller looks, then the answer comes.
    let id = ends
        .client
        .call(&timeout("slow", SECOND), &(1,), ends.now)
        .unwrap();
    ends.exchange();
    ends.now += SECOND;
    ends.client.handle_timeout(ends.now).unwrap();
    assert!(matches!(
        ends.answer::<i64>(id),
        Err(Error::Timeout { after: SECOND })
    ));
    ends.finish_job();
    assert_eq!(ends.call::<i64>("add", (2, 3)).unwrap(), 5);
}

#[test]
fn deadlines_cascade() {
    let (tell, seen) = channel();
    let mut registry = Registry::new();
    registry.register_with("look", [], move |cx: &Context| {
        tell.send(cx.clone()).is_ok()
    });
    let mut ends = Ends::of(
        Peer::new(Arc::default(), options()),
        Peer::new(Arc::new(registry), options()),
    );
    let begun = ends.now;
    let id = ends
        .client
        .call(&timeout("look", 10 * SECOND), &(), ends.now)
        .unwrap();
    ends.exchange();
    assert!(ends.answer::<bool>(id).unwrap());
    let cx = seen.try_recv().unwrap();
    assert_eq!(cx.deadline(), Some(begun + 10 * SECOND));

    // Four seconds later, that function makes a call of its own.
    ends.now += 4 * SECOND;
    let request = Request {
        deadline: cx.deadline(),
        ..Request::new("look")
    };
    let id = ends.client.call(&request, &(), ends.now).unwrap();
    assert_eq!(ends.client.poll_timeout(), Some(begun + 10 * SECOND));
    ends.exchange();
    assert!(ends.answer::<bool>(id).unwrap());
    let inner = seen.try_recv().unwrap();
    assert_eq!(inner.remaining(ends.now), Some(6 * SECOND));

    // Its own timeout counts where it is shorter, and nothing is sent when no time is left.
    let request = Request {
        deadline: cx.deadline(),
        ..timeout("look", SECOND)
    };
    ends.client.call(&request, &(), ends.now).unwrap();
    ends.exchange();
    assert_eq!(seen.try_recv().unwrap().remaining(ends.now), Some(SECOND));
    ends.now += 6 * SECOND;
    let request = Request {
        deadline: cx.deadline(),
        ..Request::new("look")
    };
    let error = ends.client.call(&request, &(), ends.now).unwrap_err();
    assert!(matches!(
        error,
        Error::Timeout {
            after: Duration::ZERO
        }
    ));
    assert!(ends.client.output().is_empty());
}

#[test]
fn a_call_may_wait_for_ever() {
    let patient = Options {
        call_timeout: None,
        keep_alive: None,
        ..options()
    };
    let mut ends = Ends::with(patient.clone(), patient);
    ends.start("slow", (1,));
    ends.client
        .call(&timeout("slow", Duration::MAX), &(1,), ends.now)
        .unwrap();
    ends.exchange();
    assert_eq!(ends.client.poll_timeout(), None);
    assert_eq!(ends.server.poll_timeout(), None);
    // Shorter than a millisecond is one, not none.
    ends.client
        .call(&timeout("slow", Duration::from_nanos(1)), &(1,), ends.now)
        .unwrap();
    ends.exchange();
    assert_eq!(
        ends.server.poll_timeout(),
        Some(ends.now + Duration::from_millis(1))
    );
}

#[test]
fn many_deadlines_pass_each_in_its_time() {
    let mut ends = Ends::new();
    let ids: Vec<_> = (1..=100)
        .map(|n| {
            let request = timeout("slow", n * SECOND / 10);
            (n, ends.client.call(&request, &(1,), ends.now).unwrap())
        })
        .collect();
    ends.exchange();
    for (n, id) in ids {
        assert_eq!(
            ends.client.poll_timeout(),
            Some(ends.now + SECOND / 10),
            "{n}"
        );
        assert!(ends.poll(id).is_pending());
        let (client, server) = ends.pass(SECOND / 10);
        client.and(server).unwrap();
        assert!(matches!(ends.answer::<i64>(id), Err(Error::Timeout { .. })));
        ends.exchange();
    }
    assert_eq!(ends.server.in_flight(), 0);
    let ids: Vec<_> = (0..1024).map(|_| ends.start("add", (2, 3))).collect();
    ends.exchange();
    for id in ids {
        assert_eq!(ends.answer::<i64>(id).unwrap(), 5);
    }
}

#[test]
fn a_quiet_peer_is_asked_and_lives() {
    let mut ends = Ends::new();
    for _ in 0..10 {
        assert_eq!(ends.client.poll_timeout(), Some(ends.now + 30 * SECOND));
        let (client, server) = ends.pass(30 * SECOND);
        client.and(server).unwrap();
        assert_eq!(ends.client.output().len(), 12, "a ping");
        ends.exchange();
    }
}

#[test]
fn a_silent_peer_is_lost() {
    let mut ends = Ends::new();
    let id = ends
        .client
        .call(&timeout("slow", Duration::MAX), &(1,), ends.now)
        .unwrap();
    ends.now += 30 * SECOND;
    ends.client.handle_timeout(ends.now).unwrap();
    ends.client.handle_timeout(ends.now + 29 * SECOND).unwrap();
    ends.now += 30 * SECOND;
    let error = ends.client.handle_timeout(ends.now).unwrap_err();
    assert_eq!(error.to_string(), "nothing came from the peer for 60s");
    let lost = ends.answer::<i64>(id).unwrap_err();
    assert_eq!(
        lost.to_string(),
        "the connection was lost (nothing came from the peer for 60s); the call may have been run"
    );
    assert!(!lost.is_safe_to_repeat());
    let error = ends
        .client
        .call(&Request::new("add"), &(2, 3), ends.now)
        .unwrap_err();
    assert!(error.is_safe_to_repeat(), "{error}");
    assert!(ends.client.is_finished());
}

#[test]
fn who_does_not_read_is_not_asked_until_it_says_that_it_does() {
    let client = Peer::new(Arc::default(), options()).attended(false);
    let server = Peer::new(Arc::default(), options());
    let mut ends = Ends::of(client, server);
    assert_eq!(ends.server.poll_timeout(), None);
    assert_eq!(ends.client.poll_timeout(), None);
    // Hours later.
    ends.now += 10_000 * SECOND;
    let id = ends.start("nothing", none());
    assert_eq!(ends.client.poll_timeout(), Some(ends.now + 30 * SECOND));
    ends.exchange();
    assert_eq!(fault(ends.answer::<()>(id)).kind, Kind::UnknownFunction);
    assert_eq!(ends.client.poll_timeout(), None);

    ends.client.set_attended(true);
    ends.exchange();
    assert_eq!(ends.server.poll_timeout(), Some(ends.now + 30 * SECOND));
    ends.client.set_attended(false);
    ends.exchange();
    assert_eq!(ends.server.poll_timeout(), None);
}

#[test]
fn a_hello_is_due_in_ten_seconds() {
    let now = Instant::now();
    let mut peer = Peer::new(Arc::default(), options());
    assert!(peer.poll_open(Waker::noop()).is_pending());
    peer.handle_timeout(now).unwrap();
    assert_eq!(peer.poll_timeout(), Some(now + 10 * SECOND));
    // Half of one is none.
    let hello = written(&[Envelope::Hello(Hello {
        codec: 2,
        attended: true,
        max_frame_len: 1024,
        max_in_flight: 1,
        fingerprint: 0,
    })]);
    peer.receive(&hello[..20], now + 5 * SECOND).unwrap();
    peer.handle_timeout(now + 9 * SECOND).unwrap();
    let error = peer.handle_timeout(now + 10 * SECOND).unwrap_err();
    assert_eq!(error.to_string(), "the peer said no hello within 10s");
    assert!(matches!(
        peer.poll_open(Waker::noop()),
        std::task::Poll::Ready(Err(_))
    ));
}

#[test]
fn a_message_may_not_dribble() {
    let mut ends = Ends::new();
    ends.start("add", (2, 3));
    let bytes = std::mem::take(ends.client.output());
    ends.server.receive(&bytes[..10], ends.now).unwrap();
    let due = ends.server.poll_timeout().expect("a message is under way");
    assert!(due > ends.now + 9 * SECOND && due < ends.now + 11 * SECOND);
    ends.server
        .receive(&bytes[10..12], ends.now + 9 * SECOND)
        .unwrap();
    let error = ends.server.handle_timeout(due + SECOND).unwrap_err();
    assert!(matches!(error, Error::Frame(_)), "{error:?}");
}

#[test]
fn a_one_way_call_ends_at_its_deadline_without_a_word() {
    let mut ends = Ends::new();
    ends.client
        .notify(&timeout("slow", SECOND), &(1,), ends.now)
        .unwrap();
    ends.exchange();
    assert_eq!(ends.server.in_flight(), 1);
    let (client, server) = ends.pass(SECOND);
    client.and(server).unwrap();
    assert_eq!(ends.server.next_cancelled(), Some(ends.jobs[0].id));
    assert_eq!(ends.server.in_flight(), 0);
    assert!(ends.server.output().is_empty());
    assert!(matches!(ends.jobs[0].work, Work::Blocking(_)));
}
