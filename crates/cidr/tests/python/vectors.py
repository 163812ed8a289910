"""Prints what Python's ipaddress says: on each line an operation, its arguments and the answer.

Tabs are between them, and a list has blanks between its items. The first line is Python's version.
Texts to be read, good and bad ones, are in hexadecimal. The answer is `refused` where Python raises
an error, and `absent` where this Python does not have the operation yet.
"""

import itertools
import random
import sys

print("python\t%d.%d.%d" % sys.version_info[:3])
try:
    import ipaddress
except ImportError:  # Python 2
    sys.exit()

RANDOM = random.Random(7)
BITS = {4: 32, 6: 128}
PROPERTIES = [
    "is_private", "is_global", "is_loopback", "is_link_local", "is_multicast", "is_reserved",
    "is_unspecified", "is_site_local",
]  # fmt: skip
# Those with a meaning of their own, and some that begin or end there.
SPECIAL = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/31 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24
192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4
240.0.0.0/4 255.255.255.255/32
::/128 ::1/128 ::ffff:0:0/96 ::ffff:10.0.0.0/104 ::ffff:8.8.8.0/120 ::ffff:127.0.0.1/128
::ffff:169.254.0.0/112 ::ffff:100.64.0.0/106 ::ffff:224.0.0.0/100 ::ffff:240.0.0.0/100 ::ffff:0.0.0.0/128
64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128 2001:1::2/128
2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32
2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 200::/7 400::/6
800::/5 1000::/4 4000::/3 6000::/3 8000::/3 a000::/3 c000::/3 e000::/4 f000::/5 f800::/6 fe00::/9 ::/8
""".split()


def main():
    networks = all_networks()
    for network in networks:
        of_a_network(network)
    for address in all_addresses(networks):
        of_an_address(address)
    for _ in range(1500):
        of_two_networks(*related(networks))
    for version in BITS:
        for _ in range(800):
            ranges(version)
        for _ in range(400):
            lists(version)
    mixed()
    for text in texts(networks):
        reading(text)


def all_networks():
    """Each prefix length, from the first network to the last, and special ones."""
    networks = [ipaddress.ip_network(text) for text in SPECIAL]
    for length in range(33):
        addresses = [0, 2**32 - 1, 0x0A010203] + [RANDOM.getrandbits(32) for _ in range(3)]
        networks += [network(4, address, length) for address in addresses]
    mapped, documented = 0xFFFF0A010203, 0x20010DB8 << 96 | 0xFFFF
    for length in range(129):
        addresses = [0, 2**128 - 1, mapped, documented, RANDOM.getrandbits(128)]
        networks += [network(6, address, length) for address in addresses]
    return networks


def all_addresses(networks):
    """Where networks begin and end, beside that, and anywhere."""
    addresses = set()
    for found in networks[: len(SPECIAL)] + networks[::6]:
        first, last = int(found.network_address), int(found.broadcast_address)
        for value in (first - 1, first, last, last + 1):
            if 0 <= value < 2 ** BITS[found.version]:
                addresses.add((found.version, value))
    for _ in range(100):
        addresses.add((4, RANDOM.getrandbits(32)))
        addresses.add((6, RANDOM.getrandbits(128)))
        # With groups of zeros, which the text leaves out.
        groups = [RANDOM.getrandbits(16) * RANDOM.choice((0, 0, 1)) for _ in range(8)]
        addresses.add((6, sum(group << 16 * at for at, group in enumerate(groups))))
    return [make_address(version, value) for version, value in sorted(addresses)]


def of_a_network(found):
    say("first", found, lambda: found.network_address)
    say("last", found, lambda: found.broadcast_address)
    say("netmask", found, lambda: found.netmask)
    say("hostmask", found, lambda: found.hostmask)
    say("size", found, lambda: found.num_addresses)
    say("network text", found, lambda: str(found))
    say("network with netmask", found, lambda: found.with_netmask)
    say("network with hostmask", found, lambda: found.with_hostmask)
    say("network exploded", found, lambda: found.exploded)
    for name in PROPERTIES:
        if hasattr(found, name):
            say("network " + name, found, lambda: getattr(found, name))

    count = found.num_addresses
    say("addresses from the start", found, lambda: list(itertools.islice(found, 5)))
    say("addresses from the end", found, lambda: [found[-1 - at] for at in range(min(count, 5))])
    say("hosts from the start", found, lambda: list(itertools.islice(found.hosts(), 5)))
    if count <= 64:
        say("addresses", found, lambda: list(found))
        say("hosts", found, lambda: list(found.hosts()))
    indices = {0, 1, -1, 2, -2, count - 1, count, count + 1, -count, -count - 1, count // 2}
    indices |= {RANDOM.randrange(-count, count), RANDOM.getrandbits(64)}
    for index in sorted(indices):
        # The widest index there is in Rust.
        if -(2**127) <= index < 2**127:
            say("index", found, index, lambda: found[index])

    bits = BITS[found.version]
    first, last = int(found.network_address), int(found.broadcast_address)
    inside = first + RANDOM.randrange(count)
    for value in {first - 1, first, inside, last, last + 1, RANDOM.getrandbits(bits)}:
        if 0 <= value < 2**bits:
            address = make_address(found.version, value)
            say("contains", found, address, lambda: address in found)
    say("contains", found, other_family(found), lambda: other_family(found) in found)

    # The quirks are left out: the only address and the widest network take every argument.
    length = found.prefixlen
    if length < bits:
        for new in {0, length - 1, length, length + 1, length + 3, bits, bits + 1}:
            if 0 <= new <= 255:
                say("subnets", found, new, lambda: some_subnets(found, new))
    if length > 0:
        for new in {0, length - 9, length - 1, length, length + 1, RANDOM.randrange(length)}:
            if 0 <= new <= 255:
                say("supernet", found, new, lambda: found.supernet(new_prefix=new))


def some_subnets(found, new):
    """All of them, or the first, if there are many."""
    return list(itertools.islice(found.subnets(new_prefix=new), 8))


def of_an_address(address):
    for name in PROPERTIES:
        if hasattr(address, name):
            say("address " + name, address, lambda: getattr(address, name))
    say("address text", address, lambda: str(address))
    say("address exploded", address, lambda: address.exploded)
    say("reverse pointer", address, lambda: address.reverse_pointer)
    if sys.version_info >= (3, 9):
        spec = RANDOM.choice(["b", "x", "X", "#b", "#x", "#X", "#_x", "_b"])
        say("format", address, spec, lambda: format(address, spec))

    length = RANDOM.randrange(BITS[address.version] + 1)
    found = ipaddress.ip_interface("%s/%d" % (address, length))
    shown = "%s/%d" % (show(address), length)
    say("interface ip", shown, lambda: found.ip)
    say("interface network", shown, lambda: found.network)
    say("interface text", shown, lambda: str(found))
    say("interface with netmask", shown, lambda: found.with_netmask)
    say("interface with hostmask", shown, lambda: found.with_hostmask)
    say("interface exploded", shown, lambda: found.exploded)


def of_two_networks(left, right):
    say("overlaps", left, right, lambda: left.overlaps(right))
    say("equal", left, right, lambda: left == right)
    say("subnet of", left, right, lambda: left.subnet_of(right))
    say("supernet of", left, right, lambda: left.supernet_of(right))
    say("less", left, right, lambda: left < right)
    say("compare", left, right, lambda: left.compare_networks(right))
    say("exclude", left, right, lambda: sorted(left.address_exclude(right)))


def related(networks):
    """Two networks, and often one of them is a part of the other or its neighbour."""
    left = RANDOM.choice(networks)
    kind = RANDOM.randrange(8)
    if kind == 0:
        return left, RANDOM.choice(networks)
    bits = BITS[left.version]
    length = RANDOM.randrange(left.prefixlen, bits + 1)
    host_bits = RANDOM.getrandbits(bits) & int(left.hostmask)
    inside = network(left.version, int(left.network_address) | host_bits, length)
    if kind == 1:
        return inside, left
    if kind == 2 and left.prefixlen:
        neighbour = int(left.network_address) ^ 1 << (bits - left.prefixlen)
        return left, network(left.version, neighbour, left.prefixlen)
    return left, inside


def ranges(version):
    bits = BITS[version]
    values = [RANDOM.getrandbits(bits)]
    width = RANDOM.randrange(bits + 1)
    kind = RANDOM.randrange(6)
    if kind == 0:
        values.append(RANDOM.getrandbits(bits))
    elif kind == 1:
        values.append(RANDOM.choice((0, 2**bits - 1)))
    elif kind == 2:  # whole networks
        values = [values[0] >> width << width, (values[0] >> width << width) + 2**width - 1]
    elif kind == 3:
        values.append(values[0])
    else:
        values.append(values[0] + RANDOM.getrandbits(max(width, 1)))
    if RANDOM.randrange(16):
        values.sort()
    first, last = [make_address(version, min(value, 2**bits - 1)) for value in values]
    answer = lambda: list(ipaddress.summarize_address_range(first, last))
    say("summarize", first, last, answer)


def lists(version):
    """Networks that touch or contain each other: a few random bits under a random prefix."""
    bits = BITS[version]
    low = RANDOM.randrange(min(bits, 120))
    high = RANDOM.getrandbits(bits)
    spread = RANDOM.randrange(1, 9)
    found = []
    for _ in range(RANDOM.randrange(12)):
        value = high ^ RANDOM.getrandbits(spread) << low
        length = bits - low - RANDOM.choice((-1, 0, 0, 0, 1, 2, spread))
        found.append(network(version, value % 2**bits, max(0, min(bits, length))))
    say("collapse", show(found), lambda: list(ipaddress.collapse_addresses(found)))
    say("sort", show(found), lambda: sorted(found))


def mixed():
    """What can't be done with both families."""
    four, six = ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::/8")
    for left, right in ((four, six), (six, four)):
        say("overlaps", left, right, lambda: left.overlaps(right))
        say("exclude", left, right, lambda: list(left.address_exclude(right)))
        first, last = left.network_address, right.network_address
        say("summarize", first, last, lambda: list(ipaddress.summarize_address_range(first, last)))


