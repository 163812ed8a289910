"""Receives so many float64 as the recipe does, and sends them back, doubled."""

import array
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
    values = array.array("d", [0.0]) * int(sys.argv[2])
    view = memoryview(values).cast("B")
    while len(view):
        received = sock.recv_into(view)
        if not received:
            raise EOFError("%d bytes are missing" % len(view))
        view = view[received:]
    for index in range(len(values)):
        values[index] *= 2
    view = memoryview(values).cast("B")
    while len(view):
        view = view[sock.send(view):]
