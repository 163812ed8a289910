//! Values through each codec, and the arguments of calls.
#![cfg(any(feature = "bincode", feature = "postcard", feature = "json"))]

use std::collections::BTreeMap;
use std::fmt::Debug;

use rpc_core::{
    ArgumentSource, ArgumentWriter, Arguments, Codec, DecodeError, DecodeLimits, Encode, Fault,
    Kind, Slot, ToArguments,
};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    name: String,
    id: u64,
    balance: Option<f64>,
    tags: Vec<String>,
    owner: Owner,
    raw: (u8, i16, char),
    nested: Option<Box<Self>>,
    limits: BTreeMap<String, i32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Owner {
    Nobody,
    Person(String),
    Pair(i8, u128),
    Group { size: u32, open: bool },
}

fn account() -> Account {
    Account {
        name: "left \u{1F980}".into(),
        id: u64::MAX,
        balance: Some(-0.5),
        tags: vec![String::new(), "x".repeat(300)],
        owner: Owner::Group {
            size: 70_000,
            open: true,
        },
        raw: (255, -300, '\u{10FFFF}'),
        nested: Some(Box::new(Account {
            name: String::new(),
            id: 0,
            balance: None,
            tags: Vec::new(),
            owner: Owner::Pair(-1, u128::MAX),
            raw: (0, 0, '\0'),
            nested: None,
            limits: BTreeMap::new(),
        })),
        limits: BTreeMap::from([("a".into(), i32::MIN), ("b".into(), i32::MAX)]),
    }
}

fn encoded<T: Serialize>(codec: Codec, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    codec
        .encode(value, &mut out)
        .expect("the codec has a spelling for it");
    out
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, value);
        let read = codec.decode::<T>(&bytes, &DecodeLimits::default());
        assert_eq!(read.as_ref(), Ok(value), "{codec}");
    }
}

#[test]
fn what_was_written_is_read() {
    round_trip(&account());
    for owner in [Owner::Nobody, Owner::Person("me".into())] {
        round_trip(&owner);
    }
    round_trip(&(i64::MIN, i64::MAX, 0_i64, -1_i64));
    round_trip(&(true, (), "text".to_owned(), 'c'));
    round_trip(&(f32::MIN_POSITIVE, f64::MAX));
    round_trip(&vec![Some(1), None, Some(3)]);
    round_trip(&vec![(); 1000]);
    round_trip(&vec![7_u8; 100_000]);
}

#[test]
fn a_value_is_appended_to_what_is_there() {
    for &codec in Codec::ALL {
        let mut out = b"before".to_vec();
        codec.encode(&5, &mut out).expect("a number");
        assert_eq!(out[..6], *b"before");
        assert_eq!(codec.decode(&out[6..], &DecodeLimits::default()), Ok(5));
    }
}

#[cfg(any(feature = "bincode", feature = "postcard"))]
#[test]
fn types_that_a_codec_cannot_read_or_write_are_told_as_serde_calls_them() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(i64),
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        pair: BTreeMap<String, i64>,
    }
    for codec in Codec::ALL.iter().filter(|codec| codec.name() != "json") {
        let bytes = encoded(*codec, &Untagged::Number(1));
        let read = codec.decode::<Untagged>(&bytes, &DecodeLimits::default());
        let error = read.unwrap_err().to_string();
        assert!(error.contains("untagged, tag and flatten"), "{error}");
        let limits = DecodeLimits::default();
        let mut source = codec.arguments(&bytes, 1, std::iter::empty(), &limits);
        assert_eq!(source.next(), Ok(Some(Slot::Positional)));
        let fault = value::<Untagged>(&mut source).unwrap_err();
        assert_eq!(fault.message, error);

        let flat = Flat {
            pair: BTreeMap::new(),
        };
        let error = codec
            .encode(&flat, &mut Vec::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains("flatten"), "{error}");
    }
}

#[test]
fn text_can_be_borrowed() {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &"borrowed");
        let text: &str = codec
            .decode(&bytes, &DecodeLimits::default())
            .expect("text");
        assert!(bytes.as_ptr_range().contains(&text.as_ptr()), "{codec}");
    }
}

