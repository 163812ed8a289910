//! Values made by hand: what they are equal to, what they show, and how they end.

use std::sync::Arc;

use mp_connection::pickle::{BigInt, Dict, Exception, IntError, Set, Value};

#[test]
fn equal_are_values_of_the_same_type_and_content() {
    let same = |one: Value, other: Value| {
        assert_eq!([one == other, other == one], [true; 2], "{one} {other}")
    };
    let different = |one: Value, other: Value| {
        assert_eq!([one == other, other == one], [false; 2], "{one} {other}")
    };
    different(1.into(), 1.0.into());
    different(1.into(), true.into());
    different(Value::list([1]), Value::tuple([1]));
    different("a".into(), b"a".into());
    different(Value::list([1, 2]), Value::list([1]));
    different(f64::NAN.into(), f64::NAN.into());
    same(0.0.into(), (-0.0).into());
    same(Value::BigInt(Arc::new(BigInt::from(5))), 5.into());
    same(u64::MAX.into(), u128::from(u64::MAX).into());
    same(
        Dict::from([("a", 1), ("b", 2)]).into(),
        Dict::from([("b", 2), ("a", 1)]).into(),
    );
    different(Dict::from([("a", 1)]).into(), Dict::from([("a", 2)]).into());
    different(Dict::from([(1, 1)]).into(), Dict::from([(1.0, 1)]).into());
    same(
        Set::from_iter(0..50).into(),
        Set::from_iter((0..50).rev()).into(),
    );
    different(
        Set::from_iter([1]).into(),
        Value::FrozenSet(Arc::new(Set::from_iter([1]))),
    );
    let error = Exception::new("ValueError", [1]);
    same(error.clone().into(), error.clone().into());
    different(
        error.clone().into(),
        Exception::new("TypeError", [1]).into(),
    );
    different(
        error.clone().into(),
        error.with_attributes(Dict::from([("a", 1)])).into(),
    );
}

#[test]
fn shown_as_python_shows_them() {
    for (value, shown) in [
        (Value::None, "None"),
        (1e16.into(), "1e+16"),
        (1e-5.into(), "1e-05"),
        (123456789012345680.0.into(), "1.2345678901234568e+17"),
        ((-0.0).into(), "-0.0"),
        (0.0001.into(), "0.0001"),
        ("it's".into(), "\"it's\""),
        ("it's \"so\"".into(), "'it\\'s \"so\"'"),
        (
            "\n\0\u{7f}é\u{a0}\u{ad}€\u{2028}😀".into(),
            "'\\n\\x00\\x7fé\\xa0\\xad€\\u2028😀'",
        ),
        (b"'\x00\xff".into(), "b\"'\\x00\\xff\""),
        (Value::ByteArray(b"a".as_slice().into()), "bytearray(b'a')"),
        (Value::tuple([1]), "(1,)"),
        (
            Value::tuple([Value::list([1, 2]), Value::tuple([(); 0])]),
            "([1, 2], ())",
        ),
        (Set::new().into(), "set()"),
        (Value::FrozenSet(Arc::default()), "frozenset()"),
        (
            Value::FrozenSet(Arc::new(Set::from_iter([1]))),
            "frozenset({1})",
        ),
        (Exception::new("KeyError", ["a"]).into(), "KeyError('a')"),
    ] {
        assert_eq!(value.to_string(), shown);
        assert_eq!(format!("{value:?}"), shown);
    }
    for (error, shown) in [
        (Exception::new("ValueError", ["no"]), "ValueError: no"),
        (Exception::new("KeyError", ["no"]), "KeyError: 'no'"),
        (Exception::new("StopIteration", [(); 0]), "StopIteration"),
        (
            Exception::new("OSError", [Value::from(2), "gone".into()]),
            "OSError: [Errno 2] gone",
        ),
        (
            Exception::with_module("my", "Error", [1, 2]),
            "my.Error: (1, 2)",
        ),
    ] {
        assert_eq!(error.to_string(), shown);
    }
}

