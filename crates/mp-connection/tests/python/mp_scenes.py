"""What is done with a connection: each function is a scene of mp_peer.py."""
import builtins
import hashlib
import os
import pickle
import sys
import time
from multiprocessing import BufferTooShort
from multiprocessing.reduction import recv_handle, send_handle

import mp_hostile
import mp_values


def say(*words):
    print(*words)
    sys.stdout.flush()


def describe(error):
    return "{}: {}".format(type(error).__name__, error)


def attempt(function, *arguments):
    """Says what came of it."""
    try:
        say("got", function(*arguments))
    except Exception as error:
        say("error", describe(error))


def ending(connection):
    """Waits for the end."""
    attempt(connection.recv)


def closing(connection):
    """Is the end."""


# --- we ask, the other end does what the first object of each part says, COUNT times: (part, count)


def everything(connection):
    """Objects, bytes, frames of all sizes, exceptions, a typed call."""
    objects(connection)
    protocols(connection)
    sharing(connection)
    exceptions(connection)
    payloads(connection)
    sums(connection)


def objects(connection):
    values = mp_values.values()
    connection.send(("objects", len(values)))
    for value in values:
        connection.send(value)
        check(value, connection.recv())


def protocols(connection):
    values = mp_values.values()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        connection.send(("objects", len(values)))
        for value in values:
            connection.send_bytes(pickle.dumps(value, protocol))
            check(value, connection.recv())


def sharing(connection):
    connection.send(("objects", 2))
    one = [1, "x"]
    connection.send([one, one, {"again": one}])
    first, second, third = connection.recv()
    assert first is second is third["again"] and first == one
    levels = ("a",)
    for _ in range(12):
        levels = (levels, levels)
    connection.send(levels)
    levels = connection.recv()
    for _ in range(12):
        assert levels[0] is levels[1]
        levels = levels[0]
    assert levels == ("a",)


def exceptions(connection):
    values = mp_values.exceptions()
    connection.send(("objects", len(values)))
    for value in values:
        connection.send(value)
        check(value, connection.recv())


def payloads(connection):
    sizes = [0, 1, 2, 4, 16383, 16384, 16385, 65535, 65536, 65537, 1000000, 0]
    connection.send(("bytes", len(sizes)))
    for size in sizes:
        payload = os.urandom(size)
        connection.send_bytes(payload)
        assert connection.recv_bytes() == payload, size


def sums(connection):
    connection.send(("sums", 100))
    # All on their way at once.
    for number in range(100):
        connection.send((number, -3 * number))
    for number in range(100):
        assert connection.recv() == -2 * number


def big(connection, size):
    """One message, there and back."""
    size = int(size)
    payload = bytes(bytearray(range(251))) * (size // 251 + 1)
    payload = payload[:size]
    connection.send(("bytes", 1))
    connection.send_bytes(payload)
    answer = connection.recv_bytes()
    assert len(answer) == size
    assert hashlib.sha256(answer).digest() == hashlib.sha256(payload).digest()


def check(sent, received):
    assert mp_values.same(sent, received), "{!r:.200} became {!r:.200}".format(sent, received)


# --- the other end asks


def answers(connection):
    """Answers objects: ("repr", x) with its repr, ("echo", x) with x, ("bytes", n) by n frames as they come,
    ("raise", name, args) with that exception."""
    while True:
        try:
            what, *rest = connection.recv()
        except EOFError as error:
            say("end", describe(error))
            return
        if what == "repr":
            connection.send(repr(*rest))
        elif what == "echo":
            connection.send(*rest)
        elif what == "bytes":
            for _ in range(*rest):
                connection.send_bytes(connection.recv_bytes())
        elif what == "raise":
            name, args = rest
            connection.send(getattr(builtins, name)(*args))
        else:
            raise ValueError(what)


# --- ends and limits


def limits(connection):
    """What comes of messages that are longer than wanted. Five come, then six."""
    attempt(connection.recv_bytes, 5)
    buffer = bytearray(5)
    attempt(connection.recv_bytes_into, buffer)
    try:
        connection.recv_bytes_into(buffer)
    except BufferTooShort as error:
        say("too short", error.args[0].decode())
    attempt(connection.recv)  # an empty frame
    attempt(connection.recv)  # no pickle
    attempt(connection.recv)  # one
    attempt(connection.recv_bytes, 5)
    attempt(connection.recv_bytes)
    say(connection.readable, connection.writable)
    connection.send_bytes(b"still")


def long(connection):
    """Two messages, of which the first is longer than the other end takes; then reads what it sends all the same."""
    connection.send_bytes(b"0123456789")
    connection.send_bytes(b"1")
    attempt(connection.recv_bytes)


def short(connection):
    """One message too long for a buffer, one that is not, an empty one and rubbish as objects, a good object."""
    for payload in (b"012345", b"01234", b"", b"#rubbish", pickle.dumps("good", 2)):
        connection.send_bytes(payload)
    attempt(connection.recv_bytes)


def raw(connection, text, *rest):
    """Writes bytes as they are and closes, or keeps it open and waits if the word "open" follows."""
    os.write(connection.fileno(), bytes(bytearray.fromhex(text)))
    if rest:
        attempt(connection.recv_bytes)


def late(connection):
    """Writes until the other end, which has closed, is noticed."""
    attempt(connection.recv_bytes)
    try:
        while True:
            connection.send_bytes(bytes(1000))
    except OSError as error:
        say("error", type(error).__name__)


def unlike(connection):
    """What a client without a key gets from a listener that has one."""
    try:
        connection.recv()
    except Exception as error:
        say("error", describe(error))
    connection.send("hello")
    attempt(connection.recv_bytes)


def hello(connection):
    """One greeting there and back."""
    connection.send("hello")
    assert connection.recv() == "hello"


# --- descriptors


def handles(connection, count):
    """Objects and handles take turns: both ends send both."""
    for number in range(int(count)):
        connection.send(("mine", number))
        reader, writer = os.pipe()
        send_handle(connection, writer, 0)
        os.close(writer)
        assert connection.recv() == ("yours", number)
        handle = recv_handle(connection)
        os.write(handle, b"seen")
        os.close(handle)
        with os.fdopen(reader, "rb") as pipe:
            assert pipe.read() == b"written"
    attempt(connection.recv)


# --- hostile


def hostile(connection, canary):
    """Sends what is made to harm, and prints what the other end says about each: it answers with an object."""
    for name, pickled in mp_hostile.pickles(canary):
        began = time.time()
        connection.send_bytes(pickled)
        answer = connection.recv()
        took = time.time() - began
        say("hostile", name, "%.3f" % took, answer)
