//! Functions that panic cost nobody anything. Alone in its program, since it looks at the memory of all of it.
#![cfg(feature = "postcard")]

mod native_ends;

use std::fs;

use native_ends::Ends;
use rpc_core::native::CallId;
use rpc_core::{Error, Kind};

#[test]
fn ten_thousand_panics_among_a_hundred_thousand_calls_leave_the_others_and_memory_alone() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut ends = Ends::new();
    let mut before = 0;
    for round in 0..220 {
        if round == 20 {
            before = resident_kib();
        }
        let panics: Vec<CallId> = (0..50).map(|_| ends.start("panic", ())).collect();
        let good: Vec<(i64, CallId)> = (0..500)
            .map(|x| (x, ends.start("add", (x, round))))
            .collect();
        ends.exchange();
        for (x, id) in good {
            assert_eq!(ends.answer::<i64>(id).unwrap(), x + round);
        }
        for id in panics {
            match ends.answer::<()>(id) {
                Err(Error::Fault(fault)) => assert_eq!(fault.kind, Kind::Panicked),
                other => panic!("{other:?}"),
            }
        }
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 1024, "{grown} KiB more than after the first 2000");
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("it is there");
    let digits = line.split_whitespace().nth(1).expect("a number");
    digits.parse().expect("in KiB")
}
