//! Values: what they become in each codec, that they come back, and how deep they may be.
#![cfg(any(feature = "bincode", feature = "postcard", feature = "json"))]

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use rpc_core::{Codec, DecodeError, DecodeLimits, Encode, Value};

fn encoded(codec: Codec, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    codec
        .encode(value, &mut out)
        .expect("the value is not too deep");
    out
}

fn decoded(codec: Codec, bytes: &[u8]) -> Value {
    codec
        .decode(bytes, &DecodeLimits::default())
        .expect("what was written can be read")
}

/// Like `==`, but a `NaN` equals the same `NaN`, and zero isn't minus zero.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(l, r)| same(&l.0, &r.0) && same(&l.1, &r.1))
        }
        (Value::Tagged(left_name, left), Value::Tagged(right_name, right)) => {
            left_name == right_name && same(left, right)
        }
        (left, right) => left == right,
    }
}

/// Texts that are more likely than others to be mistaken for something.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        proptest::sample::select(vec![
            "$",
            "$$",
            "$bytes",
            "$float",
            "$map",
            "$tag",
            "$int",
            "$set",
            "nan",
            "inf",
            "-inf",
            "",
            "AQI=",
            "0x7ff8000000000001",
            "0x3ff0000000000000",
            "18446744073709551615",
            "9223372036854775807",
            "9223372036854775808",
            "018446744073709551615",
            "-1",
        ])
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        any::<Vec<u8>>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 5, |inner| {
        let name =
            proptest::sample::select(vec!["bytes", "float", "map", "tag", "int", "set", "", "$"]);
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::from),
            vec((text().prop_map(Value::from), inner.clone()), 0..4).prop_map(Value::from),
            (name, inner).prop_map(|(name, inner)| Value::tagged(name, inner)),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_comes_back_from_every_codec(value in value()) {
        for &codec in Codec::ALL {
            let bytes = encoded(codec, &value);
            let read = decoded(codec, &bytes);
            prop_assert!(same(&read, &value), "{codec}: {value:?}\nbecame {read:?}");
        }
    }

    #[test]
    fn a_value_goes_through_all_codecs_in_turn(value in value()) {
        for &first in Codec::ALL {
            for &second in Codec::ALL {
                let read = decoded(first, &encoded(first, &value));
                let bytes = encoded(second, &read);
                prop_assert_eq!(&bytes, &encoded(second, &value), "{} to {}", first, second);
                prop_assert!(same(&decoded(second, &bytes), &value), "{} to {}", first, second);
            }
        }
    }
}

fn lists(depth: usize) -> Value {
    (0..depth).fold(Value::Int(1), |inner, _| Value::List(vec![inner]))
}

fn maps(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::from_iter([("k", inner)]))
}

fn tags(depth: usize) -> Value {
    (0..depth).fold(Value::Text("leaf".into()), |inner, _| {
        Value::tagged("t", inner)
    })
}

#[test]
fn sixty_four_levels_are_the_most() {
    for &codec in Codec::ALL {
        for deep in [lists, maps, tags] {
            let value = deep(64);
            assert_eq!(decoded(codec, &encoded(codec, &value)), value, "{codec}");
            let error = codec
                .encode(&deep(65), &mut Vec::new())
                .expect_err("65 levels");
            assert!(error.to_string().contains("deep"), "{codec}: {error}");
        }
    }
}

#[test]
fn a_type_around_it_leaves_fewer_levels() {
    for &codec in Codec::ALL {
        let mut bytes = Vec::new();
        codec
            .encode(&vec![lists(64)], &mut bytes)
            .expect("the value itself is not too deep");
        let read = codec.decode::<Vec<Value>>(&bytes, &DecodeLimits::default());
        assert_eq!(read, Err(DecodeError::TooDeep { limit: 64 }), "{codec}");

        let limits = DecodeLimits {
            max_depth: 65,
            ..DecodeLimits::default()
        };
        assert_eq!(
            codec.decode::<Vec<Value>>(&bytes, &limits),
            Ok(vec![lists(64)])
        );
    }
}

#[test]
fn that_it_is_a_value_takes_no_level() {
    for &codec in Codec::ALL {
        let mut bytes = Vec::new();
        codec
            .encode(&Some(lists(1)), &mut bytes)
            .expect("the value itself is not too deep");
        // An option with the variant inside it, and the list.
        let limits = DecodeLimits {
            max_depth: 2,
            ..DecodeLimits::default()
        };
        let read = codec.decode::<Option<Value>>(&bytes, &limits);
        assert_eq!(read, Ok(Some(lists(1))), "{codec}");
    }
}

