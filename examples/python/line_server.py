#!/usr/bin/env python3
"""Sends back each line, on a thread for each client: line_server.py [HOST:PORT]"""
import socketserver
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


address = (sys.argv[1:] + ["127.0.0.1:20000"])[0]
host, port = address.rsplit(":", 1)
socketserver.ThreadingTCPServer.daemon_threads = True
with socketserver.ThreadingTCPServer((host, int(port)), Echo) as server:
    print("listening on tcp://%s:%s" % server.server_address, flush=True)
    server.serve_forever()
