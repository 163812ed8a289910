//! Pickles that would run code, or make objects of classes, where Python reads them.
//!
//! Those with a shell in them would make a file, the canary, in Python. No test loads them there.

use crate::case::{Case, cat, fails, global, reads, text};

pub(crate) fn cases(canary: &str) -> Vec<Case> {
    [
        shells(canary),
        refused_globals(),
        opcodes(),
        calls(),
        builds(),
    ]
    .concat()
}

/// Each runs `touch` where the reader is Python's.
fn shells(canary: &str) -> Vec<Case> {
    let touch = format!("touch {canary}");
    let python = format!("open({canary:?}, 'w')");
    let call = |module: &str, name: &str, argument: &str| {
        cat(&[
            b"\x80\x04",
            &global(module, name),
            &text(argument),
            b"\x85R.",
        ])
    };
    let old_call =
        |global: &str, argument: &str| cat(&[format!("c{global}\n(V{argument}\ntR.").as_bytes()]);
    vec![
        fails("os.system", call("os", "system", &touch), "Global"),
        fails("posix.system", call("posix", "system", &touch), "Global"),
        fails(
            "os.system, protocol 0",
            old_call("os\nsystem", &touch),
            "Global",
        ),
        fails(
            "subprocess.Popen",
            call("subprocess", "Popen", &touch),
            "Global",
        ),
        fails("builtins.eval", call("builtins", "eval", &python), "Global"),
        fails("builtins.exec", call("builtins", "exec", &python), "Global"),
        fails(
            "__builtin__.eval, protocol 0",
            old_call("__builtin__\neval", &python),
            "Global",
        ),
        fails(
            "builtins.compile",
            call("builtins", "compile", &python),
            "Global",
        ),
        fails("builtins.open", call("builtins", "open", canary), "Global"),
        fails(
            "builtins.__import__",
            call("builtins", "__import__", "antigravity"),
            "Global",
        ),
        fails("INST", format!("(V{touch}\nios\nsystem\n."), "Opcode"),
        fails("OBJ", format!("(cos\nsystem\nV{touch}\no."), "Global"),
        fails(
            "NEWOBJ",
            cat(&[
                b"\x80\x04",
                &global("subprocess", "Popen"),
                &text(&touch),
                b"\x85\x81.",
            ]),
            "Global",
        ),
        fails(
            "NEWOBJ_EX",
            cat(&[
                b"\x80\x04",
                &global("subprocess", "Popen"),
                &text(&touch),
                b"\x85}\x92.",
            ]),
            "Global",
        ),
        fails(
            "a call whose result is thrown away",
            cat(&[
                b"\x80\x04",
                &global("os", "system"),
                &text(&touch),
                b"\x85R0N.",
            ]),
            "Global",
        ),
        fails(
            "a call behind a harmless value",
            cat(&[
                b"\x80\x04](K\x01",
                &global("os", "system"),
                &text(&touch),
                b"\x85Re.",
            ]),
            "Global",
        ),
        fails(
            "a call in a pickle in a pickle",
            cat(&[
                b"\x80\x04",
                &global("pickle", "loads"),
                b"C\x04\x80\x04N.\x85R.",
            ]),
            "Global",
        ),
        fails(
            "a function inside a permitted class",
            cat(&[
                b"\x80\x04",
                &global("builtins", "KeyError.__init__"),
                b")R.",
            ]),
            "Global",
        ),
        fails(
            "the way from a permitted class to all",
            cat(&[
                b"\x80\x04",
                &global("builtins", "Exception.__subclasses__"),
                b")R.",
            ]),
            "Global",
        ),
        fails(
            "a module inside a permitted one",
            cat(&[
                b"\x80\x04",
                &global("builtins.os", "system"),
                &text(&touch),
                b"\x85R.",
            ]),
            "Global",
        ),
    ]
}

