//! Recorded pickles: single values as Python writes them, byte for byte, and those that each version of Python makes
//! of the same values.

mod pickle_support;

use std::fs;
use std::path::Path;

use mp_connection::pickle::{Options, Protocol, Value};
use pickle_support::difference;

/// What Python writes in protocol 4 for a value, and how Python shows the value.
const VALUES: &[(&str, &str)] = &[
    ("80044e2e", "None"),
    ("8004882e", "True"),
    ("8004892e", "False"),
    ("80044b002e", "0"),
    ("80044b052e", "5"),
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
    ("8004950a00000000000000477ff00000000000002e", "inf"),
    ("80049504000000000000008c00942e", "''"),
    ("80049506000000000000008c026869942e", "'hi'"),
    ("80049507000000000000008c03666f6f942e", "'foo'"),
    ("80049507000000000000004303616263942e", "b'abc'"),
    ("80045d942e", "[]"),
    ("80049506000000000000005d944b01612e", "[1]"),
    ("80049509000000000000005d94284b014b02652e", "[1, 2]"),
    ("8004292e", "()"),
    ("80049505000000000000004b0185942e", "(1,)"),
    ("80049507000000000000004b014b0286942e", "(1, 2)"),
    ("80049509000000000000004b014b024b0387942e", "(1, 2, 3)"),
    (
        "8004950c00000000000000284b014b024b034b0474942e",
        "(1, 2, 3, 4)",
    ),
    ("80047d942e", "{}"),
    ("8004950a000000000000007d948c0161944b01732e", "{'a': 1}"),
    ("80048f942e", "set()"),
    ("80049507000000000000008f94284b01902e", "{1}"),
    ("8004950600000000000000284b0191942e", "frozenset({1})"),
    (
        "8004950c000000000000005d94285d944b01616801652e",
        "[[1], [1]]",
    ),
    (
        "80049523000000000000008c086275696c74696e73948c084b65794572726f729493948c03666f6f94859452942e",
        "KeyError('foo')",
    ),
    (
        "8004951e000000000000008c086275696c74696e73948c0a56616c75654572726f729493942952942e",
        "ValueError()",
    ),
    (
        "80049539000000000000008c086275696c74696e73948c115a65726f4469766973696f6e4572726f72949394\
         8c106469766973696f6e206279207a65726f94859452942e",
        "ZeroDivisionError('division by zero')",
    ),
];

/// What is read too: other protocols, and less than Python writes.
const OTHERS: &[(&str, &str)] = &[
    ("80044b052e", "5"),
    ("80035803000000666f6f2e", "'foo'"),
    ("80035803000000666f6f71002e", "'foo'"),
    (
        "8003636275696c74696e730a4b65794572726f720a71005803000000666f6f71018571025271032e",
        "KeyError('foo')",
    ),
    (
        "8005950e00000000000000960300000000000000616263942e",
        "bytearray(b'abc')",
    ),
    // The calls and answers of an RPC, bytes with a pickle inside, and these pickles.
    (
        "8004952000000000000000431c80049511000000000000008c03616464944b024b0386947d9487942e942e",
        r"b'\x80\x04\x95\x11\x00\x00\x00\x00\x00\x00\x00\x8c\x03add\x94K\x02K\x03\x86\x94}\x94\x87\x94.'",
    ),
    (
        "80049511000000000000008c03616464944b024b0386947d9487942e",
        "('add', (2, 3), {})",
    ),
    (
        "8004950900000000000000430580044b052e942e",
        r"b'\x80\x04K\x05.'",
    ),
    (
        "80049516000000000000008c03616464944b0285947d948c0179944b037387942e",
        "('add', (2,), {'y': 3})",
    ),
    (
        "8004950f000000000000008c03666f6f94680085947d9487942e",
        "('foo', ('foo',), {})",
    ),
    (
        "8004950f000000000000008c066e6f7375636894297d9487942e",
        "('nosuch', (), {})",
    ),
    (
        "80049526000000000000008c086275696c74696e73948c084b65794572726f729493948c066e6f7375636894859452942e",
        "KeyError('nosuch')",
    ),
    (
        "80049552000000000000008c086275696c74696e73948c09547970654572726f729493948c31616464282920\
         6d697373696e67203120726571756972656420706f736974696f6e616c20617267756d656e743a2027792794859452942e",
        "TypeError(\"add() missing 1 required positional argument: 'y'\")",
    ),
    // What Python 3 calls for before protocol 3.
    ("635f5f6275696c74696e5f5f0a62797465730a2874522e", "b''"),
];

