//! Pickles that are cut, that take what is not there, or that give things to the wrong receiver.

use crate::case::{Case, cat, fails, reads};

pub(crate) fn cases() -> Vec<Case> {
    [ends(), lengths(), stack(), receivers(), memo()].concat()
}

fn ends() -> Vec<Case> {
    let mut cases = vec![
        fails("nothing", b"", "Truncated"),
        fails("PROTO alone", b"\x80\x04", "Truncated"),
        fails("half of PROTO", b"\x80", "Truncated"),
        fails("protocol 6", b"\x80\x06N.", "Protocol"),
        fails("protocol 255", b"\x80\xffN.", "Protocol"),
        fails("PROTO twice", b"\x80\x02\x80\x04N.", "Opcode"),
        fails("STOP alone", b".", "Underflow"),
        fails("STOP on a mark", b"(.", "Underflow"),
        fails("STOP behind a mark", b"\x80\x04N(.", "Underflow"),
        fails("a value without STOP", b"\x80\x04N", "Truncated"),
        fails("bytes behind STOP", b"\x80\x04N.N", "Trailing"),
        fails(
            "a second pickle behind STOP",
            b"\x80\x04N.\x80\x04N.",
            "Trailing",
        ),
        fails(
            "the beginning of a login",
            b"#CHALLENGE#aaaaaaaaaaaaaaaaaaaa",
            "Opcode",
        ),
        fails("text", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "Opcode"),
        fails("JSON", b"{\"a\": 1}", "Opcode"),
        fails("a byte order mark", b"\xef\xbb\xbf\x80\x04N.", "Opcode"),
    ];
    for code in [
        0x00, 0x01, 0x0a, 0x20, b'A', b'Z', 0x7f, 0x99, 0xa0, 0xc3, 0xfe, 0xff,
    ] {
        cases.push(fails(
            &format!("opcode {code:#04x}"),
            [b'N', code, b'.'],
            "Opcode",
        ));
    }
    cases
}

fn lengths() -> Vec<Case> {
    let mut cases = vec![
        fails("BINSTRING of -1", b"T\xff\xff\xff\xffabc.", "Spelling"),
        fails("BINSTRING of -2^31", b"T\x00\x00\x00\x80abc.", "Spelling"),
        fails(
            "LONG4 of -1",
            b"\x80\x02\x8b\xff\xff\xff\xff\x01.",
            "Spelling",
        ),
        fails(
            "LONG4 of 2^31 - 1",
            b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
            "Truncated",
        ),
        fails(
            "BINUNICODE of 2^32 - 1",
            b"X\xff\xff\xff\xffabc.",
            "Truncated",
        ),
        fails(
            "BINUNICODE8 of 2^64 - 1",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.",
            "Truncated",
        ),
        fails(
            "BINUNICODE8 of 2^63",
            b"\x8d\x00\x00\x00\x00\x00\x00\x00\x80abc.",
            "Truncated",
        ),
        fails(
            "BINBYTES of 2^32 - 1",
            b"B\xff\xff\xff\xffabc.",
            "Truncated",
        ),
        fails(
            "BINBYTES8 of 2^62",
            b"\x8e\x00\x00\x00\x00\x00\x00\x00\x40abc.",
            "Truncated",
        ),
        fails(
            "BYTEARRAY8 of 2^63",
            b"\x96\x00\x00\x00\x00\x00\x00\x00\x80abc.",
            "Truncated",
        ),
        fails(
            "BYTEARRAY8 of 2^40",
            b"\x96\x00\x00\x00\x00\x00\x01\x00\x00abc.",
            "Truncated",
        ),
        fails("SHORT_BINBYTES that takes STOP", b"C\x02a.", "Truncated"),
        fails(
            "FRAME of 2^62",
            b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x40N.",
            "Frame",
        ),
        fails(
            "FRAME of 2^64 - 1",
            b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.",
            "Frame",
        ),
        fails("half of FRAME", b"\x80\x04\x95\x00\x00", "Truncated"),
        fails(
            "FRAME longer than the pickle",
            b"\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00N.",
            "Frame",
        ),
    ];
    // Each argument cut off.
    let arguments: [(&str, &[u8]); 22] = [
        ("BININT", b"J\x01\x00\x00"),
        ("BININT1", b"K"),
        ("BININT2", b"M\x01"),
        ("BINFLOAT", b"G\x00\x00\x00\x00\x00\x00\x00"),
        ("INT", b"I12"),
        ("LONG", b"L12L"),
        ("FLOAT", b"F1.5"),
        ("LONG1", b"\x8a\x02\x01"),
        ("LONG4", b"\x8b\x02\x00\x00\x00\x01"),
        ("STRING", b"S'abc'"),
        ("UNICODE", b"Vabc"),
        ("SHORT_BINSTRING", b"U\x03ab"),
        ("BINSTRING", b"T\x03\x00\x00\x00ab"),
        ("SHORT_BINUNICODE", b"\x8c\x03ab"),
        ("BINUNICODE", b"X\x03\x00\x00\x00ab"),
        ("BINUNICODE8", b"\x8d\x03\x00\x00\x00\x00\x00\x00\x00ab"),
        ("BINBYTES8", b"\x8e\x03\x00\x00\x00\x00\x00\x00\x00ab"),
        ("BYTEARRAY8", b"\x96\x03\x00\x00\x00\x00\x00\x00\x00ab"),
        ("GET", b"N\x940g0"),
        ("LONG_BINGET", b"N\x940j\x00\x00\x00"),
        ("PUT", b"Np0"),
        ("LONG_BINPUT", b"Nr\x00\x00\x00"),
    ];
    for (name, pickle) in arguments {
        cases.push(fails(&format!("{name}, cut"), pickle, "Truncated"));
    }
    cases
}

