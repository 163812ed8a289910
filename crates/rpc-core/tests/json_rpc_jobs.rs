//! Calls that take longer: batches that wait for them, limits, deadlines, draining.

mod json_rpc;

use std::sync::Arc;
use std::time::{Duration, Instant};

use json_rpc::{answers, ask, drive, peer, run};
use rpc_core::json_rpc::{Options, Peer};
use rpc_core::{Dialect, Job, Registry, Work};
use serde_json::{Value, json};

fn call(method: &str, params: &str, id: usize) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params},"id":{id}}}"#)
}

fn notification(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

/// Takes all jobs, in the order of the calls.
fn jobs(peer: &mut Peer) -> Vec<Job> {
    std::iter::from_fn(|| peer.next_job()).collect()
}

fn send(peer: &mut Peer, line: &str) {
    peer.receive(format!("{line}\n").as_bytes(), Instant::now())
        .expect("it is not too long");
}

fn finish(peer: &mut Peer, job: Job) {
    let answer = run(job.work).expect("it is ready");
    peer.complete(job.id, answer, Instant::now());
}

#[test]
fn calls_are_answered_in_the_order_in_which_they_end() {
    let mut peer = peer(Options::default());
    send(&mut peer, &call("later", "[1]", 1));
    send(&mut peer, &call("later", "[2]", 2));
    send(&mut peer, &call("sum", "[1,1,1]", 3));
    let mut jobs = jobs(&mut peer);
    assert_eq!((jobs.len(), peer.in_flight()), (2, 2));
    while let Some(job) = jobs.pop() {
        finish(&mut peer, job);
    }
    let ids: Vec<Value> = answers(&mut peer)
        .into_iter()
        .map(|answer| answer["id"].clone())
        .collect();
    assert_eq!(ids, [json!(3), json!(2), json!(1)]);
}

#[test]
fn a_batch_is_answered_when_its_last_call_is() {
    let mut peer = peer(Options::default());
    let batch = [
        call("later", "[1]", 1),
        call("sum", "[1,1,1]", 2),
        notification("later", "[3]"),
        call("later", "[4]", 4),
        call("nothing", "[]", 5),
    ];
    send(&mut peer, &format!("[{}]", batch.join(",")));
    let mut jobs = jobs(&mut peer).into_iter();
    assert_eq!(peer.in_flight(), 3);
    finish(&mut peer, jobs.next().expect("the first"));
    let of_notification = jobs.next().expect("the second");
    assert_eq!(answers(&mut peer), Vec::<Value>::new());
    finish(&mut peer, jobs.next().expect("the third"));
    // It does not wait for the notification.
    assert_eq!(
        answers(&mut peer),
        [json!([
            {"jsonrpc": "2.0", "result": 3, "id": 2},
            {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": 5},
            {"jsonrpc": "2.0", "result": 1, "id": 1},
            {"jsonrpc": "2.0", "result": 4, "id": 4},
        ])]
    );
    finish(&mut peer, of_notification);
    assert_eq!(answers(&mut peer), Vec::<Value>::new());
    assert_eq!(peer.in_flight(), 0);
}

#[test]
fn a_batch_whose_answers_are_all_late_is_one_array_too() {
    let mut peer = peer(Options::default());
    let batch = format!(
        "[{},{}]",
        notification("never", "[]"),
        call("later", "[1]", 1)
    );
    let answers = ask(&mut peer, &batch);
    assert_eq!(answers, [json!([{"jsonrpc": "2.0", "result": 1, "id": 1}])]);
}

#[test]
fn running_calls_are_limited_and_quick_ones_are_not() {
    let mut peer = peer(Options {
        max_in_flight: 2,
        ..Options::default()
    });
    for id in 0..3 {
        send(&mut peer, &call("never", "[]", id));
    }
    for id in 3..10 {
        send(&mut peer, &call("dialect", "[]", id));
    }
    drive(&mut peer);
    let answers = answers(&mut peer);
    assert_eq!(
        answers[0],
        json!({
            "jsonrpc": "2.0",
            "error": {"code": -32003, "message": "2 calls run already, which is the limit"},
            "id": 2,
        })
    );
    assert_eq!(answers.len(), 8);
    assert_eq!(answers[1]["result"], "json-rpc");
    assert_eq!(peer.in_flight(), 2);
}

#[test]
fn the_requests_that_run_are_limited_in_bytes() {
    let mut peer = peer(Options {
        max_backlog: 600,
        ..Options::default()
    });
    let long = format!(
        r#"{{"jsonrpc":"2.0","method":"never","id":1,"padding":"{}"}}"#,
        "x".repeat(200)
    );
    let len = long.len();
    send(&mut peer, &long);
    send(&mut peer, &long);
    let answers = ask(&mut peer, &long);
    assert_eq!(
        answers[0]["error"],
        json!({
            "code": -32003,
            "message": format!(
                "a request of {len} bytes while requests of {} bytes run, the limit is 600",
                2 * len
            ),
        })
    );
}

#[test]
fn answers_that_wait_are_limited_in_bytes() {
    let mut peer = peer(Options {
        max_backlog: 1000,
        ..Options::default()
    });
    for id in 0..3 {
        send(&mut peer, &call("later", "[1]", id));
    }
    for job in jobs(&mut peer) {
        peer.complete(
            job.id,
            Ok(json!("1".repeat(600)).to_string().into_bytes()),
            Instant::now(),
        );
    }
    let answers = answers(&mut peer);
    assert!(answers[0]["result"].is_string());
    assert_eq!(answers[1]["error"]["code"], -32005);
    let text = answers[1]["error"]["message"].as_str().expect("text");
    assert!(text.contains("the limit is 1000"), "{text}");
}

#[test]
fn what_would_only_wait_to_be_sent_is_not_begun() {
    let mut peer = peer(Options {
        max_queued: 1000,
        ..Options::default()
    });
    let lines: Vec<String> = (0..100).map(|id| call("zeros", "[300]", id)).collect();
    send(&mut peer, &lines.join("\n"));
    let mut seen = 0;
    while seen < 100 {
        assert!(peer.output().len() < 2000);
        let now = answers(&mut peer);
        assert!(!now.is_empty(), "{seen} of 100");
        for answer in now {
            assert_eq!(answer["id"], seen);
            seen += 1;
        }
        peer.receive(&[], Instant::now()).unwrap();
    }
}

#[test]
fn a_call_has_its_time() {
    let timeout = Duration::from_secs(5);
    let mut peer = peer(Options {
        call_timeout: Some(timeout),
        ..Options::default()
    });
    let now = Instant::now();
    for (id, method) in ["never", "later"].into_iter().enumerate() {
        let line = format!("{}\n[{}]\n", call(method, "[]", id), call("never", "[]", 7));
        peer.receive(
            line.replace("later\",\"params\":[]", "later\",\"params\":[1]")
                .as_bytes(),
            now,
        )
        .unwrap();
    }
    let jobs = jobs(&mut peer);
    assert_eq!(jobs.len(), 4);
    assert_eq!(peer.poll_timeout(), Some(now + timeout));
    let mut late = None;
    for job in jobs {
        match job.work {
            Work::Future(_) if late.is_none() => late = Some(job),
            _ => {}
        }
    }
    peer.handle_timeout(now + timeout).unwrap();
    let answers = answers(&mut peer);
    assert_eq!(answers.len(), 4);
    assert_eq!(
        answers[0]["error"],
        json!({"code": -32001, "message": "no result within 5s"})
    );
    assert_eq!(answers[1][0]["error"]["code"], -32001);
    let cancelled: Vec<_> = std::iter::from_fn(|| peer.next_cancelled()).collect();
    assert_eq!(cancelled.len(), 4);
    assert_eq!((peer.in_flight(), peer.poll_timeout()), (0, None));

    let late = late.expect("there were some");
    assert_eq!(cancelled[0], late.id);
    peer.complete(late.id, Ok(b"1".to_vec()), now);
    assert!(peer.output().is_empty(), "it comes too late");
}

#[test]
fn draining_answers_what_runs_and_takes_nothing_new() {
    let mut peer = peer(Options::default());
    send(&mut peer, &call("later", "[1]", 1));
    peer.drain(Instant::now());
    assert!(!peer.is_finished());
    let refused = [call("sum", "[1,1,1]", 2), notification("later", "[1]")];
    send(&mut peer, &refused.join("\n"));
    let now = answers(&mut peer);
    assert_eq!(now.len(), 1);
    assert_eq!(now[0]["error"]["code"], -32004);
    drive(&mut peer);
    assert_eq!(answers(&mut peer)[0]["result"], 1);
    assert!(peer.is_finished());
}

#[test]
fn what_has_been_answered_no_longer_counts() {
    let mut peer = peer(Options {
        max_backlog: 100,
        ..Options::default()
    });
    for id in 0..10 {
        send(&mut peer, &call("later", "[1]", id));
        for job in jobs(&mut peer) {
            finish(&mut peer, job);
        }
        assert_eq!(
            answers(&mut peer),
            [json!({"jsonrpc": "2.0", "result": 1, "id": id})]
        );
    }
}

#[test]
fn late_answers_share_the_room_of_their_batch() {
    let mut peer = peer(Options {
        max_answer_len: 36,
        ..Options::default()
    });
    let batch = [call("later", "[1]", 1), call("later", "[2]", 2)].join(",");
    send(&mut peer, &format!("[{batch}]"));
    for job in jobs(&mut peer) {
        finish(&mut peer, job);
    }
    let answers = answers(&mut peer);
    assert_eq!(answers[0][0]["result"], 1);
    assert_eq!(answers[0][1]["error"]["code"], -32005, "{answers:?}");
}

#[test]
fn names_that_the_protocol_keeps_for_itself_are_not_called() {
    let mut registry = Registry::new();
    registry.register("rpc.secret", [], || 1);
    let mut peer = Peer::new(Arc::new(registry), Options::default());
    let answers = ask(&mut peer, &call("rpc.secret", "[]", 1));
    assert_eq!(answers[0]["error"]["code"], -32601);
}
