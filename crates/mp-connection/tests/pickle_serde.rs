//! Rust types out of pickles, and back.

mod loads;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::net::IpAddr;
use std::thread;

use loads::{PROTOCOLS, protocol};
use mp_connection::pickle::{self, Error, Limit, Options, Value, from_pickle};
use proptest::prelude::*;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

/// Writes a value in every protocol and reads it again.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for version in PROTOCOLS {
        let pickle = protocol(version).to_pickle(value).expect("it is written");
        assert_eq!(from_pickle::<T>(&pickle).as_ref(), Ok(value), "{version:?}");
    }
}

fn reason<T: Debug>(read: Result<T, Error>) -> String {
    match read {
        Err(Error::Type { reason }) => reason,
        other => panic!("{other:?} instead of a type's reason"),
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(Vec<i32>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(i32, Option<String>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    #[serde(default)]
    tags: BTreeSet<String>,
    address: Option<IpAddr>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Choice {
    Unit,
    Newtype(Box<Self>),
    Tuple(u8, Option<Box<Self>>),
    Struct { inner: Vec<Self> },
    Nothing {},
    Single((u8,)),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Ping { id: u64 },
    Text { text: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Any {
    Number(i64),
    Text(String),
    Many(Vec<Self>),
    Named(BTreeMap<String, Self>),
}

fn user() -> User {
    User {
        id: u64::MAX,
        name: "Łukasz \0 🦀".into(),
        tags: BTreeSet::from(["a".into(), "b".into()]),
        address: Some("127.0.0.1".parse().expect("an address")),
    }
}

#[test]
fn what_was_written_is_read() {
    round_trip(&());
    round_trip(&(true, false));
    round_trip(&(i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
    round_trip(&(i8::MAX, i16::MAX, i32::MAX, i64::MAX, i128::MAX));
    round_trip(&(u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
    round_trip(&(0.0, f64::MIN_POSITIVE, f64::INFINITY, -0.1, 0.1_f32));
    round_trip(&('ß', '\0', '🦀', String::from("Łódź"), String::new()));
    round_trip(&(None::<u8>, Some(1), Some(Some(2)), vec![None, Some(3)]));
    round_trip(&(
        Unit,
        Newtype(vec![1, -1]),
        Pair(1, None),
        Pair(2, Some("x".into())),
    ));
    round_trip(&vec![Vec::<u8>::new(), vec![1, 2, 255]]);
    round_trip(&[[1_u8, 2], [3, 4]]);
    round_trip(&(ByteBuf::from(vec![0, 1, 255]), ByteBuf::new()));
    round_trip(&vec![user(), user()]);
    round_trip(&HashMap::from([
        (1, "one".to_owned()),
        (2, "two".to_owned()),
    ]));
    round_trip(&BTreeMap::from([
        ((1, "a".to_owned()), [0.5]),
        ((2, "b".to_owned()), [1.5]),
    ]));
    let inner = vec![
        Choice::Unit,
        Choice::Nothing {},
        Choice::Single((1,)),
        Choice::Tuple(2, Some(Box::new(Choice::Unit))),
    ];
    round_trip(&Choice::Newtype(Box::new(Choice::Struct { inner })));
    round_trip(&vec![
        Internal::Ping { id: 1 },
        Internal::Text { text: "x".into() },
    ]);
    round_trip(&Any::Many(vec![
        Any::Number(1),
        Any::Text("x".into()),
        Any::Named(BTreeMap::from([("k".into(), Any::Many(vec![]))])),
    ]));
}

#[test]
fn nan_keeps_its_bits() {
    for bits in [
        0x7FF8_0000_0000_0000,
        0xFFF8_0000_0000_1234,
        0x7FF0_0000_0000_0001,
    ] {
        let pickle = pickle::to_pickle(&f64::from_bits(bits)).unwrap();
        assert_eq!(from_pickle::<f64>(&pickle).unwrap().to_bits(), bits);
    }
}

/// Every kind that Python has for it.
#[test]
fn sequences_come_from_lists_tuples_sets_and_bytes() {
    for pickle in [
        b"\x80\x04](K\x01K\x02e.".as_slice(),
        b"\x80\x04K\x01K\x02\x86.",
        b"\x80\x04\x8f(K\x01K\x02\x90.",
        b"\x80\x04(K\x01K\x02\x91.",
        b"\x80\x04C\x02\x01\x02.",
        b"\x80\x05\x96\x02\0\0\0\0\0\0\0\x01\x02.",
    ] {
        assert_eq!(from_pickle(pickle), Ok(vec![1, 2]));
        assert_eq!(from_pickle(pickle), Ok([1, 2]));
        assert_eq!(from_pickle(pickle), Ok((1, 2)));
        assert_eq!(from_pickle(pickle), Ok(BTreeSet::from([1, 2])));
        assert!(reason(from_pickle::<(u8,)>(pickle)).contains("length 2"));
        assert!(reason(from_pickle::<[u8; 3]>(pickle)).contains("length 2"));
    }
}

#[test]
fn texts_and_bytes_are_borrowed() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Borrowed<'a> {
        text: &'a str,
        #[serde(borrow)]
        bytes: &'a Bytes,
        keys: BTreeMap<&'a str, &'a [u8]>,
    }

    // {'text': 'left', 'bytes': b'\x00\xff', 'keys': {'k': b'v'}}
    let pickle = b"\x80\x04}(\x8c\x04text\x8c\x04left\x8c\x05bytesC\x02\0\xff\
        \x8c\x04keys}\x8c\x01kC\x01vsu.";
    let read: Borrowed<'_> = from_pickle(pickle).unwrap();
    assert_eq!(read.text, "left");
    assert_eq!(**read.bytes, [0, 0xFF]);
    assert_eq!(read.keys, BTreeMap::from([("k", b"v".as_slice())]));
    let range = pickle.as_ptr_range();
    assert!(range.contains(&read.text.as_ptr()) && range.contains(&read.bytes.as_ptr()));

    // Protocol 0 spells it with an escape, so there is nothing to borrow.
    let spelled = b"Vl\\u00e9ft\n.";
    assert_eq!(from_pickle::<String>(spelled), Ok("léft".to_owned()));
    assert!(from_pickle::<&str>(spelled).is_err());
}

#[test]
fn bytes_come_from_bytearrays() {
    let array = b"\x80\x05\x96\x02\0\0\0\0\0\0\0\x01\x02.";
    assert_eq!(from_pickle(array), Ok(ByteBuf::from(vec![1, 2])));
    let array = b"\x80\x03c__builtin__\nbytearray\nC\x02\x01\x02\x85R.";
    assert_eq!(from_pickle(array), Ok(ByteBuf::from(vec![1, 2])));
}

#[test]
fn floats_come_from_integers_but_not_the_other_way() {
    assert_eq!(from_pickle(b"\x80\x04K\x07."), Ok(7.0));
    assert_eq!(
        from_pickle(b"\x80\x04\x8a\x09\0\0\0\0\0\0\0\x80\0."),
        Ok(2_f64.powi(63))
    );
    let seven = b"\x80\x04G\x40\x1c\0\0\0\0\0\0.";
    assert!(reason(from_pickle::<i64>(seven)).contains("floating point `7.0`"));
}

#[test]
fn integers_fit_or_are_refused() {
    let pickled = |number: i128| pickle::to_pickle(&number).unwrap();
    assert!(from_pickle::<u8>(&pickled(256)).is_err());
    assert!(from_pickle::<u64>(&pickled(-1)).is_err());
    assert!(from_pickle::<i64>(&pickled(1 << 63)).is_err());
    assert_eq!(from_pickle(&pickled(1 << 63)), Ok(1_u64 << 63));
    assert!(from_pickle::<u64>(&pickled(1 << 64)).is_err());
    assert_eq!(from_pickle(&pickled(1 << 64)), Ok(1_u128 << 64));
    assert_eq!(
        from_pickle(&pickled(-(1 << 63) - 1)),
        Ok(-(1_i128 << 63) - 1)
    );
    // 2 ** 128, and its negative
    let beyond = b"\x80\x04\x8a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01.";
    assert!(reason(from_pickle::<u128>(beyond)).contains("larger int"));
    let beyond = b"\x80\x04\x8a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff.";
    assert!(reason(from_pickle::<i128>(beyond)).contains("larger int"));
}

#[test]
fn a_struct_ignores_what_it_does_not_know_even_an_exception() {
    // {'id': 1, 'error': KeyError('x'), 'more': [[1]], 'name': 'n', 'address': None}
    let pickle = b"\x80\x04}(\x8c\x02idK\x01\x8c\x05errorcbuiltins\nKeyError\n\x8c\x01x\x85R\
        \x8c\x04more]]K\x01aa\x8c\x04name\x8c\x01n\x8c\x07addressNu.";
    let read: User = from_pickle(pickle).unwrap();
    assert_eq!((read.id, read.name.as_str(), read.address), (1, "n", None));
    assert!(from_pickle::<IgnoredAny>(pickle).is_ok());
    let missing = b"\x80\x04}(\x8c\x02idK\x01u.";
    assert_eq!(reason(from_pickle::<User>(missing)), "missing field `name`");
}

#[test]
fn an_exception_instead_of_a_value_is_told_with_its_arguments() {
    let pickle = b"\x80\x04cbuiltins\nKeyError\n\x8c\x01x\x85R.";
    let in_list = [
        b"\x80\x04K\x01".as_slice(),
        &pickle[2..pickle.len() - 1],
        b"\x86.",
    ]
    .concat();
    for error in [
        from_pickle::<u64>(pickle).unwrap_err(),
        from_pickle::<String>(pickle).unwrap_err(),
        from_pickle::<Option<User>>(pickle).unwrap_err(),
        from_pickle::<Choice>(pickle).unwrap_err(),
        from_pickle::<Vec<u8>>(pickle).unwrap_err(),
        from_pickle::<()>(pickle).unwrap_err(),
        from_pickle::<(u8, u8)>(&in_list).unwrap_err(),
    ] {
        let Error::Raised(exception) = error else {
            panic!("{error:?} is not the exception");
        };
        assert_eq!(
            (exception.module(), exception.class()),
            ("builtins", "KeyError")
        );
        assert_eq!(exception.args().as_slice(), [Value::from("x")]);
    }
}

#[test]
fn what_is_no_variant_is_refused() {
    let one = |pickle: &[u8]| reason(from_pickle::<Choice>(pickle));
    assert!(one(b"\x80\x04\x8c\x05Other.").contains("unknown variant `Other`"));
    assert!(one(b"\x80\x04\x8c\x07Newtype.").contains("expected a newtype variant"));
    assert!(one(b"\x80\x04K\x01.").contains("a str, or a dict with one pair"));
    assert!(one(b"\x80\x04}.").contains("a str, or a dict with one pair"));
    assert!(one(b"\x80\x04}(\x8c\x04UnitN\x8c\x07NothingNu.").contains("one pair"));
    assert!(one(b"\x80\x04}\x8c\x04UnitK\x01s.").contains("expected unit"));
    assert_eq!(from_pickle(b"\x80\x04}\x8c\x04UnitNs."), Ok(Choice::Unit));
}

#[test]
fn shared_values_are_read_as_often_as_they_are_mentioned() {
    // x = [1]; [x, x]
    assert_eq!(
        from_pickle(b"\x80\x04](]\x94K\x01ah\0e."),
        Ok(vec![vec![1], vec![1]])
    );
    // t = ('a',); t = (t, t), thirty times
    let mut bomb = b"\x80\x04\x8c\x01a\x85".to_vec();
    for _ in 0..30 {
        bomb.extend(b"2\x86");
    }
    bomb.push(b'.');
    let limit = 1_000_000;
    let what = Limit::Values;
    assert_eq!(
        from_pickle::<IgnoredAny>(&bomb).unwrap_err(),
        Error::TooLarge { what, limit }
    );
}

#[test]
fn what_can_be_written_can_be_read_up_to_every_limit() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        list: Vec<Option<Choice>>,
        bytes: Vec<ByteBuf>,
        map: BTreeMap<i64, String>,
        large: u128,
    }

    let all = All {
        list: vec![None, Some(Choice::Unit), Some(Choice::Tuple(1, None)), None],
        bytes: vec![ByteBuf::from(vec![200; 40]), ByteBuf::from(vec![1; 7])],
        map: BTreeMap::from([(1, "one".into()), (2, "zwölf".into())]),
        large: u128::MAX,
    };
    for version in PROTOCOLS {
        let mut refused = 0;
        for limit in 0..200 {
            for options in [
                Options {
                    max_depth: limit,
                    ..protocol(version)
                },
                Options {
                    max_values: limit,
                    ..protocol(version)
                },
                Options {
                    max_bytes: limit,
                    ..protocol(version)
                },
            ] {
                match options.to_pickle(&all) {
                    Ok(pickle) => {
                        assert_eq!(options.from_pickle::<All>(&pickle).as_ref(), Ok(&all))
                    }
                    Err(Error::TooLarge { limit: told, .. }) if told == limit => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        assert!((50..500).contains(&refused), "{refused}");
    }
}

// Values that hold themselves, in every way that serde knows.

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Self>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tree(Vec<Self>);

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Keyed(BTreeMap<String, Self>);

#[derive(Debug, PartialEq, Deserialize)]
struct Endless(Option<Box<Self>>);

/// Where nothing is optimised a level takes more.
const STACK: usize = if cfg!(debug_assertions) { 640 } else { 256 } << 10;

#[test]
fn a_hundred_levels_take_little_stack() {
    fn fits<T>(make: fn(usize) -> T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        let small = thread::Builder::new().stack_size(STACK);
        let thread = small.spawn(move || {
            let pickle = pickle::to_pickle(&make(100)).expect("it is not too deep");
            assert_eq!(from_pickle(&pickle), Ok(make(100)));
            let too_deep = Error::TooLarge {
                what: Limit::Depth,
                limit: 100,
            };
            assert_eq!(pickle::to_pickle(&make(101)), Err(too_deep.clone()));
            let deeper = Options {
                max_depth: 101,
                ..Options::default()
            };
            let pickle = deeper.to_pickle(&make(101)).expect("it is not too deep");
            assert_eq!(from_pickle::<T>(&pickle), Err(too_deep));
        });
        thread
            .expect("a thread starts")
            .join()
            .expect("the stack suffices");
    }

    fits(|depth| {
        (1..depth).fold(Chain::default(), |inner, _| Chain {
            next: Some(Box::new(inner)),
        })
    });
    fits(|depth| (1..depth).fold(Tree(vec![]), |inner, _| Tree(vec![inner])));
    fits(|depth| {
        (1..depth).fold(Keyed::default(), |inner, _| {
            Keyed(BTreeMap::from([("k".into(), inner)]))
        })
    });
    fits(|depth| (0..depth).fold(Choice::Unit, |inner, _| Choice::Newtype(Box::new(inner))));
    fits(|depth| {
        let odd = (depth % 2 == 1).then(|| Box::new(Choice::Newtype(Box::new(Choice::Unit))));
        let end = odd.map_or(Choice::Unit, |end| *end);
        (0..depth / 2).fold(end, |inner, _| Choice::Tuple(1, Some(Box::new(inner))))
    });
}

#[test]
fn a_hundred_levels_of_dynamic_values_take_little_stack() {
    let tuples = |depth| (0..depth).fold(Value::None, |inner, _| Value::tuple([inner]));
    let lists = |depth| (0..depth).fold(Value::None, |inner, _| Value::list([inner]));
    let small = thread::Builder::new().stack_size(STACK);
    let thread = small.spawn(move || {
        for value in [tuples(100), lists(100)] {
            let pickle = pickle::to_pickle(&value).expect("it is not too deep");
            assert_eq!(from_pickle(&pickle), Ok(value));
        }
        let deep = Options {
            max_depth: 1000,
            ..Options::default()
        };
        for value in [tuples(1000), lists(1000), tuples(100_000)] {
            let too_deep = "a value is nested deeper than 100 levels";
            assert_eq!(reason(deep.to_pickle(&value)), too_deep);
        }
        for value in [tuples(1000), lists(1000)] {
            let too_deep = "a value is nested deeper than 100 levels";
            let pickle = value.to_pickle(&deep).expect("it is not too deep");
            assert_eq!(reason(deep.from_pickle::<Value>(&pickle)), too_deep);
            assert_eq!(Value::from_pickle(&pickle, &deep), Ok(value));
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn a_type_that_asks_for_itself_without_end_is_refused() {
    let small = thread::Builder::new().stack_size(256 << 10);
    let thread = small.spawn(|| {
        let asks = reason(from_pickle::<Endless>(b"\x80\x04K\x01."));
        assert_eq!(asks, "a type asks for newtypes without end");
        assert_eq!(from_pickle(b"\x80\x04N."), Ok(Endless(None)));
    });
    thread.unwrap().join().unwrap();
}

proptest! {
    #[test]
    fn any_of_these_comes_back(
        numbers in any::<(i8, u16, i32, u64, i128, u128)>(),
        texts in any::<Vec<(String, char, Option<bool>)>>(),
        bytes in any::<Vec<u8>>(),
        map in any::<BTreeMap<(i64, String), Vec<u32>>>(),
        float in any::<f64>(),
    ) {
        round_trip(&(numbers, texts, ByteBuf::from(bytes), map, float));
    }

    #[test]
    fn whatever_bytes_are_read_as_nothing_panics(bytes in any::<Vec<u8>>()) {
        let _ = from_pickle::<IgnoredAny>(&bytes);
        let _ = from_pickle::<Any>(&bytes);
        let _ = from_pickle::<Value>(&bytes);
        let _ = from_pickle::<Vec<Choice>>(&bytes);
    }
}