def texts(networks):
    """Good ones, and those with a few characters wrong."""
    good = [str(found) for found in networks[::3]]
    good += [found.with_netmask for found in networks if found.version == 4]
    good += [found.with_hostmask for found in networks if found.version == 4]
    for found in networks[::4]:
        address = make_address(found.version, RANDOM.getrandbits(BITS[found.version]))
        good += ["%s/%d" % (address, found.prefixlen), str(address), address.exploded.upper()]
    # Masks of both kinds, and some of neither.
    for length in range(33):
        mask = make_address(4, 2**32 - 2**length)
        good += ["1.2.3.4/%s" % mask, "1.2.3.4/%s" % make_address(4, 2**length - 1)]
        good.append("1.2.3.4/%s" % make_address(4, int(mask) ^ 1 << RANDOM.randrange(32)))
    for text in TEXTS.split("\n") + ["", " ", "\n", "1.2.3.4\n", "1.2.3.4/8\n", "\t::1", "::1\x00"]:
        yield text
    for text in good:
        yield text
    alphabet = "00123456789abfFx.:/ +-%\n\u0663\uff11"
    for _ in range(4000):
        changed = list(RANDOM.choice(good))
        for _ in range(RANDOM.randrange(1, 3)):
            at = RANDOM.randrange(len(changed) + 1)
            # Takes a character out, puts one in, or both.
            changed[at : at + RANDOM.randrange(2)] = RANDOM.choice(alphabet) * RANDOM.randrange(2)
        yield "".join(changed)