#[test]
fn a_value_reads_no_deeper_than_it_may_be_written() {
    let limits = DecodeLimits {
        max_depth: 100,
        ..DecodeLimits::default()
    };
    for &codec in Codec::ALL {
        // One list more by hand, in front of 64.
        let mut bytes = match codec.name() {
            "json" => b"[".to_vec(),
            _ => vec![6, 1],
        };
        bytes.extend(encoded(codec, &lists(64)));
        if codec.name() == "json" {
            bytes.push(b']');
        }
        let error = codec
            .decode::<Value>(&bytes, &limits)
            .expect_err("65 levels");
        assert!(error.to_string().contains("64 levels"), "{codec}: {error}");
    }
}

#[test]
fn to_show_or_refuse_a_value_that_is_far_too_deep_takes_little_stack() {
    let thread = thread::Builder::new().stack_size(256 << 10).spawn(|| {
        for deep in [lists, maps, tags] {
            // To drop it would take stack by its depth.
            let value = ManuallyDrop::new(deep(100_000));
            assert!(value.to_string().contains('…'));
            for &codec in Codec::ALL {
                assert!(codec.encode(&*value, &mut Vec::new()).is_err());
            }
        }
    });
    thread
        .expect("a thread starts")
        .join()
        .expect("the stack suffices");
}

#[test]
fn conversions_keep_what_they_can_and_say_what_they_cannot() {
    assert_eq!(
        Value::from(u64::MAX),
        Value::tagged("int", u64::MAX.to_string())
    );
    assert_eq!(u64::try_from(Value::from(u64::MAX)), Ok(u64::MAX));
    assert_eq!(u64::try_from(Value::from(5_u64)), Ok(5));
    assert_eq!(i128::try_from(Value::from(i128::MIN)), Ok(i128::MIN));
    assert_eq!(Value::from(i128::from(i64::MIN)), Value::Int(i64::MIN));
    assert_eq!(u8::try_from(Value::Int(255)), Ok(255));
    assert_eq!(String::try_from(Value::from("text")).as_deref(), Ok("text"));
    assert_eq!(Vec::<u8>::try_from(Value::from(vec![1_u8])), Ok(vec![1]));
    assert_eq!(Value::from(None::<i32>), Value::Null);
    assert_eq!(
        Value::from(BTreeMap::from([("a", 1)])),
        Value::Map(vec![("a".into(), 1.into())])
    );
    let items = Value::from_iter([Value::from(1), "two".into()]);
    assert_eq!(
        Vec::<Value>::try_from(items),
        Ok(vec![Value::Int(1), Value::Text("two".into())])
    );

    let says = |error: rpc_core::ValueError| error.to_string();
    assert_eq!(
        u8::try_from(Value::Int(256)).map_err(says),
        Err("expected int of 8 bits, not negative, found int".into())
    );
    assert_eq!(
        String::try_from(Value::Null).map_err(says),
        Err("expected text, found null".into())
    );
    assert!(u64::try_from(Value::tagged("date", "5")).is_err());
    assert!(u64::try_from(Value::tagged("int", "-5")).is_err());
}

#[test]
fn it_is_shown_for_people() {
    let value = Value::from(vec![
        Value::Null,
        true.into(),
        (-1).into(),
        1.0.into(),
        "a\"b".into(),
        vec![0_u8, b'x'].into(),
        Value::from_iter([("k", Value::tagged("set", vec![Value::Int(1)]))]),
    ]);
    assert_eq!(
        value.to_string(),
        r#"[null, true, -1, 1.0, "a\"b", b"\x00x", {"k": set([1])}]"#
    );
}

#[cfg(feature = "json")]
mod json {
    use serde_json::{Number, json};

    use super::*;

    fn from_json(json: &serde_json::Value) -> Value {
        decoded(Codec::Json, json.to_string().as_bytes())
    }

    fn to_json(value: &Value) -> serde_json::Value {
        serde_json::from_slice(&encoded(Codec::Json, value)).expect("JSON is written")
    }

