"""Random values, the many ways in which one can be pickled, and an equality that overlooks nothing.

For Python 2.7 and 3.6 or later.
"""

import pickle
import pickletools
import struct
import sys

IS_PYTHON_2 = sys.version_info[0] == 2

if IS_PYTHON_2:
    import __builtin__ as builtins
    import cPickle as fast_pickle

    text_type, int_types, character = unicode, (int, long), unichr  # noqa: F821
else:
    import builtins

    fast_pickle, text_type, int_types, character = pickle, str, (int,), chr

FLOATS = [
    0.0, -0.0, 1.0, -1.5, 0.1, 1e308, -1e308, 5e-324, 1e22, 123456789.125, 2.0 ** 53, 2.0 ** 63, -2.0 ** 63, 2.0 ** 64,
    float("inf"), float("-inf"), float("nan"),
]
# One more and one less are tried too.
WIDTHS = [0, 1 << 7, 1 << 8, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 63, 1 << 64, 1 << 127, 1 << 128, 1 << 2039, 1 << 2040]
CHARACTERS = u"abz09 _.-\\\n\r\t\x00\x1a\x7f\x80\xa0\xe9\xff\u0100\u07ff\u0800\u20ac\ud7ff\ue000\ufffd\uffff'\""
BEYOND = [0x10000, 0x1F600, 0x10FFFF]
TEXTS = [u"", u"a", u"id", u"name", u"\\", u"\\u0041", u"\n", u"a\nb", u"\x00", u"\u20ac", u"\U0001f600", u"'", u"\"", u"True"]


def exception_classes():
    """All that the builtins of this interpreter have, of those that take any arguments."""
    special = {"UnicodeDecodeError", "UnicodeEncodeError", "UnicodeTranslateError", "BaseExceptionGroup", "ExceptionGroup"}
    classes = {
        value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException) and value.__name__ not in special and name[0] != "_"
    }
    return sorted(classes, key=lambda each: each.__name__)


