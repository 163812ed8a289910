"""Speaks JSON-RPC 2.0 over lines to the server at 127.0.0.1 and the port given, with nothing but the standard
library, and checks what comes back."""

import json
import socket
import sys


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.last_id = 0

    def send(self, *messages):
        """Sends messages with one write."""
        text = "".join(json.dumps(message) + "\n" for message in messages)
        self.socket.sendall(text.encode())

    def receive(self):
        line = self.lines.readline()
        assert line.endswith("\n"), f"the server ended the connection after {line!r}"
        return json.loads(line)

    def request(self, method, params=None):
        self.last_id += 1
        message = {"jsonrpc": "2.0", "method": method, "id": self.last_id}
        if params is not None:
            message["params"] = params
        return message

    def call(self, method, *args, **kwargs):
        request = self.request(method, kwargs or list(args))
        self.send(request)
        answer = self.receive()
        assert answer["jsonrpc"] == "2.0" and answer["id"] == request["id"], answer
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]


class Failed(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]
        self.data = error.get("data")


def notification(method, *params):
    return {"jsonrpc": "2.0", "method": method, "params": list(params)}


def failure_of(call):
    try:
        result = call()
    except Failed as failure:
        return failure
    raise AssertionError(f"no failure but {result!r}")


def calls(client):
    assert client.call("subtract", 42, 23) == 19
    assert client.call("subtract", subtrahend=23, minuend=42) == 19
    assert client.call("echo", 2**53 + 1) == 2**53 + 1
    value = {"list": [1, -2.5, None, True], "empty": {}, "": "\u0000\"\\\n"}
    assert client.call("echo", value) == value
    assert "subtract" in client.call("system.listMethods")
    assert client.call("system.methodSignature", "subtract") == "subtract(minuend, subtrahend)"


def unicode(client):
    text = "żółw \U0001f422 \u2028 \ud7ff \r\n"
    assert client.call("echo", text) == text
    # Not escaped this time.
    message = client.request("echo", [text])
    client.socket.sendall(json.dumps(message, ensure_ascii=False).encode() + b"\r\n")
    assert client.receive()["result"] == text


def failures(client):
    assert failure_of(lambda: client.call("nothing")).code == -32601
    wrong = failure_of(lambda: client.call("subtract", 1))
    assert (wrong.code, wrong.data) == (-32602, "subtract() needs a value for 'subtrahend'")
    assert failure_of(lambda: client.call("panics")).code == -32603
    failed = failure_of(lambda: client.call("fails"))
    assert (failed.code, str(failed)) == (-32000, "no such key: 'left'")
    assert failed.data == {"kind": "KeyError", "data": "left"}

    client.socket.sendall(b"{nonsense\n")
    answer = client.receive()
    assert answer == {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": None}
    client.send({"jsonrpc": "2.0", "method": 1, "params": "bar"}, [])
    for _ in range(2):
        answer = client.receive()
        assert (answer["error"]["code"], answer["id"]) == (-32600, None)
    assert client.call("subtract", 2, 1) == 1, "the connection goes on"


def notifications(client):
    before = client.call("noted")
    client.send(notification("note", "one"), notification("note", "two"), notification("nothing"))
    assert client.call("noted") == before + ["one", "two"]


def batches(client):
    one, two, three = (client.request("subtract", [n, 1]) for n in (1, 2, 3))
    slow = client.request("when_asked")
    client.send([one, notification("note", "three"), 1, two])
    answers = client.receive()
    assert len(answers) == 3
    assert {answer["id"]: answer.get("result") for answer in answers} == {one["id"]: 0, two["id"]: 1, None: None}
    client.send([notification("note", "four"), notification("nothing")])
    # The batch with a slow call is answered after the one that comes later.
    client.send([slow, three])
    client.send([client.request("ask")])
    first, second = client.receive(), client.receive()
    assert [answer["result"] for answer in first] == ["asked"], first
    assert {answer["id"]: answer["result"] for answer in second} == {slow["id"]: "at last", three["id"]: 2}


def pipelining(client):
    slow = client.request("when_asked")
    quick = [client.request("subtract", [n, n]) for n in range(1000)]
    client.send(slow, *quick, client.request("ask"))
    answers = [client.receive() for _ in range(1002)]
    assert [answer["id"] for answer in answers[:1000]] == [request["id"] for request in quick]
    assert answers[-1] == {"jsonrpc": "2.0", "result": "at last", "id": slow["id"]}


def large(client):
    text = "x" * 3_000_000
    assert client.call("echo", text) == text


def end(client):
    """What was asked before the end is answered."""
    client.send(client.request("subtract", [1, 1]))
    client.socket.shutdown(socket.SHUT_WR)
    assert client.receive()["result"] == 0
    assert client.lines.read() == ""


def main():
    client = Client(int(sys.argv[1]))
    for part in (calls, unicode, failures, notifications, batches, pipelining, large, end):
        part(client)
        print(part.__name__, flush=True)


main()
