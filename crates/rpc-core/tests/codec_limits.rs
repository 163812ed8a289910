//! What a peer can't do: nest, announce, leave over, cut off, misspell.
#![cfg(any(feature = "bincode", feature = "postcard", feature = "json"))]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

use rpc_core::{ArgumentSource, Codec, DecodeError, DecodeLimits, Encode, Fault, Value};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};

const LIMITS: DecodeLimits = DecodeLimits {
    max_depth: 64,
    max_elements: 1_000_000,
};

fn encoded<T: Serialize>(codec: Codec, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    codec
        .encode(value, &mut out)
        .expect("the codec has a spelling for it");
    out
}

fn decode<T: DeserializeOwned>(codec: Codec, bytes: &[u8]) -> Result<T, DecodeError> {
    codec.decode(bytes, &LIMITS)
}

/// Reads the bytes as the only argument of a call, with an erased deserialiser.
fn argument<T: DeserializeOwned>(codec: Codec, bytes: &[u8]) -> Result<T, Fault> {
    let body = match codec.name() {
        "json" => [b"[", bytes, b"]"].concat(),
        _ => bytes.to_vec(),
    };
    let mut source = codec.arguments(&body, 1, std::iter::empty(), &LIMITS);
    source.next()?;
    let mut place = None;
    source.value(&mut |deserializer| {
        place = Some(erased_serde::deserialize(deserializer)?);
        Ok(())
    })?;
    source.next()?;
    Ok(place.expect("a source calls what it is given"))
}

fn binary() -> impl Iterator<Item = Codec> {
    Codec::ALL
        .iter()
        .copied()
        .filter(|codec| codec.name() != "json")
}

/// An unsigned integer as the codec spells lengths.
fn length(codec: Codec, len: u64) -> Vec<u8> {
    encoded(codec, &len)
}

/// In a thread with as little stack as a server may give. Erased deserialisers take more where nothing is optimised.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    on_a_stack(256, run);
}

const ERASED_KIB: usize = if cfg!(debug_assertions) { 512 } else { 256 };

fn on_a_stack(kib: usize, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .stack_size(kib << 10)
        .spawn(run)
        .expect("a thread starts")
        .join()
        .expect("the stack suffices");
}

