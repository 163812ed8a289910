#!/usr/bin/env python3
"""Echoes on the connections that a server hands over: fd_worker.py python|recipe SOCKET

It takes one connection after the other from the server that listens on the Unix socket SOCKET, and ends with it.
"""
import socket
import struct
import sys
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle

INT = struct.Struct("i")


def from_python(link):
    connection = Connection(link.detach())
    return lambda: recv_handle(connection)


def from_recipe(link):
    def take():
        # socket.recv_fds does it too, since Python 3.9.
        data, ancillary, _, _ = link.recvmsg(1, socket.CMSG_SPACE(INT.size))
        if not data:
            raise EOFError
        descriptors = [fd for _, _, payload in ancillary for fd, in INT.iter_unpack(payload)]
        if data != b"x" or len(descriptors) != 1:
            raise RuntimeError("%r with %d descriptors" % (data, len(descriptors)))
        link.sendall(b"OK")
        return descriptors[0]

    return take


def echo(client):
    try:
        while data := client.recv(8192):
            client.sendall(data)
    except OSError as why:
        print("a client has gone:", why, file=sys.stderr)


dialect, path = sys.argv[1:]
link = socket.socket(socket.AF_UNIX)
link.connect(path)
take = {"python": from_python, "recipe": from_recipe}[dialect](link)
while True:
    try:
        descriptor = take()
    except EOFError:
        break
    with socket.socket(fileno=descriptor) as client:
        print("serving %s:%s" % client.getpeername()[:2], flush=True)
        echo(client)
