#!/usr/bin/env python3
"""Accepts connections and hands each to a worker: fd_mp_server.py AUTHKEY SOCKET [HOST:PORT]

A worker connects to the Unix socket SOCKET, proves that it knows the key, and says its process id; when it has gone,
the next one takes over.
"""
import os
import socket
import sys
from multiprocessing.connection import Listener
from multiprocessing.reduction import send_handle


def hire(workers):
    while True:
        try:
            worker = workers.accept()
            return worker, worker.recv()
        except Exception as why:
            print("not hired:", repr(why), file=sys.stderr, flush=True)


def serve(clients, workers):
    worker = None
    while True:
        client, peer = clients.accept()
        with client:
            while True:
                if worker is None:
                    worker, pid = hire(workers)
                try:
                    send_handle(worker, client.fileno(), pid)
                    break
                except (OSError, RuntimeError) as why:
                    print("worker", pid, "has gone:", why, file=sys.stderr)
                    worker.close()
                    worker = None
        print("gave %s:%s to worker %s" % (peer + (pid,)), flush=True)


authkey, path, address = (sys.argv[1:] + ["127.0.0.1:15000"])[:3]
host, port = address.rsplit(":", 1)
os.umask(0o177)
with Listener(path, authkey=authkey.encode()) as workers, socket.socket() as clients:
    clients.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    clients.bind((host, int(port)))
    clients.listen(128)
    print("listening on tcp://%s:%s" % clients.getsockname(), flush=True)
    serve(clients, workers)