// Values that hold themselves, in every way that serde knows.

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Self>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tree(Vec<Self>);

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Wrapped(Option<Box<Self>>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Peano {
    Zero,
    Next(Box<Self>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Pairs {
    End,
    Pair(u8, Box<Self>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Fields {
    End,
    Field { inner: Box<Self> },
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Keyed(BTreeMap<String, Self>);

fn chain(depth: usize) -> Chain {
    (1..depth).fold(Chain::default(), |inner, _| Chain {
        next: Some(Box::new(inner)),
    })
}

fn tree(depth: usize) -> Tree {
    (1..depth).fold(Tree(Vec::new()), |inner, _| Tree(vec![inner]))
}

fn wrapped(depth: usize) -> Wrapped {
    (1..depth).fold(Wrapped::default(), |inner, _| {
        Wrapped(Some(Box::new(inner)))
    })
}

fn peano(depth: usize) -> Peano {
    (1..depth).fold(Peano::Zero, |inner, _| Peano::Next(Box::new(inner)))
}

fn pairs(depth: usize) -> Pairs {
    (0..depth).fold(Pairs::End, |inner, _| Pairs::Pair(0, Box::new(inner)))
}

fn fields(depth: usize) -> Fields {
    (0..depth).fold(Fields::End, |inner, _| Fields::Field {
        inner: Box::new(inner),
    })
}

fn keyed(depth: usize) -> Keyed {
    (1..depth).fold(Keyed::default(), |inner, _| {
        Keyed(BTreeMap::from([("k".into(), inner)]))
    })
}

fn lists(depth: usize) -> Value {
    (0..depth).fold(Value::Int(1), |inner, _| Value::List(vec![inner]))
}

fn maps(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::from_iter([("k", inner)]))
}

fn tags(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::tagged("t", inner))
}

trait Nested: Serialize + DeserializeOwned + PartialEq + Debug + 'static {}

impl<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static> Nested for T {}

fn fits<T: Nested>(nested: fn(usize) -> T, depth: usize) {
    on_a_small_stack(move || {
        for &codec in Codec::ALL {
            let bytes = encoded(codec, &nested(depth));
            assert_eq!(decode(codec, &bytes), Ok(nested(depth)), "{codec}");
        }
    });
    on_a_stack(ERASED_KIB, move || {
        for &codec in Codec::ALL {
            let bytes = encoded(codec, &nested(depth));
            assert_eq!(argument(codec, &bytes), Ok(nested(depth)), "{codec}");
        }
    });
}

fn too_deep<T: Nested>(codecs: impl IntoIterator<Item = Codec>, value: &T) {
    for codec in codecs {
        let bytes = encoded(codec, value);
        let error = DecodeError::TooDeep { limit: 64 };
        assert_eq!(decode::<T>(codec, &bytes), Err(error), "{codec}");
        let fault = argument::<T>(codec, &bytes).expect_err("too deep");
        assert!(fault.message.contains("64 levels"), "{codec}: {fault}");
    }
}

#[test]
fn sixty_four_levels_fit_a_small_stack() {
    fits(chain, 64);
    fits(tree, 64);
    fits(peano, 64);
    // In JSON a variant with fields is an object in an object, and its parser ends at 127.
    fits(pairs, 63);
    fits(fields, 63);
    fits(keyed, 64);
    fits(lists, 64);
    fits(maps, 64);
    fits(tags, 64);
}

#[test]
fn sixty_five_levels_do_not() {
    let all = || Codec::ALL.iter().copied();
    too_deep(all(), &chain(65));
    too_deep(all(), &tree(65));
    too_deep(binary(), &pairs(65));
    too_deep(binary(), &fields(65));
    too_deep(all(), &keyed(65));
    // The variant that ends it is no level, and the outermost counts with what is inside.
    too_deep(all(), &peano(67));
}

/// `Some` of a newtype of `Some`: each is a level, and JSON shows none of them.
#[test]
fn wrappers_inside_wrappers_are_levels() {
    for codec in binary() {
        let bytes = encoded(codec, &wrapped(32));
        assert_eq!(decode(codec, &bytes), Ok(wrapped(32)), "{codec}");
    }
    too_deep(binary(), &wrapped(40));
}

#[test]
fn a_million_levels_are_refused_as_quickly() {
    on_a_small_stack(|| {
        for codec in binary() {
            // Each of these bytes opens one more level in one of the types.
            for byte in [1, 6] {
                let bomb = vec![byte; 1_000_000];
                assert!(decode::<Chain>(codec, &bomb).is_err());
                assert!(decode::<Tree>(codec, &bomb).is_err());
                assert!(decode::<Wrapped>(codec, &bomb).is_err());
                assert!(decode::<Peano>(codec, &bomb).is_err());
                assert!(decode::<Pairs>(codec, &bomb).is_err());
                assert!(decode::<Fields>(codec, &bomb).is_err());
                assert!(decode::<Keyed>(codec, &bomb).is_err());
                assert!(decode::<Value>(codec, &bomb).is_err());
            }
            let bomb = [6, 1].repeat(500_000);
            let error = DecodeError::TooDeep { limit: 64 };
            assert_eq!(decode::<Value>(codec, &bomb), Err(error), "{codec}");
        }
    });
}

#[cfg(feature = "json")]
#[test]
fn a_million_levels_of_json_are_refused() {
    on_a_small_stack(|| {
        let error = DecodeError::TooDeep { limit: 64 };
        for opening in ["[", "{\"next\":", "{\"Next\":", "{\"k\":", "{\"$t\":"] {
            let bomb = opening.repeat(1_000_000);
            assert!(decode::<Chain>(Codec::Json, bomb.as_bytes()).is_err());
            assert!(decode::<Tree>(Codec::Json, bomb.as_bytes()).is_err());
            assert!(decode::<Peano>(Codec::Json, bomb.as_bytes()).is_err());
            let read = decode::<Value>(Codec::Json, bomb.as_bytes());
            assert_eq!(read, Err(error.clone()), "{opening}");
        }
        // What is skipped is skipped without a stack.
        #[derive(Debug, PartialEq, Deserialize)]
        struct Nothing {}
        let mut object = String::from("{\"unknown\":");
        object.push_str(&"[".repeat(100_000));
        object.push_str(&"]".repeat(100_000));
        object.push('}');
        assert_eq!(decode(Codec::Json, object.as_bytes()), Ok(Nothing {}));
    });
}

#[test]
fn lists_of_nothing_end() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Unit;
    /// Doesn't even look at the bytes.
    #[derive(Debug, PartialEq)]
    struct Blind;
    impl<'de> Deserialize<'de> for Blind {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    let limits = DecodeLimits {
        max_elements: 10_000,
        ..LIMITS
    };
    let error = DecodeError::TooManyElements { limit: 10_000 };
    let start = Instant::now();
    for codec in binary() {
        for len in [10_001, 1 << 40, 1 << 63, u64::MAX] {
            let bytes = length(codec, len);
            let refused = Err(error.clone());
            assert_eq!(codec.decode::<Vec<()>>(&bytes, &limits), refused);
            let refused = Err(error.clone());
            assert_eq!(codec.decode::<Vec<Unit>>(&bytes, &limits), refused);
            let refused = Err(error.clone());
            assert_eq!(codec.decode::<Vec<Blind>>(&bytes, &limits), refused);
            let refused = Err(error.clone());
            assert_eq!(codec.decode::<Vec<((), [u8; 0])>>(&bytes, &limits), refused);
            let refused = Err(error.clone());
            assert_eq!(codec.decode::<BTreeMap<(), ()>>(&bytes, &limits), refused);
        }
        // A million is allowed, and not a million in each of two lists.
        let million = length(codec, 1_000_000);
        assert_eq!(
            decode::<Vec<()>>(codec, &million).map(|list| list.len()),
            Ok(1_000_000)
        );
        let twice = [&million[..], &million].concat();
        let error = DecodeError::TooManyElements { limit: 1_000_000 };
        assert_eq!(decode::<(Vec<()>, Vec<()>)>(codec, &twice), Err(error));
        let fault = argument::<Vec<()>>(codec, &length(codec, 1 << 40)).expect_err("too many");
        assert!(
            fault.message.contains("1000000 elements"),
            "{codec}: {fault}"
        );
    }
    // Seconds even where nothing is optimised; for ever without a limit.
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn elements_are_counted_in_all_arguments_together() {
    let limits = DecodeLimits {
        max_elements: 3,
        ..LIMITS
    };
    for &codec in Codec::ALL {
        assert_eq!(
            codec.decode::<Vec<i32>>(&encoded(codec, &vec![1, 2, 3]), &limits),
            Ok(vec![1, 2, 3])
        );
        let error = DecodeError::TooManyElements { limit: 3 };
        for four in [
            encoded(codec, &vec![1, 2, 3, 4]),
            encoded(codec, &vec![vec![1, 2], vec![]]),
        ] {
            let read = codec.decode::<Value>(&four, &limits).map(|_| ());
            // Not a Value in the codecs that don't describe themselves.
            assert!(read.is_err(), "{codec}");
        }
        assert_eq!(
            codec.decode::<Vec<i32>>(&encoded(codec, &vec![1, 2, 3, 4]), &limits),
            Err(error.clone()),
            "{codec}"
        );
        assert_eq!(
            codec.decode::<Vec<Vec<i32>>>(&encoded(codec, &vec![vec![1, 2], vec![3]]), &limits),
            Err(error.clone()),
            "{codec}"
        );
        let map = BTreeMap::from([(1, 1), (2, 2), (3, 3), (4, 4)]);
        assert_eq!(
            codec.decode::<BTreeMap<i32, i32>>(&encoded(codec, &map), &limits),
            Err(error),
            "{codec}"
        );
        // Fields are no elements, and neither are bytes.
        let row = ((1, 2), (3, 4, 5), [6; 20]);
        let bytes = encoded(codec, &vec![row; 3]);
        assert!(
            codec
                .decode::<Vec<((i32, i32), (i32, i32, i32), [i32; 20])>>(&bytes, &limits)
                .is_ok()
        );
        let bytes = encoded(codec, &vec![7_u8; 10_000]);
        assert_eq!(codec.decode(&bytes, &limits), Ok(vec![7_u8; 10_000]));

        let one = encoded(codec, &vec![1, 2]);
        let body = match codec.name() {
            "json" => b"[[1,2],[1,2]]".to_vec(),
            _ => [&one[..], &one].concat(),
        };
        let mut source = codec.arguments(&body, 2, std::iter::empty(), &limits);
        let read = |source: &mut dyn ArgumentSource| {
            source.next()?;
            source.value(&mut |deserializer| {
                erased_serde::deserialize::<Vec<i32>>(deserializer).map(drop)
            })
        };
        assert_eq!(read(&mut source), Ok(()), "{codec}");
        let fault = read(&mut source).expect_err("four elements");
        assert!(fault.message.contains("3 elements"), "{codec}: {fault}");
    }
}

#[test]
fn announced_lengths_are_not_believed() {
    for codec in binary() {
        for len in [4, 100, 1 << 20, 1 << 32, 1 << 40, 1 << 63, u64::MAX] {
            let mut bytes = length(codec, len);
            bytes.extend(b"abc");
            assert!(decode::<String>(codec, &bytes).is_err(), "{codec} {len}");
            assert!(decode::<Vec<u8>>(codec, &bytes).is_err(), "{codec} {len}");
            assert!(decode::<Vec<String>>(codec, &bytes).is_err());
            assert!(decode::<Vec<i64>>(codec, &bytes).is_err());
            assert!(decode::<BTreeMap<String, u64>>(codec, &bytes).is_err());
            assert!(argument::<String>(codec, &bytes).is_err());
            for variant in [4, 5, 6, 7, 8] {
                let value = [&[variant], &bytes[..]].concat();
                assert!(decode::<Value>(codec, &value).is_err(), "{codec} {len}");
            }
        }
    }
}

/// Something of everything, and nothing that ends before its last byte.
fn sample() -> (Value, Chain, Pairs, Option<String>, BTreeMap<String, i64>) {
    let value = Value::from(vec![
        Value::Null,
        true.into(),
        300.into(),
        (-0.5).into(),
        "text".into(),
        vec![1_u8, 2, 3].into(),
        Value::from_iter([(1, "a")]),
        Value::tagged("set", vec![Value::Int(1)]),
    ]);
    let map = BTreeMap::from([("left".into(), i64::MIN), ("right".into(), i64::MAX)]);
    (value, chain(3), pairs(2), Some("some".into()), map)
}

#[test]
fn every_truncation_is_noticed() {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &sample());
        assert_eq!(decode(codec, &bytes), Ok(sample()), "{codec}");
        for len in 0..bytes.len() {
            let read = decode::<(Value, Chain, Pairs, Option<String>, BTreeMap<String, i64>)>(
                codec,
                &bytes[..len],
            );
            assert!(
                matches!(read, Err(DecodeError::Invalid { .. })),
                "{codec} {len}: {read:?}"
            );
        }
    }
}

#[test]
fn every_trailing_byte_is_noticed() {
    for &codec in Codec::ALL {
        for extra in [0, 1, b'x', b']', 255] {
            let mut bytes = encoded(codec, &sample().0);
            bytes.extend([extra; 3]);
            let error = decode::<Value>(codec, &bytes).expect_err("three more");
            if codec.name() == "json" {
                assert!(error.to_string().contains("trailing"), "{error}");
            } else {
                assert_eq!(error, DecodeError::TrailingBytes { left: 3 }, "{codec}");
            }
            assert!(argument::<Value>(codec, &bytes).is_err(), "{codec}");
        }
    }
}

#[test]
fn what_is_misspelled_is_refused() {
    for codec in binary() {
        assert!(decode::<bool>(codec, &[2]).is_err());
        assert!(decode::<Option<u8>>(codec, &[2, 1]).is_err());
        assert!(decode::<String>(codec, b"\x02\xFF\xFF").is_err());
        assert!(decode::<char>(codec, &[0xFF]).is_err());
        assert!(decode::<Peano>(codec, &[2]).is_err());
        let error = decode::<Value>(codec, &[9]).expect_err("there are nine");
        assert!(error.to_string().contains("variant 9"), "{codec}: {error}");
        assert!(decode::<Value>(codec, &[4, 1, 0xC3]).is_err());
        assert!(decode::<u8>(codec, &[]).is_err());
    }
}

#[cfg(feature = "postcard")]
#[test]
fn numbers_of_postcard_end() {
    assert!(decode::<u64>(Codec::Postcard, &[0xFF; 20]).is_err());
    assert!(decode::<u16>(Codec::Postcard, &[0xFF, 0xFF, 0x07]).is_err());
    // One in two bytes: a longer spelling is one, too.
    assert_eq!(decode::<u64>(Codec::Postcard, &[0x81, 0x00]), Ok(1));
    assert!(decode::<char>(Codec::Postcard, &[5, b'a', b'b', b'c', b'd', b'e']).is_err());
}

#[cfg(feature = "bincode")]
#[test]
fn numbers_of_bincode_fit() {
    assert!(decode::<u64>(Codec::Bincode, &[254; 17]).is_err());
    assert!(decode::<u16>(Codec::Bincode, &[252, 0, 0, 1, 0]).is_err());
    assert!(decode::<u64>(Codec::Bincode, &[255]).is_err());
    // One in nine bytes: a longer spelling is one, too.
    assert_eq!(
        decode::<u64>(Codec::Bincode, &[253, 1, 0, 0, 0, 0, 0, 0, 0]),
        Ok(1)
    );
}

#[cfg(feature = "json")]
#[test]
fn misspelled_json_is_refused() {
    for json in [
        "",
        " ",
        "nul",
        "[1,]",
        "[,1]",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "01",
        "+1",
        "1.",
        ".5",
        "NaN",
        "Infinity",
        "1e999",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"",
        "'a'",
        "[1] [2]",
        "/**/1",
        "\u{FEFF}1",
    ] {
        let read = decode::<Value>(Codec::Json, json.as_bytes());
        assert!(
            matches!(read, Err(DecodeError::Invalid { .. })),
            "{json}: {read:?}"
        );
    }
    assert!(decode::<Value>(Codec::Json, b"\"\xFF\"").is_err());
}
