use crate::cidr::Cidr;

/// When IANA last changed its two registries of special-purpose addresses before [`TABLE`] was written.
pub const DATE: &str = "2025-10-09";

/// An entry of IANA's registries of special-purpose addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Special {
    /// The addresses.
    pub network: Cidr,
    /// IANA's name for them.
    pub name: &'static str,
    /// The number of the RFC that says what they are for.
    pub rfc: u16,
    /// Whether packets to them are forwarded beyond one administration. `None`: IANA does not say.
    pub is_globally_reachable: Option<bool>,
}

/// IANA's registries of special-purpose IPv4 and IPv6 addresses, as of [`DATE`], in order.
///
/// Multicast addresses are not in these registries.
pub static TABLE: [Special; 51] = [
    v4([0, 0, 0, 0], 8, "This network", 791, NO),
    v4([0, 0, 0, 0], 32, "This host on this network", 1122, NO),
    v4([10, 0, 0, 0], 8, "Private-Use", 1918, NO),
    v4([100, 64, 0, 0], 10, "Shared Address Space", 6598, NO),
    v4([127, 0, 0, 0], 8, "Loopback", 1122, NO),
    v4([169, 254, 0, 0], 16, "Link Local", 3927, NO),
    v4([172, 16, 0, 0], 12, "Private-Use", 1918, NO),
    v4([192, 0, 0, 0], 24, "IETF Protocol Assignments", 6890, NO),
    v4(
        [192, 0, 0, 0],
        29,
        "IPv4 Service Continuity Prefix",
        7335,
        NO,
    ),
    v4([192, 0, 0, 8], 32, "IPv4 dummy address", 7600, NO),
    v4(
        [192, 0, 0, 9],
        32,
        "Port Control Protocol Anycast",
        7723,
        YES,
    ),
    v4(
        [192, 0, 0, 10],
        32,
        "Traversal Using Relays around NAT Anycast",
        8155,
        YES,
    ),
    v4([192, 0, 0, 170], 32, "NAT64/DNS64 Discovery", 8880, NO),
    v4([192, 0, 0, 171], 32, "NAT64/DNS64 Discovery", 8880, NO),
    v4([192, 0, 2, 0], 24, "Documentation (TEST-NET-1)", 5737, NO),
    v4([192, 31, 196, 0], 24, "AS112-v4", 7535, YES),
    v4([192, 52, 193, 0], 24, "AMT", 7450, YES),
    v4(
        [192, 88, 99, 0],
        24,
        "Deprecated (6to4 Relay Anycast)",
        7526,
        None,
    ),
    v4([192, 88, 99, 2], 32, "6a44-relay anycast address", 6751, NO),
    v4([192, 168, 0, 0], 16, "Private-Use", 1918, NO),
    v4(
        [192, 175, 48, 0],
        24,
        "Direct Delegation AS112 Service",
        7534,
        YES,
    ),
    v4([198, 18, 0, 0], 15, "Benchmarking", 2544, NO),
    v4(
        [198, 51, 100, 0],
        24,
        "Documentation (TEST-NET-2)",
        5737,
        NO,
    ),
    v4([203, 0, 113, 0], 24, "Documentation (TEST-NET-3)", 5737, NO),
    v4([240, 0, 0, 0], 4, "Reserved", 1112, NO),
    v4([255, 255, 255, 255], 32, "Limited Broadcast", 919, NO),
    v6(
        [0, 0, 0, 0, 0, 0, 0, 0],
        128,
        "Unspecified Address",
        4291,
        NO,
    ),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, "Loopback Address", 4291, NO),
    v6(
        [0, 0, 0, 0, 0, 0xffff, 0, 0],
        96,
        "IPv4-mapped Address",
        4291,
        NO,
    ),
    v6(
        [0x64, 0xff9b, 0, 0, 0, 0, 0, 0],
        96,
        "IPv4-IPv6 Translation",
        6052,
        YES,
    ),
    v6(
        [0x64, 0xff9b, 1, 0, 0, 0, 0, 0],
        48,
        "IPv4-IPv6 Translation",
        8215,
        NO,
    ),
    v6(
        [0x100, 0, 0, 0, 0, 0, 0, 0],
        64,
        "Discard-Only Address Block",
        6666,
        NO,
    ),
    v6(
        [0x100, 0, 0, 1, 0, 0, 0, 0],
        64,
        "Dummy IPv6 Prefix",
        9780,
        NO,
    ),
    v6(
        [0x2001, 0, 0, 0, 0, 0, 0, 0],
        23,
        "IETF Protocol Assignments",
        2928,
        NO,
    ),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "TEREDO", 4380, None),
    v6(
        [0x2001, 1, 0, 0, 0, 0, 0, 1],
        128,
        "Port Control Protocol Anycast",
        7723,
        YES,
    ),
    v6(
        [0x2001, 1, 0, 0, 0, 0, 0, 2],
        128,
        "Traversal Using Relays around NAT Anycast",
        8155,
        YES,
    ),
    v6(
        [0x2001, 1, 0, 0, 0, 0, 0, 3],
        128,
        "DNS-SD Service Registration Protocol Anycast",
        9665,
        YES,
    ),
    v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "Benchmarking", 5180, NO),
    v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32, "AMT", 7450, YES),
    v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48, "AS112-v6", 7535, YES),
    v6(
        [0x2001, 0x10, 0, 0, 0, 0, 0, 0],
        28,
        "Deprecated (previously ORCHID)",
        4843,
        None,
    ),
    v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, "ORCHIDv2", 7343, YES),
    v6(
        [0x2001, 0x30, 0, 0, 0, 0, 0, 0],
        28,
        "Drone Remote ID Protocol Entity Tags (DETs) Prefix",
        9374,
        YES,
    ),
    v6(
        [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0],
        32,
        "Documentation",
        3849,
        NO,
    ),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4", 3056, None),
    v6(
        [0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0],
        48,
        "Direct Delegation AS112 Service",
        7534,
        YES,
    ),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "Documentation", 9637, NO),
    v6(
        [0x5f00, 0, 0, 0, 0, 0, 0, 0],
        16,
        "Segment Routing (SRv6) SIDs",
        9602,
        NO,
    ),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "Unique-Local", 4193, NO),
    v6(
        [0xfe80, 0, 0, 0, 0, 0, 0, 0],
        10,
        "Link-Local Unicast",
        4291,
        NO,
    ),
];

const NO: Option<bool> = Some(false);
const YES: Option<bool> = Some(true);

const fn v4(
    octets: [u8; 4],
    prefix_len: u8,
    name: &'static str,
    rfc: u16,
    is_globally_reachable: Option<bool>,
) -> Special {
    Special {
        network: Cidr::v4(octets, prefix_len).either(),
        name,
        rfc,
        is_globally_reachable,
    }
}

const fn v6(
    segments: [u16; 8],
    prefix_len: u8,
    name: &'static str,
    rfc: u16,
    is_globally_reachable: Option<bool>,
) -> Special {
    Special {
        network: Cidr::v6(segments, prefix_len).either(),
        name,
        rfc,
        is_globally_reachable,
    }
}