# What people write.
TEXTS = """
123.45.67.89/27
123.45.67.64/27
10/8
10.0/8
10.0.0/8
1.2.3.4/
1.2.3.4/8/8
1.2.3.4/33
1.2.3.4/-1
1.2.3.4/+8
1.2.3.4/ 8
1.2.3.4 /8
 1.2.3.4/8
1.2.3.4/8 
1.2.3.4/08
1.2.3.4/024
1.2.3.4/0
0.0.0.0/0
0.0.0.0/00
1.2.3.4/1e1
1.2.3.4/0x8
1.2.3.4/99999999999999999999
1.2.3.4/4294967304
1.2.3.4/255.255.255.0
1.2.3.4/0.0.0.255
1.2.3.4/255.0.255.0
1.2.3.4/255.255.255
1.2.3.4/0.0.0.0
1.2.3.4/255.255.255.255
1.2.3.4/ffff::
1.2.3.4/255.255.255.00
01.2.3.4
1.2.3.04/32
1.2.3.256
1.2.3.1000
1.2.3
1.2.3.4.5
1..3.4
.1.2.3
0x1.2.3.4
1.2.3.-4
1,2,3,4
16909060
::
::/0
::/128
::/129
::/0128
1::
::1
:1
1:
:::
1:::2
1::2::3
1:2:3:4:5:6:7:8
1:2:3:4:5:6:7::
::2:3:4:5:6:7:8
1:2:3:4::5:6:7:8
1:2:3:4:5:6:7
1:2:3:4:5:6:7:8:9
1:2:3:4:5:6:7:8::
12345::
g::
::1.2.3.4
::ffff:1.2.3.4/96
::ffff:1.2.3.4/128
1:2:3:4:5:6:1.2.3.4
1:2:3:4:5:6:7:1.2.3.4
::1.2.3
::1.2.3.04
1.2.3.4::
::1.2.3.4:5
2001:DB8::/32
2001:db8::/ffff:ffff::
2001:db8::/255.255.0.0
[::1]
[::1]/128
::1/64
fe80::1%eth0
fe80::1%eth0/64
fe80::%/64
fe80::%a%b/64
localhost
10.0.0.0-10.0.0.255
10.0.0.*
"""


