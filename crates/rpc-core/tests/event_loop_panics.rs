//! Ten thousand functions that panic among a hundred thousand that do not.

mod json_rpc;

use std::sync::Arc;

use event_loop::sim::Sim;
use event_loop::{EventLoop, LoopOptions};
use rpc_core::event_loop::{Handler, Message};
use rpc_core::json_rpc::{Options, Peer};

#[test]
fn all_good_calls_are_answered_and_the_connection_stays() {
    // The hook would write a line for each.
    std::panic::set_hook(Box::new(|_| {}));
    let mut registry = json_rpc::functions(false);
    let divide = |x: i64, y: i64| x / y;
    registry.register("divide", ["x", "y"], divide);
    registry.register_async(
        "divide_later",
        ["x", "y"],
        move |_, x: i64, y: i64| async move { divide(x, y) },
    );
    let sim = Sim::new();
    let mut event_loop: EventLoop<Message> =
        EventLoop::simulated(&sim, LoopOptions::default()).unwrap();
    let (socket, mut peer) = sim.stream();
    let handler = Handler::new(Peer::new(Arc::new(registry), Options::default()));
    event_loop
        .add_stream(socket, event_loop::Options::default(), handler)
        .unwrap();

    let (mut good, mut bad, mut sent) = (0, 0, 0);
    while good + bad < 110_000 {
        for _ in 0..1000 {
            let method = ["divide", "divide_later"][sent % 2];
            let divisor = usize::from(sent % 11 != 0);
            let line = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":[7,{divisor}],\"id\":{sent}}}\n"
            );
            peer.send(line.as_bytes());
            sent += 1;
        }
        event_loop.turn(None).unwrap();
        event_loop.turn(None).unwrap();
        let answers = String::from_utf8(peer.received()).unwrap();
        good += answers.matches(r#""result":7,"#).count();
        bad += answers.matches(r#""code":-32603,"#).count();
    }
    assert_eq!((good, bad, sent), (100_000, 10_000, 110_000));
    assert!(!peer.is_closed());
    assert_eq!(event_loop.stats().panicked, 0);
}
