//! Dynamic values through serde: what Python has and serde hasn't arrives all the same, in `rpc_core::Value` as well.

mod loads;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::thread;

use loads::{Loads, PROTOCOLS, protocol};
use mp_connection::pickle::{
    BigInt, Dict, Error, Exception, Options, Protocol, Set, Value, from_pickle, to_pickle,
};
use proptest::prelude::*;
use rpc_core::{Codec, DecodeLimits, Encode, Value as Common};
use serde::{Deserialize, Serialize};

fn tagged(name: &str, value: impl Into<Common>) -> Common {
    Common::tagged(name, value)
}

fn list<T: Into<Common>>(items: impl IntoIterator<Item = T>) -> Common {
    items.into_iter().map(Into::into).collect()
}

fn exception(module: &str, class: &str, args: Common) -> Common {
    tagged(
        "exception",
        Common::from_iter([
            ("module", Common::from(module)),
            ("class", class.into()),
            ("args", tagged("tuple", args)),
        ]),
    )
}

/// What both kinds of values and Python call the same.
fn table() -> Vec<(Common, Value, &'static str)> {
    let large = "340282366920938463463374607431768211456";
    vec![
        (Common::Null, Value::None, "x is None"),
        (true.into(), true.into(), "x is True"),
        ((-7).into(), (-7).into(), "same(x, -7)"),
        (0.5.into(), 0.5.into(), "same(x, 0.5)"),
        (f64::INFINITY.into(), f64::INFINITY.into(), "same(x, inf)"),
        ("ß".into(), "ß".into(), r"same(x, '\u00df')"),
        (
            vec![0_u8, 255].into(),
            (&[0, 255]).into(),
            r"same(x, b'\x00\xff')",
        ),
        (Common::List(vec![]), Value::list([(); 0]), "same(x, [])"),
        (list([1, 2]), Value::list([1, 2]), "same(x, [1, 2])"),
        (
            tagged("tuple", list([(); 0])),
            Value::tuple([(); 0]),
            "same(x, ())",
        ),
        (
            tagged("tuple", list([1])),
            Value::tuple([1]),
            "same(x, (1,))",
        ),
        (
            tagged("tuple", list([1, 2, 3, 4])),
            Value::tuple([1, 2, 3, 4]),
            "same(x, (1, 2, 3, 4))",
        ),
        (
            tagged("set", list([1, 2])),
            Set::from_iter([1, 2]).into(),
            "same(x, {1, 2})",
        ),
        (
            tagged("frozenset", list([tagged("tuple", list([1]))])),
            Value::FrozenSet(Set::from_iter([Value::tuple([1])]).into()),
            "same(x, frozenset([(1,)]))",
        ),
        (
            tagged("bytearray", vec![1_u8, 128]),
            Value::ByteArray([1, 128].as_slice().into()),
            r"same(x, bytearray(b'\x01\x80'))",
        ),
        (
            tagged("int", large),
            large.parse::<BigInt>().expect("digits").into(),
            "x == 2 ** 128",
        ),
        (u64::MAX.into(), u64::MAX.into(), "x == 2 ** 64 - 1"),
        (
            Common::from_iter([("a", 1)]),
            Dict::from([("a", 1)]).into(),
            "same(x, {'a': 1})",
        ),
        (
            Common::Map(vec![
                (tagged("tuple", list([1, 2])), Common::Null),
                (3.into(), 4.into()),
            ]),
            Dict::from([(Value::tuple([1, 2]), Value::None), (3.into(), 4.into())]).into(),
            "x == {(1, 2): None, 3: 4}",
        ),
        // What looks like a tag in JSON is a dict like any other here.
        (
            Common::from_iter([("$set", list([1]))]),
            Dict::from([("$set", Value::list([1]))]).into(),
            "same(x, {'$set': [1]})",
        ),
        (
            exception("builtins", "KeyError", list(["x"])),
            Exception::new("KeyError", ["x"]).into(),
            "type(x) is KeyError and x.args == ('x',)",
        ),
    ]
}

