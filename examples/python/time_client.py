#!/usr/bin/env python3
"""Asks a server for the time, over UDP: time_client.py [HOST:PORT]"""
import socket
import sys

address = (sys.argv[1:] + ["127.0.0.1:20000"])[0]
host, port = address.rsplit(":", 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(5)
    sock.sendto(b"", (host, int(port)))
    print(sock.recv(8192).decode("ascii"))
