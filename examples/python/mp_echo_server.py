#!/usr/bin/env python3
"""Sends every object back: mp_echo_server.py AUTHKEY [ADDRESS]

The address is HOST:PORT, unix:PATH or unix:@NAME. Whatever a client pickles is unpickled here, which is why it has
to know the key.
"""
import sys
import threading
from multiprocessing.connection import Listener


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


def echo(connection):
    with connection:
        try:
            while True:
                connection.send(connection.recv())
        except EOFError:
            pass
        except Exception as why:
            print("a client has gone:", repr(why), file=sys.stderr)


def serve(listener):
    while True:
        try:
            connection = listener.accept()
        except Exception as why:
            print("refused:", repr(why), file=sys.stderr, flush=True)
            continue
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


authkey, address = (sys.argv[1:] + ["127.0.0.1:25000"])[:2]
with Listener(parse(address), backlog=128, authkey=authkey.encode()) as listener:
    print("listening on", url(listener.address), flush=True)
    serve(listener)
