#!/usr/bin/env python3
"""Sends objects and prints what comes back: mp_echo_client.py AUTHKEY ADDRESS [OBJECT...]

The address is HOST:PORT, unix:PATH or unix:@NAME. Objects are written as in Python: 1, 'a', (1, {2}), b'\\0'. Without
any they are read from standard input, one a line.
"""
import ast
import sys
from multiprocessing.connection import Client


def parse(address):
    if address.startswith("unix:@"):
        return "\0" + address[6:]
    if address.startswith("unix:"):
        return address[5:]
    host, port = address.rsplit(":", 1)
    return host, int(port)


authkey, address = sys.argv[1:3]
with Client(parse(address), authkey=authkey.encode()) as connection:
    for line in sys.argv[3:] or sys.stdin:
        connection.send(ast.literal_eval(line.strip()))
        print(repr(connection.recv()), flush=True)
