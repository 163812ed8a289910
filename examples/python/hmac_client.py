#!/usr/bin/env python3
"""An echo client that proves that it knows the key: hmac_client.py KEY HOST:PORT

The server sends 32 random bytes, the client answers with their HMAC-SHA256 under the key. Then standard
input is sent, and what comes back is printed.
"""
import hmac
import shutil
import socket
import sys


def client_authenticate(stream, key):
    message = stream.read(32)
    stream.write(hmac.new(key, message, "sha256").digest())
    stream.flush()


key, address = sys.argv[1:]
host, port = address.rsplit(":", 1)
with socket.create_connection((host, int(port))) as sock, sock.makefile("rwb") as stream:
    client_authenticate(stream, key.encode())
    sock.sendall(sys.stdin.buffer.read())
    sock.shutdown(socket.SHUT_WR)
    shutil.copyfileobj(stream, sys.stdout.buffer)
