#!/usr/bin/env python3
"""A session with kv_server --python: kv_mp.py [HOST:PORT [AUTHKEY]]

Values are what can be pickled without classes: tuples, sets, bytes and large numbers too.
"""
import pickle
import sys
from multiprocessing.connection import Client


class KV:
    """Calls functions of the server, by position or by name."""

    def __init__(self, host, port, authkey=None):
        self._connection = Client((host, port), authkey=authkey)

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self._connection.send(pickle.dumps((name, args, kwargs)))
            answer = pickle.loads(self._connection.recv())
            if isinstance(answer, Exception):
                raise answer
            return answer
        return call


if __name__ == "__main__":
    host, port = (sys.argv[1:] + ["127.0.0.1:17000"])[0].rsplit(":", 1)
    authkey = sys.argv[2].encode() if len(sys.argv) > 2 else None
    kv = KV(host, int(port), authkey)
    kv.set("foo", "bar")
    kv.set("spam", (1, b"\0", {2}, {3: None}, 2 ** 100))
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
