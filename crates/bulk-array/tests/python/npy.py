"""Reads arrays and writes each back: as numpy writes it, in versions 2 and 3, and in the other byte order."""

import socket
import sys
import warnings

import numpy
from numpy.lib import format

warnings.simplefilter("ignore")  # that old readers do not know the later versions
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
    stream = sock.makefile("rwb")
    while stream.peek(1):
        array = format.read_array(stream, allow_pickle=False)
        format.write_array(stream, array)
        format.write_array(stream, array, version=(2, 0))
        format.write_array(stream, array, version=(3, 0))
        format.write_array(stream, array.astype(array.dtype.newbyteorder()))
        stream.flush()
print(numpy.__version__)
