"""Values of all types that are data, and what it means that one came through unchanged."""
import math


def values():
    return [
        None, True, False,
        0, 1, -1, 127, 128, 255, 256, 65535, 65536, -65536,
        2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32, 2**53 + 1,
        2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, -(2**64),
        10**100, -(10**100), 2**2039, 2**2040, -(2**2040), 2**8192 + 1,
        0.0, -0.0, 1.5, -2.25e300, 5e-324, math.inf, -math.inf, math.nan,
        "", "foo", "\0", "line\nand\\another\r", "\u00e9\u20ac\U0001f600", "x" * 255, "x" * 256, "\u20ac" * 70000,
        b"", b"abc", bytes(bytearray(range(256))), b"x" * 256, b"y" * 70000,
        bytearray(), bytearray(b"abc"), bytearray(b"z" * 70000),
        [], [1], [1, 2], [None, [], [[]]], list(range(2500)),
        (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),)), tuple(range(300)),
        {}, {"a": 1}, {"b": 1, "a": 2}, {"k%d" % number: number for number in range(2500)},
        {None: 1, 2: "two", 2.5: "float", b"bytes": b"", ("tuple", 1): [], frozenset([1]): {}, 2**70: "big"},
        set(), {1}, {1, "two", (3,), None}, set(range(2500)),
        frozenset(), frozenset([1]), frozenset(["a", frozenset(["b"])]),
        [{"id": 1, "name": "one", "ok": True, "tags": ("a", "b"), "raw": b"\0", "more": {"x": [1.5, None]}}] * 3,
        nested(90),
    ]


def nested(depth):
    value = "in the middle"
    for level in range(depth):
        value = [value] if level % 2 else {"deeper": value}
    return value


def exceptions():
    odd = ValueError("with attributes", 1)
    odd.code = 7
    odd.more = {"list": [1, 2]}
    return [
        Exception(), ValueError(), KeyError("foo"), TypeError("add() missing 1 required positional argument: 'y'"),
        ZeroDivisionError("division by zero"), OSError(2, "x"), OSError("text"), StopIteration(3),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), KeyboardInterrupt(), SystemExit(3),
        RuntimeError("nested", [KeyError(1)], {"cause": IndexError((1, 2))}), EOFError("\u20ac"), odd,
    ]


def same(left, right):
    """Equal, and of equal types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return repr(left) == repr(right)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    if isinstance(left, BaseException):
        return same(left.args, right.args) and same(left.__dict__, right.__dict__)
    return left == right
