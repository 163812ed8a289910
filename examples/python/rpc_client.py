#!/usr/bin/env python3
"""Calls functions of an rpc_server: rpc_client.py AUTHKEY [ADDRESS]

The address is HOST:PORT, unix:PATH or unix:@NAME.
"""
import pickle
import sys
from multiprocessing.connection import Client


class RPCProxy:
    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self._connection.send(pickle.dumps((name, args, kwargs)))
            answer = pickle.loads(self._connection.recv())
            if isinstance(answer, Exception):
                raise answer
            return answer
        return call


def parse(address):
    if address.startswith("unix:@"):
        return "\0" + address[6:]
    if address.startswith("unix:"):
        return address[5:]
    host, port = address.rsplit(":", 1)
    return host, int(port)


if __name__ == "__main__":
    authkey, address = (sys.argv[1:] + ["127.0.0.1:17000"])[:2]
    with Client(parse(address), authkey=authkey.encode()) as connection:
        proxy = RPCProxy(connection)
        print(proxy.add(2, 3), proxy.sub(2, y=3), proxy.mul(y=0.5, x=3), proxy.div(1, 4))
        print(proxy.mean([1, 2, 6]))
        for wrong in (lambda: proxy.div(1, 0), lambda: proxy.nosuch(), lambda: proxy.add(1), lambda: proxy.add(1, None)):
            try:
                wrong()
            except Exception as error:
                print(type(error).__name__, error, sep=": ")