#[test]
fn codecs_have_numbers_and_names() {
    for &codec in Codec::ALL {
        assert_eq!(Codec::from_id(codec.id()), Some(codec));
        assert_eq!(codec.to_string(), codec.name());
        let mut out = Vec::new();
        codec
            .encoder()
            .encode(&account(), &mut out)
            .expect("an account");
        assert_eq!(out, encoded(codec, &account()));
    }
    assert_eq!(Codec::from_id(0), None);
    assert_eq!(Codec::from_id(200), None);
}

#[cfg(all(feature = "bincode", feature = "postcard", feature = "json"))]
#[test]
fn numbers_of_codecs_never_change() {
    assert_eq!(
        [1, 2, 3].map(Codec::from_id),
        [Codec::Bincode, Codec::Postcard, Codec::Json].map(Some)
    );
    assert_eq!(encoded(Codec::Bincode, &300_i64), [251, 88, 2]);
    assert_eq!(encoded(Codec::Postcard, &300_i64), [0xD8, 0x04]);
    assert_eq!(encoded(Codec::Json, &300_i64), *b"300");
}

#[test]
fn a_type_says_what_it_dislikes() {
    #[derive(Debug, PartialEq)]
    struct Port(u16);
    impl<'de> Deserialize<'de> for Port {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let port = u16::deserialize(deserializer)?;
            if port < 1024 {
                return Err(serde::de::Error::custom(format!("port {port} is reserved")));
            }
            Ok(Self(port))
        }
    }
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &vec![(1_u8, Some(8080_u16)), (2, Some(80))]);
        let Err(DecodeError::Invalid { reason }) =
            codec.decode::<Vec<(u8, Option<Port>)>>(&bytes, &DecodeLimits::default())
        else {
            panic!("port 80 was accepted");
        };
        assert!(reason.contains("port 80 is reserved"), "{codec}: {reason}");
    }
}

#[test]
fn a_panic_inside_is_told() {
    #[derive(Debug, PartialEq)]
    struct Grenade;
    impl<'de> Deserialize<'de> for Grenade {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("this type always does");
        }
    }
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &vec![1]);
        let read = codec.decode::<Vec<Grenade>>(&bytes, &DecodeLimits::default());
        assert_eq!(read, Err(DecodeError::Panicked), "{codec}");

        let (body, ..) = written(codec, &(1,));
        let limits = DecodeLimits::default();
        let mut source = codec.arguments(&body, 1, std::iter::empty(), &limits);
        assert_eq!(source.next(), Ok(Some(Slot::Positional)));
        let fault = value::<Grenade>(&mut source).expect_err("it panics");
        assert_eq!(fault.kind, Kind::WrongArguments);
        assert!(fault.message.contains("panicked"), "{fault}");
    }
}

fn written(codec: Codec, arguments: &dyn ToArguments) -> (Vec<u8>, usize, Vec<String>) {
    let mut body = Vec::new();
    let mut writer = ArgumentWriter::new(codec, &mut body);
    arguments
        .write(&mut writer)
        .expect("the codec has a spelling for them");
    let (positional, names) = writer.finish();
    (body, positional, names)
}

fn value<T: DeserializeOwned>(source: &mut dyn ArgumentSource) -> Result<T, Fault> {
    let mut place = None;
    source.value(&mut |deserializer| {
        place = Some(erased_serde::deserialize(deserializer)?);
        Ok(())
    })?;
    Ok(place.expect("a source calls what it is given"))
}

#[test]
fn arguments_arrive_in_order() {
    let account = account();
    for &codec in Codec::ALL {
        let list = vec![1, 2];
        let arguments = Arguments::new()
            .positional(&"a, [b] \"{\\")
            .positional(&account)
            .keyword("last", &list)
            .keyword("größe", &-7);
        let (body, positional, names) = written(codec, &arguments);
        assert_eq!((positional, names.len()), (2, 2));

        let limits = DecodeLimits::default();
        let mut source =
            codec.arguments(&body, positional, names.iter().map(String::as_str), &limits);
        assert_eq!(source.next(), Ok(Some(Slot::Positional)));
        assert_eq!(value(&mut source), Ok("a, [b] \"{\\".to_owned()));
        assert_eq!(source.next(), Ok(Some(Slot::Positional)));
        assert_eq!(value(&mut source).as_ref(), Ok(&account));
        assert_eq!(source.next(), Ok(Some(Slot::Keyword("last"))));
        assert_eq!(value(&mut source), Ok(vec![1, 2]));
        assert_eq!(source.next(), Ok(Some(Slot::Keyword("größe"))));
        assert_eq!(value(&mut source), Ok(-7));
        assert_eq!(source.next(), Ok(None), "{codec}");
    }
}