#[test]
fn dicts_keep_order_and_find_keys_whether_few_or_many() {
    for count in [3, 8, 9, 10, 1000] {
        let mut dict: Dict = (0..count).map(|key| (format!("key {key}"), key)).collect();
        assert_eq!(dict.get("key 2"), Some(&2.into()));
        for key in 0..count {
            assert_eq!(dict.insert(format!("key {key}"), -key), Some(key.into()));
        }
        assert_eq!(dict.insert(Value::tuple([1, 2]), "pair"), None);
        assert_eq!(
            dict.get_value(&Value::tuple([1.0, 2.0])),
            Some(&"pair".into())
        );
        assert_eq!(dict.get("key"), None);
        assert_eq!(dict.len(), count as usize + 1);
        let keys = dict.iter().take(3).map(|(key, _)| key.to_string());
        assert!(keys.eq(["'key 0'", "'key 1'", "'key 2'"]));
    }
}

#[test]
fn what_can_be_no_key_is_never_found() {
    for key in [f64::NAN.into(), Value::list([1]), Value::tuple([f64::NAN])] {
        for count in [1, 20] {
            let mut dict: Dict = (0..count).map(|key| (key, key)).collect();
            dict.insert(key.clone(), 1);
            dict.insert(key.clone(), 2);
            assert_eq!(
                (dict.len(), dict.get_value(&key)),
                (count as usize + 2, None)
            );
            dict.insert("after", 3);
            assert_eq!(dict.get("after"), Some(&3.into()));
        }
    }
}

#[test]
fn a_change_shows_in_one_place_only() {
    let dict = Dict::from([("a", 1)]);
    let mut other = dict.clone();
    other.insert("b", 2);
    assert_eq!((dict.len(), other.len()), (1, 2));
    assert_eq!((dict.get("b"), other.get("b")), (None, Some(&2.into())));
    let entries: Vec<_> = other.into_iter().collect();
    assert_eq!(entries, [("a".into(), 1.into()), ("b".into(), 2.into())]);
}

#[test]
fn integers_of_any_size() {
    for number in [
        0,
        1,
        -1,
        127,
        128,
        -128,
        -129,
        i64::MAX.into(),
        i64::MIN.into(),
        i128::MAX,
        i128::MIN,
    ] {
        let big = BigInt::from(number);
        assert_eq!(big.to_string(), number.to_string());
        assert_eq!(number.to_string().parse(), Ok(big.clone()));
        assert_eq!(i128::try_from(&big), Ok(number));
        assert_eq!(u128::try_from(&big).ok(), u128::try_from(number).ok());
        assert_eq!(Value::from(big).as_i64(), i64::try_from(number).ok());
    }
    assert_eq!(u128::try_from(&BigInt::from(u128::MAX)), Ok(u128::MAX));
    assert_eq!(
        "1".repeat(4301).parse::<BigInt>(),
        Err(IntError::TooLong {
            len: 4301,
            max: 4300
        })
    );
    assert_eq!("1a".parse::<BigInt>(), Err(IntError::NoInteger));
    assert!(
        BigInt::from_le_bytes(&[1; 2000])
            .to_string()
            .starts_with("0x1010")
    );
}

#[test]
fn no_depth_takes_stack() {
    // What goes into a key is looked at whenever it does, so that takes time by the square.
    let nest =
        |wrap: fn(Value) -> Value, levels| (0..levels).fold(Value::None, |value, _| wrap(value));
    let thread = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(move || {
            for wrap in [
                (|value| Value::list([value])) as fn(Value) -> Value,
                |value| Value::tuple([Value::None, value]),
                |value| Dict::from([("key", value)]).into(),
                |value| Exception::new("ValueError", [value]).into(),
            ] {
                let value = nest(wrap, 100_000);
                assert!(value.to_string().len() > 100_000);
                drop(value);
            }
            for wrap in [
                (|value| Value::list([value])) as fn(Value) -> Value,
                |value| Dict::from([(1, value)]).into(),
            ] {
                assert!(nest(wrap, 100_000) == nest(wrap, 100_000));
            }
            let wrap = |value| Value::FrozenSet(Arc::new(Set::from_iter([value])));
            assert!(nest(wrap, 1000) == nest(wrap, 1000));
        });
    thread
        .expect("a thread starts")
        .join()
        .expect("it does not panic");
}
