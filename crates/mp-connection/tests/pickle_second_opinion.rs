//! What is written here another implementation reads, and the other way round, for what both know.

use std::collections::BTreeMap;

use mp_connection::pickle::{Options, Protocol, Value, from_pickle};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_pickle::{DeOptions, SerOptions};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Record {
    id: i64,
    count: u64,
    name: String,
    score: f64,
    pair: (i8, Option<bool>),
    tags: Vec<String>,
    names: BTreeMap<i32, String>,
    letter: char,
}

/// The other reads no integers beyond 64 bits with a sign.
fn record() -> impl Strategy<Value = Record> {
    let numbers = (
        any::<i64>(),
        0..1u64 << 63,
        any::<f64>(),
        any::<(i8, Option<bool>)>(),
    );
    let texts = (
        any::<String>(),
        proptest::collection::vec("[a-c\u{e9}\u{1f600}]{0,300}", 0..4),
        proptest::collection::btree_map(any::<i32>(), any::<String>(), 0..4),
        any::<char>(),
    );
    (numbers, texts).prop_map(
        |((id, count, score, pair), (name, tags, names, letter))| Record {
            id,
            count,
            name,
            score,
            pair,
            tags,
            names,
            letter,
        },
    )
}

proptest! {
    #[test]
    fn both_read_what_the_other_writes(records in proptest::collection::vec(record(), 0..4)) {
        for protocol in [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::V5] {
            let options = Options { protocol, ..Options::default() };
            let ours = options.to_pickle(&records).expect("it is data");
            let read: Vec<Record> = serde_pickle::from_slice(&ours, DeOptions::new()).expect("it is a pickle");
            prop_assert_eq!(&read, &records);
        }
        for options in [SerOptions::new(), SerOptions::new().proto_v2()] {
            let theirs = serde_pickle::to_vec(&records, options).expect("it is data");
            let read: Vec<Record> = from_pickle(&theirs).expect("it is a pickle");
            prop_assert_eq!(&read, &records);
            // As a value of our own it goes there, too.
            let value = Value::from_pickle(&theirs, &Options::default()).expect("it is a pickle");
            let again = value.to_pickle(&Options::default()).expect("it is data");
            let read: Vec<Record> = serde_pickle::from_slice(&again, DeOptions::new()).expect("it is a pickle");
            prop_assert_eq!(&read, &records);
        }
    }
}