#[test]
fn both_kinds_of_values_are_the_same_to_python_and_to_each_other() {
    let mut loads = Loads::default();
    for (common, value, truth) in table() {
        for version in PROTOCOLS {
            let pickle = protocol(version).to_pickle(&common).unwrap();
            loads.expect(version, &pickle, truth);
            assert_eq!(
                Value::from_pickle(&pickle, &Options::default()).as_ref(),
                Ok(&value)
            );

            let pickle = protocol(version).to_pickle(&value).unwrap();
            loads.expect(version, &pickle, truth);
            assert_eq!(from_pickle::<Value>(&pickle).as_ref(), Ok(&value));
            assert_eq!(from_pickle::<Common>(&pickle).as_ref(), Ok(&common));

            let pickle = value.to_pickle(&protocol(version)).unwrap();
            loads.expect(version, &pickle, truth);
            assert_eq!(from_pickle::<Common>(&pickle).as_ref(), Ok(&common));
        }
    }
    loads.check();
}

#[test]
fn both_kinds_of_values_look_the_same_in_every_codec() {
    for (common, value, _) in table() {
        for &codec in Codec::ALL {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            codec.encode(&common, &mut one).unwrap();
            codec.encode(&value, &mut other).unwrap();
            assert_eq!(
                String::from_utf8_lossy(&one),
                String::from_utf8_lossy(&other),
                "{codec}"
            );
            let limits = DecodeLimits::default();
            assert_eq!(
                codec.decode::<Value>(&one, &limits),
                Ok(value.clone()),
                "{codec}"
            );
        }
    }
}

