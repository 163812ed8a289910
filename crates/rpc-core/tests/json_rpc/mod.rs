//! What the tests of JSON-RPC share.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use rpc_core::json_rpc::{Options, Peer};
use rpc_core::{Answer, Dialect, Fault, Registered, Registry, Work};
use serde_json::Value;

/// The functions that the specification's examples call.
pub(crate) fn functions(is_blocking: bool) -> Registry {
    let mut registry = Registry::new();
    let finish = |function: &mut Registered| {
        if is_blocking {
            function.blocking();
        }
    };
    let names = ["minuend", "subtrahend"];
    finish(registry.register("subtract", names, |x: i64, y: i64| x - y));
    let sum = |a: i64, b: i64, c: i64| a + b + c;
    finish(registry.register("sum", ["a", "b", "c"], sum));
    let update = |_: i64, _: i64, _: i64, _: i64, _: i64| ();
    finish(registry.register("update", ["a", "b", "c", "d", "e"], update));
    finish(registry.register("get_data", [], || ("hello", 5)));
    finish(registry.register("notify_hello", ["n"], |_: i64| ()));
    registry
}

/// The same as futures.
pub(crate) fn async_functions() -> Registry {
    let mut registry = Registry::new();
    let names = ["minuend", "subtrahend"];
    registry.register_async("subtract", names, |_, x: i64, y: i64| async move { x - y });
    registry.register_async(
        "sum",
        ["a", "b", "c"],
        |_, a: i64, b: i64, c: i64| async move { a + b + c },
    );
    registry.register_async(
        "update",
        ["a", "b", "c", "d", "e"],
        |_, _: i64, _: i64, _: i64, _: i64, _: i64| async {},
    );
    registry.register_async("get_data", [], |_| async { ("hello", 5) });
    registry.register_async("notify_hello", ["n"], |_, _: i64| async {});
    registry
}

/// A peer with functions of some more kinds.
pub(crate) fn peer(options: Options) -> Peer {
    let mut registry = functions(false);
    registry.register("echo", ["value"], |value: Value| -> Result<_, Fault> {
        Ok(value)
    });
    registry.register("zeros", ["count"], |count: usize| vec![0_u8; count]);
    registry.register("panics", [], || -> i64 { panic!("as it should") });
    registry.register("fails", [], || -> Result<(), Fault> {
        Err(Fault::new("KeyError", "no such key: 'left'").with_data("left"))
    });
    registry.register("optional", ["x", "y"], |x: i64, y: Option<i64>| (x, y));
    registry.register_async("never", [], |_| std::future::pending::<()>());
    registry.register_async("later", ["x"], |_, x: i64| async move { x });
    registry.register_with("dialect", [], |cx: &rpc_core::Context| cx.dialect());
    registry.introspection();
    Peer::new(Arc::new(registry), options)
}

/// Does all that there is to do; futures that are not ready are dropped.
pub(crate) fn drive(peer: &mut Peer) {
    loop {
        let mut is_idle = true;
        while let Some(job) = peer.next_job() {
            is_idle = false;
            if let Some(answer) = run(job.work) {
                peer.complete(job.id, answer, Instant::now());
            }
        }
        if is_idle {
            return;
        }
    }
}

pub(crate) fn run(work: Work) -> Option<Answer> {
    match work {
        Work::Quick(work) | Work::Blocking(work) => Some(work()),
        Work::Future(mut future) => {
            match future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            }
        }
    }
}

/// What has been answered so far, line by line.
pub(crate) fn answers(peer: &mut Peer) -> Vec<Value> {
    let output = String::from_utf8(std::mem::take(peer.output())).expect("JSON is text");
    assert!(output.is_empty() || output.ends_with('\n'), "{output:?}");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    output.lines().map(parse).collect()
}

/// Sends lines and returns the answers.
pub(crate) fn ask(peer: &mut Peer, lines: &str) -> Vec<Value> {
    let lines = format!("{lines}\n");
    peer.receive(lines.as_bytes(), Instant::now())
        .expect("the lines are not too long");
    drive(peer);
    answers(peer)
}
