"""The recipe's own wire, over standard input.

recipe.py send COUNT       sends the writing end of a pipe, and reads "seen" from the other
recipe.py receive COUNT    receives descriptors, writes "seen" into each, and waits for the end
"""
import array
import os
import socket
import sys


def send(connection, count):
    for _ in range(count):
        reader, writer = os.pipe()
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))
        connection.sendmsg([b"x"], [rights])
        assert connection.recv(2) == b"OK"
        os.close(writer)
        assert os.read(reader, 10) == b"seen"
        os.close(reader)
    print("sent")


def receive(connection, count):
    for _ in range(count):
        _, rights, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(4))
        [(level, kind, data)] = rights
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        descriptors = array.array("i")
        descriptors.frombytes(data[:4])
        connection.sendall(b"OK")
        os.write(descriptors[0], b"seen")
        os.close(descriptors[0])
    assert connection.recv(1) == b""
    print("end")


def main():
    connection = socket.socket(fileno=os.dup(0))
    role, count = sys.argv[1:]
    globals()[role](connection, int(count))


main()
