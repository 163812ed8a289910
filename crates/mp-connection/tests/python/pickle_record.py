"""Prints what each interpreter given makes of the same values in every protocol, for tests/corpus/recorded.txt.

    pickle_record.py PYTHON...

A line is the versions that make the same pickle, its protocol, and the pickle in hexadecimal.
"""

import subprocess
import sys

HEAD = "# Made by tests/python/pickle_record.py: the versions of Python, the protocol, the pickle."
VALUES = r"""
import pickle, sys
if sys.version_info[0] == 2:
    import cPickle as pickle
    shared = [u"shared"]
    values = [
        None, True, False, 0, -1, 255, 65536, 2147483648, 10 ** 30, 1.5, -0.0, float("inf"),
        "", "str", "it's\n", u"", u"unicode", u"\xe9\u20ac\\\n", [], (), (1,), (1, 2, 3, 4), {}, {"a": (1, [2])},
        shared, shared, KeyError("foo"), ValueError(),
    ]
else:
    shared = ["shared"]
    raised = ValueError("wrong", 5)
    raised.detail = {"why": None}
    values = [
        None, True, False, 0, 1, 255, 256, 65535, 65536, -1, -128, 1 << 31, -1 << 31, 1 << 32, -1 << 63, 1 << 63,
        -1 << 64, 10 ** 50, 1.5, -0.0, 1e308, float("inf"), float("-inf"), float("nan"), "", "foo", "x" * 256,
        "\xe9\u20ac\U0001f600", "a\\b\n\r\0\x1a", b"", b"abc", b"\xff\0" * 130, bytearray(b"abc"), bytearray(),
        [], [1], [1, 2], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, {"a": 1}, {1: 2, None: (), (1, "b"): 1.5},
        set(), {1}, frozenset(), frozenset({"a"}), [shared, shared, (shared, shared)],
        KeyError("foo"), ValueError(), raised, OSError(2, "No such file"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
    ]
for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    data = pickle.dumps(values, protocol)
    print("%d.%d %d %s" % (sys.version_info[0], sys.version_info[1], protocol, "".join("%02x" % each for each in bytearray(data))))
"""


def main():
    versions = {}
    for python in sys.argv[1:]:
        for line in subprocess.check_output([python, "-c", VALUES]).decode().splitlines():
            version, protocol, data = line.split()
            versions.setdefault((protocol, data), []).append(version)
    print(HEAD)
    for (protocol, data), found in sorted(versions.items()):
        print(",".join(found), protocol, data)


main()
