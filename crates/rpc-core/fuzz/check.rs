//! What must hold of any bytes that should be a value. The fuzz targets run it on what the fuzzer makes up, and the
//! tests on the stored corpus.

use std::collections::BTreeMap;
use std::fmt::Debug;

use rpc_core::{ArgumentSource, Codec, DecodeLimits, Encode, Slot, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const LIMITS: DecodeLimits = DecodeLimits {
    max_depth: 64,
    max_elements: 10_000,
};

/// Something of everything.
#[derive(Debug, Serialize, Deserialize)]
struct Node {
    name: String,
    numbers: (u8, i16, u32, i64, u128, f64),
    kind: Kind,
    next: Option<Box<Self>>,
    children: Vec<Self>,
    map: BTreeMap<String, Wrapped>,
    nothing: Vec<()>,
    letter: char,
}

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    Plain,
    Value(Value),
    Pair(Box<Self>, Box<Self>),
    Fields {
        flag: bool,
        inner: Option<Box<Self>>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Wrapped(Option<Box<Self>>);

pub(crate) fn codec(codec: Codec, input: &[u8]) {
    if let Some(value) = read_and_written::<Value>(codec, input) {
        // Every codec gives back what it was given, to the bit.
        let own = encoded(codec, &value);
        for &other in Codec::ALL {
            let mut bytes = Vec::new();
            if let Err(error) = other.encode(&value, &mut bytes) {
                // Some maps take more levels in JSON.
                assert!(other == Codec::Json && error.to_string().contains("64 levels"));
                continue;
            }
            let read: Value = other
                .decode(&bytes, &DecodeLimits::default())
                .expect("a value that was read in one codec can be carried by another");
            assert_eq!(encoded(codec, &read), own, "through {other}");
        }
    }
    read_and_written::<Node>(codec, input);
    read_and_written::<Kind>(codec, input);
    read_and_written::<Wrapped>(codec, input);
    read_and_written::<Vec<()>>(codec, input);
    read_and_written::<Vec<u8>>(codec, input);
    read_and_written::<Vec<Option<String>>>(codec, input);
    read_and_written::<BTreeMap<String, i64>>(codec, input);

    if let Some((&counts, body)) = input.split_first() {
        arguments(codec, body, counts);
    }
}

fn encoded<T: Serialize>(codec: Codec, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    codec
        .encode(value, &mut out)
        .expect("what was read can be written");
    out
}

fn read_and_written<T: Serialize + DeserializeOwned + Debug>(
    codec: Codec,
    input: &[u8],
) -> Option<T> {
    let value = codec.decode::<T>(input, &LIMITS).ok()?;
    let bytes = encoded(codec, &value);
    let again = codec
        .decode::<T>(&bytes, &LIMITS)
        .expect("what was written can be read");
    assert_eq!(encoded(codec, &again), bytes);
    Some(value)
}

/// Reads the arguments of a call as values; an error is the last that is heard.
fn arguments(codec: Codec, body: &[u8], counts: u8) {
    let names = ["a", "b", "c"];
    let keywords = names.into_iter().take(usize::from(counts >> 6));
    let positional = usize::from(counts & 7);
    let mut source = codec.arguments(body, positional, keywords, &LIMITS);
    let mut read = 0;
    while let Ok(Some(slot)) = source.next() {
        assert_eq!(slot == Slot::Positional, read < positional);
        let value = source
            .value(&mut |deserializer| erased_serde::deserialize::<Value>(deserializer).map(drop));
        if value.is_err() {
            return;
        }
        read += 1;
    }
    assert!(read <= positional + names.len());
}
