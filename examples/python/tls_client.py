#!/usr/bin/env python3
"""An echo client that speaks TLS: tls_client.py CA HOST:PORT [CERTIFICATE KEY]

Says each line of standard input when the one before has come back. The server must have a certificate for
HOST from an authority in the file CA; CERTIFICATE and KEY are for a server that asks for them.
"""
import socket
import ssl
import sys

authorities, address, *identity = sys.argv[1:]
host, port = address.rsplit(":", 1)
context = ssl.create_default_context(cafile=authorities)
if identity:
    context.load_cert_chain(*identity)
with socket.create_connection((host, int(port))) as sock:
    with context.wrap_socket(sock, server_hostname=host) as tls, tls.makefile("rwb") as stream:
        for line in sys.stdin.buffer:
            stream.write(line)
            stream.flush()
            sys.stdout.buffer.write(stream.read(len(line)))
            sys.stdout.flush()
        # Says that this was all, and waits until the server has said so too.
        tls.unwrap()
