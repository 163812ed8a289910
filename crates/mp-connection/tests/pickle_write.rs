//! What Python reads of what Rust types are written as: every type, in every protocol.

mod loads;

use std::collections::BTreeMap;

use loads::{Loads, PROTOCOLS, protocol};
use mp_connection::pickle::{self, Error, Limit, Options, Protocol};
use serde::Serialize;
use serde_bytes::Bytes;

/// Writes a value in every protocol.
fn expect<T: Serialize + ?Sized>(loads: &mut Loads, value: &T, truth: &str) {
    for version in PROTOCOLS {
        let pickle = protocol(version).to_pickle(value);
        loads.expect(version, &pickle.expect("it can be pickled"), truth);
    }
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(i32);

#[derive(Serialize)]
struct Pair(i32, &'static str);

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize, Clone, Copy)]
struct Account {
    id: u64,
    name: &'static str,
    ok: bool,
    score: f64,
}

#[derive(Serialize)]
enum Choice {
    Unit,
    Newtype(Box<Self>),
    Tuple(u8, Option<Box<Self>>),
    Struct { inner: Vec<Self> },
    Nothing {},
    Single((u8,)),
}

const ACCOUNT: Account = Account {
    id: 1,
    name: "é",
    ok: true,
    score: 0.5,
};

#[test]
fn scalars() {
    let mut loads = Loads::default();
    let all = &mut loads;
    expect(all, &(), "x is None");
    expect(all, &None::<u8>, "x is None");
    expect(all, &Some(7), "same(x, 7)");
    expect(all, &Unit, "x is None");
    expect(all, &true, "x is True");
    expect(all, &false, "x is False");
    expect(all, &Newtype(-5), "same(x, -5)");
    expect(all, &'ß', r"same(x, '\u00df')");
    expect(all, &'🦀', r"same(x, '\U0001f980')");
    for float in [0.0, -0.0, 1.5, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e300] {
        expect(all, &float, &format!("same(x, {float:?})"));
    }
    expect(all, &0.1_f32, "same(x, 0.10000000149011612)");
    expect(all, &f64::NAN, "same(x, nan)");
    expect(all, &f64::INFINITY, "same(x, inf)");
    expect(all, &f64::NEG_INFINITY, "same(x, -inf)");
    loads.check();
}

#[test]
fn integers() {
    let mut loads = Loads::default();
    let mut edges = vec![0_i128];
    for bits in 0..=126 {
        for near in -2..=2 {
            edges.extend([(1_i128 << bits) + near, -(1_i128 << bits) + near]);
        }
    }
    edges.extend([i128::MIN, i128::MIN + 1, i128::MAX, i128::MAX - 1]);
    for edge in edges {
        expect(&mut loads, &edge, &format!("same(x, {edge})"));
        if let Ok(edge) = i64::try_from(edge) {
            expect(&mut loads, &edge, &format!("same(x, {edge})"));
        }
        if let Ok(edge) = u64::try_from(edge) {
            expect(&mut loads, &edge, &format!("same(x, {edge})"));
        }
    }
    for edge in [u128::MAX, 1 << 127, (1 << 127) + 1] {
        expect(&mut loads, &edge, &format!("same(x, {edge})"));
    }
    expect(
        &mut loads,
        &(i8::MIN, i16::MIN, i32::MIN),
        "same(x, (-128, -32768, -2147483648))",
    );
    expect(
        &mut loads,
        &(u8::MAX, u16::MAX, u32::MAX),
        "same(x, (255, 65535, 4294967295))",
    );
    loads.check();
}

#[test]
fn texts() {
    let mut loads = Loads::default();
    for len in [0, 1, 254, 255, 256, 257, 65_535, 65_536, 70_000] {
        expect(
            &mut loads,
            &"x".repeat(len),
            &format!("same(x, 'x' * {len})"),
        );
        // Of two bytes each: the length is that of the bytes.
        expect(
            &mut loads,
            &"ß".repeat(len),
            &format!(r"same(x, '\u00df' * {len})"),
        );
    }
    expect(&mut loads, "\0a\0", r"same(x, '\0a\0')");
    expect(
        &mut loads,
        "\r\n\u{1a}\\u0041'",
        r#"same(x, '\r\n\x1a\\u0041\x27')"#,
    );
    expect(
        &mut loads,
        "\u{ffff}\u{10ffff}",
        r"same(x, '\uffff\U0010ffff')",
    );
    loads.check();
}

