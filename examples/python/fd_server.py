#!/usr/bin/env python3
"""Accepts connections and hands each to a worker: fd_server.py python|recipe SOCKET [HOST:PORT]

Whoever connects to the Unix socket SOCKET is a worker; when it has gone, the next one takes over. `python` is
what multiprocessing says to hand over a descriptor, `recipe` an `x` that is answered by `OK`.
"""
import os
import socket
import struct
import sys
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle


class PythonWorker:
    def __init__(self, link):
        self.connection = Connection(link.detach())

    def give(self, client):
        send_handle(self.connection, client.fileno(), None)

    def close(self):
        self.connection.close()


class RecipeWorker:
    def __init__(self, link):
        self.link = link

    def give(self, client):
        # socket.send_fds does it too, since Python 3.9.
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", client.fileno()))
        self.link.sendmsg([b"x"], [rights])
        if self.link.recv(2, socket.MSG_WAITALL) != b"OK":
            raise EOFError("the worker did not say that it has the connection")

    def close(self):
        self.link.close()


def serve(clients, workers, kind):
    worker = None
    while True:
        client, peer = clients.accept()
        with client:
            while True:
                worker = worker or kind(workers.accept()[0])
                try:
                    worker.give(client)
                    break
                except (OSError, EOFError, RuntimeError) as why:
                    print("a worker has gone:", why, file=sys.stderr)
                    worker.close()
                    worker = None
        print("gave %s:%s to a worker" % peer[:2], flush=True)


dialect, path, address = (sys.argv[1:] + ["127.0.0.1:15000"])[:3]
host, port = address.rsplit(":", 1)
kind = {"python": PythonWorker, "recipe": RecipeWorker}[dialect]
os.umask(0o177)
with socket.socket(socket.AF_UNIX) as workers, socket.create_server((host, int(port))) as clients:
    workers.bind(path)
    workers.listen()
    print("listening on tcp://%s:%s" % clients.getsockname(), flush=True)
    try:
        serve(clients, workers, kind)
    finally:
        os.unlink(path)
