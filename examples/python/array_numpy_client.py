#!/usr/bin/env python3
"""Receives an array with numpy: array_numpy_client.py raw|npy [COUNT] [HOST:PORT]

raw: COUNT little-endian float64 numbers come straight into the memory of the array.
npy: what comes first tells the type and the shape, as in a .npy file. COUNT is not looked at.
"""
import socket
import sys

import numpy


def recv_into(values, source):
    view = memoryview(values).cast("B")
    while view:
        received = source.recv_into(view)
        if not received:
            sys.exit("the stream ended %d bytes before the end of the array" % len(view))
        view = view[received:]


wire, count, address = (sys.argv[1:] + ["", "50000000", "127.0.0.1:25000"][len(sys.argv) - 1 :])[:3]
host, port = address.rsplit(":", 1)
with socket.create_connection((host, int(port)), timeout=30) as source:
    if wire == "raw":
        values = numpy.empty(int(count), "<f8")
        recv_into(values, source)
    else:
        # With a buffer numpy would take the stream for a file on a disk, and look for its position.
        with source.makefile("rb", buffering=0) as stream:
            values = numpy.lib.format.read_array(stream, allow_pickle=False)
print(values.dtype.str, values.shape, "Fortran" if numpy.isfortran(values) else "C")
flat = values.ravel("K")
print(flat.size, "numbers:", *flat[:3].tolist(), "...", flat[-1].item())
wrong = sum(
    int((part != numpy.arange(start, start + part.size)).sum())
    for start in range(0, flat.size, 1 << 20)
    for part in [flat[start : start + (1 << 20)]]
)
print(wrong, "are not the recipe's")
