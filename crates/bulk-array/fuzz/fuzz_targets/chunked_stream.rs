#![no_main]

#[path = "../check_chunked.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    check::stream(input);
});
