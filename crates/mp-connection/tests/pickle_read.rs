//! What the reader makes of what Python writes: all protocols, recorded pickles and hand-made ones.

use std::sync::Arc;

use mp_connection::pickle::{BigInt, Dict, Error, Exception, Limit, Options, Set, Value};

fn read(pickle: impl AsRef<[u8]>) -> Result<Value, Error> {
    Value::from_pickle(pickle.as_ref(), &Options::default())
}

/// The `repr` of what is read.
fn shown(pickle: impl AsRef<[u8]>) -> String {
    read(pickle).map_or_else(|error| format!("error: {error}"), |value| value.to_string())
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a digit") as u8;
    let text = text.as_bytes();
    text.chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

#[test]
fn what_python_writes_in_protocol_4() {
    for (pickle, value) in [
        ("80044e2e", "None"),
        ("8004882e", "True"),
        ("8004892e", "False"),
        ("80044b002e", "0"),
        ("80044bff2e", "255"),
        ("80049504000000000000004d00012e", "256"),
        ("80049506000000000000004a000001002e", "65536"),
        ("80049506000000000000004affffffff2e", "-1"),
        ("80049508000000000000008a0500000080002e", "2147483648"),
        (
            "8004950b000000000000008a0800000000000000802e",
            "-9223372036854775808",
        ),
        (
            "8004950c000000000000008a090000000000000080002e",
            "9223372036854775808",
        ),
        ("8004950a00000000000000473ff80000000000002e", "1.5"),
        ("8004950a00000000000000477ff80000000000002e", "nan"),
        ("8004950a0000000000000047fff00000000000002e", "-inf"),
        ("80049504000000000000008c00942e", "''"),
        ("80049507000000000000008c03666f6f942e", "'foo'"),
        ("80049507000000000000004303616263942e", "b'abc'"),
        (
            "8005950e00000000000000960300000000000000616263942e",
            "bytearray(b'abc')",
        ),
        ("80045d942e", "[]"),
        ("80049506000000000000005d944b01612e", "[1]"),
        ("80049509000000000000005d94284b014b02652e", "[1, 2]"),
        ("8004292e", "()"),
        ("80044b0185942e", "(1,)"),
        ("80044b014b0286942e", "(1, 2)"),
        ("80044b014b024b0387942e", "(1, 2, 3)"),
        (
            "8004950c00000000000000284b014b024b034b0474942e",
            "(1, 2, 3, 4)",
        ),
        ("80047d942e", "{}"),
        ("80047d948c0161944b01732e", "{'a': 1}"),
        ("80048f942e", "set()"),
        ("80049507000000000000008f94284b01902e", "{1}"),
        ("8004950600000000000000284b0191942e", "frozenset({1})"),
        (
            "8004950c000000000000005d94285d944b01616801652e",
            "[[1], [1]]",
        ),
    ] {
        assert_eq!(shown(from_hex(pickle)), value, "{pickle}");
    }
}

#[test]
fn what_python_2_writes_in_protocol_0() {
    for (pickle, value) in [
        ("N.", "None"),
        ("I01\n.", "True"),
        ("I00\n.", "False"),
        ("I1\n.", "1"),
        ("I-70000\n.", "-70000"),
        ("I4294967296\n.", "4294967296"),
        ("L0L\n.", "0"),
        ("L-18446744073709551616L\n.", "-18446744073709551616"),
        ("L12\n.", "12"),
        ("F0.5\n.", "0.5"),
        ("Finf\n.", "inf"),
        ("S'a'\np1\n.", "'a'"),
        ("S\"it's\"\n.", "\"it's\""),
        (
            r"S'\\\'\x41\n\101\q'".to_owned().as_str(),
            "error: the pickle ends 1 bytes before the end of the instruction at byte 0",
        ),
        ("S'\\\\\\'\\x41\\n\\101\\q'\n.", "\"\\\\'A\\nA\\\\q\""),
        ("V\\u20ac\\U0001f600\\x\u{e9}\n.", "'€😀\\\\xÃ©'"),
        ("(lp1\nI1\naI2\na.", "[1, 2]"),
        ("(I1\nI2\nt.", "(1, 2)"),
        ("(dp1\nS'a'\np2\nI1\nsg2\nI2\ns.", "{'a': 2}"),
        ("(S'k'\nI1\nd.", "{'k': 1}"),
        ("c__builtin__\nset\np0\n((lp1\nI1\natp2\nRp3\n.", "{1}"),
        (
            "cexceptions\nIOError\np1\n(I2\nS'gone'\ntRp2\n.",
            "OSError(2, 'gone')",
        ),
    ] {
        assert_eq!(shown(pickle), value, "{pickle:?}");
    }
}

#[test]
fn bytes_and_sets_by_the_names_of_their_classes() {
    for (pickle, value) in [
        (
            &b"\x80\x02c_codecs\nencode\nX\x03\0\0\0a\xc3\xa9X\x06\0\0\0latin1\x86R."[..],
            "b'a\\xe9'",
        ),
        (b"\x80\x02c__builtin__\nbytes\n)R.", "b''"),
        (
            b"\x80\x02c__builtin__\nbytearray\nX\x02\0\0\0\xc3\xbfX\x07\0\0\0latin-1\x86R.",
            "bytearray(b'\\xff')",
        ),
        (
            b"\x80\x03cbuiltins\nbytearray\nC\x02ab\x85R.",
            "bytearray(b'ab')",
        ),
        (
            b"\x80\x04\x8c\x08builtins\x8c\x09bytearray\x93)R.",
            "bytearray(b'')",
        ),
        (
            b"\x80\x03cbuiltins\nset\n](K\x01K\x02K\x01e\x85R.",
            "{1, 2}",
        ),
        (b"\x80\x03cbuiltins\nfrozenset\n)R.", "frozenset()"),
        (
            b"\x80\x03cbuiltins\nfrozenset\n]N\x61\x85R.",
            "frozenset({None})",
        ),
    ] {
        assert_eq!(shown(pickle), value, "{}", pickle.escape_ascii());
    }
}

#[test]
fn lengths_in_every_width() {
    let texts: [&[u8]; 5] = [
        b"\x8c\x02ab.",
        b"X\x02\0\0\0ab.",
        b"\x8d\x02\0\0\0\0\0\0\0ab.",
        b"U\x02ab.",
        b"T\x02\0\0\0ab.",
    ];
    assert!(texts.iter().all(|pickle| shown(pickle) == "'ab'"));
    let bytes: [&[u8]; 3] = [b"C\x02ab.", b"B\x02\0\0\0ab.", b"\x8e\x02\0\0\0\0\0\0\0ab."];
    assert!(bytes.iter().all(|pickle| shown(pickle) == "b'ab'"));
}

#[test]
fn integers_of_every_length() {
    for bits in 0..200 {
        for number in [(1i128 << (bits % 127)) - 1, -(1i128 << (bits % 127))] {
            let mut pickle = vec![0x8a, 16];
            pickle.extend(number.to_le_bytes());
            pickle.push(b'.');
            assert_eq!(read(&pickle), Ok(Value::from(number)));
            let text = format!("L{number}L\n.");
            assert_eq!(read(text), Ok(Value::from(number)));
        }
    }
    assert_eq!(read(b"\x8a\0."), Ok(Value::Int(0)));
    let long = read([&b"\x8b\x2c\x01\0\0"[..], &[0xff; 299], b"\x01."].concat());
    let long = long.expect("it is an integer");
    let Value::BigInt(number) = &long else {
        panic!("{long} is large")
    };
    assert_eq!(number.to_le_bytes().len(), 300);
    assert_eq!(long.to_string().parse::<BigInt>().as_ref(), Ok(&**number));
}

#[test]
fn exceptions_are_values() {
    let error = read(from_hex("80049523000000000000008c086275696c74696e73948c084b65794572726f729493948c03666f6f94859452942e"))
    .expect("it is an exception");
    assert_eq!(error, Exception::new("KeyError", ["foo"]).into());
    assert_eq!(
        read(b"\x80\x03cbuiltins\nKeyError\nq\0X\x03\0\0\0fooq\x01\x85q\x02Rq\x03."),
        Ok(error)
    );

    let noted =
        read(b"cbuiltins\nValueError\n)R}X\x01\0\0\0nK\x01sb.").expect("it is an exception");
    let noted = noted.as_exception().expect("it is an exception");
    assert_eq!(noted.attributes().get("n"), Some(&1.into()));
    // Python writes a state of `None` never, but reads it.
    assert_eq!(shown(b"cbuiltins\nValueError\n)RNb."), "ValueError()");
}

#[test]
fn only_those_exceptions_that_are_known() {
    let pickle = b"cmy.module\nMyError\n)R.";
    let global = Error::Global {
        module: "my.module".to_owned(),
        name: "MyError".to_owned(),
    };
    assert_eq!(read(pickle), Err(global));
    let exceptions = vec![("my.module".to_owned(), "MyError".to_owned())];
    let options = Options {
        exceptions,
        ..Options::default()
    };
    let value = Value::from_pickle(pickle, &options).expect("it is known");
    let error = value.as_exception().expect("it is an exception");
    assert_eq!((error.module(), error.class()), ("my.module", "MyError"));
}

#[test]
fn what_is_shared_stays_shared() {
    let value = read(b"\x80\x04]\x94(]\x94K\x01ah\x01\x8c\x01a\x94h\x02e.").expect("it is a list");
    let [
        Value::List(one),
        Value::List(other),
        Value::Str(text),
        Value::Str(same),
    ] = value.as_slice().expect("it is a list")
    else {
        panic!("{value}")
    };
    assert!(Arc::ptr_eq(one, other) && Arc::ptr_eq(text, same));

    // DUP, and a list that grows after it was put elsewhere.
    let value = read(b"](]2K\x01ae.").expect("it is a list");
    assert_eq!(value.to_string(), "[[1], [1]]");
    let value = read(b"]q\x00(]q\x01h\x01e0h\x01K\x05a0h\x00.").map_err(|error| error.to_string());
    assert_eq!(
        value.map(|value| value.to_string()),
        Ok("[[5], [5]]".to_owned())
    );
}

#[test]
fn lists_that_grow_in_turn_keep_their_items() {
    let mut pickle = b"]q\x00]q\x0100".to_vec();
    for item in 0..200u8 {
        pickle.extend([b'h', item % 2, b'K', item, b'a', b'0']);
    }
    pickle.extend(b"h\x00h\x01\x86.");
    let items = |first| Value::list((first..200).step_by(2));
    assert_eq!(read(pickle), Ok(Value::tuple([items(0), items(1)])));
}

#[test]
fn keys_are_the_same_when_they_are_to_python() {
    // {1: 'a', True: 'b', 1.0: 'c', 2: 'd'}
    let few = b"}(K\x01U\x01a\x88U\x01bG\x3f\xf0\0\0\0\0\0\0U\x01cK\x02U\x01du.";
    assert_eq!(shown(few), "{1: 'c', 2: 'd'}");
    assert_eq!(shown(b"\x8f(G\x3f\xf0\0\0\0\0\0\0\x88K\x01\x90."), "{1.0}");
    assert_eq!(
        shown(b"}(K\x01\x85NG\x3f\xf0\0\0\0\0\0\0\x85K\x07u."),
        "{(1,): 7}"
    );
    assert_eq!(shown(b"}(C\x01aNU\x01aNu."), "{b'a': None, 'a': None}");

    let mut many = b"}(".to_vec();
    for key in (0..100u8).chain(0..100) {
        many.extend([b'K', key, b'K', key / 2]);
    }
    many.extend(b"u.");
    let expected: Dict = (0..100).map(|key| (key, key / 2)).collect();
    assert_eq!(read(many), Ok(expected.into()));

    // The large integer that a float is, and not a number, which is the same as itself only.
    let large = b"\x8f(G\x44\x30\0\0\0\0\0\0\x8a\x0a\0\0\0\0\0\0\0\0\x10\0\x90.";
    assert_eq!(shown(large), "{2.9514790517935283e+20}");
    let nan = b"\x8f(G\x7f\xf8\0\0\0\0\0\0q\0h\0G\x7f\xf8\0\0\0\0\0\0\x90.";
    assert_eq!(
        read(nan).expect("it is a set").as_set().map(Set::len),
        Some(2)
    );
    // Frozen sets whatever their order.
    let frozen = b"}((K\x01K\x02\x91K\x01(K\x02K\x01\x91K\x02u.";
    assert_eq!(shown(frozen), "{frozenset({1, 2}): 2}");
}

#[test]
fn frames_hold_whole_instructions() {
    assert_eq!(
        shown(b"\x80\x04\x95\x02\0\0\0\0\0\0\0K\x01\x95\x01\0\0\0\0\0\0\0."),
        "1"
    );
    assert_eq!(shown(b"\x80\x04\x95\0\0\0\0\0\0\0\0K\x01."), "1");
    let frame = |offset| Err(Error::Frame { offset });
    // Longer than the pickle, inside another, and ending inside an instruction and its text.
    assert_eq!(read(b"\x80\x04\x95\x04\0\0\0\0\0\0\0K\x01."), frame(2));
    assert_eq!(
        read(b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffK\x01."),
        frame(2)
    );
    assert_eq!(
        read(b"\x80\x04\x95\x0d\0\0\0\0\0\0\0\x95\x02\0\0\0\0\0\0\0K\x01NN."),
        frame(11)
    );
    assert_eq!(read(b"\x80\x04\x95\x01\0\0\0\0\0\0\0K\x01."), frame(11));
    assert_eq!(read(b"\x80\x04\x95\x03\0\0\0\0\0\0\0U\x02ab."), frame(11));
}

#[test]
fn every_cut_of_a_pickle_is_an_error() {
    let whole = from_hex(
        "80049523000000000000008c086275696c74696e73948c084b65794572726f729493948c03666f6f94859452942e",
    );
    for len in 0..whole.len() {
        let error = read(&whole[..len]).expect_err("it is not whole");
        assert!(
            matches!(error, Error::Truncated { .. } | Error::Frame { .. }),
            "{len}: {error}"
        );
    }
    let more = [&whole[..], b"."].concat();
    assert_eq!(
        read(&more),
        Err(Error::Trailing {
            offset: whole.len(),
            len: 1
        })
    );
    assert_eq!(
        read(""),
        Err(Error::Truncated {
            offset: 0,
            missing: 1
        })
    );
}

#[test]
fn integers_have_a_limit_in_decimal() {
    let digits = "9".repeat(4300);
    assert_eq!(shown(format!("L{digits}L\n.")), digits);
    let error = Error::TooLarge {
        what: Limit::Digits,
        limit: 4300,
    };
    assert_eq!(read(format!("L{digits}9L\n.")), Err(error.clone()));
    assert_eq!(read(format!("I-{digits}9\n.")), Err(error));
}
