#!/usr/bin/env python3
"""A chat client in forty lines: chat_client.py NAME [HOST:PORT]

Lines from standard input go to everybody; what the others say is printed.
A message is its length as four bytes, big-endian, then UTF-8 text.
"""
import socket
import struct
import sys
import threading


def send(sock, text):
    data = text.encode()
    sock.sendall(struct.pack("!I", len(data)) + data)


def receive(stream):
    """The next message, or None when the server has hung up."""
    header = stream.read(4)
    if len(header) < 4:
        return None
    (length,) = struct.unpack("!I", header)
    return stream.read(length).decode()


def show(stream):
    while (text := receive(stream)) is not None:
        text = text.lstrip("\n")
        print("".join(c for c in text if c.isprintable() or c in "\n\t"), flush=True)


name, address = (sys.argv[1:] + ["127.0.0.1:8800"])[:2]
host, port = address.rsplit(":", 1)
with socket.create_connection((host, int(port))) as sock, sock.makefile("rb") as stream:
    send(sock, f"NAME: {name}")
    answer = receive(stream)
    if answer is None or not answer.startswith("CLIENT: "):
        sys.exit(answer or "the server hung up")
    reader = threading.Thread(target=show, args=(stream,), daemon=True)
    reader.start()
    for line in sys.stdin:
        send(sock, line.rstrip("\n"))
    sock.shutdown(socket.SHUT_WR)
    reader.join()
