//! How networks lie to each other: around, inside, beside; and what is left of one without another.

use std::net::{IpAddr, Ipv6Addr};

use cidr::{Cidr, CidrError};
use proptest::prelude::*;

fn network(text: &str) -> Cidr {
    text.parse().expect("a network")
}

#[test]
fn around_inside_and_beside() {
    for (a, b, is_subnet, is_supernet) in [
        ("10.0.0.0/8", "10.0.0.0/8", true, true),
        ("10.1.0.0/16", "10.0.0.0/8", true, false),
        ("10.0.0.0/16", "10.0.0.0/8", true, false),
        ("10.0.0.0/8", "11.0.0.0/8", false, false),
        ("10.0.0.0/8", "0.0.0.0/0", true, false),
        // Python calls the question about two families a mistake.
        ("0.0.0.0/0", "::/0", false, false),
        ("::/96", "0.0.0.0/0", false, false),
        ("::1/128", "::/0", true, false),
        ("0.0.0.1/32", "::/128", false, false),
    ] {
        let (a, b) = (network(a), network(b));
        assert_eq!(a.is_subnet_of(b), is_subnet, "{a} {b}");
        assert_eq!(b.is_supernet_of(a), is_subnet, "{a} {b}");
        assert_eq!(b.is_subnet_of(a), is_supernet, "{a} {b}");
        assert_eq!(a.overlaps(b), is_subnet || is_supernet, "{a} {b}");
        assert_eq!(b.overlaps(a), is_subnet || is_supernet, "{a} {b}");
    }
}

#[test]
fn supernets() {
    let printers = network("10.1.2.0/24");
    for (prefix_len, around) in [(24, "10.1.2.0/24"), (23, "10.1.2.0/23"), (0, "0.0.0.0/0")] {
        assert_eq!(printers.supernet(prefix_len), Ok(network(around)));
    }
    let error = printers.supernet(25).unwrap_err();
    let text = "no supernet of 10.1.2.0/24 has length 25, which is longer";
    assert_eq!(error.to_string(), text);
}

#[test]
fn what_is_left() {
    for (outer, inner, left) in [
        (
            "192.0.2.0/28",
            "192.0.2.1/32",
            "192.0.2.0/32 192.0.2.2/31 192.0.2.4/30 192.0.2.8/29",
        ),
        ("192.0.2.0/30", "192.0.2.3", "192.0.2.0/31 192.0.2.2/32"),
        ("192.0.2.0/30", "192.0.2.0/30", ""),
        ("::/0", "8000::/1", "::/1"),
        ("0.0.0.0/0", "128.0.0.0/2", "0.0.0.0/1 192.0.0.0/2"),
    ] {
        let pieces = network(outer).exclude(network(inner)).unwrap();
        let mut backwards: Vec<Cidr> = pieces.clone().rev().collect();
        backwards.reverse();
        let pieces: Vec<Cidr> = pieces.collect();
        assert_eq!(pieces, backwards);
        let left: Vec<Cidr> = left.split_ascii_whitespace().map(network).collect();
        assert_eq!(pieces, left, "{outer} without {inner}");
    }
    let outer = network("10.0.0.0/8");
    for (text, other) in [
        ("11.0.0.0/8 is not inside 10.0.0.0/8", "11.0.0.0/8"),
        ("0.0.0.0/0 is not inside 10.0.0.0/8", "0.0.0.0/0"),
        ("::/128 is not inside 10.0.0.0/8", "::/128"),
    ] {
        let network = network(other);
        let error = outer.exclude(network).err().unwrap();
        assert_eq!(error, CidrError::NotInside { network, outer });
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn all_of_ipv6_without_one_address_is_128_networks() {
    for address in [
        "::",
        "::1",
        "8000::",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ] {
        let address: Ipv6Addr = address.parse().unwrap();
        let all: Cidr<Ipv6Addr> = "::/0".parse().unwrap();
        let pieces: Vec<_> = all.exclude(address.into()).unwrap().collect();
        assert_eq!(pieces.len(), 128);
        assert!(pieces.is_sorted());
        let sizes = pieces
            .iter()
            .map(|piece| piece.size().expect("at most half"));
        assert_eq!(sizes.sum::<u128>(), u128::MAX);
        assert!(!pieces.iter().any(|piece| piece.contains(address)));
    }
}

proptest! {
    #[test]
    fn what_is_left_is_all_the_rest(
        bits: u128,
        is_v4: bool,
        outer_len in 0..=128_u8,
        longer in 0..=128_u8,
        probe: u128,
    ) {
        let max = if is_v4 { 32 } else { 128 };
        let address = |bits: u128| match is_v4 {
            true => IpAddr::V4((bits as u32).into()),
            false => IpAddr::V6(bits.into()),
        };
        let outer_len = outer_len.min(max);
        let inner_len = outer_len.saturating_add(longer).min(max);
        let outer = Cidr::new_lenient(address(bits), outer_len).unwrap();
        let inner = Cidr::new_lenient(address(bits), inner_len).unwrap();
        let pieces: Vec<Cidr> = outer.exclude(inner).unwrap().collect();
        prop_assert_eq!(pieces.len(), usize::from(inner_len - outer_len));
        prop_assert!(pieces.is_sorted_by(|a, b| a.last() < b.address()));
        // Somewhere near, so that it is inside now and then.
        let probe = address(bits ^ probe >> (probe % 128));
        let is_in_piece = pieces.iter().any(|piece| piece.contains(probe));
        prop_assert_eq!(is_in_piece, outer.contains(probe) && !inner.contains(probe));
    }

    #[test]
    fn the_supernet_is_the_one_whose_subnet_it_is(address: IpAddr, len: u8, shorter: u8) {
        let max = Cidr::from(address).prefix_len();
        let len = len % (max + 1);
        let network = Cidr::new_lenient(address, len).unwrap();
        let around = network.supernet(len - shorter % (len + 1)).unwrap();
        prop_assert!(network.is_subnet_of(around));
        prop_assert!(around.contains(address));
    }
}