fn stack() -> Vec<Case> {
    vec![
        fails("POP of nothing", b"0N.", "Underflow"),
        reads("POP of a mark", b"N(0.", "None"),
        fails("POP_MARK without a mark", b"NN1.", "Underflow"),
        fails("DUP of nothing", b"2.", "Underflow"),
        fails("DUP of a mark", b"N(2.", "Underflow"),
        fails("TUPLE without a mark", b"\x80\x02NNt.", "Underflow"),
        fails("LIST without a mark", b"NNl.", "Underflow"),
        fails("DICT without a mark", b"NNd.", "Underflow"),
        fails("FROZENSET without a mark", b"\x80\x04NN\x91.", "Underflow"),
        fails("TUPLE1 of nothing", b"\x80\x02\x85.", "Underflow"),
        fails("TUPLE2 of one", b"\x80\x02N\x86.", "Underflow"),
        fails("TUPLE3 of two", b"\x80\x02NN\x87.", "Underflow"),
        fails("TUPLE2 over a mark", b"\x80\x02N(N\x86.", "Underflow"),
        fails("APPEND of nothing", b"a.", "Underflow"),
        fails("APPEND of one", b"]a.", "Underflow"),
        fails("APPEND over a mark", b"](Na.", "Underflow"),
        fails("APPENDS without a mark", b"]Ne.", "Underflow"),
        fails("APPENDS to nothing", b"(Ne.", "Underflow"),
        fails("APPENDS over two marks", b"]((Ne.", "Underflow"),
        fails("SETITEM of two", b"}Ns.", "Underflow"),
        fails("SETITEM over a mark", b"}(NNs.", "Underflow"),
        fails("SETITEMS without a mark", b"}NNu.", "Underflow"),
        fails("SETITEMS of three", b"}(NNNu.", "Misuse"),
        fails("SETITEMS to nothing", b"(NNu.", "Underflow"),
        fails("DICT of three", b"(NNNd.", "Misuse"),
        fails(
            "ADDITEMS without a mark",
            b"\x80\x04\x8fN\x90.",
            "Underflow",
        ),
        fails("ADDITEMS to nothing", b"\x80\x04(N\x90.", "Underflow"),
        fails(
            "more than the value on the stack",
            b"\x80\x04NK\x01.",
            "LeftOver",
        ),
    ]
}

