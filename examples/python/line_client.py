#!/usr/bin/env python3
"""Says each line of standard input when the one before has come back: line_client.py [HOST:PORT]"""
import socket
import sys

address = (sys.argv[1:] + ["127.0.0.1:20000"])[0]
host, port = address.rsplit(":", 1)
with socket.create_connection((host, int(port))) as sock, sock.makefile("rw", newline="\n") as stream:
    for line in sys.stdin:
        stream.write(line)
        stream.flush()
        if not line.endswith("\n"):
            sock.shutdown(socket.SHUT_WR)
        print(stream.readline(), end="", flush=True)