class Values:
    """Makes one value after the other from a random.Random."""

    def __init__(self, rng):
        self.rng = rng
        self.exceptions = exception_classes()

    def next(self):
        self.made = []  # containers that are complete, each with how deep it is and how many values it stands for
        kind = self.rng.random()
        if kind < 0.005:
            return [self.leaf() for _ in range(self.rng.choice([300, 999, 1000, 1001, 2500]))]
        if kind < 0.01:
            return {self.key(1): self.leaf() for _ in range(self.rng.choice([300, 1000, 1001, 2100]))}
        if kind < 0.015:
            return [[number] for number in range(300)] + [self.text()] * 3
        if kind < 0.02 and not IS_PYTHON_2:
            return {self.key(1) for _ in range(self.rng.choice([300, 1001]))}
        if kind < 0.04:
            return self.nested(self.rng.randrange(1, 95))
        return self.value(self.rng.randrange(6))[0]

    def nested(self, depth):
        value = self.leaf()
        for _ in range(depth):
            wrap = self.rng.randrange(4)
            value = [[value], (value,), {u"k": value}, (value, None)][wrap]
        return value

    def value(self, depth):
        """A value with how deep it is and how many it stands for."""
        if depth == 0 or self.rng.random() < 0.3:
            return self.leaf(), 0, 1
        if self.made and self.rng.random() < 0.2:
            return self.rng.choice(self.made)
        made = self.container(depth)
        if made[1] < 30 and made[2] < 500:
            self.made.append(made)
        return made

    def container(self, depth):
        rng = self.rng
        kind = rng.randrange(9)
        if kind == 0 and not IS_PYTHON_2:
            return self.bytearray(), 0, 1
        if kind == 1 and not IS_PYTHON_2:
            return {self.key(depth - 1) for _ in range(rng.randrange(5))}, 10, 20
        if kind == 2 and not IS_PYTHON_2:
            return frozenset(self.key(depth - 1) for _ in range(rng.randrange(5))), 10, 20
        children = [self.value(depth - 1) for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4, 5, 8]))]
        deep = 1 + max([child[1] for child in children] or [0])
        weight = 1 + sum(child[2] for child in children)
        children = [child[0] for child in children]
        if kind < 5:
            return list(children), deep, weight
        if kind < 6:
            return tuple(children), deep, weight
        if kind < 8 or IS_PYTHON_2:
            return {self.key(depth - 1): child for child in children}, deep + 10, weight + 20 * len(children)
        return self.exception(children), deep + 2, weight + 10

    def leaf(self):
        kind = self.rng.randrange(8)
        if kind == 0:
            return self.rng.choice([None, True, False])
        if kind < 3:
            return self.integer()
        if kind == 3:
            return self.float()
        if kind < 6 or IS_PYTHON_2:
            return self.text()
        return self.bytes()

    def key(self, depth):
        kind = self.rng.randrange(10)
        if kind == 0:
            return self.rng.choice([None, True, False])
        if kind < 3:
            return self.integer()
        if kind == 3:
            return self.float()
        if kind < 7 or depth <= 0 or IS_PYTHON_2:
            return self.text()
        if kind == 7:
            return self.bytes()
        if kind == 8:
            return tuple(self.key(depth - 1) for _ in range(self.rng.randrange(4)))
        return frozenset(self.key(depth - 1) for _ in range(self.rng.randrange(4)))

    def integer(self):
        kind = self.rng.randrange(10)
        if kind < 4:
            return self.rng.randrange(-10, 300)
        if kind < 8:
            return (self.rng.choice(WIDTHS) + self.rng.randrange(-2, 3)) * self.rng.choice([1, -1])
        sign = self.rng.choice([1, -1])
        return sign * self.rng.getrandbits(self.rng.choice([8, 30, 62, 64, 65, 120, 500, 2050 if self.rng.random() < 0.5 else 9000]))

    def float(self):
        if self.rng.random() < 0.7:
            return self.rng.choice(FLOATS)
        return struct.unpack(">d", struct.pack(">Q", self.rng.getrandbits(64)))[0]

    def text(self):
        kind = self.rng.randrange(12)
        if kind < 5:
            return self.rng.choice(TEXTS)
        if kind == 5:
            return self.rng.choice(u"x\xe9\u20ac") * self.rng.choice([85, 127, 128, 255, 256, 257])
        if kind == 6 and self.rng.random() < 0.03:
            return u"t" * self.rng.choice([65535, 65536, 70000])
        letters = [self.rng.choice(CHARACTERS) for _ in range(self.rng.randrange(12))]
        if letters and not IS_PYTHON_2 and self.rng.random() < 0.3:
            letters[0] = character(self.rng.choice(BEYOND))
        return u"".join(letters)

    def bytes(self):
        if self.rng.random() < 0.02:
            return b"b" * self.rng.choice([65535, 65536, 70000])
        length = self.rng.choice([0, 1, 2, 3, 8, 255, 256, 257])
        return bytes(bytearray(self.rng.getrandbits(8) for _ in range(length)))

    def bytearray(self):
        return bytearray(self.bytes())

    def exception(self, children):
        rng = self.rng
        kind = rng.randrange(8)
        if kind == 0:
            raised = OSError(*[rng.randrange(1, 40), self.text(), u"file", None, u"other"][: rng.choice([2, 3, 5])])
        elif kind == 1:
            raised = UnicodeDecodeError("utf-8", b"ab\xff", 2, 3, "no")
        elif kind == 2:
            raised = UnicodeEncodeError("ascii", u"ab\xff", 2, 3, "no")
        elif kind == 3 and hasattr(builtins, "ExceptionGroup"):
            members = [each for each in children if isinstance(each, Exception)]
            raised = builtins.ExceptionGroup("several", members + [KeyError(1), ValueError()])
        elif kind == 4:
            raised = ImportError(self.text(), name=u"module", path=rng.choice([None, u"/path"]))
        else:
            try:
                raised = rng.choice(self.exceptions)(*children)
            except Exception:  # some are particular
                raised = KeyError(*children)
        if rng.random() < 0.3:
            raised.detail = children
        if rng.random() < 0.1:
            raised.code = self.leaf()
        return raised