fn receivers() -> Vec<Case> {
    vec![
        fails("APPEND to None", b"NNa.", "Misuse"),
        fails("APPEND to a tuple", b")Na.", "Misuse"),
        fails("APPEND to a dict", b"}Na.", "Misuse"),
        fails("APPEND to a set", b"\x80\x04\x8fNa.", "Misuse"),
        fails(
            "APPEND to a bytearray",
            b"\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00aK\x01a.",
            "Misuse",
        ),
        fails("APPENDS to a text", b"\x8c\x01a(Ne.", "Misuse"),
        fails("SETITEM to a list", b"]K\x00Ns.", "Misuse"),
        fails("SETITEMS to a number", b"K\x01(NNu.", "Misuse"),
        fails("ADDITEMS to a list", b"\x80\x04](N\x90.", "Misuse"),
        fails("ADDITEMS to a frozenset", b"\x80\x04(\x91(N\x90.", "Misuse"),
        fails("a list as a key", b"}]Ns.", "Unhashable { kind: \"list\" }"),
        fails("a dict as a key", b"}}Ns.", "Unhashable { kind: \"dict\" }"),
        fails(
            "a set as a key",
            b"\x80\x04}\x8fNs.",
            "Unhashable { kind: \"set\" }",
        ),
        fails(
            "a bytearray as a key",
            b"\x80\x05}\x96\x01\x00\x00\x00\x00\x00\x00\x00aNs.",
            "Unhashable { kind: \"bytearray\" }",
        ),
        fails(
            "a tuple with a list as a key",
            b"\x80\x02}]\x85Ns.",
            "Unhashable { kind: \"list\" }",
        ),
        fails(
            "a list in a set",
            b"\x80\x04\x8f(]\x90.",
            "Unhashable { kind: \"list\" }",
        ),
        fails(
            "a list in a frozenset",
            b"\x80\x04(]\x91.",
            "Unhashable { kind: \"list\" }",
        ),
        fails(
            "a tuple with a tuple with a dict in a set",
            b"\x80\x04\x8f(}\x85\x85\x90.",
            "Unhashable { kind: \"dict\" }",
        ),
        fails(
            "a key that can't be hashed, then overwritten",
            b"\x80\x02}(]NK\x01K\x02u.",
            "Unhashable { kind: \"list\" }",
        ),
    ]
}

fn memo() -> Vec<Case> {
    vec![
        fails("GET of nothing", b"g0\n.", "Memo"),
        fails("BINGET of nothing", b"h\x00.", "Memo"),
        fails("BINGET of another", b"N\x94h\x01.", "Memo"),
        fails(
            "LONG_BINGET of 2^32 - 1",
            b"N\x94j\xff\xff\xff\xff.",
            "Memo",
        ),
        fails("GET of no number", b"N\x94gx\n.", "Spelling"),
        fails("GET of -1", b"N\x94g-1\n.", "Spelling"),
        fails("PUT of -1", b"Np-1\n.", "Spelling"),
        fails("PUT of no number", b"Np0x\n.", "Spelling"),
        fails(
            "PUT of 10^30",
            cat(&[b"Np1", &[b'0'; 30], b"\n."]),
            "Spelling",
        ),
        fails("PUT of nothing", b"p0\n.", "Underflow"),
        fails("BINPUT of nothing", b"q\x00.", "Underflow"),
        fails("BINPUT of a mark", b"(q\x00t.", "Underflow"),
        fails("MEMOIZE of nothing", b"\x80\x04\x94.", "Underflow"),
        fails("MEMOIZE of a mark", b"\x80\x04N(\x94.", "Underflow"),
        fails("LONG_BINPUT 2^28", b"Nr\x00\x00\x00\x10.", "Memo"),
        fails(
            "LONG_BINPUT 2^32 - 1",
            b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.",
            "Memo",
        ),
        fails(
            "PUT of 4000000000",
            b"Np4000000000\n0g4000000000\n.",
            "Memo",
        ),
        reads(
            "a slot that is used twice",
            b"\x80\x02(K\x01q\x00K\x02q\x00h\x00t.",
            "(1, 2, 2)",
        ),
        reads(
            "a list that was popped",
            b"\x80\x02]q\x00K\x01a0h\x00.",
            "[1]",
        ),
    ]
}