fn refused_globals() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        ("builtins", "getattr"),
        ("builtins", "type"),
        ("builtins", "object"),
        ("builtins", "print"),
        ("builtins", "input"),
        ("builtins", "map"),
        ("builtins", "range"),
        ("builtins", "NoSuchError"),
        ("builtins", "keyerror"),
        ("builtins", " KeyError"),
        ("builtins", ""),
        ("Builtins", "KeyError"),
        ("", "KeyError"),
        ("", ""),
        ("builtins\0", "KeyError"),
        ("copyreg", "_reconstructor"),
        ("copy_reg", "_reconstructor"),
        ("collections", "OrderedDict"),
        ("collections", "deque"),
        ("datetime", "datetime"),
        ("decimal", "Decimal"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("codecs", "encode"),
        ("_codecs", "decode"),
        ("__main__", "Error"),
        ("socket", "timeout"),
    ]
    .into_iter()
    .map(|(module, name)| {
        let pickle = cat(&[b"\x80\x04", &global(module, name), b")R."]);
        fails(&format!("global {module:?} {name:?}"), pickle, "Global")
    })
    .collect();
    cases.extend([
        fails(
            "a function as the value",
            cat(&[b"\x80\x04", &global("os", "system"), b"."]),
            "Global",
        ),
        fails(
            "a permitted class as the value",
            cat(&[b"\x80\x04", &global("builtins", "KeyError"), b"."]),
            "Global",
        ),
        fails(
            "a permitted class in a list",
            cat(&[b"\x80\x04]", &global("builtins", "set"), b"a."]),
            "Global",
        ),
        fails(
            "a permitted class as a key",
            cat(&[b"\x80\x04}", &global("builtins", "set"), b"Ns."]),
            "Global",
        ),
        fails(
            "a permitted class as an argument",
            cat(&[
                b"\x80\x04",
                &global("builtins", "KeyError"),
                &global("builtins", "set"),
                b"\x85R.",
            ]),
            "Global",
        ),
        fails(
            "STACK_GLOBAL of numbers",
            b"\x80\x04K\x01K\x02\x93.",
            "Misuse",
        ),
        fails(
            "STACK_GLOBAL of one text",
            b"\x80\x04\x8c\x02os\x93.",
            "Underflow",
        ),
        fails(
            "STACK_GLOBAL of bytes",
            b"\x80\x04C\x08builtinsC\x08KeyError\x93)R.",
            "Misuse",
        ),
        fails(
            "STACK_GLOBAL of a shared list",
            b"\x80\x04]\x942\x93.",
            "Misuse",
        ),
        fails(
            "GLOBAL without an end",
            b"\x80\x02cbuiltins\nKeyError",
            "Truncated",
        ),
        fails("GLOBAL without a name", b"\x80\x02cbuiltins\n", "Truncated"),
        fails(
            "GLOBAL that is no UTF-8",
            b"\x80\x02c\xff\xfe\nKeyError\n)R.",
            "Global",
        ),
        fails(
            "GLOBAL with a carriage return",
            b"\x80\x02cbuiltins\r\nKeyError\r\n)R.",
            "Global",
        ),
        fails(
            "a module of a megabyte",
            cat(&[b"\x80\x02c", &[b'm'; 1 << 20], b"\nx\n."]),
            "Global",
        ),
        fails(
            "a class of a megabyte",
            cat(&[b"\x80\x04", &global("builtins", &"x".repeat(1 << 20)), b"."]),
            "Global",
        ),
    ]);
    cases
}

fn opcodes() -> Vec<Case> {
    vec![
        fails("PERSID", b"Pfile\n.", "Opcode"),
        fails("BINPERSID", b"\x80\x02N\x51.", "Opcode"),
        fails("EXT1", b"\x80\x02\x82\x01.", "Opcode"),
        fails("EXT2", b"\x80\x02\x83\x01\x00.", "Opcode"),
        fails("EXT4", b"\x80\x02\x84\x01\x00\x00\x00.", "Opcode"),
        fails("NEXT_BUFFER", b"\x80\x05\x97.", "Opcode"),
        fails("READONLY_BUFFER", b"\x80\x05C\x01a\x98.", "Opcode"),
        fails(
            "INST of a permitted class",
            b"(Vfoo\nibuiltins\nKeyError\n.",
            "Opcode",
        ),
        fails(
            "OBJ of a permitted class",
            b"(cbuiltins\nKeyError\nVfoo\no.",
            "Opcode",
        ),
        fails(
            "NEWOBJ of a permitted class",
            b"\x80\x02cbuiltins\nKeyError\n)\x81.",
            "Opcode",
        ),
        fails(
            "NEWOBJ_EX of a permitted class",
            b"\x80\x04cbuiltins\nKeyError\n)}\x92.",
            "Opcode",
        ),
    ]
}