def pickled(value, protocol, rng):
    """The pickle of a value: by C, by Python, with what is not needed left out, or written by hand."""
    way = rng.randrange(10)
    if way < 5:
        return fast_pickle.dumps(value, protocol)
    if way == 5 and not IS_PYTHON_2 and protocol < 3:
        return pickle.dumps(value, protocol, fix_imports=False)
    if way == 6:
        return pickletools.optimize(fast_pickle.dumps(value, protocol))
    if way < 9 or IS_PYTHON_2:
        return pickle.dumps(value, protocol) if IS_PYTHON_2 else pickle._dumps(value, protocol)
    return ByHand(rng, protocol).pickle(value)


class ByHand:
    """A pickle in which each value is written in one of all the ways that Python reads.

    With `copies_early` what is copied may be filled after that, so that the pickle is of another value.
    """

    copies_early = True

    def __init__(self, rng, protocol):
        self.rng = rng
        self.protocol = protocol
        self.out = []
        self.memo = {}
        self.keep = []
        self.next_slot = rng.choice([0, 1])
        self.late = []
        self.is_eager = False

    def pickle(self, value):
        if self.protocol >= 2:
            self.out.append(b"\x80" + bytes(bytearray([self.protocol])))
        self.save(value)
        while self.late:
            slot, fill = self.late.pop(self.rng.randrange(len(self.late)))
            self.get(slot)
            fill()
            self.out.append(b"0")
        self.out.append(b".")
        return b"".join(self.out)

    def any(self, *ways):
        """One of the ways, of which None is not one."""
        self.out.append(self.rng.choice([way for way in ways if way is not None]))

    def since(self, protocol, code):
        return code if self.protocol >= protocol else None

    def get(self, slot):
        ways = [b"g%d\n" % slot, b"j" + struct.pack("<I", slot)]
        if slot < 256:
            ways.append(b"h" + struct.pack("B", slot))
        self.any(*ways)

    def put(self, value):
        slot = self.next_slot
        self.next_slot += 1
        ways = [b"p%d\n" % slot, b"r" + struct.pack("<I", slot)]
        if slot < 256:
            ways.append(b"q" + struct.pack("B", slot))
        self.any(*ways)
        self.memo[id(value)] = slot
        self.keep.append(value)
        return slot

    def rubbish(self):
        """What changes nothing."""
        self.any(b"N0", b"(1", b"(K\x01]1", b"20" if self.out[-1:] == [b"N"] else b"}0", b"\x95" + bytes(8) if self.protocol >= 4 else b"N0")

    def save(self, value):
        if self.rng.random() < 0.05:
            self.rubbish()
        kind = type(value)
        if id(value) in self.memo:
            self.get(self.memo[id(value)])
        elif value is None:
            self.out.append(b"N")
        elif kind is bool:
            self.any(b"\x88" if value else b"\x89", b"I01\n" if value else b"I00\n")
        elif kind in int_types:
            self.save_int(value)
        elif kind is float:
            self.any(b"G" + struct.pack(">d", value), b"F" + repr(value).encode() + b"\n")
        elif kind is str:
            self.save_text(value)
        elif kind is bytes:
            self.save_bytes(value)
        elif kind is bytearray:
            self.save_bytearray(value)
        elif kind is list:
            self.save_list(value)
        elif kind is tuple:
            self.save_tuple(value)
        elif kind is dict:
            self.save_dict(value)
        elif kind is set:
            self.save_set(value)
        elif kind is frozenset:
            self.save_frozenset(value)
        else:
            self.save_exception(value)

    def save_int(self, value):
        raw = value.to_bytes((value.bit_length() + 8) // 8 + self.rng.randrange(2), "little", signed=True)
        text = b"%d" % value
        ways = [b"L" + text + b"L\n", b"L" + text + b"\n", b"\x8b" + struct.pack("<i", len(raw)) + raw]
        if value.bit_length() < 63:
            ways.append(b"I" + text + b"\n")
        if len(raw) < 256:
            ways.append(b"\x8a" + struct.pack("B", len(raw)) + raw)
        if 0 <= value < 256:
            ways.append(b"K" + struct.pack("B", value))
        if 0 <= value < 65536:
            ways.append(b"M" + struct.pack("<H", value))
        if -(1 << 31) <= value < 1 << 31:
            ways.append(b"J" + struct.pack("<i", value))
        self.any(*ways)

    def save_text(self, value):
        raw = value.encode()
        ways = [b"X" + struct.pack("<I", len(raw)) + raw, b"\x8d" + struct.pack("<Q", len(raw)) + raw]
        if len(raw) < 256:
            ways.append(b"\x8c" + struct.pack("B", len(raw)) + raw)
        escaped = value.replace("\\", "\\u005c").replace("\0", "\\u0000").replace("\n", "\\u000a")
        escaped = escaped.replace("\r", "\\u000d").replace("\x1a", "\\u001a").encode("raw-unicode-escape")
        ways.append(b"V" + escaped + b"\n")
        if all(ord(each) < 128 for each in value):
            ways.append(b"S" + repr(value).encode() + b"\n")
            ways.append(b"T" + struct.pack("<i", len(raw)) + raw)
            if len(raw) < 256:
                ways.append(b"U" + struct.pack("B", len(raw)) + raw)
        self.any(*ways)
        if self.rng.random() < 0.5:
            self.put(value)

    def plain_bytes(self, value):
        ways = [b"B" + struct.pack("<I", len(value)) + value, b"\x8e" + struct.pack("<Q", len(value)) + value]
        if len(value) < 256:
            ways.append(b"C" + struct.pack("B", len(value)) + value)
        self.any(*ways)

    def save_bytes(self, value):
        if self.rng.random() < 0.2:
            self.call("_codecs", "encode", value.decode("latin-1"), "latin1")
        else:
            self.plain_bytes(value)
        if self.rng.random() < 0.5:
            self.put(value)

    def save_bytearray(self, value):
        way = self.rng.randrange(4)
        if way < 2 and pickle.HIGHEST_PROTOCOL >= 5:
            self.out.append(b"\x96" + struct.pack("<Q", len(value)) + bytes(value))
        elif way == 2:
            self.call("builtins", "bytearray", value.decode("latin-1"), "latin-1")
        elif value:
            self.call("builtins", "bytearray", bytes(value))
        else:
            self.call("builtins", "bytearray")
        self.put(value)

    def call(self, module, name, *arguments):
        self.any_global(module, name)
        if self.copies_early:
            self.save_tuple(arguments, False)
        else:
            self.eagerly(self.save_tuple, arguments, False)
        self.out.append(b"R")

    def any_global(self, module, name):
        old = {"builtins": "__builtin__"}.get(module, module) if self.protocol < 3 else module
        if self.rng.random() < 0.5 and self.protocol >= 3:
            self.save_text(str(module))
            self.save_text(str(name))
            self.out.append(b"\x93")
        else:
            self.out.append(b"c" + old.encode() + b"\n" + name.encode() + b"\n")

    def save_copied(self, value):
        """What is copied at once. Being filled later doesn't change the copy."""
        if self.copies_early:
            self.save(value)
        else:
            self.eagerly(self.save, value)

    def save_list(self, value):
        items = list(value)
        if self.rng.random() < 0.3:
            self.out.append(b"(")
            for item in items:
                self.save(item)
            self.out.append(b"l")
            self.put(value)
            return
        self.out.append(b"]" if self.rng.random() < 0.7 else b"(l")
        slot = self.put(value)
        self.later(slot, lambda: self.append(items))

    def later(self, slot, fill):
        """Fills a container at once, or when others hold it already."""
        if not self.is_eager and self.rng.random() < 0.2:
            self.late.append((slot, fill))
        else:
            fill()

    def eagerly(self, save, *arguments):
        """Without containers that are filled later: too late for what is made of them."""
        before, self.is_eager = self.is_eager, True
        save(*arguments)
        self.is_eager = before

    def append(self, items):
        while items:
            count = self.rng.randrange(1, len(items) + 1)
            batch, items = items[:count], items[count:]
            if count == 1 and self.rng.random() < 0.5:
                self.save(batch[0])
                self.out.append(b"a")
            else:
                self.out.append(b"(")
                for item in batch:
                    self.save(item)
                self.out.append(b"e")

    def save_tuple(self, value, is_shared=True):
        small = [b")", b"\x85", b"\x86", b"\x87"]
        if len(value) < 4 and self.rng.random() < 0.7:
            for item in value:
                self.save(item)
            self.out.append(small[len(value)])
        else:
            self.out.append(b"(")
            for item in value:
                self.save(item)
            self.out.append(b"t")
        if is_shared and value:
            self.put(value)

    def save_dict(self, value):
        items = list(value.items())
        if items and self.rng.random() < 0.3:
            # A key that comes again keeps its place and its type, and takes the last value.
            key, item = self.rng.choice(items)
            is_number = type(key) in (int, bool) and abs(key) < 1 << 53
            if "nan" not in repr(key):
                items.append((self.rng.choice([key, float(key), int(key)]) if is_number else key, item))
        if self.rng.random() < 0.3:
            self.out.append(b"(")
            for key, item in items:
                self.save(key)
                self.save(item)
            self.out.append(b"d")
            self.put(value)
            return
        self.out.append(b"}" if self.rng.random() < 0.7 else b"(d")
        slot = self.put(value)
        self.later(slot, lambda: self.set_items(items))

    def set_items(self, items):
        while items:
            count = self.rng.randrange(1, len(items) + 1)
            batch, items = items[:count], items[count:]
            single = count == 1 and self.rng.random() < 0.5
            if not single:
                self.out.append(b"(")
            for key, item in batch:
                self.save(key)
                self.save(item)
            self.out.append(b"s" if single else b"u")

    def save_set(self, value):
        items = list(value)
        if self.rng.random() < 0.3:
            self.call("builtins", "set", items)
            self.put(value)
            return
        self.out.append(b"\x8f")
        slot = self.put(value)
        self.later(slot, lambda: self.add(items + self.again(items)))

    def again(self, items):
        """An item to be added twice: none that isn't equal to itself."""
        return [item for item in items[:1] if "nan" not in repr(item)]

    def add(self, items):
        while items:
            count = self.rng.randrange(1, len(items) + 1)
            batch, items = items[:count], items[count:]
            self.out.append(b"(")
            for item in batch:
                self.save(item)
            self.out.append(b"\x90")

    def save_frozenset(self, value):
        items = list(value)
        if self.rng.random() < 0.3:
            self.call("builtins", "frozenset", items)
        else:
            self.out.append(b"(")
            for item in items + self.again(items):
                self.save(item)
            self.out.append(b"\x91")
        self.put(value)

    def save_exception(self, value):
        reduced = value.__reduce__()
        self.keep.append(reduced)
        self.any_global("builtins", type(value).__name__)
        self.eagerly(self.save_tuple, reduced[1], False)
        self.out.append(b"R")
        self.put(value)
        if len(reduced) > 2 and reduced[2]:
            self.save_copied(reduced[2])
            self.out.append(b"b")


def difference(left, right, protocol=None):
    """How two values differ, as a text, or None.

    In protocol 2 a class that Python 2 doesn't have may have become what it is derived from.
    """
    return Comparison(protocol).compare(left, right, "value")


class Comparison:
    def __init__(self, protocol):
        self.may_be_base = protocol == 2
        self.left = {}
        self.right = {}
        self.keep = []

    def compare(self, left, right, place):
        if type(left) is not type(right):
            if not self.is_close(left, right):
                return "%s: %s %.200r became %s %.200r" % (place, type(left).__name__, left, type(right).__name__, right)
            if isinstance(left, OSError):
                return None  # classes differ in what they make of their arguments
        if isinstance(left, float):
            if struct.pack(">d", left) == struct.pack(">d", right) or (left != left and right != right):
                return None
            return "%s: %r became %r" % (place, left, right)
        if isinstance(left, (type(None), bool, text_type, bytes) + int_types):
            return None if left == right else "%s: %.200r became %.200r" % (place, left, right)
        if id(left) in self.left:
            return None if self.left[id(left)] is right else "%s: no longer shared: %.200r" % (place, left)
        if id(right) in self.right and len(left) > 0:
            return "%s: shared, and was not: %.200r" % (place, left)
        self.keep.append((left, right))
        if not (isinstance(left, (tuple, frozenset)) and len(left) == 0):
            self.left[id(left)] = right
            self.right[id(right)] = left
        return self.compare_inside(left, right, place)

    def compare_inside(self, left, right, place):
        if isinstance(left, bytearray):
            return None if left == right else "%s: %.200r became %.200r" % (place, left, right)
        if isinstance(left, (set, frozenset)):
            same = sorted(map(exact, left)) == sorted(map(exact, right))
            return None if same else "%s: %.200r became %.200r" % (place, left, right)
        if isinstance(left, BaseException):
            left, right = left.__reduce__(), right.__reduce__()
            self.keep.append((left, right))
            state = {} if len(left) < 3 else left[2], {} if len(right) < 3 else right[2]
            return self.compare_items(left[1], right[1], place + ".args") or self.compare_dicts(
                state[0], state[1], place + ".__dict__", False
            )
        if isinstance(left, dict):
            return self.compare_dicts(left, right, place, not IS_PYTHON_2)
        return self.compare_items(left, right, place)

    def compare_items(self, left, right, place):
        if len(left) != len(right):
            return "%s: %d items became %d" % (place, len(left), len(right))
        for index, (one, other) in enumerate(zip(left, right)):
            found = self.compare(one, other, "%s[%d]" % (place, index))
            if found:
                return found
        return None

    def compare_dicts(self, left, right, place, is_ordered):
        if len(left) != len(right):
            return "%s: %d keys became %d" % (place, len(left), len(right))
        one, other = list(left.items()), list(right.items())
        if not is_ordered:
            one.sort(key=lambda item: exact(item[0]))
            other.sort(key=lambda item: exact(item[0]))
        for index in range(len(one)):
            found = self.compare(one[index][0], other[index][0], "%s key %d" % (place, index))
            found = found or self.compare(one[index][1], other[index][1], "%s[%.50r]" % (place, one[index][0]))
            if found:
                return found
        return None

    def is_close(self, left, right):
        """Python 2 has two types for integers and two for texts, and not all classes."""
        if isinstance(left, BaseException) and isinstance(right, BaseException):
            return self.may_be_base and (isinstance(left, type(right)) or isinstance(left, OSError))
        if not IS_PYTHON_2:
            return False
        numbers = isinstance(left, int_types) and isinstance(right, int_types)
        texts = isinstance(left, (bytes, text_type)) and isinstance(right, (bytes, text_type))
        return (numbers and bool not in (type(left), type(right))) or texts


def exact(value):
    """A text that tells apart what == does not."""
    if isinstance(value, tuple):
        return "(%s)" % ",".join(map(exact, value))
    if isinstance(value, frozenset):
        return "frozenset(%s)" % ",".join(sorted(map(exact, value)))
    if IS_PYTHON_2:
        return repr(value).lstrip("u").rstrip("L")
    return repr(value)
