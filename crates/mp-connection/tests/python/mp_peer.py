"""The other end of a connection, with nothing but the standard library.

mp_peer.py listen ADDRESS KEY SCENE [ARGUMENT ...]     accepts, one after the other, and plays the scene with each
mp_peer.py connect ADDRESS KEY SCENE [ARGUMENT ...]    connects and plays the scene

ADDRESS is HOST:PORT, unix:PATH or unix:@NAME, KEY a text, or - for no login. The scenes are the functions
of mp_scenes.py. The first line printed is "python MAJOR MINOR", then a listener prints "ready ADDRESS". A login that
fails prints "refused ERROR: TEXT", one that succeeds "connected SECONDS", and a scene that ends "done". It gives up
after two minutes in any case.
"""
import os
import signal
import sys
import time
from multiprocessing.connection import Client, Listener

import mp_scenes


def say(*words):
    print(*words)
    sys.stdout.flush()


def parse(text):
    if text.startswith("unix:@"):
        return "\0" + text[6:]
    if text.startswith("unix:"):
        return text[5:]
    host, _, port = text.rpartition(":")
    return host, int(port)


def spell(address):
    if isinstance(address, tuple):
        return "{}:{}".format(*address)
    address = os.fsdecode(address)
    return "unix:" + ("@" + address[1:] if address[:1] == "\0" else address)


def play(opening, scene, arguments):
    began = time.time()
    try:
        connection = opening()
    except Exception as error:
        say("refused", mp_scenes.describe(error))
        # As a program would that doesn't keep it: the socket is closed.
        return
    say("connected", "%.3f" % (time.time() - began))
    with connection:
        scene(connection, *arguments)
    say("done")


def main():
    signal.alarm(120)
    role, address, key, scene, *arguments = sys.argv[1:]
    address = parse(address)
    key = None if key == "-" else os.fsencode(key)
    scene = getattr(mp_scenes, scene)
    say("python", *sys.version_info[:2])
    if role == "connect":
        play(lambda: Client(address, authkey=key), scene, arguments)
        return
    with Listener(address, backlog=16, authkey=key) as listener:
        say("ready", spell(listener.address))
        while True:
            play(listener.accept, scene, arguments)


if __name__ == "__main__":
    main()