def reading(text):
    hexadecimal = text.encode().hex()
    say("strict", hexadecimal, lambda: strict(text))
    say("lenient", hexadecimal, lambda: ipaddress.ip_network(text, strict=False))
    say("interface", hexadecimal, lambda: show_interface(ipaddress.ip_interface(text)))


def strict(text):
    lenient = ipaddress.ip_network(text, strict=False)
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return "host bits of " + show(lenient)


def show_interface(found):
    if getattr(found, "scope_id", None):
        return str(found)
    return "%s/%d" % (show(found.ip), found.network.prefixlen)


def network(version, address, length):
    kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    return kind((address, length), strict=False)


def make_address(version, value):
    return (ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(value)


def other_family(found):
    """The same number in the other family, as far as there is room for it."""
    return make_address(10 - found.version, int(found.network_address) % 2**32)


def say(operation, *rest):
    arguments, answer = rest[:-1], rest[-1]
    try:
        answer = show(answer())
    except AttributeError:
        answer = "absent"
    except (ValueError, TypeError, IndexError):
        answer = "refused"
    print("\t".join([operation] + [show(argument) for argument in arguments] + [answer]))


def show(value):
    if isinstance(value, (list, tuple)):
        return " ".join(map(show, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return "%s/%d" % (show(value.network_address), value.prefixlen)
    # Since Python 3.13, and in Rust, this is how they are written.
    if getattr(value, "ipv4_mapped", None):
        return "::ffff:%s" % value.ipv4_mapped
    return str(value)


main()
