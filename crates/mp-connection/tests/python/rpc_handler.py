"""A server of functions over multiprocessing.connection, to be called by a client in another language.

usage: rpc_handler.py PORT|PATH [KEY]

It prints its address, and ends when its standard input does.
"""
import datetime
import os
import pickle
import sys
import threading
from multiprocessing.connection import Listener


class Handler(object):
    """Answers the calls of connections by functions of its own."""

    def __init__(self):
        self.functions = {}

    def register(self, function):
        self.functions[function.__name__] = function
        return function

    def serve(self, connection):
        while True:
            try:
                name, args, kwargs = pickle.loads(connection.recv())
            except (EOFError, OSError):
                return
            try:
                result = self.functions[name](*args, **kwargs)
            except Exception as error:
                result = error
            connection.send(pickle.dumps(result))


handler = Handler()


@handler.register
def add(x, y):
    return x + y


@handler.register
def echo(value):
    return value


@handler.register
def kinds():
    """One of everything."""
    shared = [1]
    return (None, True, -5, 2 ** 70, 0.5, u"\u00fc", b"\x00\xff", bytearray(b"ab"), [], (), {}, {1, 2}, frozenset([3]),
            [shared, shared], {"a": 1, 2: (3,)})


@handler.register
def joined(*parts, **options):
    return options.get("by", "").join(parts)


@handler.register
def describe(thing):
    return type(thing).__name__ + " " + repr(thing)


@handler.register
def fails(name, *args):
    error = getattr(__builtins__, name)(*args)
    raise error


@handler.register
def missing():
    open("/no/such/file")


@handler.register
def decorated():
    error = ValueError("too much", 5)
    error.limit = 4
    raise error


class Private(Exception):
    pass


@handler.register
def private():
    raise Private("mine")


@handler.register
def sleeps(event=threading.Event()):
    event.wait()


@handler.register
def zeros(count):
    return bytes(count)


@handler.register
def unreadable():
    """An object of a class, which is code."""
    return datetime.date(2020, 1, 2)


@handler.register
def leaves(*_):
    os._exit(3)


def main(place, key="peekaboo"):
    address = ("127.0.0.1", int(place)) if place.isdigit() else place
    listener = Listener(address, backlog=100, authkey=key.encode())
    bound = listener.address
    print(bound if isinstance(bound, str) else bound[1])
    sys.stdout.flush()
    thread = threading.Thread(target=until_the_end_of_input)
    thread.daemon = True
    thread.start()
    while True:
        try:
            connection = listener.accept()
        except Exception as error:
            sys.stderr.write("refused: %r\n" % error)
            continue
        thread = threading.Thread(target=handler.serve, args=(connection,))
        thread.daemon = True
        thread.start()


def until_the_end_of_input():
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