#[test]
fn arguments_are_as_many_as_announced() {
    for &codec in Codec::ALL {
        for (given, announced) in [(0, 1), (1, 0), (2, 1), (1, 2), (2, 0)] {
            let (body, ..) = match given {
                0 => written(codec, &()),
                1 => written(codec, &(1,)),
                _ => written(codec, &(1, 2)),
            };
            let limits = DecodeLimits::default();
            let mut source = codec.arguments(&body, announced, std::iter::empty(), &limits);
            let mut read = || -> Result<(), Fault> {
                while source.next()?.is_some() {
                    value::<i32>(&mut source)?;
                }
                Ok(())
            };
            let fault = read().expect_err("another number was announced");
            assert_eq!(fault.kind, Kind::WrongArguments, "{codec} {given}");
        }
        let (body, ..) = written(codec, &());
        let limits = DecodeLimits::default();
        let mut source = codec.arguments(&body, 0, std::iter::empty(), &limits);
        assert_eq!(source.next(), Ok(None), "{codec}");
    }
}

#[cfg(feature = "json")]
#[test]
fn json_arguments_may_have_spaces_and_nothing_else() {
    let read = |body: &str, count| -> Result<Vec<i32>, Fault> {
        let limits = DecodeLimits::default();
        let mut source = Codec::Json.arguments(body.as_bytes(), count, std::iter::empty(), &limits);
        let mut values = Vec::new();
        while source.next()?.is_some() {
            values.push(value(&mut source)?);
        }
        Ok(values)
    };
    assert_eq!(read(" [ 1 ,\n2\t] ", 2), Ok(vec![1, 2]));
    assert_eq!(read("[ ]", 0), Ok(vec![]));
    for (body, count) in [
        ("", 0),
        ("[", 0),
        ("]", 0),
        ("[]]", 0),
        ("[][]", 0),
        ("{}", 0),
        ("null", 0),
        ("", 1),
        ("1", 1),
        ("[1", 1),
        ("[1,]", 1),
        ("[1,]", 2),
        ("[,1]", 2),
        ("[1 2]", 1),
        ("[1]]", 1),
        ("[1] x", 1),
        ("[1}", 1),
        ("[}]", 1),
        ("[\"]", 1),
        ("[\"\\", 1),
        ("{1]", 1),
    ] {
        let fault = read(body, count).expect_err(body);
        assert_eq!(fault.kind, Kind::WrongArguments, "{body}");
    }
}

#[test]
fn what_cannot_be_an_argument_is_refused() {
    for &codec in Codec::ALL {
        let mut body = Vec::new();
        let mut writer = ArgumentWriter::new(codec, &mut body);
        let longest = "n".repeat(255);
        assert_eq!(
            Arguments::new().keyword(&longest, &1).write(&mut writer),
            Ok(())
        );
        let error = (1,).write(&mut writer).expect_err("positional after named");
        assert!(error.to_string().contains("comes after"), "{error}");
        let longer = "n".repeat(256);
        let error = Arguments::new()
            .keyword(&longer, &1)
            .write(&mut writer)
            .expect_err("256 bytes");
        assert!(error.to_string().contains("256 bytes"), "{error}");

        let mut body = Vec::new();
        let mut writer = ArgumentWriter::new(codec, &mut body);
        for _ in 0..255 {
            assert_eq!((1,).write(&mut writer), Ok(()));
        }
        let error = (1,).write(&mut writer).expect_err("one more");
        assert!(error.to_string().contains("255"), "{error}");
    }
}
