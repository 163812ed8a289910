#!/usr/bin/env python3
"""Receives float64 numbers, and nothing but these: array_raw_client.py COUNT [HOST:PORT]

They come 8 bytes each, little-endian, into the memory where they are to be. COUNT must be known: nothing on the
wire tells it.
"""
import array
import socket
import sys


def recv_into(values, source):
    view = memoryview(values).cast("B")
    while view:
        received = source.recv_into(view)
        if not received:
            sys.exit("the stream ended %d bytes before the end of the array" % len(view))
        view = view[received:]


count, address = (sys.argv[1:] + ["127.0.0.1:25000"])[:2]
values = array.array("d", [0.0]) * int(count)
host, port = address.rsplit(":", 1)
with socket.create_connection((host, int(port)), timeout=30) as source:
    recv_into(values, source)
if sys.byteorder == "big":
    values.byteswap()
print(len(values), "numbers:", *values[:3], "...", values[-1])
wrong = sum(value != n for n, value in enumerate(values))
print(wrong, "are not the recipe's")
