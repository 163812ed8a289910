//! Ten thousand calls that panic among a hundred thousand good ones.
#![cfg(feature = "postcard")]

mod two;

use std::panic;

use rpc_core::{Error, Kind};

use two::{Server, functions};

#[test]
fn all_good_calls_are_answered_and_memory_is_flat() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
            usual(info);
        }
    }));
    let server = Server::start(functions());
    let client = server.client();
    let mut good = 0;
    let mut panicked = 0;
    let mut after_warm_up = None;
    for round in 0..110_i64 {
        let mut batch = client.batch();
        let calls: Vec<_> = (0..1000)
            .map(|n| match n % 11 {
                0 => batch.call::<i64>("panic", ()),
                _ => batch.call::<i64>("add", (n, round)),
            })
            .collect::<Result<_, _>>()
            .unwrap();
        batch.send();
        for (n, call) in (0..).zip(calls) {
            match call.wait() {
                Ok(sum) => {
                    assert_eq!(sum, n + round);
                    good += 1;
                }
                Err(Error::Fault(fault)) if fault.kind == Kind::Panicked => panicked += 1,
                Err(error) => panic!("{error}"),
            }
        }
        if round == 10 {
            after_warm_up = Some(resident());
        }
    }
    assert_eq!((good, panicked), (99_990, 10_010));
    let grown = resident().saturating_sub(after_warm_up.expect("it was round 10"));
    assert!(grown < 8 << 20, "{grown} bytes more than at the start");
}

/// How much memory the process has, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("it is Linux");
    let pages = statm.split(' ').nth(1).expect("the second number");
    pages.parse::<usize>().expect("a number") * 4096
}
