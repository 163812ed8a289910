#!/usr/bin/env python3
"""Asks each argument, which ends with a question mark: zen_client.py HOST:PORT QUESTION…"""
import socket
import sys


def receive_answer(stream):
    answer = b""
    while not answer.endswith(b"."):
        byte = stream.read(1)
        if not byte:
            raise EOFError("the server hung up after %r" % answer)
        answer += byte
    return answer.decode("ascii")


address, *questions = sys.argv[1:]
host, port = address.rsplit(":", 1)
with socket.create_connection((host, int(port))) as sock, sock.makefile("rb") as stream:
    for question in questions:
        sock.sendall(question.encode("ascii"))
        print(question, receive_answer(stream), flush=True)
