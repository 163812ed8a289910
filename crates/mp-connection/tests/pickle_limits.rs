//! What the reader refuses: what would run code, what is no pickle, and what is too much. None of it takes memory,
//! stack or time beyond the limits.

use std::time::{Duration, Instant};

use mp_connection::pickle::{Error, Limit, Options, Value};

fn read(pickle: impl AsRef<[u8]>) -> Result<Value, Error> {
    Value::from_pickle(pickle.as_ref(), &Options::default())
}

fn refused(pickle: impl AsRef<[u8]>) -> Error {
    read(&pickle).expect_err(&pickle.as_ref().escape_ascii().to_string())
}

fn too_large(what: Limit) -> Error {
    let options = Options::default();
    let limit = match what {
        Limit::Depth => options.max_depth,
        Limit::Values => options.max_values,
        Limit::Bytes => options.max_bytes,
        _ => options.max_memory,
    };
    Error::TooLarge { what, limit }
}

/// Runs it where a recursion of some hundred levels would end the process.
fn with_little_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(run);
    thread
        .expect("a thread starts")
        .join()
        .expect("it does not panic");
}

#[test]
fn no_class_but_those_of_data() {
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "object"),
        ("builtins", "complex"),
        ("builtins", "KeyError.__init__"),
        ("builtins", "set.add"),
        ("__builtin__", "eval"),
        ("exceptions", "set"),
        ("subprocess", "Popen"),
        ("collections", "OrderedDict"),
        ("copyreg", "_reconstructor"),
        ("_codecs", "decode"),
        ("codecs", "encode"),
        ("builtins ", "set"),
        ("", ""),
    ] {
        let global = Error::Global {
            module: module.to_owned(),
            name: name.to_owned(),
        };
        let short = |text: &str| [&[0x8c, text.len() as u8], text.as_bytes()].concat();
        assert_eq!(refused(format!("c{module}\n{name}\n(S'id'\ntR.")), global);
        assert_eq!(refused(format!("c{module}\n{name}\n.")), global);
        // Also where it is taken away again, inside of arguments, and by names from the memo or spelled otherwise.
        assert_eq!(refused(format!("c{module}\n{name}\n0N.")), global);
        assert_eq!(
            refused(format!("cbuiltins\nKeyError\n(c{module}\n{name}\n)Rt R.")),
            global
        );
        let stack = [&b"\x80\x04"[..], &short(module), &short(name), b"\x93."].concat();
        assert_eq!(refused(stack), global);
        let memo = [&short(name)[..], b"\x940", &short(module), b"h\0\x93."].concat();
        assert_eq!(refused(memo), global);
    }
}

#[test]
fn long_names_are_told_in_part() {
    let name = "x".repeat(1 << 20);
    let Error::Global { module, name } = refused(format!("c{name}\n{name}\n.")) else {
        panic!("it is no class of data");
    };
    assert_eq!((module.len(), name.len()), (100, 100));
}

#[test]
fn no_instruction_that_asks_for_more_than_data() {
    for (pickle, opcode) in [
        (&b"(S'id'\nios\nsystem\n."[..], b'i'),
        (b"(cbuiltins\nKeyError\no.", b'o'),
        (b"cbuiltins\nKeyError\n)\x81.", 0x81),
        (b"cbuiltins\nKeyError\n)}\x92.", 0x92),
        (b"Pid\n.", b'P'),
        (b"NQ.", b'Q'),
        (b"\x82\x01.", 0x82),
        (b"\x83\x01\0.", 0x83),
        (b"\x84\x01\0\0\0.", 0x84),
        (b"\x97.", 0x97),
        (b"C\x01a\x98.", 0x98),
        (b"\xff.", 0xff),
        (b"\0.", 0),
        (b"N\x80\x04.", 0x80),
    ] {
        let offset = pickle
            .iter()
            .rposition(|&byte| byte == opcode)
            .expect("it is there");
        assert_eq!(refused(pickle), Error::Opcode { offset, opcode });
    }
    assert_eq!(refused(b"\x80\x06N."), Error::Protocol { version: 6 });
    assert_eq!(refused(b"\x80\xffN."), Error::Protocol { version: 255 });
}

