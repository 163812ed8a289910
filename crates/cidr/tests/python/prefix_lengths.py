"""For each prefix length of a family, asks Python's ipaddress about the networks of random addresses.

`prefix_lengths.py FAMILY COUNT` prints on each line the length of the prefix, an address, the first and
the last address of its network, another address and whether the network contains that one (1 or 0).
Addresses are numbers in hexadecimal.
"""

import ipaddress
import random
import sys


def main():
    version, count = int(sys.argv[1]), int(sys.argv[2])
    numbers = random.Random(version)
    network_of, address_of, bits = {
        4: (ipaddress.IPv4Network, ipaddress.IPv4Address, 32),
        6: (ipaddress.IPv6Network, ipaddress.IPv6Address, 128),
    }[version]
    for length in range(bits + 1):
        lines = []
        for _ in range(count):
            value = numbers.getrandbits(bits)
            network = network_of((value, length), strict=False)
            first, last = int(network.network_address), int(network.broadcast_address)
            # Differs in one bit, near the end of the prefix.
            flipped = min(max(length - 2 + numbers.getrandbits(2), 0), bits - 1)
            other = value ^ 1 << (bits - 1 - flipped)
            inside = address_of(other) in network
            lines.append("%d %x %x %x %x %d\n" % (length, value, first, last, other, inside))
        sys.stdout.write("".join(lines))


main()
