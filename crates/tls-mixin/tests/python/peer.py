"""The other end of TLS connections, in Python's standard library: does what the lines of standard input
ask for, and answers each with a line.

A line is words with tabs between them: a verb, then key=value. `connect` is a client that has `send`
bytes echoed, and comes back with the session of last time if it is to `resume`. `serve` first answers `listening port=N`, then serves `times` clients, with a line for each.
"""

import socket
import ssl
import sys

DEADLINE = 20  # seconds
PAYLOAD = bytes(i % 251 for i in range(64 * 1024))
IGNORE_UNEXPECTED_EOF = 0x80  # OpenSSL's SSL_OP_IGNORE_UNEXPECTED_EOF

contexts = {}
sessions = {}


def main():
    for line in sys.stdin:
        verb, *words = line.rstrip("\n").split("\t")
        {"connect": connect, "serve": serve, "has": has}[verb](dict(w.split("=", 1) for w in words))


def say(verb, **values):
    words = ["{}={}".format(k, v).replace("\t", " ").replace("\n", " ") for k, v in values.items()]
    print("\t".join([verb] + words), flush=True)


def connect(asked):
    context = context_for(asked, server=False)
    key = id(context)
    told = {"heard": 0, "stage": "connect"}
    try:
        raw = socket.create_connection(("127.0.0.1", int(asked["port"])), DEADLINE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        told["stage"] = "handshake"
        stream = context.wrap_socket(
            raw,
            server_hostname=asked.get("name"),
            session=sessions[key] if "resume" in asked else None,
            suppress_ragged_eofs=False,
        )
        with stream:
            told["stage"] = "talk"
            left = int(asked.get("send", 5))
            while left:
                payload = PAYLOAD[:left]
                stream.sendall(payload)
                if hear(stream, len(payload), told) != payload:
                    raise ValueError("the echo differs")
                left -= len(payload)
            sessions[key] = stream.session
            agreed = describe(stream)
            told["stage"] = "end"
            end(stream, asked.get("end", "unwrap"), told)
        say("ok", heard=told["heard"], end=told["end"], **agreed)
    except (OSError, ValueError) as error:
        refuse(error, told)


def serve(asked):
    context = context_for(asked, server=True)
    name = {}
    context.set_servername_callback(lambda stream, asked_for, _: name.update(sni=asked_for))
    listener = socket.socket()
    listener.settimeout(DEADLINE)
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    say("listening", port=listener.getsockname()[1])
    for _ in range(int(asked.get("times", 1))):
        name.clear()
        told = {"heard": 0, "stage": "handshake"}
        try:
            raw, _ = listener.accept()
            raw.settimeout(DEADLINE)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False)
            with stream:
                agreed = describe(stream)
                told["stage"] = "talk"
                echo(stream, asked.get("end", "unwrap"), int(asked.get("hear", -1)), told)
            say("ok", heard=told["heard"], end=told["end"], sni=name.get("sni"), **agreed)
        except (OSError, ValueError) as error:
            refuse(error, told)
    listener.close()


def echo(stream, how, limit, told):
    """Echoes until the client ends, or so many bytes have come."""
    while told["heard"] != limit:
        payload = stream.recv(65536)
        if not payload:
            break
        stream.sendall(payload)
        told["heard"] += len(payload)
    told["stage"] = "end"
    end(stream, how, told)


def end(stream, how, told):
    if how == "close":  # without a word
        told["end"] = "none"
    elif how == "wait":
        told["end"] = "more" if stream.recv(1) else "clean"
    else:
        stream.unwrap()
        told["end"] = "clean"


def hear(stream, length, told):
    heard = b""
    while len(heard) < length:
        payload = stream.recv(length - len(heard))
        if not payload:
            raise ValueError("the end came early")
        heard += payload
        told["heard"] += len(payload)
    return heard


def describe(stream):
    peer = stream.getpeercert() or {}
    names = [value for _, value in peer.get("subjectAltName", ())]
    common = [value for part in peer.get("subject", ()) for key, value in part if key == "commonName"]
    cipher, _, bits = stream.cipher()
    return dict(
        version=stream.version(),
        cipher=cipher,
        bits=bits,
        reused=stream.session_reused,
        alpn=stream.selected_alpn_protocol(),
        names=",".join(names),
        common=",".join(common),
    )


def refuse(error, told):
    say(
        "error",
        kind=type(error).__name__,
        reason=getattr(error, "reason", None),
        text=error,
        **told
    )


def has(asked):
    say("ok", has=hasattr(ssl.SSLContext, asked["what"]))


def context_for(asked, server):
    about = ("ca", "cert", "key", "clients", "version", "ciphers", "alpn", "keylog")
    key = (server,) + tuple(asked.get(word) for word in about)
    if key not in contexts:
        contexts[key] = make_context(asked, server)
    return contexts[key]


def make_context(asked, server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.options &= ~IGNORE_UNEXPECTED_EOF
    if "ca" in asked:
        context.load_verify_locations(asked["ca"])
    elif not server:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if server:
        needs = {"optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
        context.verify_mode = needs.get(asked.get("clients"), ssl.CERT_NONE)
    if "cert" in asked:
        context.load_cert_chain(asked["cert"], asked["key"])
    if "ciphers" in asked:
        context.set_ciphers(asked["ciphers"])
    if "alpn" in asked:
        context.set_alpn_protocols(asked["alpn"].split(","))
    if "keylog" in asked:
        context.keylog_filename = asked["keylog"]
    if "version" in asked:
        old = asked["version"] == "old"
        only(context, ["TLSv1", "TLSv1_1"] if old else ["TLSv" + asked["version"].replace(".", "_")])
    return context


def only(context, versions):
    if hasattr(ssl, "TLSVersion"):
        context.minimum_version = ssl.TLSVersion[versions[0]]
        context.maximum_version = ssl.TLSVersion[versions[-1]]
        return
    for version in ["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"]:  # Python 3.6
        option = getattr(ssl, "OP_NO_" + version, 0)
        if version in versions:
            context.options &= ~option
        else:
            context.options |= option


main()
