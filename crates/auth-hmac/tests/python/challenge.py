"""Both ends of the hmac recipe, as Python programs write them.

challenge.py serve KEY [DIGEST]          prints a port, asks one client, then echoes
challenge.py call PORT KEY [DIGEST]      answers, then says hello and prints what comes back
"""

import hmac
import os
import socket
import sys


def receive_exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            sys.exit("closed")
        data += part
    return data


def serve(key, digest):
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    sock, _ = listener.accept()
    message = os.urandom(32)
    sock.sendall(message)
    expected = hmac.new(key, message, digest).digest()
    if not hmac.compare_digest(expected, receive_exactly(sock, len(expected))):
        sys.exit("refused")
    while data := sock.recv(8192):
        sock.sendall(data)


def call(port, key, digest):
    sock = socket.create_connection(("127.0.0.1", port))
    message = receive_exactly(sock, 32)
    # The answer and what follows it in one segment.
    sock.sendall(hmac.new(key, message, digest).digest() + b"hello")
    print(receive_exactly(sock, 5).decode())


role, *arguments = sys.argv[1:]
if role == "serve":
    key, digest = (*arguments, "sha256")[:2]
    serve(key.encode(), digest)
else:
    port, key, digest = (*arguments, "sha256")[:3]
    call(int(port), key.encode(), digest)
