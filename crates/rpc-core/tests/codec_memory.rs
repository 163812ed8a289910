//! How much memory decoding takes, counted by the allocator.
#![cfg(any(feature = "bincode", feature = "postcard", feature = "json"))]
#![allow(unsafe_code, reason = "an allocator that counts is unsafe to write")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;

use rpc_core::{ArgumentSource, Codec, DecodeLimits, Encode, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

struct Counting;

thread_local! {
    // Neither allocates nor has a destructor, so the allocator may use them.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let live = LIVE.get() + change;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call goes to the system's allocator with what the caller gave.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were allocated at a time while `run` ran.
fn peak<T>(run: impl FnOnce() -> T) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    black_box(run());
    usize::try_from(PEAK.get() - before).expect("the peak is not below the start")
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree(Vec<Self>);

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    name: String,
    numbers: [u64; 8],
    more: Vec<Self>,
}

/// What bytes may cost: the largest of the types below takes 64 bytes for two, and while a list grows, the old and
/// the new one are there.
fn allowed(bytes: &[u8]) -> usize {
    100 * bytes.len() + (64 << 10)
}

fn check<T: DeserializeOwned>(codec: Codec, bytes: &[u8]) {
    let limits = DecodeLimits {
        max_elements: 100_000,
        ..DecodeLimits::default()
    };
    let used = peak(|| codec.decode::<T>(bytes, &limits));
    assert!(
        used <= allowed(bytes),
        "{codec} took {used} bytes for {} as {}",
        bytes.len(),
        std::any::type_name::<T>()
    );
    let used = peak(|| {
        let mut source = codec.arguments(bytes, 1, std::iter::empty(), &limits);
        source.next()?;
        source.value(&mut |deserializer| erased_serde::deserialize::<T>(deserializer).map(drop))
    });
    assert!(
        used <= allowed(bytes),
        "{codec} took {used} bytes for {} as an argument that is {}",
        bytes.len(),
        std::any::type_name::<T>()
    );
}

fn check_all(codec: Codec, bytes: &[u8]) {
    check::<Value>(codec, bytes);
    check::<String>(codec, bytes);
    check::<char>(codec, bytes);
    check::<Vec<u8>>(codec, bytes);
    check::<Vec<()>>(codec, bytes);
    check::<Vec<u64>>(codec, bytes);
    check::<Vec<String>>(codec, bytes);
    check::<Vec<Vec<Vec<String>>>>(codec, bytes);
    check::<Tree>(codec, bytes);
    check::<Row>(codec, bytes);
    check::<Vec<Row>>(codec, bytes);
    check::<Option<Box<Row>>>(codec, bytes);
    check::<BTreeMap<String, String>>(codec, bytes);
    check::<HashMap<u64, Row>>(codec, bytes);
}

fn encoded<T: Serialize>(codec: Codec, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    codec
        .encode(value, &mut out)
        .expect("the codec has a spelling for it");
    out
}

#[test]
fn announced_lengths_cost_nothing() {
    for &codec in Codec::ALL {
        for len in [1 << 10, 1 << 20, 1 << 30, 1 << 40, 1 << 63, u64::MAX] {
            let length = encoded(codec, &len);
            check_all(codec, &length);
            for variant in [4, 5, 6, 7, 8] {
                check_all(codec, &[&[variant], &length[..], b"abc"].concat());
            }
            // One length inside the other, each as long as all of it.
            check_all(codec, &length.repeat(64));
            check_all(codec, &[&[6], &length[..]].concat().repeat(64));
            check_all(codec, &[&[7], &length[..], b"\x04\x00"].concat().repeat(64));
        }
    }
}

#[test]
fn what_arrives_costs_a_few_times_its_length() {
    for &codec in Codec::ALL {
        // The shortest spellings of the largest values.
        check_all(codec, &[0; 50_000]);
        check_all(codec, &[1; 50_000]);
        check_all(codec, &[6; 50_000]);
        let nulls = vec![Value::Null; 50_000];
        check_all(codec, &encoded(codec, &Value::from(nulls)));
        let pairs = vec![(Value::Null, Value::Null); 20_000];
        check_all(codec, &encoded(codec, &Value::from(pairs)));
        let lists = vec![Value::List(Vec::new()); 20_000];
        check_all(codec, &encoded(codec, &Value::from(lists)));
        let tags = vec![Value::tagged("", Value::Null); 20_000];
        check_all(codec, &encoded(codec, &Value::from(tags)));
        check_all(codec, &encoded(codec, &vec![""; 50_000]));
        check_all(codec, &encoded(codec, &"x".repeat(50_000)));
        check_all(
            codec,
            &encoded(
                codec,
                &Tree((0..50_000).map(|_| Tree(Vec::new())).collect()),
            ),
        );
    }
}

#[cfg(feature = "json")]
#[test]
fn json_costs_a_few_times_its_length() {
    for text in [
        "[".repeat(50_000),
        "[[],".repeat(20_000),
        format!("[{}null]", "null,".repeat(20_000)),
        format!("{{{}\"\":[]}}", "\"\":[],".repeat(20_000)),
        format!("\"{}\"", "\\u0041".repeat(20_000)),
        format!("{{\"$bytes\":\"{}\"}}", "AAAA".repeat(20_000)),
        "1".repeat(50_000),
    ] {
        check_all(Codec::Json, text.as_bytes());
    }
}
