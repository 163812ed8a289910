#!/usr/bin/env python3
"""Sends an array with numpy to every client: array_numpy_server.py raw|npy [COUNT|FILE] [HOST:PORT]

It is that of the FILE (.npy), or has COUNT float64 numbers 0, 1, 2 ... (50,000,000 where nothing is given).
raw: the bytes of the array and nothing else. npy: what a .npy file begins with comes first.
"""
import socketserver
import sys

import numpy

wire, what, address = (sys.argv[1:] + ["", "50000000", "127.0.0.1:25000"][len(sys.argv) - 1 :])[:3]
if what.isdigit():
    values = numpy.arange(0.0, int(what))
else:
    values = numpy.load(what, allow_pickle=False)


class Sender(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(30)
        if wire == "raw":
            self.request.sendall(memoryview(values.ravel("K")).cast("B"))
        else:
            numpy.lib.format.write_array(Stream(self.request), values, allow_pickle=False)


class Stream:
    """What numpy writes to. A socket's own makefile() it takes for a file on a disk, or loses what a write leaves."""

    def __init__(self, socket):
        self.write = socket.sendall


host, port = address.rsplit(":", 1)
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer((host, int(port)), Sender) as server:
    print("listening on tcp://%s:%s" % server.server_address, flush=True)
    server.serve_forever()