fn calls() -> Vec<Case> {
    let call = |module: &str, name: &str, arguments: &[u8]| {
        cat(&[b"\x80\x04", &global(module, name), arguments, b"R."])
    };
    vec![
        fails("REDUCE of nothing", b"\x80\x02R.", "Underflow"),
        fails(
            "REDUCE without arguments",
            b"\x80\x02cbuiltins\nKeyError\nR.",
            "Underflow",
        ),
        fails(
            "REDUCE of a text",
            b"\x80\x02X\x02\x00\x00\x00os)R.",
            "Misuse",
        ),
        fails("REDUCE of None", b"\x80\x02N)R.", "Misuse"),
        fails(
            "REDUCE of an exception",
            b"\x80\x02cbuiltins\nKeyError\n)R)R.",
            "Misuse",
        ),
        fails(
            "REDUCE with a list",
            b"\x80\x02cbuiltins\nKeyError\n]R.",
            "Misuse",
        ),
        fails(
            "REDUCE with None",
            b"\x80\x02cbuiltins\nKeyError\nNR.",
            "Misuse",
        ),
        fails(
            "set of a number",
            call("builtins", "set", b"K\x05\x85"),
            "Misuse",
        ),
        fails("set of two", call("builtins", "set", b"]]\x86"), "Misuse"),
        fails(
            "set of lists",
            call("builtins", "set", b"(]]l\x85"),
            "Unhashable { kind: \"list\" }",
        ),
        fails(
            "frozenset of dicts",
            call("builtins", "frozenset", b"(}}l\x85"),
            "Unhashable { kind: \"dict\" }",
        ),
        reads("set of nothing", call("builtins", "set", b")"), "set()"),
        fails(
            "bytearray of a terabyte",
            call("builtins", "bytearray", b"\x8a\x06\0\0\0\0\0\x01\x85"),
            "Misuse",
        ),
        fails(
            "bytearray of 10^9",
            call("builtins", "bytearray", b"J\x00\xca\x9a\x3b\x85"),
            "Misuse",
        ),
        fails(
            "bytes of 10^9",
            call("builtins", "bytes", b"J\x00\xca\x9a\x3b\x85"),
            "Misuse",
        ),
        fails(
            "__builtin__.bytes of 10^9",
            b"c__builtin__\nbytes\n(J\x00\xca\x9a\x3btR.",
            "Misuse",
        ),
        fails(
            "bytearray of a text in UTF-16",
            call(
                "builtins",
                "bytearray",
                &cat(&[&text("a"), &text("utf-16"), b"\x86"]),
            ),
            "Misuse",
        ),
        fails(
            "bytearray of three",
            call("builtins", "bytearray", b"NNN\x87"),
            "Misuse",
        ),
        fails(
            "encode beyond Latin-1",
            call(
                "_codecs",
                "encode",
                &cat(&[&text("\u{20ac}"), &text("latin1"), b"\x86"]),
            ),
            "Misuse",
        ),
        fails(
            "encode as zip",
            call(
                "_codecs",
                "encode",
                &cat(&[&text("a"), &text("zip"), b"\x86"]),
            ),
            "Misuse",
        ),
        fails(
            "encode as unicode_escape",
            call(
                "_codecs",
                "encode",
                &cat(&[&text("a"), &text("unicode_escape"), b"\x86"]),
            ),
            "Misuse",
        ),
        fails(
            "encode without a codec",
            call("_codecs", "encode", &cat(&[&text("a"), b"\x85"])),
            "Misuse",
        ),
        fails(
            "encode of a number",
            call(
                "_codecs",
                "encode",
                &cat(&[b"K\x01", &text("latin1"), b"\x86"]),
            ),
            "Misuse",
        ),
        fails(
            "int of a text",
            call("builtins", "int", &cat(&[&text("5"), b"\x85"])),
            "Global",
        ),
        fails(
            "complex",
            call("builtins", "complex", b"K\x01K\x02\x86"),
            "Global",
        ),
    ]
}

fn builds() -> Vec<Case> {
    let build = |state: &[u8]| {
        cat(&[
            b"\x80\x04",
            &global("builtins", "KeyError"),
            b")R",
            state,
            b"b.",
        ])
    };
    vec![
        fails("BUILD of nothing", b"\x80\x02b.", "Underflow"),
        fails(
            "BUILD without a state",
            b"\x80\x02cbuiltins\nKeyError\n)Rb.",
            "Underflow",
        ),
        fails("BUILD of a list", b"\x80\x02]}b.", "Misuse"),
        fails("BUILD of a dict", b"\x80\x02}}b.", "Misuse"),
        fails(
            "BUILD of a class",
            b"\x80\x02cbuiltins\nKeyError\n}b.",
            "Misuse",
        ),
        fails("BUILD with a list", build(b"]"), "Misuse"),
        fails("BUILD with a tuple", build(b"}}\x86"), "Misuse"),
        fails("BUILD with a number", build(b"K\x01"), "Misuse"),
        reads("BUILD with an empty dict", build(b"}"), "KeyError()"),
        fails(
            "attributes that have no name",
            build(b"}K\x01K\x02s"),
            "Attribute",
        ),
        reads(
            "attributes that Python would obey",
            build(&cat(&[
                b"}(",
                &text("__class__"),
                &text("x"),
                &text("__reduce__"),
                b"Nu",
            ])),
            "KeyError()",
        ),
        fails("attributes twice", build(b"}b}"), "Misuse"),
        reads(
            "attributes that are set later",
            cat(&[
                b"\x80\x04",
                &global("builtins", "KeyError"),
                b")R}\x94bh\x00]Ns0.",
            ]),
            "KeyError()",
        ),
    ]
}
