#!/usr/bin/env python3
"""Sends the float64 numbers 0, 1, 2 ... to every client: array_raw_server.py [COUNT] [HOST:PORT]

They go 8 bytes each, little-endian, from the memory where they are. COUNT is 50,000,000 where it is not given.
"""
import array
import socketserver
import sys

count, address = (sys.argv[1:] + ["50000000", "127.0.0.1:25000"][len(sys.argv) - 1 :])[:2]
values = array.array("d", range(int(count)))
if sys.byteorder == "big":
    values.byteswap()


class Sender(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(30)
        self.request.sendall(memoryview(values).cast("B"))


host, port = address.rsplit(":", 1)
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer((host, int(port)), Sender) as server:
    print("listening on tcp://%s:%s" % server.server_address, flush=True)
    server.serve_forever()
