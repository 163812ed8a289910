#![no_main]

#[path = "../check_json_rpc.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    check::json_rpc(input);
});
