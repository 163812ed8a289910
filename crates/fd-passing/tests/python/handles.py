"""The other end of a connection, which is standard input: what Python's own functions do with it.

handles.py receive COUNT    receives handles, writes "seen" into each, and waits for the end
handles.py send COUNT       sends the writing end of a pipe, and reads "seen" from the other
handles.py refuse           receives one handle that is none, and prints what it says
handles.py between          frame, handle, frame, handle, frame
"""
import os
import sys
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle


def receive(connection, count):
    for _ in range(count):
        handle = recv_handle(connection)
        os.write(handle, b"seen")
        os.close(handle)
    try:
        recv_handle(connection)
    except EOFError:
        print("end")


def send(connection, count):
    for _ in range(count):
        reader, writer = os.pipe()
        send_handle(connection, writer, 0)
        os.close(writer)
        assert os.read(reader, 10) == b"seen"
        os.close(reader)
    print("sent")


def refuse(connection):
    try:
        recv_handle(connection)
    except Exception as error:
        print(type(error).__name__, error, sep=": ")


def between(connection):
    for _ in range(2):
        connection.send_bytes(b"mine")
        reader, writer = os.pipe()
        send_handle(connection, writer, 0)
        os.close(writer)
        assert os.read(reader, 10) == b"seen"
        handle = recv_handle(connection)
        os.write(handle, connection.recv_bytes())
    print("end")


def main():
    connection = Connection(os.dup(0))
    connection.send(os.getpid())
    role, *count = sys.argv[1:]
    globals()[role](connection, *map(int, count))


main()