    #[test]
    fn the_table_of_spellings() {
        let large = "18446744073709551616";
        for (value, spelling) in [
            (Value::Null, json!(null)),
            (true.into(), json!(true)),
            (i64::MIN.into(), json!(i64::MIN)),
            (0.5.into(), json!(0.5)),
            (1.0.into(), json!(1.0)),
            (f64::INFINITY.into(), json!({"$float": "inf"})),
            (f64::NEG_INFINITY.into(), json!({"$float": "-inf"})),
            (vec![1_u8, 2].into(), json!({"$bytes": "AQI="})),
            (Vec::<u8>::new().into(), json!({"$bytes": ""})),
            (vec![Value::Null].into(), json!([null])),
            (Value::from_iter([("a", 1)]), json!({"a": 1})),
            (Value::Map(vec![]), json!({})),
            (Value::from_iter([(1, "a")]), json!({"$map": [[1, "a"]]})),
            (
                Value::tagged("set", vec![Value::Int(1)]),
                json!({"$set": [1]}),
            ),
            (
                Value::tagged("date", "2026-11-21"),
                json!({"$date": "2026-11-21"}),
            ),
            (u64::MAX.into(), json!(u64::MAX)),
            (Value::tagged("int", large), json!({"$int": large})),
            (
                Value::tagged("int", "-99999999999999999999"),
                json!({"$int": "-99999999999999999999"}),
            ),
            (
                Value::tagged("int", "018446744073709551615"),
                json!({"$int": "018446744073709551615"}),
            ),
            (
                Value::tagged("int", "+18446744073709551615"),
                json!({"$int": "+18446744073709551615"}),
            ),
            (Value::tagged("int", "7"), json!({"$int": "7"})),
            // What looks like something else.
            (
                Value::from_iter([("$set", 1)]),
                json!({"$map": [["$set", 1]]}),
            ),
            (
                Value::from_iter([("$a", 1), ("$b", 2)]),
                json!({"$a": 1, "$b": 2}),
            ),
            (
                Value::tagged("bytes", "AQI="),
                json!({"$tag": ["bytes", "AQI="]}),
            ),
            (Value::tagged("bytes", "?"), json!({"$bytes": "?"})),
            (Value::tagged("bytes", 5), json!({"$bytes": 5})),
            (
                Value::tagged("float", "nan"),
                json!({"$tag": ["float", "nan"]}),
            ),
            (Value::tagged("float", "1.5"), json!({"$float": "1.5"})),
            (
                Value::tagged("map", Vec::<Value>::new()),
                json!({"$tag": ["map", []]}),
            ),
            (Value::tagged("map", 5), json!({"$map": 5})),
            (Value::tagged("tag", 5), json!({"$tag": 5})),
            (Value::tagged("", 5), json!({"$": 5})),
        ] {
            assert_eq!(to_json(&value), spelling, "{value:?}");
            assert_eq!(from_json(&spelling), value, "{spelling}");
        }
    }

    #[test]
    fn the_bits_of_a_nan_are_kept() {
        for (bits, name) in [
            (0x7FF8_0000_0000_0000, "nan"),
            (0xFFF8_0000_0000_0000, "0xfff8000000000000"),
            (0x7FF0_0000_0000_0001, "0x7ff0000000000001"),
        ] {
            let value = Value::Float(f64::from_bits(bits));
            assert_eq!(to_json(&value), json!({"$float": name}));
            assert!(same(&from_json(&json!({"$float": name})), &value));
        }
        // A number that has a spelling of its own isn't spelled so.
        let tagged = Value::tagged("float", "0x3ff0000000000000");
        assert_eq!(from_json(&json!({"$float": "0x3ff0000000000000"})), tagged);
    }

    #[test]
    fn long_spellings_are_read_too() {
        for (long, short) in [
            (json!({"$map": [["a", 1]]}), json!({"a": 1})),
            (json!({"$map": []}), json!({})),
            (json!({"$tag": ["set", [1]]}), json!({"$set": [1]})),
            (json!({"$int": "18446744073709551615"}), json!(u64::MAX)),
        ] {
            assert_eq!(from_json(&long), from_json(&short));
            assert_eq!(to_json(&from_json(&long)), short);
        }
    }

    #[test]
    fn keys_that_come_twice_are_kept_twice() {
        let twice = br#"{"a":1,"a":2}"#;
        let value = decoded(Codec::Json, twice);
        assert_eq!(value, Value::from_iter([("a", 1), ("a", 2)]));
        assert_eq!(encoded(Codec::Json, &value), twice);
    }

    #[test]
    fn escapes_count_as_the_levels_they_are() {
        let maps =
            |depth| (0..depth).fold(Value::Null, |inner, _| Value::Map(vec![(1.into(), inner)]));
        assert_eq!(
            decoded(Codec::Json, &encoded(Codec::Json, &maps(21))),
            maps(21)
        );
        assert!(Codec::Json.encode(&maps(22), &mut Vec::new()).is_err());
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|value| json!(value)),
            any::<i64>().prop_map(|value| json!(value)),
            any::<u64>().prop_map(|value| json!(value)),
            any::<f64>()
                .prop_filter_map("finite", Number::from_f64)
                .prop_map(serde_json::Value::Number),
            text().prop_map(|value| json!(value)),
        ];
        leaf.prop_recursive(5, 48, 5, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
                vec((text(), inner), 0..4)
                    .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
            ]
        })
        // What needn't be spelled so is spelled in the short way, which is tested above.
        .prop_filter("no long spellings", |json| !has_long_spelling(json))
    }

    fn has_long_spelling(json: &serde_json::Value) -> bool {
        match json {
            serde_json::Value::Array(items) => items.iter().any(has_long_spelling),
            serde_json::Value::Object(pairs) => {
                pairs.values().any(has_long_spelling)
                    || (pairs.len() == 1
                        && pairs
                            .keys()
                            .any(|key| ["$map", "$tag", "$int"].contains(&key.as_str())))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn json_comes_back_as_it_went_in(json in any_json()) {
            prop_assert_eq!(to_json(&from_json(&json)), json);
        }
    }
}
