//! IPv4 addresses inside of IPv6 addresses that are not just another way to write them.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::AccessProblem;
use crate::cidr::Cidr;

/// Into which addresses to look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inside {
    is_6to4: bool,
    /// Networks of the lengths in [`NAT64_LENS`].
    nat64: Vec<Cidr<Ipv6Addr>>,
}

/// RFC 6052, section 2.2.
const NAT64_LENS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// This octet of an address with a NAT64 prefix is no part of the IPv4 address.
const RESERVED: usize = 8;

impl Inside {
    pub(super) fn look_into_6to4(&mut self) {
        self.is_6to4 = true;
    }

    pub(super) fn look_into_nat64(&mut self, prefix: Cidr<Ipv6Addr>) -> Result<(), AccessProblem> {
        if !NAT64_LENS.contains(&prefix.prefix_len()) {
            return Err(AccessProblem::Nat64Prefix { prefix });
        }
        if !self.nat64.contains(&prefix) {
            self.nat64.push(prefix);
        }
        Ok(())
    }

    /// The IPv4 addresses inside of this one: one at most, unless prefixes overlap.
    pub(super) fn addresses(&self, address: IpAddr) -> impl Iterator<Item = IpAddr> {
        let outside = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        };
        outside.into_iter().flat_map(|outside| {
            let octets = outside.octets();
            let is_6to4 = self.is_6to4 && octets.starts_with(&[0x20, 0x02]);
            let of_6to4 = is_6to4.then(|| four(&octets[2..]));
            let prefixes = self.nat64.iter();
            let prefixes = prefixes.filter(move |prefix| prefix.contains(outside));
            let of_nat64 = prefixes.map(move |prefix| of_nat64(outside, prefix.prefix_len()));
            of_6to4.into_iter().chain(of_nat64).map(IpAddr::V4)
        })
    }
}

fn of_nat64(address: Ipv6Addr, prefix_len: u8) -> Ipv4Addr {
    let mut octets = address.octets();
    let start = usize::from(prefix_len / 8);
    if start <= RESERVED {
        octets.copy_within(start..RESERVED, start + 1);
        return four(&octets[start + 1..]);
    }
    four(&octets[start..])
}

fn four(octets: &[u8]) -> Ipv4Addr {
    Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3])
}
