"""Several connections at a time, by multiprocessing.connection.wait.

mp_wait.py listen ADDRESS KEY COUNT     accepts COUNT connections, says what comes on which, and which end
mp_wait.py connect ADDRESS KEY COUNT    has COUNT connections, and sends its index on each; a line "INDEX TEXT" on
                                        standard input sends the text, "INDEX" closes
"""
import os
import signal
import sys
from multiprocessing.connection import Client, Listener, wait

from mp_peer import parse, say, spell


def listen(address, key, count):
    with Listener(address, backlog=16, authkey=key) as listener:
        say("ready", spell(listener.address))
        connections = [listener.accept() for _ in range(count)]
    say("all")
    left = list(connections)
    while left:
        for connection in wait(left, timeout=60) or sys.exit("nothing came"):
            try:
                say(connections.index(connection), connection.recv())
            except EOFError:
                say(connections.index(connection), "ended")
                left.remove(connection)


def connect(address, key, count):
    connections = []
    for index in range(count):
        connections.append(Client(address, authkey=key))
        connections[-1].send(index)
    for line in sys.stdin:
        index, _, text = line.strip().partition(" ")
        if text:
            connections[int(index)].send(text)
        else:
            connections[int(index)].close()


def main():
    signal.alarm(120)
    role, address, key, count = sys.argv[1:]
    say("python", *sys.version_info[:2])
    globals()[role](parse(address), os.fsencode(key), int(count))


main()