#[test]
fn calls_and_attributes_only_as_python_writes_them() {
    for pickle in [
        // Calls of what can't be called, and with what are no arguments.
        &b"N)R."[..],
        b"S'os'\n)R.",
        b"cbuiltins\nKeyError\n]R.",
        b"cbuiltins\nKeyError\nNR.",
        b"cbuiltins\nKeyError\n)R)R.",
        b"cbuiltins\nset\nS'abc'\n\x85R.",
        b"cbuiltins\nset\n]]\x86R.",
        b"cbuiltins\nset\n)\x85R.",
        b"cbuiltins\nbytes\nK\x09\x85R.",
        b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
        b"c_codecs\nencode\nS'a'\nS'utf-8'\n\x86R.",
        b"c_codecs\nencode\nS'a'\nS'bz2'\n\x86R.",
        b"c_codecs\nencode\nX\x03\0\0\0\xe2\x82\xacS'latin1'\n\x86R.",
        // Attributes of what has none, and that are none.
        b"}}b.",
        b"]}b.",
        b"cbuiltins\nKeyError\n}b.",
        b"cbuiltins\nKeyError\n)R]b.",
        b"cbuiltins\nKeyError\n)RN}\x86b.",
        b"cbuiltins\nKeyError\n)R}b}b.",
        // Items for what takes none, or others.
        b")Na.",
        b"NNa.",
        b"}Na.",
        b"]NNs.",
        b"\x8fNa.",
        b"](N\x90.",
        b"}(N\x90.",
        b"\x8f(Ne.",
        b"](NNu.",
        b"cbuiltins\nKeyError\n)RS'a'\nNs.",
        // A key without a value.
        b"}(Nu.",
        b"(Nd.",
        b"NN\x93.",
    ] {
        let error = refused(pickle);
        assert!(
            matches!(error, Error::Misuse { .. }),
            "{}: {error}",
            pickle.escape_ascii()
        );
    }
    assert_eq!(refused(b"cbuiltins\nKeyError\n)R}NNsb."), Error::Attribute);
    // Classes are no values.
    for pickle in [
        "cbuiltins\nKeyError\n.",
        "(cbuiltins\nset\nt.",
        "}cbuiltins\nset\nNs.",
        "}Ncbuiltins\nset\ns.",
    ] {
        assert!(
            matches!(refused(pickle), Error::Global { .. }),
            "{pickle:?}"
        );
    }
}

#[test]
fn stacks_and_memos_that_are_too_small() {
    for pickle in [
        ".",
        "0N.",
        "1N.",
        "2.",
        "a.",
        "Na.",
        "s.",
        "NNs.",
        "u.",
        "}u.",
        "e.",
        "]e.",
        "t.",
        "l.",
        "d.",
        "\u{90}.",
        "(e.",
        "(u.",
        "N(a.",
        "](Na.",
        "N(0N\u{85}",
        "R.",
        "NR.",
        "b.",
        "Nb.",
        "(.",
        "N(.",
        "\u{85}.",
        "N\u{86}.",
        "NN\u{87}.",
        "\u{93}.",
        "p0\n.",
        "q\0.",
        "\u{94}.",
        "(q\0.",
        "\u{91}.",
    ] {
        let pickle: Vec<u8> = pickle.chars().map(|letter| letter as u8).collect();
        let error = refused(&pickle);
        assert!(
            matches!(error, Error::Underflow { .. } | Error::Truncated { .. }),
            "{}: {error}",
            pickle.escape_ascii()
        );
    }
    assert_eq!(refused("NN."), Error::LeftOver { count: 1 });
    assert_eq!(refused("(NN."), Error::LeftOver { count: 2 });
    for (pickle, index) in [
        (&b"h\0."[..], 0),
        (b"g0\n.", 0),
        (b"j\xff\xff\xff\xff.", 0xffff_ffff),
        (b"g18446744073709551615\n.", u64::MAX),
        (b"Nq\x01h\0.", 0),
        (b"Nr\0\0\0\x10.", 1 << 28),
        (b"Nr\xff\xff\xff\xff.", 0xffff_ffff),
        (b"Np18446744073709551615\n.", u64::MAX),
    ] {
        let error = refused(pickle);
        assert!(
            matches!(error, Error::Memo { index: found, .. } if found == index),
            "{error}"
        );
    }
}

