#!/usr/bin/env python3
"""An echo server for clients that know the key: hmac_server.py KEY [HOST:PORT]

It sends 32 random bytes and expects their HMAC-SHA256 under the key; whoever answers wrong is hung up on.
"""
import hmac
import os
import socketserver
import sys


class Echo(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self):
        if self.authenticate():
            self.request.settimeout(None)
            while data := self.rfile.read1(8192):
                self.wfile.write(data)

    def authenticate(self):
        message = os.urandom(32)
        self.wfile.write(message)
        digest = hmac.new(key, message, "sha256").digest()
        return hmac.compare_digest(digest, self.rfile.read(len(digest)))


key, address = (sys.argv[1:] + ["127.0.0.1:18000"])[:2]
key = key.encode()
host, port = address.rsplit(":", 1)
socketserver.ThreadingTCPServer.daemon_threads = True
with socketserver.ThreadingTCPServer((host, int(port)), Echo) as server:
    print("listening on tcp://%s:%s" % server.server_address, flush=True)
    server.serve_forever()
