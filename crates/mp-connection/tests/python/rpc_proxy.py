"""A client of functions over multiprocessing.connection, for a server in another language.

usage: rpc_proxy.py PORT|PATH KEY WHAT…

WHAT is the names of functions here whose name begins with check_, without that.
"""
import pickle
import sys
import threading
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client


class Proxy(object):
    """The functions of the other end as methods."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self._connection.send(pickle.dumps((name, args, kwargs)))
            result = pickle.loads(self._connection.recv())
            if isinstance(result, Exception):
                raise result
            return result
        return call


def connect():
    return Client(ADDRESS, authkey=KEY)


def equal(found, expected):
    assert found == expected and type(found) is type(expected), "%r instead of %r" % (found, expected)


def raises(expected, function, *args, **kwargs):
    """Whether it raises an exception of just that class, with just these arguments."""
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        assert type(error) is type(expected), "%r instead of %r" % (error, expected)
        assert error.args == expected.args, "%r instead of %r" % (error.args, expected.args)
        return error
    raise AssertionError("%r instead of %r" % (result, expected))


def check_calls(proxy):
    equal(proxy.add(2, 3), 5)
    equal(proxy.add(2, y=3), 5)
    equal(proxy.add(y=3, x=2), 5)
    equal(proxy.add(-2 ** 62, 2 ** 62 - 1), -1)
    equal(proxy.sub(2, 3), -1)
    equal(proxy.greet(), "hello, you")
    equal(proxy.greet("me"), "hello, me")
    equal(proxy.greet(name=None), "hello, you")
    equal(proxy.greet(name=u"\u00fc\U0001f600"), u"hello, \u00fc\U0001f600")


def check_exceptions(proxy):
    raises(KeyError("nosuch"), proxy.nosuch)
    raises(KeyError("nosuch"), proxy.nosuch, 1, x=2)
    for private in ["__init__", "system.listMethods", "", "add.__call__", "x" * 255, u"\u00fc"]:
        raises(KeyError(private), Proxy.__getattr__(proxy, private))
    raises(KeyError("x" * 255 + u"\u2026"), Proxy.__getattr__(proxy, "x" * 100000))
    raises(TypeError("add() needs a value for 'y'"), proxy.add, 1)
    raises(TypeError("add() takes 2 arguments, and more were given"), proxy.add, 1, 2, 3)
    raises(TypeError("add() has no parameter 'z'"), proxy.add, 1, z=3)
    raises(TypeError("add() got two values for 'x'"), proxy.add, 1, x=3)
    error = raises_class(TypeError, proxy.add, "a", 3)
    assert error.args[0].startswith("add() argument 'x': "), error
    raises_class(TypeError, proxy.add, 2 ** 70, 3)
    raises(KeyError("left"), proxy.fails, "KeyError", "left")
    raises(ValueError("too long"), proxy.fails, "ValueError", "too long")
    raises(FileNotFoundError("gone"), proxy.fails, "FileNotFoundError", "gone")
    raises(RuntimeError("NoSuchThing: what"), proxy.fails, "NoSuchThing", "what")
    raises(RuntimeError("SystemExit: 1"), proxy.fails, "SystemExit", "1")
    raises(RuntimeError("UnicodeDecodeError: bad"), proxy.fails, "UnicodeDecodeError", "bad")
    error = raises(ValueError("too much"), proxy.fails_with_data)
    equal(error.data, {"limit": 4})
    error = raises(OSError(2, "no such thing"), proxy.fails_with_arguments)
    equal(error.errno, 2)
    raises(RuntimeError("Panicked: the function failed in a way it didn't foresee"), proxy.panics)
    raises(TimeoutError("no result within 50ms"), proxy.never)
    equal(proxy.add(2, 3), 5)


def raises_class(expected, function, *args):
    try:
        result = function(*args)
    except Exception as error:
        assert type(error) is expected, "%r instead of %r" % (error, expected)
        return error
    raise AssertionError("%r instead of %r" % (result, expected))


def values():
    shared = [1, 2]
    deep = []
    for _ in range(30):
        deep = [deep]
    return [
        None, True, False, 0, 255, 256, 65536, -1, 2 ** 31, 2 ** 63 - 1, -2 ** 63, 2 ** 63, 2 ** 64, -2 ** 70, 2 ** 2000,
        1.5, float("inf"), -0.0, 1e300, "", "foo", u"\u00fc\U0001f600", "x" * 300, "x" * 70000,
        b"", b"abc", b"\x00\xff" * 200, b"y" * 70000, [], [1], [1, 2], list(range(2000)), (), (1,), (1, 2), (1, 2, 3),
        (1, 2, 3, 4), {}, {"a": 1}, {1: "a", None: 2, (1, 2): 3, 0.5: 4}, set(), {1, 2, 3}, frozenset(), frozenset([1]),
        [shared, shared], {"a": shared, "b": [shared]}, deep, {"$set": [1]}, {"$a": 1, "b": 2}, {"$map": []},
        {"$bytes": "AQ=="}, [{"id": i, "name": str(i), "ok": True} for i in range(100)],
    ]


def check_values(proxy):
    for value in values():
        equal(proxy.echo(value), value)
        equal(proxy.echo_pickle(value), value)
    equal(proxy.echo_pickle(bytearray(b"ab")), bytearray(b"ab"))
    nan = proxy.echo(float("nan"))
    assert nan != nan


def check_results(proxy):
    equal(proxy.nothing(), None)
    equal(proxy.pair("a", 0.5), ("a", 0.5))
    equal(proxy.point(3, 4), {"x": 3, "y": 4})
    equal(proxy.norm({"x": 3, "y": 4}), 25)
    equal(proxy.length(b"abc"), 3)
    equal(proxy.length(bytearray(b"abc")), 3)
    equal(proxy.total([1, 2, 3]), 6)
    equal(proxy.total((1, 2, 3)), 6)
    equal(proxy.total({1, 2, 3}), 6)
    equal(proxy.total([]), 0)
    equal(proxy.factorial(30), 265252859812191058636308480000000)
    equal(len(proxy.zeros(5000000)), 5000000)
    raises(RuntimeError("TooLarge: an answer of 9000016 bytes, the limit is 8388608"), proxy.zeros, 9000000)
    equal(proxy.length(b"z" * 5000000), 5000000)


def check_slow(proxy):
    equal(proxy.slow_add(2, 3), 5)
    equal(proxy.async_add(2, 3), 5)
    equal(proxy.dialect(), "multiprocessing")
    raises(KeyError("late"), proxy.slow_fails)
    raises(RuntimeError("Panicked: the function failed in a way it didn't foresee"), proxy.slow_panics)
    equal(proxy.add(2, 3), 5)


def check_pipelined(proxy):
    """Many requests before the first answer is read, of functions of all kinds: answers come in order."""
    connection = proxy._connection
    names = ["add", "slow_add", "async_add", "with_context"]

    def send():
        for i in range(1000):
            connection.send(pickle.dumps((names[i % 4], (i, 1), {})))
    thread = threading.Thread(target=send)
    thread.start()
    for i in range(1000):
        equal(pickle.loads(connection.recv()), i + 1)
    thread.join()


def check_malformed(proxy):
    """What is no request gets an exception, and the connection goes on."""
    connection = proxy._connection

    def ask(message):
        connection.send_bytes(message)
        answer = pickle.loads(connection.recv())
        assert type(answer) is ValueError, repr(answer)
        return answer.args[0]

    def wrapped(inner):
        return pickle.dumps(inner, 3)

    for message in [b"", b"#", b"\x80", b"\x80\x04", pickle.dumps(("add", (1, 2), {})), pickle.dumps(5),
                    pickle.dumps(b""), wrapped(b"\x80\x04]"), wrapped(b"garbage"), wrapped(b"\x80\x09N."),
                    wrapped(pickle.dumps(None)), wrapped(pickle.dumps(())), wrapped(pickle.dumps(("add", (1, 2)))),
                    wrapped(pickle.dumps(("add", (1, 2), {}, 4))), wrapped(pickle.dumps((5, (1, 2), {}))),
                    wrapped(pickle.dumps(("add", 5, {}))), wrapped(pickle.dumps(("add", (1, 2), []))),
                    wrapped(pickle.dumps(("add", (1,), {5: 2}))), wrapped(pickle.dumps(("add", (1, 2), {}))) + b"x",
                    wrapped(pickle.dumps(("add", (1, 2), {})) + b"x"), wrapped(b"(" * 100000),
                    wrapped(b"\x80\x04" + b"]" * 100000 + b"a" * 99999 + b"."),
                    wrapped(b"cos\nsystem\n(S'false'\ntR.")]:
        ask(message)
    assert "system" in ask(wrapped(b"cos\nsystem\n(S'false'\ntR."))
    equal(proxy.add(2, 3), 5)


def check_end(proxy):
    """What is too long gets an exception, and that is the end."""
    connection = proxy._connection
    connection.send_bytes(b"")
    connection.recv()
    try:
        connection.send_bytes(bytes(9 << 20))
    except OSError:
        pass
    answer = pickle.loads(connection.recv())
    assert type(answer) is ValueError and "8388608" in answer.args[0], repr(answer)
    try:
        connection.recv()
    except (EOFError, ConnectionResetError):
        return
    raise AssertionError("something came after the end")


def check_refused(proxy):
    """With another key nothing is called."""
    try:
        Client(ADDRESS, authkey=b"another")
    except (AuthenticationError, EOFError):
        return
    raise AssertionError("another key was taken")


def main(place, key, *checks):
    global ADDRESS, KEY
    ADDRESS = ("127.0.0.1", int(place)) if place.isdigit() else place
    KEY = key.encode() or None
    for check in checks:
        connection = connect()
        globals()["check_" + check](Proxy(connection))
        connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