#[test]
fn lengths_that_lie() {
    for (pickle, missing) in [
        (&b"U\x05ab."[..], 2),
        (b"X\xff\xff\xff\xff.", 0xffff_fffe),
        (b"B\0\0\0\x80.", 0x7fff_ffff),
        (
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
            i64::MAX as u64 - 1,
        ),
        (b"\x8e\0\0\0\0\0\0\0\x40.", (1 << 62) - 1),
        (b"\x96\xff\xff\xff\xff\xff\xff\xff\xff.", u64::MAX - 1),
        (b"\x8b\xff\xff\xff\x7f.", 0x7fff_fffe),
    ] {
        assert_eq!(
            refused(pickle),
            Error::Truncated { offset: 0, missing },
            "{}",
            pickle.escape_ascii()
        );
    }
    for pickle in [
        &b"\x8b\xff\xff\xff\xff."[..],
        b"T\xff\xff\xff\xff.",
        b"\x8b\0\0\0\x80.",
    ] {
        assert_eq!(refused(pickle), Error::Spelling { offset: 0 });
    }
}

#[test]
fn spellings_that_are_none() {
    for pickle in [
        &b"I\n."[..],
        b"I1L\n.",
        b"I0x10\n.",
        b"I1_0\n.",
        b"I 1\n.",
        b"I--1\n.",
        b"LL\n.",
        b"L1LL\n.",
        b"F\n.",
        b"F1,5\n.",
        b"F0x1p3\n.",
        b"S\n.",
        b"S'\n.",
        b"Sa\n.",
        b"S'a\"\n.",
        b"S'\\'\n.",
        b"S'\\x4'\n.",
        b"S'\\xzz'\n.",
        b"V\\u12\n.",
        b"V\\U00110000\n.",
        b"V\\u+123\n.",
        b"Np-1\n.",
        b"Ng1a\n.",
    ] {
        let error = refused(pickle);
        assert!(
            matches!(error, Error::Spelling { .. }),
            "{}: {error}",
            pickle.escape_ascii()
        );
    }
    for pickle in [
        &b"U\x01\xff."[..],
        b"S'\\xff'\n.",
        b"S'\xc3\xa9'\n.",
        b"\x8c\x01\xff.",
        b"X\x02\0\0\0\xc0\x80.",
    ] {
        assert_eq!(refused(pickle), Error::Text { offset: 0 });
    }
    for pickle in [
        &b"\x8c\x03\xed\xa0\x80."[..],
        b"V\\ud800\n.",
        b"V\\ud83d\\ude00\n.",
    ] {
        assert_eq!(refused(pickle), Error::Surrogate { offset: 0 });
    }
}

#[test]
fn what_contains_itself() {
    for pickle in [
        &b"]q\0h\0a."[..],
        b"]2a.",
        b"}q\0Nh\0s.",
        b"]q\0h\0\x85a.",
        b"]q\0}Nh\0sa.",
        b"cbuiltins\nKeyError\n]q\0\x85Rq\x01h\0h\x01a0.",
        b"cbuiltins\nKeyError\n)Rq\0}S'a'\nh\0sb.",
    ] {
        assert_eq!(refused(pickle), Error::Cycle, "{}", pickle.escape_ascii());
    }
}

#[test]
fn keys_that_are_none() {
    for (key, kind) in [
        ("]", "list"),
        ("}", "dict"),
        ("\u{8f}", "set"),
        ("]\u{85}", "list"),
        ("](N\u{91}\u{86}\u{85}", "list"),
        ("\u{96}\0\0\0\0\0\0\0\0", "bytearray"),
        ("cbuiltins\nKeyError\n)R", "Exception"),
    ] {
        let key: Vec<u8> = key.chars().map(|letter| letter as u8).collect();
        for pickle in [
            [b"}", &key[..], b"Ns."].concat(),
            [b"\x8f(N", &key[..], b"\x90."].concat(),
        ] {
            assert_eq!(
                refused(&pickle),
                Error::Unhashable { kind },
                "{}",
                pickle.escape_ascii()
            );
        }
        let many: Vec<u8> = (0..20).flat_map(|number| [b'K', number]).collect();
        let among_many = [b"(", &many[..], &key[..], b"\x91."].concat();
        assert_eq!(refused(among_many), Error::Unhashable { kind });
    }
}

