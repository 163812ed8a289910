#![no_main]

#[path = "../native.rs"]
mod native;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    native::peer(input);
});
