"""Pickles that would harm whoever unpickles them, as a peer that knows the key could send them."""
import os
import pickle
import struct


class Calls:
    """Unpickled by a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def text(string):
    raw = string.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def stack_global(module, name):
    return text(module) + text(name) + b"\x93"


def pickles(canary):
    """Names and bytes. Whatever would run code creates the file `canary`."""
    yield from code(canary)
    yield from shapes()
    yield from sizes()
    yield from stacks()


def code(canary):
    command = "touch '%s'" % canary
    write = "open(%r, 'w')" % canary
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield "system-%d" % protocol, pickle.dumps(Calls(os.system, command), protocol)
        yield "eval-%d" % protocol, pickle.dumps(Calls(eval, write), protocol)
        yield "exec-in-a-list-%d" % protocol, pickle.dumps([1, {"a": (Calls(exec, write),)}], protocol)
    yield "inst", b"(" + text(command) + b"ios\nsystem\n."
    yield "obj", b"(cos\nsystem\n" + text(command) + b"o."
    yield "newobj", b"\x80\x02cos\nsystem\n" + text(command) + b"\x85\x81."
    yield "newobj-ex", b"\x80\x04" + stack_global("os", "system") + text(command) + b"\x85}\x92."
    yield "getattr", b"\x80\x04" + stack_global("builtins", "getattr") + b"(" + stack_global("os", "system") + text(
        "__call__") + b"tR" + text(command) + b"\x85R."
    yield "dotted", b"\x80\x04" + stack_global("builtins", "ValueError.__init__.__globals__") + b"."
    yield "dotted-call", b"\x80\x04" + stack_global("builtins", "Exception.__reduce__") + b")R."
    yield "module-of-an-exception", b"\x80\x04" + stack_global("os", "error") + b")R."
    yield "lookup-of-the-reader", b"\x80\x04" + stack_global("builtins", "__import__") + text("os") + b"\x85R."
    yield "partial", b"\x80\x04" + stack_global("functools", "partial") + stack_global("os", "system") + b"\x85R."
    yield "setstate", b"\x80\x04" + stack_global("builtins", "ValueError") + b")R}" + text("__setstate__") + stack_global(
        "os", "system") + b"sb" + text(command) + b"b."
    yield "build-on-a-class", b"\x80\x04" + stack_global("builtins", "ValueError") + b"}" + text("x") + b"K\x01sb."
    yield "class-alone", b"\x80\x04" + stack_global("builtins", "ValueError") + b"."
    yield "called-with-a-list", b"\x80\x04" + stack_global("builtins", "ValueError") + b"]R."
    yield "persistent", b"Pfile:///etc/passwd\n."
    yield "persistent-binary", text("file:///etc/passwd") + b"Q."
    yield "extension", b"\x82\x01."
    yield "extensions", b"\x83\x01\x00\x84\x01\x00\x00\x00."
    yield "socket", b"\x80\x04" + stack_global("multiprocessing.reduction", "_rebuild_socket") + b")R."


def shapes():
    yield "list-in-itself", b"\x80\x04]\x94h\x00a."
    yield "dict-in-itself", b"\x80\x04}\x94K\x01h\x00s."
    yield "tuple-in-itself", b"\x80\x04]\x94h\x00\x85\x94a0h\x01."
    yield "exception-in-itself", b"\x80\x04" + stack_global("builtins", "ValueError") + b"]\x94\x85R\x94h\x00h\x01a0."
    yield "deep-lists", b"]" * 100000 + b"a" * 99999 + b"."
    yield "deep-tuples", b")" + b"\x85" * 1000000 + b"."
    yield "deep-dicts", b"}N" * 100000 + b"}" + b"s" * 100000 + b"."
    yield "deep-in-keys", b"})" + b"\x85" * 100000 + b"Ns."
    yield "doubled-tuples", b")" + b"2\x86" * 64 + b"."
    yield "doubled-lists", b"]\x94" + b"".join(
        b"](h%ch%ce\x94" % (level, level) for level in range(64)) + b"."
    yield "doubled-text", text("x" * 1000) + b"2\x86" * 64 + b"."
    yield "many-mentions-of-much", text("x" * 100000) + b"\x94(" + b"h\x00" * 500000 + b"t."
    yield "unhashable", b"}](K\x01eNs."
    yield "unhashable-in-a-set", b"\x8f(]\x90."
    yield "same-hash", b"}(" + b"".join(
        pickle.dumps(number * (2**61 - 1), 2)[2:-1] + b"N" for number in range(20000)) + b"u."
    yield "same-key-often", b"}(" + b"K\x01N" * 400000 + b"u."


def sizes():
    for code, width in ((b"X", 4), (b"B", 4), (b"\x8d", 8), (b"\x8e", 8), (b"\x96", 8), (b"T", 4), (b"\x8b", 4)):
        name = "length-of-%02x-" % code[0]
        yield name + "large", code + b"\xff" * (width - 1) + b"\x7fabc."
        yield name + "negative", code + b"\xff" * width + b"abc."
        yield name + "one-too-many", code + struct.pack("<Q", 5)[:width] + b"abc."
    yield "frame-large", b"\x80\x04\x95" + b"\xff" * 7 + b"\x7fN."
    yield "memo-large", b"Nr\xff\xff\xff\x7fj\xff\xff\xff\x7f."
    yield "memo-larger", b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff."
    yield "memo-text", b"Np99999999999999999999\ng99999999999999999999\n."
    yield "digits", b"I" + b"9" * 1000000 + b"\n."
    yield "digits-long", b"L" + b"9" * 1000000 + b"L\n."
    yield "digits-float", b"F" + b"9" * 1000000 + b"\n."
    yield "long-long", b"\x8b" + struct.pack("<i", 8000000) + b"\x7f" * 8000000 + b"."
    yield "values", b"(" + b"N" * 8000000 + b"t."
    yield "lists", b"(" + b"]" * 8000000 + b"t."
    yield "dicts", b"(" + b"}" * 8000000 + b"t."
    yield "marks", b"(" * 8000000
    yield "memoised", b"N" + b"\x94" * 8000000 + b"."
    yield "pushed-and-popped", b"N0" * 4000000 + b"N."
    yield "doubled-and-popped", b"N" + b"20" * 4000000 + b"."
    yield "texts", b"(" + b"\x8c\x00" * 4000000 + b"t."


def stacks():
    for name, pickled in (
        ("empty", b""), ("stop", b"."), ("no-stop", b"\x80\x04N"), ("cut", b"\x80"), ("text", b"#CHALLENGE#"),
        ("protocol", b"\x80\x09N."), ("trailing", b"N.N."), ("two-left", b"NN."), ("mark-left", b"(."),
        ("unknown", b"\x00."), ("pop", b"0."), ("pop-mark", b"1."), ("dup", b"2."), ("append", b"Na."),
        ("append-to-none", b"NNa."), ("appends-to-none", b"N(Ne."), ("setitem-on-list", b"]NNs."), ("odd", b"}(Nu."),
        ("add-to-list", b"](N\x90."), ("tuple", b"N\x86."), ("no-mark", b"Nt."), ("get", b"h\x00."), ("put", b"q\x00."),
        ("reduce", b"R."), ("build", b"b."), ("reduce-none", b"N)R."), ("build-none", b"N}b."), ("buffer", b"\x97."),
        ("read-only", b"N\x98."), ("global-cut", b"cos\nsys"), ("global-no-text", b"NN\x93."), ("int", b"Ix\n."),
        ("long", b"L\n."), ("float", b"Fx\n."), ("string", b"S'x\n."), ("unicode", b"V\\ud800\n."),
        ("surrogate", b"X\x03\x00\x00\x00\xed\xa0\x80."), ("not-utf-8", b"X\x01\x00\x00\x00\xff."),
    ):
        yield "broken-" + name, pickled
