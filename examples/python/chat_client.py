#!/usr/bin/env python3
"""A chat client in forty lines: chat_client.py [--tls-ca PATH] NAME [HOST:PORT]

Lines from standard input go to everybody; what the others say is printed.
A message is its length as four bytes, big-endian, then UTF-8 text.
"""
import argparse
import asyncio
import ssl
import struct
import sys


def send(writer, text):
    data = text.encode()
    writer.write(struct.pack("!I", len(data)) + data)


async def receive(reader):
    """The next message, or None when the server has hung up."""
    try:
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        return (await reader.readexactly(length)).decode()
    except asyncio.IncompleteReadError:
        return None


async def show(reader):
    while (text := await receive(reader)) is not None:
        text = text.lstrip("\n")
        print("".join(c for c in text if c.isprintable() or c in "\n\t"), flush=True)


async def talk(name, host, port, context):
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    send(writer, f"NAME: {name}")
    answer = await receive(reader)
    if answer is None or not answer.startswith("CLIENT: "):
        sys.exit(answer or "the server hung up")
    shown = asyncio.create_task(show(reader))
    while line := await asyncio.to_thread(sys.stdin.readline):
        send(writer, line.rstrip("\n"))
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
        await shown
    writer.close()
    await writer.wait_closed()


parser = argparse.ArgumentParser()
parser.add_argument("name")
parser.add_argument("address", nargs="?", default="localhost:8800")
parser.add_argument("--tls-ca")
args = parser.parse_args()
host, port = args.address.rsplit(":", 1)
context = ssl.create_default_context(cafile=args.tls_ca) if args.tls_ca else None
asyncio.run(talk(args.name, host, int(port), context))