/// Refused, and how the error is shown.
const REFUSED: &[(&str, &str)] = &[
    (
        "80049507000000000000008c03eda080942e",
        "Surrogate { offset: 11 }",
    ),
    ("80049506000000000000005d946800612e", "Cycle"),
];

#[test]
fn single_values() {
    for (hex, shown) in VALUES.iter().chain(OTHERS) {
        assert_eq!(read(&bytes(hex)).to_string(), *shown, "{hex}");
    }
    for (hex, shown) in REFUSED {
        let error = Value::from_pickle(&bytes(hex), &Options::default()).unwrap_err();
        assert_eq!(&format!("{error:?}"), shown, "{hex}");
    }
}

/// What frames and the memo add in Python's pickles is left out, but no value is written otherwise.
#[test]
fn single_values_are_written_with_the_same_instructions() {
    for (hex, shown) in VALUES {
        let value = read(&bytes(hex));
        let written = value.to_pickle(&Options::default()).unwrap();
        assert!(
            written.len() <= bytes(hex).len(),
            "{shown}: {written:02x?} for {hex}"
        );
        assert_eq!(read(&written).to_string(), *shown);
    }
}

/// `recorded.txt` was made by `python/pickle_record.py`.
#[test]
fn every_python_means_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/recorded.txt");
    let text = fs::read_to_string(path).unwrap();
    let mut lines = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let (versions, protocol, hex) = (
            words.next().unwrap(),
            words.next().unwrap(),
            words.next().unwrap(),
        );
        let value = read(&bytes(hex));
        let long_bytes = format!("b'{}'", r"\xff\x00".repeat(130));
        let shown = value.to_string();
        let shown = shown.replace(&format!("'{}'", "x".repeat(256)), "LONG_TEXT");
        let shown = shown.replace(&long_bytes, "LONG_BYTES");
        let context = format!("protocol {protocol} of {versions}");
        if versions == "2.7" {
            assert_eq!(shown, SHOWN_2, "{context}");
        } else if "012".contains(protocol) {
            // Python 2 has one class for all errors of the system.
            let old = SHOWN.replace("FileNotFoundError", "OSError");
            assert_eq!(shown, old, "{context}");
        } else {
            assert_eq!(shown, SHOWN, "{context}");
        }
        for protocol in [Protocol::V2, Protocol::V3, Protocol::V4, Protocol::V5] {
            let options = Options {
                protocol,
                ..Options::default()
            };
            let written = read(&value.to_pickle(&options).unwrap());
            let found = difference(&value, &written, protocol);
            assert_eq!(found, None, "{context}, {protocol:?}");
        }
        lines += 1;
    }
    assert_eq!(lines, 13);
}

const SHOWN: &str = "\
     [None, True, False, 0, 1, 255, 256, 65535, 65536, -1, -128, 2147483648, -2147483648, 4294967296, \
     -9223372036854775808, 9223372036854775808, -18446744073709551616, \
     100000000000000000000000000000000000000000000000000, 1.5, -0.0, 1e+308, inf, -inf, nan, '', 'foo', \
     LONG_TEXT, 'é€😀', 'a\\\\b\\n\\r\\x00\\x1a', b'', b'abc', LONG_BYTES, bytearray(b'abc'), bytearray(b''), \
     [], [1], [1, 2], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, {'a': 1}, {1: 2, None: (), (1, 'b'): \
     1.5}, set(), {1}, frozenset(), frozenset({'a'}), [['shared'], ['shared'], (['shared'], ['shared'])], \
     KeyError('foo'), ValueError(), ValueError('wrong', 5), FileNotFoundError(2, 'No such file'), \
     UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'no')]";

const SHOWN_2: &str = "\
     [None, True, False, 0, -1, 255, 65536, 2147483648, 1000000000000000000000000000000, 1.5, -0.0, inf, '', \
     'str', \"it's\\n\", '', 'unicode', 'é€\\\\\\n', [], (), (1,), (1, 2, 3, 4), {}, {'a': (1, [2])}, \
     ['shared'], ['shared'], KeyError('foo'), ValueError()]";

fn read(pickle: &[u8]) -> Value {
    Value::from_pickle(pickle, &Options::default())
        .unwrap_or_else(|error| panic!("{error}: {pickle:02x?}"))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "{hex}");
    pairs
        .iter()
        .map(|&[high, low]| nibble(high) << 4 | nibble(low))
        .collect()
}

fn nibble(digit: u8) -> u8 {
    char::from(digit).to_digit(16).expect("the digit is one") as u8
}
