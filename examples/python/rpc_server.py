#!/usr/bin/env python3
"""Lets clients call functions: rpc_server.py AUTHKEY [ADDRESS]

A call is the pickle of (name, args, kwargs), the answer that of what the function returns or raises; each travels as
a bytes object, pickled again. The address is HOST:PORT, unix:PATH or unix:@NAME.
"""
import pickle
import sys
import threading
from multiprocessing.connection import Listener


class RPCHandler:
    def __init__(self):
        self._functions = {}

    def register_function(self, function):
        self._functions[function.__name__] = function

    def handle_connection(self, connection):
        with connection:
            try:
                while True:
                    connection.send(pickle.dumps(self.answer(connection.recv())))
            except EOFError:
                pass
            except Exception as why:
                print("a client has gone:", repr(why), file=sys.stderr)

    def answer(self, call):
        try:
            name, args, kwargs = pickle.loads(call)
            return self._functions[name](*args, **kwargs)
        except Exception as error:
            return error


def add(x, y):
    return x + y


def sub(x, y):
    return x - y


def mul(x, y):
    return x * y


def div(x, y):
    return x / y


def mean(numbers):
    return sum(numbers) / len(numbers)


def parse(address):
    if address.startswith("unix:@"):
        return "\0" + address[6:]
    if address.startswith("unix:"):
        return address[5:]
    host, port = address.rsplit(":", 1)
    return host, int(port)


def url(address):
    if isinstance(address, tuple):
        return "tcp://%s:%s" % address
    if isinstance(address, bytes):
        return "unix:@" + address[1:].decode()
    return "unix://" + address


def serve(listener, handler):
    while True:
        try:
            connection = listener.accept()
        except Exception as why:
            print("refused:", repr(why), file=sys.stderr, flush=True)
            continue
        threading.Thread(target=handler.handle_connection, args=(connection,), daemon=True).start()


handler = RPCHandler()
for function in (add, sub, mul, div, mean):
    handler.register_function(function)
authkey, address = (sys.argv[1:] + ["127.0.0.1:17000"])[:2]
with Listener(parse(address), backlog=128, authkey=authkey.encode()) as listener:
    print("listening on", url(listener.address), flush=True)
    serve(listener, handler)
