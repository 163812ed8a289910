#!/usr/bin/env python3
"""A session with a kv_server: kv_json.py [HOST:PORT [AUTHKEY]]"""
import hmac
import json
import socket
import sys


class RPCError(Exception):
    """What the server answered instead of a result."""


class KV:
    """Calls functions of the server by JSON-RPC 2.0, one message a line."""

    def __init__(self, host, port, authkey=None):
        self._stream = socket.create_connection((host, port), timeout=30).makefile("rwb")
        self._id = 0
        if authkey is not None:
            challenge = self._stream.read(32)
            self._stream.write(hmac.new(authkey, challenge, "sha256").digest())

    def __getattr__(self, method):
        def call(*positional, **named):
            if positional and named:
                raise TypeError("all arguments by position, or all by name")
            self._id += 1
            request = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": positional or named}
            self._stream.write(json.dumps(request).encode() + b"\n")
            self._stream.flush()
            line = self._stream.readline()
            if not line:
                raise ConnectionError("the server hung up")
            answer = json.loads(line)
            if "error" not in answer:
                return answer["result"]
            message, data = answer["error"]["message"], answer["error"].get("data")
            kind = data["kind"] if isinstance(data, dict) else None
            raise {"KeyError": KeyError, "ValueError": ValueError}.get(kind, RPCError)(message)
        return call


if __name__ == "__main__":
    host, port = (sys.argv[1:] + ["127.0.0.1:17002"])[0].rsplit(":", 1)
    authkey = sys.argv[2].encode() if len(sys.argv) > 2 else None
    kv = KV(host, int(port), authkey)
    kv.set("foo", "bar")
    kv.set("spam", [1, 2, 3])
    kv.set(key="brief", value={"x": 2, "y": 3.5}, ttl=60)
    print(kv.keys())
    print(kv.get("spam"), kv.get("foo"), kv.get("brief"))
    kv.delete("spam")
    print(kv.exists("spam"))
    print(kv.compare_and_set("foo", "bar", "baz"), kv.get("foo"))
    print(0 < kv.ttl("brief") <= 60, kv.ttl("foo"))
    try:
        kv.get("spam")
    except KeyError as error:
        print("KeyError:", error)