#[test]
fn json_spells_what_it_lacks() {
    for (value, json) in [
        (Value::tuple([1]), r#"{"$tuple":[1]}"#),
        (Set::from_iter([1]).into(), r#"{"$set":[1]}"#),
        (Value::from(&[1, 2]), r#"{"$bytes":"AQI="}"#),
        (
            Value::ByteArray([1, 2].as_slice().into()),
            r#"{"$bytearray":{"$bytes":"AQI="}}"#,
        ),
        (f64::NAN.into(), r#"{"$float":"nan"}"#),
        (f64::NEG_INFINITY.into(), r#"{"$float":"-inf"}"#),
        (u64::MAX.into(), "18446744073709551615"),
        (
            u128::from(u64::MAX).wrapping_add(1).into(),
            r#"{"$int":"18446744073709551616"}"#,
        ),
        (
            i128::from(i64::MIN).wrapping_sub(1).into(),
            r#"{"$int":"-9223372036854775809"}"#,
        ),
        (Dict::from([(1, 2)]).into(), r#"{"$map":[[1,2]]}"#),
        (Dict::from([("$a", 2)]).into(), r#"{"$map":[["$a",2]]}"#),
        (
            Dict::from([("$a", 1), ("b", 2)]).into(),
            r#"{"$a":1,"b":2}"#,
        ),
        (
            Exception::new("OSError", [2])
                .with_attributes(Dict::from([("extra", 1)]))
                .into(),
            concat!(
                r#"{"$exception":{"module":"builtins","class":"OSError","#,
                r#""args":{"$tuple":[2]},"attributes":{"extra":1}}}"#
            ),
        ),
    ] {
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        let read: Value = serde_json::from_str(json).unwrap();
        assert_eq!(format!("{read:?}"), format!("{value:?}"));
    }
}

/// Words that have no meaning, or none that fits, stay what they are.
#[test]
fn other_words_are_dicts() {
    let mut loads = Loads::default();
    for (json, truth) in [
        (
            r#"{"$date":"2000-01-01"}"#,
            "same(x, {'$date': '2000-01-01'})",
        ),
        (
            r#"{"$tag":["bytes","AQI="]}"#,
            "same(x, {'$bytes': 'AQI='})",
        ),
        (r#"{"$":[]}"#, "same(x, {'$': []})"),
    ] {
        let value: Value = serde_json::from_str(json).unwrap();
        let common: Common = serde_json::from_str(json).unwrap();
        loads.expect(Protocol::V4, &to_pickle(&value).unwrap(), truth);
        loads.expect(Protocol::V4, &to_pickle(&common).unwrap(), truth);
    }
    loads.check();
    for json in [
        r#"{"$set":[[1]]}"#,
        r#"{"$frozenset":[{}]}"#,
        r#"{"$tuple":1}"#,
        r#"{"$int":"1.5"}"#,
        r#"{"$exception":{"module":"builtins"}}"#,
    ] {
        let value: Value = serde_json::from_str(json).unwrap();
        assert!(matches!(value, Value::Dict(_)), "{json}");
        let common: Common = serde_json::from_str(json).unwrap();
        let refused = to_pickle(&common);
        assert!(
            matches!(refused, Err(Error::Type { .. } | Error::Unhashable { .. })),
            "{json}: {refused:?}"
        );
    }
}

/// Whoever sends a value must not be able to have a Python that receives it call something.
#[test]
fn only_exceptions_are_written_by_name() {
    for (module, class) in [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "set"),
        ("builtins", "KeyError.__class__"),
        ("builtins\nKeyError\n)R0cos", "system"),
        ("builtins", "KeyError\n)R0cos\nsystem"),
        ("", ""),
        ("exceptions", "KeyError"),
    ] {
        let common = exception(module, class, list(["true"]));
        let value = Value::from(Exception::with_module(
            module.to_owned(),
            class.to_owned(),
            ["true"],
        ));
        let named = Options {
            exceptions: vec![("builtins\nKeyError\n)R0cos".into(), "system".into())],
            ..Options::default()
        };
        for version in PROTOCOLS {
            for options in [
                protocol(version),
                Options {
                    protocol: version,
                    ..named.clone()
                },
            ] {
                let refused = Error::Global {
                    module: module.into(),
                    name: class.into(),
                };
                assert_eq!(options.to_pickle(&common), Err(refused.clone()));
                assert_eq!(options.to_pickle(&value), Err(refused.clone()));
                assert_eq!(value.to_pickle(&options), Err(refused));
            }
        }
    }
}

#[test]
fn exceptions_that_the_options_name_are_written_and_read() {
    let value = Value::from(Exception::with_module("struct", "error", ["broken"]));
    let mut loads = Loads::default();
    for version in PROTOCOLS {
        let options = Options {
            exceptions: vec![("struct".into(), "error".into())],
            ..protocol(version)
        };
        let pickle = options.to_pickle(&value).unwrap();
        assert_eq!(options.from_pickle::<Value>(&pickle).as_ref(), Ok(&value));
        assert!(from_pickle::<Value>(&pickle).is_err());
        let truth = "type(x).__name__ == 'error' and x.args == ('broken',)";
        loads.expect(version, &pickle, truth);
    }
    loads.check();
}

#[test]
fn values_stand_inside_types() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Call {
        name: String,
        args: Vec<Value>,
        kwargs: BTreeMap<String, Value>,
        more: Option<Common>,
    }

    let call = Call {
        name: "add".into(),
        args: vec![
            Value::tuple([1, 2]),
            Value::None,
            Set::from_iter(["a"]).into(),
        ],
        kwargs: BTreeMap::from([("y".into(), Dict::from([(1, Value::tuple([1]))]).into())]),
        more: Some(tagged("tuple", list([1]))),
    };
    for version in PROTOCOLS {
        let pickle = protocol(version).to_pickle(&call).unwrap();
        assert_eq!(from_pickle::<Call>(&pickle).as_ref(), Ok(&call));
    }
    let json = serde_json::to_string(&call).unwrap();
    assert_eq!(serde_json::from_str::<Call>(&json).unwrap(), call);
}

/// An exception inside another's arguments, with attributes.
#[test]
fn exceptions_nest() {
    let inner = Exception::new("ValueError", ["inner"]);
    let notes = Dict::from([("__notes__", Value::list(["a", "b"]))]);
    let args = [Value::from(inner), Value::tuple([1])];
    let value = Value::from(Exception::new("RuntimeError", args).with_attributes(notes));
    let mut loads = Loads::default();
    for version in PROTOCOLS {
        let common: Common = from_pickle(&value.to_pickle(&protocol(version)).unwrap()).unwrap();
        for pickle in [
            value.to_pickle(&protocol(version)),
            protocol(version).to_pickle(&value),
            protocol(version).to_pickle(&common),
        ] {
            let pickle = pickle.unwrap();
            assert_eq!(
                Value::from_pickle(&pickle, &Options::default()).as_ref(),
                Ok(&value)
            );
            loads.expect(
                version,
                &pickle,
                "type(x) is RuntimeError and x.args[1] == (1,) and x.__notes__ == ['a', 'b'] \
                 and type(x.args[0]) is ValueError and x.args[0].args == ('inner',)",
            );
        }
    }
    loads.check();
}

#[test]
fn an_integer_too_long_for_decimal_is_refused_by_serde_but_not_by_value() {
    let mut bytes = vec![0; 2000];
    bytes.push(1);
    let large = Value::from(BigInt::from_le_bytes(&bytes));
    let pickle = large.to_pickle(&Options::default()).unwrap();
    assert_eq!(
        Value::from_pickle(&pickle, &Options::default()),
        Ok(large.clone())
    );
    assert!(matches!(to_pickle(&large), Err(Error::Type { .. })));
}

/// A newtype with that name around something else does no harm.
#[test]
fn other_types_with_the_name_of_values_are_written_as_they_are() {
    #[derive(Serialize)]
    #[serde(rename = "$tagged")]
    struct Other<T>(T);

    #[derive(Serialize)]
    enum Odd {
        Tagged(u8, u8, u8),
        Pair(u8, u8),
    }

    assert_eq!(to_pickle(&Other(vec![1])), to_pickle(&vec![1]));
    assert_eq!(to_pickle(&Other(("a", 1))), to_pickle(&("a", 1)));
    assert!(to_pickle(&Other(Odd::Tagged(1, 2, 3))).is_err());
    assert!(to_pickle(&Other(Odd::Pair(1, 2))).is_err());
}

#[test]
fn hostile_depth_is_refused_on_a_small_stack() {
    let small = thread::Builder::new().stack_size(1 << 20);
    let thread = small.spawn(|| {
        for bytes in [
            // Lists, maps of one value, tags in tags, tuples, as postcard has them.
            [6, 1].repeat(100_000),
            [7, 1, 0].repeat(100_000),
            [8, 0].repeat(100_000),
            [8, 5, b't', b'u', b'p', b'l', b'e', 6, 1].repeat(100_000),
        ] {
            let limits = DecodeLimits {
                max_depth: 1_000_000,
                ..DecodeLimits::default()
            };
            let postcard = Codec::ALL.iter().find(|codec| codec.name() == "postcard");
            let read = postcard.unwrap().decode::<Value>(&bytes, &limits);
            let error = read.unwrap_err().to_string();
            assert!(error.contains("100 levels"), "{error}");
        }
    });
    thread.unwrap().join().unwrap();
}

fn key() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i128>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        proptest::sample::select(vec!["$set", "$bytes", "$map", "$tag", "$int", "$"])
            .prop_map(Value::from),
        any::<Vec<u8>>().prop_map(|bytes| Value::from(&*bytes)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let items = proptest::collection::vec(inner, 0..4);
        prop_oneof![
            items.clone().prop_map(Value::tuple),
            items.prop_map(|items| Value::FrozenSet(Set::from_iter(items).into())),
        ]
    })
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = any::<Vec<u8>>().prop_map(|bytes| Value::ByteArray(bytes.into()));
    prop_oneof![4 => key(), 1 => bytes].prop_recursive(4, 40, 5, |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..5);
        let entries = proptest::collection::vec((key(), inner), 0..4);
        let keys = proptest::collection::vec(key(), 0..5);
        prop_oneof![
            items.clone().prop_map(Value::list),
            items.clone().prop_map(Value::tuple),
            keys.prop_map(|keys| Set::from_iter(keys).into()),
            entries.prop_map(|entries| Dict::from_iter(entries).into()),
            items.prop_map(|args| Exception::new("ValueError", args).into()),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_survives_every_way(value in value()) {
        for version in PROTOCOLS {
            let options = protocol(version);
            let written = value.to_pickle(&options).unwrap();
            prop_assert_eq!(Value::from_pickle(&written, &options), Ok(value.clone()));
            let through = options.to_pickle(&value).unwrap();
            prop_assert_eq!(from_pickle::<Value>(&through), Ok(value.clone()));
            let common: Common = from_pickle(&written).unwrap();
            let through = options.to_pickle(&common).unwrap();
            prop_assert_eq!(from_pickle::<Value>(&through), Ok(value.clone()));
        }
        for &codec in Codec::ALL {
            let mut bytes = Vec::new();
            codec.encode(&value, &mut bytes).unwrap();
            let limits = DecodeLimits::default();
            prop_assert_eq!(codec.decode::<Value>(&bytes, &limits), Ok(value.clone()));
            let common: Common = codec.decode(&bytes, &limits).unwrap();
            let pickle = to_pickle(&common).unwrap();
            prop_assert_eq!(from_pickle::<Value>(&pickle), Ok(value.clone()));
        }
    }
}
