//! Pickles that make much of little, or slowly: copies of something large, and keys that have to be compared.

use crate::case::{Case, Expect, cat, global, made, text};

pub(crate) fn cases() -> Vec<Case> {
    [copies(), keys()].concat()
}

/// A list of what is made again and again, and what is prepared for that.
fn many(prepare: Vec<u8>, again: &[u8], count: usize) -> Vec<u8> {
    cat(&[b"\x80\x04(", &prepare, b"1(", &again.repeat(count), b"l."])
}

/// What is made from something large that is there once, again and again.
fn copies() -> Vec<Case> {
    let list = || cat(&[b"(", &b"K\x01".repeat(200_000), b"l\x85\x94"]);
    let tuple = || cat(&[b"(", &b"K\x01".repeat(200_000), b"t\x94"]);
    vec![
        made("sets of the same list", Expect::Whatever, move || {
            many(
                cat(&[&global("builtins", "set"), b"\x94", &list()]),
                b"h\x00h\x01R",
                10_000,
            )
        }),
        made("frozensets of the same list", Expect::Whatever, move || {
            many(
                cat(&[&global("builtins", "frozenset"), b"\x94", &list()]),
                b"h\x00h\x01R",
                10_000,
            )
        }),
        made(
            "sets of the same list, thrown away",
            Expect::Whatever,
            move || {
                many(
                    cat(&[&global("builtins", "set"), b"\x94", &list()]),
                    b"h\x00h\x01R0",
                    10_000,
                )
            },
        ),
        made(
            "exceptions with the same arguments",
            Expect::Whatever,
            move || {
                many(
                    cat(&[&global("builtins", "KeyError"), b"\x94", &tuple()]),
                    b"h\x00h\x01R",
                    10_000,
                )
            },
        ),
        made(
            "exceptions with the same attributes",
            Expect::Whatever,
            || {
                let mut dict = b"}(".to_vec();
                for index in 0..100_000 {
                    dict.extend_from_slice(&text(&index.to_string()));
                    dict.push(b'N');
                }
                dict.extend_from_slice(b"u\x94");
                many(
                    cat(&[&global("builtins", "KeyError"), b"\x94", &dict]),
                    b"h\x00)Rh\x01b",
                    10_000,
                )
            },
        ),
        made(
            "one exception with the same attributes again",
            Expect::Whatever,
            || {
                let mut dict = b"}(".to_vec();
                for index in 0..100_000 {
                    dict.extend_from_slice(&text(&index.to_string()));
                    dict.push(b'N');
                }
                dict.extend_from_slice(b"u\x94");
                cat(&[
                    b"\x80\x04",
                    &dict,
                    &global("builtins", "KeyError"),
                    b")R",
                    &b"h\x00b".repeat(10_000),
                    b".",
                ])
            },
        ),
        made("bytearrays of the same megabyte", Expect::Whatever, || {
            let bytes = cat(&[b"B\x00\x00\x10\x00", &vec![b'b'; 1 << 20], b"\x85\x94"]);
            many(
                cat(&[&global("builtins", "bytearray"), b"\x94", &bytes]),
                b"h\x00h\x01R",
                10_000,
            )
        }),
        made("bytearrays of the same text", Expect::Whatever, || {
            let text = cat(&[
                b"X\x00\x00\x10\x00",
                &vec![b't'; 1 << 20],
                b"\x8c\x07latin-1\x86\x94",
            ]);
            many(
                cat(&[&global("builtins", "bytearray"), b"\x94", &text]),
                b"h\x00h\x01R",
                10_000,
            )
        }),
        made("bytes of the same text", Expect::Whatever, || {
            let text = cat(&[
                b"X\x00\x00\x10\x00",
                &vec![b't'; 1 << 20],
                b"\x8c\x06latin1\x86\x94",
            ]);
            many(
                cat(&[&global("_codecs", "encode"), b"\x94", &text]),
                b"h\x00h\x01R",
                10_000,
            )
        }),
        made(
            "bytes of the same text, thrown away",
            Expect::Whatever,
            || {
                let text = cat(&[
                    b"X\x00\x00\x10\x00",
                    &vec![b't'; 1 << 20],
                    b"\x8c\x06latin1\x86\x94",
                ]);
                many(
                    cat(&[&global("_codecs", "encode"), b"\x94", &text]),
                    b"h\x00h\x01R0",
                    10_000,
                )
            },
        ),
        made("a million exceptions", Expect::Whatever, || {
            many(
                cat(&[&global("builtins", "KeyError"), b"\x94"]),
                b"h\x00)R",
                999_000,
            )
        }),
        made(
            "a million exceptions with an attribute",
            Expect::Whatever,
            || {
                let prepare = cat(&[
                    &global("builtins", "KeyError"),
                    b"\x94}",
                    &text("a"),
                    b"Ns\x94",
                ]);
                many(prepare, b"h\x00)Rh\x01b", 999_000)
            },
        ),
        made(
            "a global with a long name, a million times",
            Expect::Whatever,
            || {
                let prepare = cat(&[&text("builtins"), b"\x94", &text("KeyError"), b"\x94"]);
                many(prepare, b"h\x00h\x01\x93)R", 999_000)
            },
        ),
    ]
}