#[test]
fn bytes() {
    let mut loads = Loads::default();
    for len in [0, 1, 127, 128, 254, 255, 256, 257, 65_536, 70_000] {
        let ascii = vec![b'a'; len];
        expect(
            &mut loads,
            Bytes::new(&ascii),
            &format!("same(x, b'a' * {len})"),
        );
        let high = vec![0xFF; len];
        expect(
            &mut loads,
            Bytes::new(&high),
            &format!(r"same(x, b'\xff' * {len})"),
        );
    }
    let all: Vec<u8> = (0..=255).collect();
    expect(
        &mut loads,
        Bytes::new(&all),
        "same(x, bytes(bytearray(range(256))))",
    );
    expect(
        &mut loads,
        &[Bytes::new(b"one"), Bytes::new(b"two")],
        "same(x, (b'one', b'two'))",
    );
    loads.check();
}

#[test]
fn containers() {
    let mut loads = Loads::default();
    let all = &mut loads;
    for len in [0_u32, 1, 2, 3, 4, 999, 1000, 1001, 5000] {
        let list: Vec<u32> = (0..len).collect();
        expect(all, &list, &format!("same(x, list(range({len})))"));
        let map: BTreeMap<u32, String> = list.iter().map(|&key| (key, key.to_string())).collect();
        expect(
            all,
            &map,
            &format!("same(x, dict((i, '%d' % i) for i in range({len})))"),
        );
    }
    let empty: [u8; 0] = [];
    expect(all, &empty, "same(x, ())");
    expect(all, &(1,), "same(x, (1,))");
    expect(all, &(1, ()), "same(x, (1, None))");
    expect(all, &(1, 2, 3), "same(x, (1, 2, 3))");
    expect(all, &(1, 2, 3, 4), "same(x, (1, 2, 3, 4))");
    expect(all, &[7_u8; 32], "same(x, (7,) * 32)");
    expect(all, &Pair(1, "a"), "same(x, (1, 'a'))");
    expect(
        all,
        &vec![vec![Vec::<u8>::new()]; 2],
        "same(x, [[[]], [[]]])",
    );
    let keys = BTreeMap::from([((1, "a"), [0.5]), ((2, "b"), [1.5])]);
    expect(all, &keys, "same(x, {(1, 'a'): (0.5,), (2, 'b'): (1.5,)})");
    loads.check();
}

#[test]
fn structs_and_enums() {
    let mut loads = Loads::default();
    let all = &mut loads;
    expect(all, &Empty {}, "same(x, {})");
    expect(
        all,
        &ACCOUNT,
        r"list(x.items()) == [('id', 1), ('name', '\u00e9'), ('ok', True), ('score', 0.5)]
          or sys.version_info < (3, 7) and x['ok'] is True and len(x) == 4"
            .replace('\n', " ")
            .as_str(),
    );
    expect(all, &Choice::Unit, "same(x, 'Unit')");
    expect(all, &Choice::Nothing {}, "same(x, {'Nothing': {}})");
    expect(all, &Choice::Single((3,)), "same(x, {'Single': (3,)})");
    let nested = Choice::Newtype(Box::new(Choice::Tuple(
        1,
        Some(Box::new(Choice::Struct {
            inner: vec![Choice::Unit, Choice::Tuple(2, None), Choice::Unit],
        })),
    )));
    expect(
        all,
        &nested,
        "same(x, {'Newtype': {'Tuple': (1, {'Struct': {'inner': ['Unit', {'Tuple': (2, None)}, 'Unit']}})}})",
    );
    loads.check();
}

#[test]
fn names_are_written_once_and_are_one_object() {
    let mut loads = Loads::default();
    expect(
        &mut loads,
        &vec![ACCOUNT; 400],
        "all(a is b and a not in x[0].values() for y in x for a, b in zip(sorted(x[0]), sorted(y)))",
    );
    loads.check();
    let pickle = pickle::to_pickle(&vec![ACCOUNT; 400]).unwrap();
    let names = pickle.windows(5).filter(|window| window == b"score");
    assert_eq!(names.count(), 1);
}

/// More names than a byte can number.
#[test]
fn three_hundred_names() {
    struct Many;

    impl Serialize for Many {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeStruct;

            let names = include_str!("pickle_write.rs");
            let mut fields = serializer.serialize_struct("Many", 300)?;
            for at in 0..300 {
                fields.serialize_field(&names[at * 3..at * 3 + 3], &at)?;
            }
            fields.end()
        }
    }

    let mut loads = Loads::default();
    expect(&mut loads, &vec![Many, Many], "x[0] == x[1]");
    loads.check();
}

