#!/usr/bin/env python3
"""Echoes on the connections that a server hands over: fd_mp_worker.py AUTHKEY SOCKET

It proves to the server that listens on the Unix socket SOCKET that it knows the key, says its process id, takes one
connection after the other, and ends with the server.
"""
import os
import socket
import sys
from multiprocessing.connection import Client
from multiprocessing.reduction import recv_handle


def echo(client):
    try:
        while True:
            data = client.recv(8192)
            if not data:
                return
            client.sendall(data)
    except OSError as why:
        print("a client has gone:", why, file=sys.stderr)


authkey, path = sys.argv[1:]
with Client(path, authkey=authkey.encode()) as server:
    server.send(os.getpid())
    while True:
        try:
            descriptor = recv_handle(server)
        except (EOFError, ConnectionError):
            break
        with socket.socket(fileno=descriptor) as client:
            print("serving %s:%s" % client.getpeername()[:2], flush=True)
            echo(client)