fn keys() -> Vec<Case> {
    let dict = |count: u32, item: fn(u32) -> Vec<u8>| {
        let mut pickle = b"\x80\x04}".to_vec();
        for index in 0..count {
            pickle.extend_from_slice(&item(index));
        }
        pickle.push(b'.');
        pickle
    };
    vec![
        made("a dict filled key by key", Expect::Whatever, move || {
            dict(400_000, |index| cat(&[b"J", &index.to_le_bytes(), b"Ns"]))
        }),
        made(
            "the same key, again and again",
            Expect::Whatever,
            move || dict(400_000, |_| b"K\x01Ns".to_vec()),
        ),
        made("keys that are nan", Expect::Whatever, move || {
            dict(300_000, |_| b"G\x7f\xf8\0\0\0\0\0\0Ns".to_vec())
        }),
        made(
            "keys with the same hash in Python",
            Expect::Whatever,
            move || {
                // Multiples of 2^61 - 1 all have the hash 0 there.
                dict(100_000, |index| {
                    let key = u128::from(index) * ((1 << 61) - 1);
                    cat(&[b"\x8a\x10", &key.to_le_bytes(), b"Ns"])
                })
            },
        ),
        made("floats and integers as keys", Expect::Whatever, move || {
            dict(200_000, |index| {
                let float = f64::from(index) * 4_294_967_296.0;
                let integer = i128::from(index) << 32;
                cat(&[
                    b"G",
                    &float.to_be_bytes(),
                    b"Ns\x8a\x10",
                    &integer.to_le_bytes(),
                    b"Ns",
                ])
            })
        }),
        made("long integers as keys", Expect::Whatever, move || {
            dict(4000, |index| {
                cat(&[
                    b"\x8b\x00\x04\x00\x00",
                    &[0x11; 1020],
                    &index.to_le_bytes(),
                    b"Ns",
                ])
            })
        }),
        made(
            "a key of a megabyte, and its equals",
            Expect::Whatever,
            || {
                let key = cat(&[b"B\x00\x00\x10\x00", &vec![b'k'; 1 << 20]]);
                cat(&[
                    b"\x80\x04}",
                    &key,
                    b"\x94Ns",
                    &b"h\x00Ns".repeat(200_000),
                    b".",
                ])
            },
        ),
        made(
            "a key of a megabyte in 30,000 dicts",
            Expect::Whatever,
            || {
                let key = cat(&[b"B\x00\x00\x10\x00", &vec![b'k'; 1 << 20]]);
                cat(&[
                    b"\x80\x04(",
                    &key,
                    b"\x94",
                    &b"}h\x00Ns".repeat(30_000),
                    b"l.",
                ])
            },
        ),
        made("long tuples as keys", Expect::Whatever, || {
            let key = cat(&[b"(", &b"K\x01".repeat(1000), b"t\x94"]);
            cat(&[b"\x80\x04}", &key, b"Ns", &b"h\x00Ns".repeat(300_000), b"."])
        }),
        made("nested frozensets of many", Expect::Whatever, || {
            // Each holds all before and seven of its own.
            let item = cat(&[b"(", &b"K\x01".repeat(1000), b"t"]);
            let mut pickle = cat(&[b"\x80\x04}(\x91"]);
            for _ in 0..90 {
                pickle.extend_from_slice(&cat(&[b"\x940(", b"K\x01", &item, b"\x91"]));
            }
            pickle.extend_from_slice(b"Ns.");
            pickle
        }),
        made("a set filled one by one", Expect::Whatever, || {
            let mut pickle = b"\x80\x04\x8f".to_vec();
            for index in 0u32..300_000 {
                pickle.extend_from_slice(&cat(&[b"(J", &index.to_le_bytes(), b"\x90"]));
            }
            pickle.push(b'.');
            pickle
        }),
        made("a list filled one by one", Expect::Whatever, || {
            cat(&[b"\x80\x04]", &b"Na".repeat(990_000), b"."])
        }),
    ]
}
