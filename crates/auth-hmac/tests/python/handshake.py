"""The mutual handshake, written from docs/src/auth-hmac.md with nothing but the standard library.

handshake.py vectors                     prints the test vectors
handshake.py respond ID KEY CONTEXT      prints a port; proves itself to one client, then echoes sealed messages
handshake.py initiate PORT ID KEY CONTEXT

KEY is in hexadecimal.
"""

import hashlib
import hmac
import os
import socket
import struct
import sys

PROTOCOL = b"netblocks auth-hmac handshake 1"
HELLO, CHALLENGE, PROOF, WELCOME, FAILURE = 0xA1, 0xA2, 0xA3, 0xA4, 0xAF


def mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def field(data):
    return struct.pack(">Q", len(data)) + data


def expand(secret, label, rest, size=32):
    info, output, block = field(label) + rest, b"", b""
    for number in range(1, 256):
        block = mac(secret, block, info, bytes([number]))
        output += block
        if len(output) >= size:
            return output[:size]


class Schedule:
    def __init__(self, key, hello, challenge, context, binding=b""):
        self.root = mac(PROTOCOL, key)
        fields = (PROTOCOL, hello, challenge, context, binding)
        self.transcript = hashlib.sha256(b"".join(map(field, fields))).digest()

    def derive(self, label):
        return expand(self.root, label, self.transcript)

    def export(self, label, size):
        return expand(self.derive(b"exporter"), label, struct.pack(">Q", size), size)


def message(kind, body=b""):
    return struct.pack(">BBH", kind, 1, len(body)) + body


def seal(key, number, payload, last=False):
    head = struct.pack(">IBQ", len(payload), last, number)
    return head + payload + mac(key, head, payload)


class Peer:
    def __init__(self, sock):
        self.sock = sock

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                sys.exit("closed")
            data += part
        return data

    def message(self, kind):
        head = self.exactly(4)
        found, version, size = struct.unpack(">BBH", head)
        if found == FAILURE:
            sys.exit("refused")
        assert (found, version) == (kind, 1) and size <= 252
        return head + self.exactly(size)

    def open(self, key, number):
        head = self.exactly(13)
        size, last, found = struct.unpack(">IBQ", head)
        assert found == number and size <= 1 << 20
        payload = self.exactly(size)
        assert hmac.compare_digest(self.exactly(32), mac(key, head, payload))
        return payload, last


def respond(key_id, key, context):
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    peer = Peer(listener.accept()[0])
    hello = peer.message(HELLO)
    challenge = message(CHALLENGE, os.urandom(32))
    peer.sock.sendall(challenge)
    schedule = Schedule(key, hello, challenge, context)
    proof = peer.message(PROOF)[4:]
    known = hello[36:] == key_id
    if not (hmac.compare_digest(proof, schedule.derive(b"initiator proof")) and known):
        peer.sock.sendall(message(FAILURE))
        sys.exit("refused")
    peer.sock.sendall(message(WELCOME, schedule.derive(b"responder proof")))
    print(schedule.export(b"interop", 42).hex(), flush=True)
    number, last = 0, False
    while not last:
        payload, last = peer.open(schedule.derive(b"initiator seal"), number)
        peer.sock.sendall(seal(schedule.derive(b"responder seal"), number, payload, last))
        number += 1


def initiate(port, key_id, key, context):
    peer = Peer(socket.create_connection(("127.0.0.1", port)))
    hello = message(HELLO, os.urandom(32) + key_id)
    peer.sock.sendall(hello)
    challenge = peer.message(CHALLENGE)
    schedule = Schedule(key, hello, challenge, context)
    peer.sock.sendall(message(PROOF, schedule.derive(b"initiator proof")))
    proof = peer.message(WELCOME)[4:]
    if not hmac.compare_digest(proof, schedule.derive(b"responder proof")):
        sys.exit("not the right responder")
    print(schedule.export(b"interop", 42).hex())
    words = [b"hello", b"", b"x" * 100_000, b"last"]
    for number, word in enumerate(words):
        sealed = seal(schedule.derive(b"initiator seal"), number, word, word == words[-1])
        peer.sock.sendall(sealed)
        found = peer.open(schedule.derive(b"responder seal"), number)
        assert found == (word, word == words[-1])


def vectors():
    key, context, binding = bytes(range(32)), b"example 1", b"b" * 32
    hello = message(HELLO, b"i" * 32 + b"2026-11")
    challenge = message(CHALLENGE, b"r" * 32)
    schedule = Schedule(key, hello, challenge, context, binding)
    for name, value in {
        "key": key,
        "context": context,
        "channel binding": binding,
        "hello": hello,
        "challenge": challenge,
        "root": schedule.root,
        "transcript": schedule.transcript,
        "proof": message(PROOF, schedule.derive(b"initiator proof")),
        "welcome": message(WELCOME, schedule.derive(b"responder proof")),
        "initiator seal": schedule.derive(b"initiator seal"),
        "responder seal": schedule.derive(b"responder seal"),
        "exporter": schedule.derive(b"exporter"),
        "export of 16 bytes": schedule.export(b"file cipher", 16),
        "export of 42 bytes": schedule.export(b"file cipher", 42),
        "initiator seals hello": seal(schedule.derive(b"initiator seal"), 0, b"hello"),
        "initiator seals nothing, its last": seal(schedule.derive(b"initiator seal"), 1, b"", True),
        "responder seals hello": seal(schedule.derive(b"responder seal"), 0, b"hello"),
    }.items():
        print(f"{name} = {value.hex()}")


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    if role == "vectors":
        vectors()
    elif role == "respond":
        key_id, key, context = arguments
        respond(key_id.encode(), bytes.fromhex(key), context.encode())
    else:
        port, key_id, key, context = arguments
        initiate(int(port), key_id.encode(), bytes.fromhex(key), context.encode())
