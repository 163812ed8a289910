//! Numbers and texts that are none, or that are longer than anybody needs.

use crate::case::{Case, Expect, LARGE, cat, fails, made, reads};

pub(crate) fn cases() -> Vec<Case> {
    [integers(), floats(), texts()].concat()
}

fn integers() -> Vec<Case> {
    let digits = |count: usize| cat(&[b"L", &vec![b'7'; count], b"L\n."]);
    vec![
        fails("INT of nothing", b"I\n.", "Spelling"),
        fails("INT of letters", b"Iabc\n.", "Spelling"),
        fails("INT with a NUL", b"I1\x002\n.", "Spelling"),
        fails("INT of a float", b"I1.5\n.", "Spelling"),
        fails("INT in hexadecimal", b"I0x10\n.", "Spelling"),
        fails("INT with an underscore", b"I1_000\n.", "Spelling"),
        fails("INT of a sign", b"I-\n.", "Spelling"),
        fails("INT of two signs", b"I--1\n.", "Spelling"),
        reads(
            "INT beyond 64 bits",
            b"I18446744073709551616\n.",
            "18446744073709551616",
        ),
        reads(
            "INT of -2^63",
            b"I-9223372036854775808\n.",
            "-9223372036854775808",
        ),
        fails("LONG of nothing", b"L\n.", "Spelling"),
        fails("LONG of L", b"LL\n.", "Spelling"),
        fails("LONG of letters", b"Lxyz L\n.", "Spelling"),
        fails(
            "LONG of 4301 digits",
            digits(4301),
            "TooLarge { what: Digits",
        ),
        fails(
            "LONG of a million digits",
            digits(1_000_000),
            "TooLarge { what: Digits",
        ),
        made(
            "LONG of megabytes",
            Expect::Fails("TooLarge { what: Digits"),
            move || digits(LARGE - 4),
        ),
        made(
            "INT of megabytes",
            Expect::Fails("TooLarge { what: Digits"),
            || cat(&[b"I", &vec![b'0'; LARGE - 3], b"\n."]),
        ),
        made("LONG4 of a megabyte", Expect::Whatever, || {
            cat(&[b"\x80\x02\x8b\x00\x00\x10\x00", &vec![0x55; 1 << 20], b"."])
        }),
        made("LONG4 of 60 MiB", Expect::Whatever, || {
            cat(&[b"\x80\x02\x8b\x00\x00\xc0\x03", &vec![0x55; 60 << 20], b"."])
        }),
        made("LONG4 of 60 MiB of zeros", Expect::Whatever, || {
            cat(&[b"\x80\x02\x8b\x00\x00\xc0\x03", &vec![0; 60 << 20], b"."])
        }),
        reads("LONG1 of nothing", b"\x80\x02\x8a\x00.", "0"),
        reads("LONG4 of nothing", b"\x80\x02\x8b\x00\x00\x00\x00.", "0"),
        reads(
            "LONG1 with sign bytes",
            b"\x80\x02\x8a\x0c\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff.",
            "-2",
        ),
    ]
}

fn floats() -> Vec<Case> {
    vec![
        fails("FLOAT of nothing", b"F\n.", "Spelling"),
        fails("FLOAT of letters", b"Fabc\n.", "Spelling"),
        fails("FLOAT with a NUL", b"F1\x00\n.", "Spelling"),
        fails("FLOAT in hexadecimal", b"F0x1p3\n.", "Spelling"),
        fails("FLOAT with an underscore", b"F1_0\n.", "Spelling"),
        reads("FLOAT of 1e999", b"F1e999\n.", "inf"),
        reads("FLOAT of -inf", b"F-inf\n.", "-inf"),
        reads("FLOAT of nan", b"Fnan\n.", "nan"),
        made("FLOAT of a megabyte", Expect::Whatever, || {
            cat(&[b"F0.", &vec![b'7'; 1 << 20], b"\n."])
        }),
        made("FLOAT of megabytes", Expect::Whatever, || {
            cat(&[b"F0.", &vec![b'7'; LARGE - 5], b"\n."])
        }),
    ]
}

fn texts() -> Vec<Case> {
    vec![
        fails(
            "BINUNICODE of no UTF-8",
            b"X\x02\x00\x00\x00\xff\xfe.",
            "Text",
        ),
        fails(
            "SHORT_BINUNICODE of half a letter",
            b"\x8c\x01\xc3.",
            "Text",
        ),
        fails("an overlong NUL", b"\x8c\x02\xc0\x80.", "Text"),
        fails(
            "a lone surrogate",
            b"\x80\x04\x8c\x03\xed\xa0\x80.",
            "Surrogate",
        ),
        fails(
            "two surrogates in UTF-8",
            b"\x80\x04\x8c\x06\xed\xa0\xbd\xed\xb8\x80.",
            "Surrogate",
        ),
        fails(
            "beyond Unicode",
            b"\x80\x04\x8c\x04\xf4\x90\x80\x80.",
            "Text",
        ),
        fails("UNICODE of a lone surrogate", b"V\\ud800\n.", "Surrogate"),
        fails("UNICODE beyond Unicode", b"V\\U00110000\n.", "Spelling"),
        fails("UNICODE with a short escape", b"V\\u12\n.", "Spelling"),
        fails("UNICODE with no digits", b"V\\uzzzz\n.", "Spelling"),
        fails("UNICODE with a plus", b"V\\u+123\n.", "Spelling"),
        reads(
            "UNICODE with other escapes",
            b"V\\n\\x41\\\\u0041\n.",
            r"'\\n\\x41\\\\u0041'",
        ),
        reads("UNICODE in Latin-1", b"V\xe9\xff\n.", "'\u{e9}\u{ff}'"),
        fails("STRING without quotes", b"Sabc\n.", "Spelling"),
        fails("STRING with one quote", b"S'\n.", "Spelling"),
        fails("STRING with two kinds of quotes", b"S'abc\"\n.", "Spelling"),
        fails("STRING of nothing", b"S\n.", "Spelling"),
        fails("STRING with a cut escape", b"S'\\x4'\n.", "Spelling"),
        fails("STRING with a lone backslash", b"S'\\'\n.", "Spelling"),
        reads(
            "STRING with escapes",
            b"S'a\\'\\\\\\n\\x41\\101'\n.",
            r#""a'\\\nAA""#,
        ),
        made("BINUNICODE of megabytes", Expect::Whatever, || {
            cat(&[b"X\xf0\xff\xff\x03", &vec![b'a'; LARGE - 16], b"."])
        }),
        made("UNICODE of megabytes of escapes", Expect::Whatever, || {
            let escapes = b"\\u0041".repeat(LARGE / 6 - 1);
            cat(&[b"V", &escapes, b"\n."])
        }),
        made("STRING of megabytes of escapes", Expect::Whatever, || {
            let escapes = b"\\x41".repeat(LARGE / 4 - 2);
            cat(&[b"S'", &escapes, b"'\n."])
        }),
        made("UNICODE of megabytes of Latin-1", Expect::Whatever, || {
            cat(&[b"V", &vec![0xe9; LARGE - 3], b"\n."])
        }),
    ]
}
