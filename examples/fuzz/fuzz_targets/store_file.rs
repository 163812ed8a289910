#![no_main]

#[path = "../check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(
    // Instead of the hook that aborts: the store reports a panic of redb as damage. One that arrives
    // here ends the process all the same.
    init: std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))),
    |input: &[u8]| {
        check::store_file(input);
    }
);
