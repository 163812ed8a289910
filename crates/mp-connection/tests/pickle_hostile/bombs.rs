//! Small pickles of large values, deep ones, and endless ones.

use crate::case::{Case, Expect, LARGE, cat, fails, global, made, reads, text};

pub(crate) fn cases() -> Vec<Case> {
    [deep(), endless(), shared()].concat()
}

fn deep() -> Vec<Case> {
    let nested = |open: &[u8], close: &[u8], depth: usize| {
        cat(&[
            b"\x80\x04",
            &open.repeat(depth),
            b"N",
            &close.repeat(depth),
            b".",
        ])
    };
    let depth = 1_000_000;
    vec![
        fails(
            "lists, 101 deep",
            nested(b"]", b"a", 101),
            "TooLarge { what: Depth",
        ),
        fails(
            "lists, 20,000 deep",
            nested(b"]", b"a", 20_000),
            "TooLarge { what: Depth",
        ),
        made(
            "lists, 1,000,000 deep",
            Expect::Fails("TooLarge { what: Memory"),
            move || nested(b"]", b"a", depth),
        ),
        made(
            "lists by LIST",
            Expect::Fails("TooLarge { what: Depth"),
            move || nested(b"(", b"l", depth),
        ),
        made(
            "tuples",
            Expect::Fails("TooLarge { what: Memory"),
            move || nested(b"", b"\x85", depth),
        ),
        made(
            "tuples by TUPLE",
            Expect::Fails("TooLarge { what: Depth"),
            move || nested(b"(", b"t", depth),
        ),
        made(
            "dicts",
            Expect::Fails("TooLarge { what: Memory"),
            move || nested(b"}N", b"s", depth),
        ),
        made(
            "dicts by DICT",
            Expect::Fails("TooLarge { what: Depth"),
            move || nested(b"(N", b"d", depth),
        ),
        made(
            "frozensets",
            Expect::Fails("TooLarge { what: Depth"),
            move || nested(b"(", b"\x91", depth),
        ),
        made(
            "keys",
            Expect::Fails("TooLarge { what: Memory"),
            move || cat(&[b"\x80\x04}", b"N", &b"\x85".repeat(depth), b"Ns."]),
        ),
        made(
            "a deep key in a set",
            Expect::Fails("TooLarge { what: Memory"),
            move || cat(&[b"\x80\x04\x8f(N", &b"\x85".repeat(depth), b"\x90."]),
        ),
        made(
            "exceptions",
            Expect::Fails("TooLarge { what: Memory"),
            || {
                // The class below each of its arguments.
                let class = cat(&[&global("builtins", "KeyError"), b"\x940"]);
                cat(&[
                    b"\x80\x04",
                    &class,
                    &b"h\x00".repeat(300_000),
                    b"N",
                    &b"\x85R".repeat(300_000),
                    b".",
                ])
            },
        ),
        made(
            "attributes",
            Expect::Fails("TooLarge { what: Memory"),
            || {
                let class = cat(&[&global("builtins", "KeyError"), b"\x940"]);
                let open = cat(&[b"h\x00)R}", &text("a")]);
                cat(&[
                    b"\x80\x04",
                    &class,
                    &open.repeat(100_000),
                    b"N",
                    &b"sb".repeat(100_000),
                    b".",
                ])
            },
        ),
        made("marks", Expect::Fails("TooLarge { what: Depth"), || {
            cat(&[b"\x80\x04", &b"(".repeat(LARGE), b"N."])
        }),
        made(
            "deep and shared",
            Expect::Fails("TooLarge { what: Depth"),
            || {
                let mut pickle = b"\x80\x02N".to_vec();
                for _ in 0..1000 {
                    pickle.extend_from_slice(b"\x85q\x00h\x00\x86");
                }
                pickle.push(b'.');
                pickle
            },
        ),
        made(
            "deep only by what is appended later",
            Expect::Fails("TooLarge { what: Depth"),
            || {
                // Each list is given to the one before, which is long complete.
                let mut pickle = b"\x80\x04]\x940".to_vec();
                for index in 0u32..100_000 {
                    pickle.extend_from_slice(b"j");
                    pickle.extend_from_slice(&index.to_le_bytes());
                    pickle.extend_from_slice(b"]\x94a0");
                }
                pickle.extend_from_slice(b"j\0\0\0\0.");
                pickle
            },
        ),
    ]
}

