//! Which addresses are in a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::Cidr;
use proptest::prelude::*;

fn network(text: &str) -> Cidr {
    text.parse().expect("a network")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn the_ends_and_what_is_beside_them() {
    for (text, inside, outside) in [
        (
            "10.0.0.0/8",
            ["10.0.0.0", "10.255.255.255"],
            ["9.255.255.255", "11.0.0.0"],
        ),
        (
            "192.0.2.2/31",
            ["192.0.2.2", "192.0.2.3"],
            ["192.0.2.1", "192.0.2.4"],
        ),
        (
            "192.0.2.2/32",
            ["192.0.2.2", "192.0.2.2"],
            ["192.0.2.1", "192.0.2.3"],
        ),
        (
            "2001:db8::/32",
            ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"],
        ),
        ("::1/128", ["::1", "::1"], ["::", "::2"]),
        // All of one family is nothing of the other.
        (
            "0.0.0.0/0",
            ["0.0.0.0", "255.255.255.255"],
            ["::", "::a00:1"],
        ),
        (
            "::/0",
            ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["0.0.0.0", "255.255.255.255"],
        ),
    ] {
        for inside in inside {
            assert!(
                network(text).contains(address(inside)),
                "{inside} in {text}"
            );
        }
        for outside in outside {
            assert!(
                !network(text).contains(address(outside)),
                "{outside} in {text}"
            );
        }
    }
}

#[test]
fn networks_of_mapped_addresses_are_ipv4_networks() {
    for (text, canonical) in [
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1/128", "10.0.0.1/32"),
        // These hold others besides, or none.
        ("::fffe:0:0/95", "::fffe:0:0/95"),
        ("::/0", "::/0"),
        ("::10.0.0.1/128", "::a00:1/128"),
        ("64:ff9b::10.0.0.0/104", "64:ff9b::a00:0/104"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ] {
        assert_eq!(network(text).to_canonical(), network(canonical));
    }
}

#[test]
fn a_mapped_address_is_an_ipv6_address() {
    let mapped = address("::ffff:10.0.0.1");
    for around in ["::/0", "::fffe:0:0/95", "::ffff:10.0.0.0/104"] {
        assert!(network(around).contains(mapped), "{around}");
        assert!(!network(around).contains([10, 0, 0, 1]), "{around}");
    }
    assert!(!network("0.0.0.0/0").contains(mapped));
}

proptest! {
    #[test]
    fn as_the_first_bits_say_ipv4(first: Ipv4Addr, flipped in 0..32_u32, len in 0..=32_u8) {
        let network = Cidr::new_lenient(first, len).unwrap();
        let other = Ipv4Addr::from(u32::from(first) ^ (1 << (31 - flipped)));
        let is_inside = flipped >= u32::from(len);
        prop_assert!(network.contains(first));
        prop_assert_eq!(network.contains(other), is_inside);
        prop_assert_eq!(network.contains(other), is_inside);
        prop_assert_eq!(network.either().contains(other), is_inside);
        prop_assert!(!network.contains(other.to_ipv6_mapped()));
    }

    #[test]
    fn as_the_first_bits_say_ipv6(bits: u128, flipped in 0..128_u32, len in 0..=128_u8) {
        // No mapped address is likely among these.
        let first = Ipv6Addr::from(bits);
        let network = Cidr::new_lenient(first, len).unwrap();
        let other = Ipv6Addr::from(bits ^ (1 << (127 - flipped)));
        prop_assert!(network.contains(first));
        prop_assert_eq!(network.contains(other), flipped >= u32::from(len));
    }
}