#[test]
fn what_python_cannot_hash_is_no_key() {
    let unhashable = |kind| Err(Error::Unhashable { kind });
    for version in PROTOCOLS {
        let options = protocol(version);
        let list = BTreeMap::from([(vec![1], 1)]);
        assert_eq!(options.to_pickle(&list), unhashable("list"));
        let deep = BTreeMap::from([((1, (vec![1], 2)), 1)]);
        assert_eq!(options.to_pickle(&deep), unhashable("list"));
        let dict = BTreeMap::from([(BTreeMap::from([(1, 1)]), 1)]);
        assert_eq!(options.to_pickle(&dict), unhashable("dict"));
        let fine = BTreeMap::from([((1, (2, 3)), vec![1])]);
        assert!(options.to_pickle(&fine).is_ok());
    }
}

#[test]
fn what_is_beyond_the_limits_is_not_written() {
    let too_large = |what, limit| Err(Error::TooLarge { what, limit });

    let options = Options {
        max_depth: 2,
        ..Options::default()
    };
    assert!(options.to_pickle(&[[1]]).is_ok());
    assert!(options.to_pickle(&[[Some(Newtype(1))]]).is_ok());
    assert_eq!(options.to_pickle(&[[[1]]]), too_large(Limit::Depth, 2));
    assert!(options.to_pickle(&Choice::Single((1,))).is_ok());
    let nested = Choice::Newtype(Box::new(Choice::Single((1,))));
    assert_eq!(options.to_pickle(&nested), too_large(Limit::Depth, 2));

    let options = Options {
        max_values: 5,
        ..Options::default()
    };
    assert!(options.to_pickle(&[1, 2, 3, 4]).is_ok());
    assert_eq!(
        options.to_pickle(&[1, 2, 3, 4, 5]),
        too_large(Limit::Values, 5)
    );
    assert!(options.to_pickle(&BTreeMap::from([(1, 2), (3, 4)])).is_ok());

    let options = Options {
        max_bytes: 10,
        ..Options::default()
    };
    for version in PROTOCOLS {
        let options = Options {
            protocol: version,
            ..options.clone()
        };
        assert!(options.to_pickle(&("12345", Bytes::new(b"67890"))).is_ok());
        assert_eq!(
            options.to_pickle(&("12345", Bytes::new(b"678901"))),
            too_large(Limit::Bytes, 10)
        );
    }
}

#[test]
fn a_buffer_is_as_it_was_when_a_value_cannot_be_written() {
    let options = Options {
        max_depth: 3,
        ..Options::default()
    };
    let mut out = b"before".to_vec();
    assert!(
        options
            .write_pickle(&("some text", [[[1]]]), &mut out)
            .is_err()
    );
    assert_eq!(out, b"before");
    options.write_pickle(&1, &mut out).unwrap();
    assert_eq!(out, b"before\x80\x04K\x01.");
}

#[test]
fn a_type_says_what_it_dislikes() {
    struct Wrong(usize);

    impl Serialize for Wrong {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeTuple;

            let mut tuple = serializer.serialize_tuple(2)?;
            for at in 0..self.0 {
                tuple.serialize_element(&at)?;
            }
            tuple.end()
        }
    }

    assert!(pickle::to_pickle(&Wrong(2)).is_ok());
    for (len, reason) in [
        (1, "a tuple is shorter than it said, by 1"),
        (3, "a tuple is longer than it said"),
    ] {
        let reason = reason.to_owned();
        assert_eq!(pickle::to_pickle(&Wrong(len)), Err(Error::Type { reason }));
    }
}

#[test]
fn depth_takes_little_stack() {
    #[derive(Serialize)]
    struct Chain(Option<Box<Self>>);

    #[derive(Serialize)]
    struct Node {
        next: Option<Box<Self>>,
    }

    let small = std::thread::Builder::new().stack_size(256 << 10);
    let thread = small.spawn(|| {
        let mut node = Node { next: None };
        for _ in 0..99 {
            node = Node {
                next: Some(Box::new(node)),
            };
        }
        assert!(pickle::to_pickle(&node).is_ok());
        for _ in 0..1000 {
            node = Node {
                next: Some(Box::new(node)),
            };
        }
        let too_deep = Error::TooLarge {
            what: Limit::Depth,
            limit: 100,
        };
        assert_eq!(pickle::to_pickle(&node), Err(too_deep));

        // It writes nothing, so no level counts.
        let mut chain = Chain(None);
        for _ in 0..1000 {
            chain = Chain(Some(Box::new(chain)));
        }
        assert!(matches!(pickle::to_pickle(&chain), Err(Error::Type { .. })));
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn protocols_are_what_they_say() {
    for (version, number) in PROTOCOLS.into_iter().zip(2..) {
        assert_eq!(
            protocol(version).to_pickle(&None::<()>),
            Ok(vec![0x80, number, b'N', b'.'])
        );
    }
    assert_eq!(Options::default().protocol, Protocol::V4);
}
