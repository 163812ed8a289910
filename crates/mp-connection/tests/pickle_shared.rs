//! Values as pickles: what is shared stays shared, and counts as often as it is mentioned.

mod loads;

use std::sync::Arc;

use loads::{Loads, PROTOCOLS, protocol};
use mp_connection::pickle::{BigInt, Dict, Error, Exception, Limit, Options, Set, Value};

/// Two of the same.
fn twice(value: impl Into<Value>) -> Value {
    let value = value.into();
    Value::list([value.clone(), value])
}

#[test]
fn what_is_mentioned_twice_is_one_object_to_python() {
    let mut loads = Loads::default();
    for version in PROTOCOLS {
        let bytes: Arc<[u8]> = [1, 200].as_slice().into();
        for (value, truth) in [
            (twice("text"), "x == ['text'] * 2"),
            (twice(&[1, 200]), r"x == [b'\x01\xc8'] * 2"),
            (
                twice(Value::ByteArray(bytes)),
                r"x == [bytearray(b'\x01\xc8')] * 2",
            ),
            (twice(Value::list([1])), "x == [[1]] * 2"),
            (twice(Value::tuple([1, 2, 3, 4])), "x == [(1, 2, 3, 4)] * 2"),
            (twice(Dict::from([("a", 1)])), "x == [{'a': 1}] * 2"),
            (twice(Set::from_iter([1, 2])), "x == [{1, 2}] * 2"),
            (
                twice(Value::FrozenSet(Set::from_iter([1, 2]).into())),
                "x == [frozenset([1, 2])] * 2",
            ),
            (twice(BigInt::from(1_u128 << 100)), "x == [2 ** 100] * 2"),
            (
                twice(Exception::new("KeyError", ["a"])),
                "x[0].args == ('a',)",
            ),
        ] {
            let pickle = value.to_pickle(&protocol(version)).unwrap();
            loads.expect(version, &pickle, &format!("x[0] is x[1] and {truth}"));
            let read = Value::from_pickle(&pickle, &Options::default());
            assert_eq!(read, Ok(value));
        }
        // A list is in the second as it is in the first, and in the key's value.
        let inner = Value::list([1]);
        let outer = Value::tuple([
            inner.clone(),
            Dict::from([("k", inner.clone())]).into(),
            Exception::new("ValueError", [inner]).into(),
        ]);
        let pickle = outer.to_pickle(&protocol(version)).unwrap();
        loads.expect(
            version,
            &pickle,
            "x[0] is x[1]['k'] and x[0] is x[2].args[0]",
        );
    }
    loads.check();
}

#[test]
fn a_class_that_python_2_lacks_is_its_ancestor_in_protocol_2() {
    let mut loads = Loads::default();
    for version in PROTOCOLS {
        for (class, args, old) in [
            ("ConnectionResetError", 1, "OSError"),
            ("ModuleNotFoundError", 1, "ImportError"),
            ("RecursionError", 1, "RuntimeError"),
            ("KeyError", 1, "KeyError"),
        ] {
            let value = Value::from(Exception::new(class, [args]));
            let pickle = value.to_pickle(&protocol(version)).unwrap();
            let read = if version < PROTOCOLS[1] { old } else { class };
            loads.expect(
                version,
                &pickle,
                &format!("type(x) is {read} and x.args == (1,)"),
            );
        }
    }
    loads.check();
}

#[test]
fn shared_values_are_written_once_but_count_as_often_as_they_are_mentioned() {
    let too_large = |what, limit| Err(Error::TooLarge { what, limit });

    let pairs = |levels| {
        (0..levels).fold(Value::from("a"), |value, _| {
            Value::tuple([value.clone(), value])
        })
    };
    // 2 ** 18 texts, and the tuples.
    let pickle = pairs(18).to_pickle(&Options::default()).unwrap();
    assert!(pickle.len() < 200);
    assert_eq!(
        Value::from_pickle(&pickle, &Options::default()),
        Ok(pairs(18))
    );
    let written = pairs(30).to_pickle(&Options::default());
    assert_eq!(written, too_large(Limit::Values, 1_000_000));
    let written = pairs(99).to_pickle(&Options::default());
    assert_eq!(written, too_large(Limit::Values, 1_000_000));

    let text = Value::from("x".repeat(1000));
    let many = Value::list(vec![text; 100]);
    let options = |max_bytes| Options {
        max_bytes,
        ..Options::default()
    };
    let pickle = many.to_pickle(&options(100_000)).unwrap();
    assert_eq!(
        Value::from_pickle(&pickle, &options(100_000)),
        Ok(many.clone())
    );
    assert_eq!(
        many.to_pickle(&options(99_999)),
        too_large(Limit::Bytes, 99_999)
    );

    // Six levels, first on their own and then two deeper.
    let deep = (0..6).fold(Value::None, |value, _| Value::list([value]));
    let both = Value::tuple([deep.clone(), Value::list([Value::list([deep])])]);
    let options = |max_depth| Options {
        max_depth,
        ..Options::default()
    };
    let pickle = both.to_pickle(&options(9)).unwrap();
    assert_eq!(Value::from_pickle(&pickle, &options(9)), Ok(both.clone()));
    assert_eq!(both.to_pickle(&options(8)), too_large(Limit::Depth, 8));
}

#[test]
fn what_python_cannot_hash_is_no_key_even_if_it_was_written_before() {
    let list = Value::list([1]);
    let in_tuple = Value::tuple([list.clone()]);
    let exception = Value::from(Exception::new("KeyError", ["a"]));
    let array = Value::ByteArray([1].as_slice().into());
    let set = Value::from(Set::from_iter([1]));
    for (key, kind) in [
        (list, "list"),
        (in_tuple, "list"),
        (exception, "Exception"),
        (array, "bytearray"),
        (set, "set"),
    ] {
        let dict = Value::from(Dict::from([(key.clone(), 1)]));
        let in_set = Value::from(Set::from_iter([key.clone()]));
        for value in [
            dict.clone(),
            in_set.clone(),
            Value::tuple([key.clone(), dict]),
            Value::tuple([key, in_set]),
        ] {
            for version in PROTOCOLS {
                let written = value.to_pickle(&protocol(version));
                assert_eq!(written, Err(Error::Unhashable { kind }));
            }
        }
    }
}

#[test]
fn depth_takes_no_stack() {
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let thread = small.spawn(|| {
        let value = (0..100_000).fold(Value::None, |value, _| Value::list([value]));
        let options = Options {
            max_depth: 1000,
            ..Options::default()
        };
        let too_deep = Error::TooLarge {
            what: Limit::Depth,
            limit: 1000,
        };
        assert_eq!(value.to_pickle(&options), Err(too_deep));
        let value = (0..1000).fold(Value::None, |value, _| Value::list([value]));
        let pickle = value.to_pickle(&options).expect("it is not too deep");
        assert_eq!(Value::from_pickle(&pickle, &options), Ok(value));
    });
    thread.unwrap().join().unwrap();
}
