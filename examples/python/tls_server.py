#!/usr/bin/env python3
"""Sends back each line, inside TLS: tls_server.py CERTIFICATE KEY HOST:PORT [CLIENT_CA]

Each client has a thread, and its handshake is there too: one that says nothing keeps nobody out. With the
file CLIENT_CA, clients need a certificate from an authority in it.
"""
import socketserver
import ssl
import sys

certificate, key, address, *client_ca = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
if client_ca:
    context.load_verify_locations(client_ca[0])
    context.verify_mode = ssl.CERT_REQUIRED


class Echo(socketserver.StreamRequestHandler):
    timeout = 10

    def setup(self):
        self.request.settimeout(self.timeout)
        self.request = context.wrap_socket(
            self.request, server_side=True, suppress_ragged_eofs=False
        )
        super().setup()

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
        # The client has said that this was all; without that, reading fails. Now we say it too.
        self.request.unwrap()

    def finish(self):
        super().finish()
        self.request.close()


host, port = address.rsplit(":", 1)
socketserver.ThreadingTCPServer.daemon_threads = True
with socketserver.ThreadingTCPServer((host, int(port)), Echo) as server:
    print("listening on tls://%s:%s" % server.server_address, flush=True)
    server.serve_forever()