fn endless() -> Vec<Case> {
    vec![
        fails("a list in itself", b"\x80\x04]\x94h\x00a.", "Cycle"),
        fails("a list in itself, protocol 0", b"(lp0\ng0\na.", "Cycle"),
        fails("a dict in itself", b"\x80\x04}\x94Nh\x00s.", "Cycle"),
        fails("a tuple in its list", b"\x80\x04]\x94h\x00\x85a.", "Cycle"),
        fails(
            "a list in its tuple",
            b"\x80\x04]\x94\x85\x94h\x00h\x01a0.",
            "Cycle",
        ),
        fails(
            "a circle of three",
            b"\x80\x04]\x94]\x94]\x94h\x00aaa.",
            "Cycle",
        ),
        fails(
            "an exception in its arguments",
            cat(&[
                b"\x80\x04]\x94",
                &global("builtins", "KeyError"),
                b"h\x00\x85R\x940h\x00h\x03a.",
            ]),
            "Memo",
        ),
        fails(
            "an exception in its attributes",
            cat(&[
                b"\x80\x04",
                &global("builtins", "KeyError"),
                b")R\x94}\x8c\x01ah\x00sb.",
            ]),
            "Cycle",
        ),
        fails(
            "a circle that is not in the value's first branch",
            b"\x80\x04](NK\x01]\x94h\x00ae.",
            "Cycle",
        ),
        made(
            "a circle of 100,000",
            Expect::Fails("TooLarge { what: Depth"),
            || {
                cat(&[
                    b"\x80\x04]\x94",
                    &b"]".repeat(100_000),
                    b"h\x00",
                    &b"a".repeat(100_001),
                    b".",
                ])
            },
        ),
    ]
}

/// `levels` times what is there, twice.
fn doubled(first: &[u8], double: &[u8], levels: usize) -> Vec<u8> {
    cat(&[b"\x80\x04", first, &double.repeat(levels), b"."])
}

/// `levels` times what is there, between the one and the other.
fn memoized(first: u8, before: &[u8], after: &[u8], levels: u8) -> Vec<u8> {
    let mut pickle = vec![0x80, 4, first];
    for level in 0..levels {
        pickle.extend_from_slice(&cat(&[b"q", &[level], b"0", before, b"h", &[level], after]));
    }
    pickle.push(b'.');
    pickle
}

fn shared() -> Vec<Case> {
    vec![
        fails(
            "2^64 tuples",
            doubled(b")", b"2\x86", 64),
            "TooLarge { what: Values",
        ),
        fails(
            "2^20 tuples",
            doubled(b"\x8c\x01a\x85", b"2\x86", 20),
            "TooLarge { what: Values",
        ),
        fails(
            "2^90 lists",
            memoized(b']', b"(", b"2l", 90),
            "TooLarge { what: Values",
        ),
        fails(
            "3^40 tuples",
            doubled(b"N", b"22\x87", 40),
            "TooLarge { what: Values",
        ),
        fails(
            "2^60 exceptions",
            memoized(b']', &global("builtins", "KeyError"), b"2\x86R", 60),
            "TooLarge { what: Depth",
        ),
        fails(
            "2^90 dict values",
            memoized(b']', b"}N", b"2\x86s", 45),
            "TooLarge { what: Values",
        ),
        fails(
            "a tuple of 2^64 as a key",
            cat(&[b"\x80\x04})", &b"2\x86".repeat(64), b"Ns."]),
            "TooLarge { what: Values",
        ),
        fails(
            "a tuple of 2^64 in a set",
            cat(&[b"\x80\x04\x8f()", &b"2\x86".repeat(64), b"\x90."]),
            "TooLarge { what: Values",
        ),
        fails(
            "a tuple of 2^64 in a frozenset",
            cat(&[b"\x80\x04()", &b"2\x86".repeat(64), b"\x91."]),
            "TooLarge { what: Values",
        ),
        fails(
            "two equal tuples of 2^64 as keys",
            cat(&[
                b"\x80\x04}()",
                &b"2\x86".repeat(64),
                b"N)",
                &b"2\x86".repeat(64),
                b"Nu.",
            ]),
            "TooLarge { what: Values",
        ),
        fails(
            "2^40 frozensets",
            memoized(b')', b"(", b"2\x85\x91", 40),
            "TooLarge { what: Values",
        ),
        reads(
            "a tuple of 2^64 as a key, thrown away",
            cat(&[b"\x80\x04})", &b"2\x86".repeat(64), b"Ns0N."]),
            "None",
        ),
        made(
            "a megabyte, a thousand times",
            Expect::Fails("TooLarge { what: Bytes"),
            || {
                let bytes = cat(&[b"B\x00\x00\x10\x00", &vec![b'b'; 1 << 20]]);
                cat(&[b"\x80\x04(", &bytes, b"\x94", &b"h\x00".repeat(1000), b"t."])
            },
        ),
        made(
            "a text of a megabyte, a thousand times",
            Expect::Fails("TooLarge { what: Bytes"),
            || {
                let text = cat(&[b"X\x00\x00\x10\x00", &vec![b't'; 1 << 20]]);
                cat(&[b"\x80\x04(", &text, b"\x94", &b"h\x00".repeat(1000), b"t."])
            },
        ),
        made(
            "an integer of a megabyte, a thousand times",
            Expect::Fails("TooLarge { what: Bytes"),
            || {
                let integer = cat(&[b"\x8b\x00\x00\x10\x00", &vec![b'1'; 1 << 20]]);
                cat(&[
                    b"\x80\x04(",
                    &integer,
                    b"\x94",
                    &b"h\x00".repeat(1000),
                    b"t.",
                ])
            },
        ),
        made(
            "a list of 1000, 2000 times",
            Expect::Fails("TooLarge { what: Values"),
            || {
                cat(&[
                    b"\x80\x04((",
                    &b"N".repeat(1000),
                    b"l\x94",
                    &b"h\x00".repeat(2000),
                    b"l.",
                ])
            },
        ),
    ]
}