#[test]
fn depth_ends_in_an_error_and_takes_no_stack() {
    let lists = |levels: usize| [vec![b']'; levels], vec![b'a'; levels - 1], vec![b'.']].concat();
    let tuples = |levels: usize| [vec![b')'], vec![0x85; levels - 1], vec![b'.']].concat();
    let dicts = |levels: usize| {
        [
            b"}N".repeat(levels - 1),
            b"}".to_vec(),
            vec![b's'; levels - 1],
            vec![b'.'],
        ]
        .concat()
    };
    let errors = |levels: usize| {
        let begin = b"cbuiltins\nKeyError\n".repeat(levels);
        [
            begin,
            vec![b')'],
            b"R\x85".repeat(levels - 1),
            b"R.".to_vec(),
        ]
        .concat()
    };
    with_little_stack(move || {
        for pickle in [lists(100), tuples(100), dicts(100), errors(50)] {
            let value = read(&pickle).expect("it is not too deep");
            assert_eq!(value, read(&pickle).expect("the same"));
            assert!(value.to_string().len() > 100);
        }
        for pickle in [
            lists(101),
            tuples(101),
            dicts(101),
            errors(51),
            lists(200_000),
            tuples(200_000),
            dicts(100_000),
        ] {
            assert_eq!(read(&pickle), Err(too_large(Limit::Depth)));
        }
        let options = Options {
            max_depth: usize::MAX,
            ..Options::default()
        };
        for pickle in [lists(1000), tuples(1000), dicts(1000), errors(500)] {
            let value = Value::from_pickle(&pickle, &options).expect("it is not too deep");
            let other = Value::from_pickle(&pickle, &options).expect("the same");
            assert_eq!(value, other);
            assert!(value.to_string().len() > 1000);
        }
        let error = Value::from_pickle(&lists(1001), &options);
        assert_eq!(
            error,
            Err(Error::TooLarge {
                what: Limit::Depth,
                limit: 1000
            })
        );
        // A key that is a tuple of tuples.
        let key = [b"}".to_vec(), vec![b')'], vec![0x85; 900], b"Ns.".to_vec()].concat();
        Value::from_pickle(&key, &options).expect("it is not too deep");
    });
}

#[test]
fn shared_values_count_as_often_as_they_are_mentioned() {
    let started = Instant::now();
    let tuples = [b")", &b"2\x86".repeat(60)[..], b"."].concat();
    // Each is noted, and put twice into the next.
    let lists = [b"(]q\0", &b"](h\0h\0eq\0".repeat(60)[..], b"t."].concat();
    let dicts = [b"(}q\0", &b"}(Nh\0K\x01h\0uq\0".repeat(60)[..], b"t."].concat();
    let keys = [b"})", &b"2\x86".repeat(60)[..], b"Ns."].concat();
    let some_keys = [
        b"})",
        &b"2\x86".repeat(17)[..],
        b"q\0Ns",
        &b"h\0Ns".repeat(30)[..],
        b".",
    ]
    .concat();
    for pickle in [tuples, lists, dicts, keys, some_keys] {
        assert_eq!(refused(pickle), too_large(Limit::Values));
    }
    let text = [
        b"](X\0\0\x10\0",
        &vec![b'x'; 1 << 20][..],
        b"q\0",
        &b"h\0".repeat(64)[..],
        b"e.",
    ]
    .concat();
    assert_eq!(refused(text), too_large(Limit::Bytes));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_is_small_in_the_pickle_is_limited_too() {
    const LEN: usize = 4 << 20;
    let many =
        |begin: &[u8], piece: &[u8]| [begin, &piece.repeat(LEN / piece.len())[..], b"e."].concat();
    for (pickle, what) in [
        (many(b"](", b"N"), Limit::Values),
        (many(b"", b"N0"), Limit::Values),
        (many(b"](", b"]"), Limit::Memory),
        (many(b"](", b"}"), Limit::Memory),
        (many(b"](", b"]Na"), Limit::Memory),
        (many(b"](", b"U\x01a"), Limit::Memory),
        (many(b"cbuiltins\nset\n", b")"), Limit::Memory),
        (many(b"(", b"("), Limit::Depth),
    ] {
        assert_eq!(refused(pickle), too_large(what));
    }
    // The memo grows with the values, not with what is noted.
    let error = refused(many(b"N", b"\x94"));
    assert!(matches!(error, Error::Memo { .. }), "{error}");
}
