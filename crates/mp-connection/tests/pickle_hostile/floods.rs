//! Megabytes of each instruction.

use crate::case::{Case, Expect, LARGE, made};

/// 64 MiB of each instruction that takes no argument, on what it needs, and of those with an argument as short as it gets.
pub(crate) fn cases() -> Vec<Case> {
    let flood = |name: &str, before: &'static [u8], again: &'static [u8], after: &'static [u8]| {
        made(&format!("a flood of {name}"), Expect::Whatever, move || {
            let count = (LARGE - before.len() - after.len()) / again.len();
            let mut pickle = Vec::with_capacity(LARGE);
            pickle.extend_from_slice(before);
            match again {
                // Much faster without optimisation.
                &[byte] => pickle.resize(before.len() + count, byte),
                _ => (0..count).for_each(|_| pickle.extend_from_slice(again)),
            }
            pickle.extend_from_slice(after);
            pickle
        })
    };
    vec![
        flood("NONE", b"\x80\x04", b"N", b"."),
        flood("NONE in a list", b"\x80\x04(", b"N", b"l."),
        flood("NEWTRUE in a tuple", b"\x80\x04(", b"\x88", b"t."),
        flood("BININT1 in a list", b"\x80\x04](", b"K\x01", b"e."),
        flood("EMPTY_LIST", b"\x80\x04", b"]", b"."),
        flood("EMPTY_LIST in a list", b"\x80\x04(", b"]", b"l."),
        flood("EMPTY_TUPLE", b"\x80\x04", b")", b"."),
        flood("EMPTY_TUPLE in a list", b"\x80\x04(", b")", b"l."),
        flood("EMPTY_DICT", b"\x80\x04", b"}", b"."),
        flood("EMPTY_DICT in a list", b"\x80\x04(", b"}", b"l."),
        flood("EMPTY_SET", b"\x80\x04", b"\x8f", b"."),
        flood("EMPTY_SET in a list", b"\x80\x04(", b"\x8f", b"l."),
        flood("TUPLE1", b"\x80\x04N", b"\x85", b"."),
        flood("MARK", b"\x80\x04", b"(", b"."),
        flood("MARK TUPLE", b"\x80\x04(", b"(t", b"l."),
        flood("MARK LIST", b"\x80\x04(", b"(l", b"l."),
        flood("MARK FROZENSET", b"\x80\x04(", b"(\x91", b"l."),
        flood("MARK DICT", b"\x80\x04(", b"(d", b"l."),
        flood("lists of one", b"\x80\x04(", b"]Na", b"l."),
        flood("tuples of one", b"\x80\x04(", b"N\x85", b"l."),
        flood("dicts of one", b"\x80\x04(", b"}NNs", b"l."),
        flood("sets of one", b"\x80\x04(", b"\x8f(N\x90", b"l."),
        flood("frozensets of one", b"\x80\x04(", b"(N\x91", b"l."),
        flood(
            "dicts of a shared value",
            b"\x80\x04N\x94(",
            b"}h\x00h\x00s",
            b"l.",
        ),
        flood("DUP", b"\x80\x04N", b"2", b"."),
        flood("DUP in a list", b"\x80\x04(N", b"2", b"l."),
        flood("NONE APPEND", b"\x80\x04]", b"Na", b"."),
        flood("BINGET", b"\x80\x04N\x94", b"h\x00", b"."),
        flood("BINGET in a tuple", b"\x80\x04N\x94(", b"h\x00", b"t."),
        flood("BINGET APPEND", b"\x80\x04N\x940]", b"h\x00a", b"."),
        flood("NONE POP", b"\x80\x04N", b"N0", b"."),
        flood("EMPTY_LIST POP", b"\x80\x04N", b"]0", b"."),
        flood("DUP POP", b"\x80\x04N", b"20", b"."),
        flood("BINGET POP", b"\x80\x04N\x94", b"h\x000", b"."),
        flood("MARK POP", b"\x80\x04N", b"(0", b"."),
        flood("MARK POP_MARK", b"\x80\x04N", b"(1", b"."),
        flood("MARK APPENDS", b"\x80\x04]", b"(e", b"."),
        flood("MARK SETITEMS", b"\x80\x04}", b"(u", b"."),
        flood("MARK ADDITEMS", b"\x80\x04\x8f", b"(\x90", b"."),
        flood("MEMOIZE", b"\x80\x04N", b"\x94", b"."),
        flood("BINPUT", b"\x80\x04N", b"q\x00", b"."),
        flood("PUT", b"\x80\x04N", b"p0\n", b"."),
        flood("PROTO", b"", b"\x80\x04", b"N."),
        flood("empty FRAME", b"\x80\x04", b"\x95\0\0\0\0\0\0\0\0", b"N."),
        flood("STOP", b"\x80\x04N", b".", b""),
        flood("empty SHORT_BINUNICODE", b"\x80\x04(", b"\x8c\x00", b"l."),
        flood("empty SHORT_BINBYTES", b"\x80\x04(", b"C\x00", b"l."),
        flood("empty UNICODE", b"\x80\x04(", b"V\n", b"l."),
        flood("escaped UNICODE", b"\x80\x04(", b"V\\u0041\n", b"l."),
        flood("Latin-1 UNICODE", b"\x80\x04(", b"V\xe9\n", b"l."),
        flood(
            "empty BYTEARRAY8",
            b"\x80\x05(",
            b"\x96\0\0\0\0\0\0\0\0",
            b"l.",
        ),
        flood(
            "LONG1 of 9 bytes",
            b"\x80\x04(",
            b"\x8a\x09\0\0\0\0\0\0\0\0\x01",
            b"l.",
        ),
        flood("BINFLOAT", b"\x80\x04(", b"G\0\0\0\0\0\0\0\0", b"l."),
        flood("GLOBAL POP", b"\x80\x04N", b"cbuiltins\nset\n0", b"."),
        flood("GLOBAL", b"\x80\x04N", b"cbuiltins\nset\n", b"."),
        flood(
            "REDUCE of no arguments",
            b"\x80\x04cbuiltins\nset\n\x94(",
            b"h\x00)R",
            b"l.",
        ),
        flood(
            "BUILD of no attributes",
            b"\x80\x04cbuiltins\nKeyError\n)R",
            b"}b",
            b".",
        ),
        flood("zeros", b"", b"\0", b""),
        flood("0xff", b"\x80\x04", b"\xff", b""),
        flood("line ends", b"I", b"\n", b""),
        flood("letters without a line end", b"V", b"a", b""),
    ]
}
