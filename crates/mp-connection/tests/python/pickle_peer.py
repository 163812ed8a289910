"""The other end of the pickle tests: stdin and stdout carry batches of pickles.

    pickle_peer.py values SEED COUNT    random values; each comes back as many times as it was read and written
    pickle_peer.py records SEED COUNT   the same with values of one shape, for types made by derive
    pickle_peer.py json SEED COUNT      the same with what JSON could hold
    pickle_peer.py mirror SEED          what comes is loaded, dumped and sent back

First the highest protocol is sent, as a little-endian u32 like all numbers. A batch is a letter and a count, then as
many pickles, each with its length. `P` are pickles; `E` is a text instead: what is wrong; `D` a text too: all is done.
A batch that comes has no letter, but a byte before each length: whether it is a pickle or what is wrong.
"""

import os
import random
import struct
import sys

from pickle_values import IS_PYTHON_2, ByHand, Values, difference, fast_pickle, pickled

BATCH = 50
HIGHEST = fast_pickle.HIGHEST_PROTOCOL
stdin = sys.stdin if IS_PYTHON_2 else sys.stdin.buffer
stdout = os.fdopen(os.dup(1), "wb")
# What is printed by mistake must not get between the batches.
os.dup2(2, 1)


def send(letter, parts):
    body = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    stdout.write(letter + struct.pack("<I", len(parts)) + body)
    stdout.flush()


def receive():
    """The pickles of a batch, or None at the end. A text instead of one is what the other end says is wrong."""
    head = stdin.read(4)
    if len(head) < 4:
        return None
    parts = []
    for _ in range(struct.unpack("<I", head)[0]):
        is_error, length = struct.unpack("<?I", stdin.read(5))
        part = stdin.read(length)
        parts.append(part.decode("utf-8") if is_error else part)
    return parts


def round_trips(make, seed, count, compare):
    """Sends `count` values in every protocol, and compares everything that comes back with what Python itself reads."""
    rng = random.Random(seed)
    make = make(rng)
    read, compared = 0, 0
    for start in range(0, count, BATCH):
        sent = []
        for number in range(start, min(start + BATCH, count)):
            value = make()
            for protocol in range(HIGHEST + 1):
                data = pickled(value, protocol, rng)
                sent.append((number, protocol, data))
        send(b"P", [data for _, _, data in sent])
        back = receive()
        per_pickle = len(back) // len(sent)
        if per_pickle == 0:
            raise SystemExit("%d pickles came back for %d" % (len(back), len(sent)))
        for index, (number, protocol, data) in enumerate(sent):
            expected = fast_pickle.loads(data)
            read += 1
            for written in back[index * per_pickle : (index + 1) * per_pickle]:
                found = check(expected, written, compare)
                if found:
                    where = "seed %d, value %d, protocol %d" % (seed, number, protocol)
                    shown = repr(expected)[:2000], repr(data)[:2000], repr(written)[:2000]
                    send(b"E", [("%s: %s\nvalue   %s\nsent    %s\nwritten %s" % ((where, found) + shown)).encode("utf-8")])
                    return
                compared += 1
    version = ".".join(map(str, sys.version_info[:3]))
    text = "Python %s: %d values, %d pickles read, %d compared, 0 differences" % (version, count, read, compared)
    send(b"D", [text.encode()])


def check(expected, written, compare):
    if not isinstance(written, bytes):
        return "not taken: " + written
    try:
        return compare(expected, fast_pickle.loads(written), bytearray(written)[1])
    except Exception as error:
        return "not loaded: %r" % (error,)


def unordered(left, right, _protocol=None):
    """Equal in JSON's eyes: what is shared and the order of keys don't matter, types do."""
    if type(left) is not type(right):
        return "%.200r became %.200r" % (left, right)
    if isinstance(left, dict):
        if set(left) != set(right):
            return "keys %.200r became %.200r" % (sorted(left), sorted(right))
        return next(filter(None, (unordered(left[key], right[key]) for key in left)), None)
    if isinstance(left, (list, tuple)):
        if len(left) != len(right):
            return "%d items became %d" % (len(left), len(right))
        return next(filter(None, map(unordered, left, right)), None)
    return difference(left, right)


def json_values(rng):
    values = Values(rng)

    def make(depth=4):
        kind = rng.randrange(9)
        if depth and kind == 0:
            return [make(depth - 1) for _ in range(rng.randrange(6))]
        if depth and kind < 3:
            return {values.text(): make(depth - 1) for _ in range(rng.randrange(6))}
        if kind == 3:
            return rng.randrange(-(1 << 63), 1 << 64)
        return [None, True, False, rng.randrange(-300, 300), values.float(), values.text()][kind % 6]

    return make


def records(rng):
    values = Values(rng)

    def kind():
        return [
            "Nothing",
            {"One": rng.randrange(-(1 << 31), 1 << 31)},
            {"Pair": (rng.randrange(256), values.text())},
            {"Named": {"left": values.float(), "right": rng.choice([None, values.text()])}},
        ][rng.randrange(4)]

    def make(depth=3):
        return {
            "id": rng.randrange(-(1 << 63), 1 << 63),
            "count": rng.randrange(1 << 64),
            "name": values.text(),
            "ok": rng.choice([True, False]),
            "score": values.float(),
            "tags": [values.text() for _ in range(rng.randrange(4))],
            "raw": values.bytes(),
            "letter": rng.choice(u"a\x00\xe9\u20ac\U0001f600"),
            "pair": (rng.randrange(-128, 128), None, rng.choice([None, rng.randrange(65536)])),
            "wide": rng.randrange(-(1 << 127), 1 << 127) >> rng.randrange(127),
            "wider": rng.randrange(1 << 128) >> rng.randrange(128),
            "names": {rng.randrange(-100, 1 << 40): values.text() for _ in range(rng.randrange(4))},
            "kinds": [kind() for _ in range(rng.randrange(3))],
            "inner": make(depth - 1) if depth and rng.random() < 0.5 else None,
        }

    return make


def mirror(seed):
    rng = random.Random(seed)
    ByHand.copies_early = False
    while True:
        parts = receive()
        if parts is None:
            return
        back = []
        for part in parts:
            try:
                back.append(pickled(fast_pickle.loads(part), rng.randrange(HIGHEST + 1), rng))
            except Exception as error:
                send(b"E", [("%r: %r" % (error, part)).encode("utf-8")])
                return
        send(b"P", back)


def main():
    mode, seed = sys.argv[1], int(sys.argv[2])
    stdout.write(struct.pack("<I", HIGHEST))
    stdout.flush()
    if mode == "mirror":
        mirror(seed)
    elif mode == "values":
        round_trips(lambda rng: Values(rng).next, seed, int(sys.argv[3]), difference)
    elif mode == "json":
        round_trips(json_values, seed, int(sys.argv[3]), unordered)
    elif mode == "records":
        round_trips(records, seed, int(sys.argv[3]), unordered)


main()
