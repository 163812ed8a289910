//! Networks as the Internet's routers have them, and numbers that look random.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A number that looks random, the next one of a sequence. It costs a multiplication; the upper half is the better one.
#[inline]
pub fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(0x5851_f42d_4c95_7f2d)
        .wrapping_add(0x1405_7b7e_f767_814f);
    *state ^ (*state >> 32)
}

/// So many different IPv4 networks anywhere in 1.0.0.0 to 223.255.255.255, without order: three of five are a /24, most
/// others a /20 to /23, as in the Internet's tables of 2024.
#[must_use]
pub fn networks_v4(count: usize) -> Vec<(Ipv4Addr, u8)> {
    let shares = [
        (24, 600),
        (22, 110),
        (23, 100),
        (21, 50),
        (20, 48),
        (19, 30),
        (18, 20),
        (16, 18),
        (17, 12),
        (15, 4),
        (14, 3),
        (13, 2),
        (12, 1),
        (11, 1),
        (10, 1),
    ];
    distinct(count, &shares, |state, prefix_len| {
        let first = 1 + (next(state) >> 32) as u32 % 223;
        let bits = first << 24 | (next(state) >> 40) as u32;
        Ipv4Addr::from_bits(bits & (u32::MAX << (32 - prefix_len)))
    })
}

/// So many different IPv6 networks inside 2000::/4, without order: half are a /48, the rest /32 to /46, and a few longer
/// or shorter; most lie in one of 5000 larger networks.
#[must_use]
pub fn networks_v6(count: usize) -> Vec<(Ipv6Addr, u8)> {
    let shares = [
        (48, 480),
        (32, 140),
        (44, 100),
        (40, 90),
        (36, 60),
        (46, 40),
        (29, 40),
        (47, 20),
        (42, 20),
        (64, 6),
        (28, 3),
        (20, 1),
    ];
    distinct(count, &shares, |state, prefix_len| {
        let larger = next(state) >> 32;
        let larger = match larger % 8 {
            0 => larger >> 3,
            _ => (larger >> 3) % 5000,
        };
        let mut of_larger = larger;
        let high = 0x2000_0000 | (next(&mut of_larger) >> 36) as u32;
        let low = u128::from(next(state)) << 32 | u128::from(next(state)) >> 32;
        let bits = u128::from(high) << 96 | low;
        Ipv6Addr::from_bits(bits & (u128::MAX << (128 - prefix_len)))
    })
}

fn distinct<A: Copy + Eq + std::hash::Hash>(
    count: usize,
    shares: &[(u8, u64)],
    mut address: impl FnMut(&mut u64, u8) -> A,
) -> Vec<(A, u8)> {
    let all: u64 = shares.iter().map(|share| share.1).sum();
    let mut state = 2024;
    let mut seen = HashSet::new();
    let mut networks = Vec::with_capacity(count);
    while networks.len() < count {
        let mut at = (next(&mut state) >> 32) % all;
        let share = shares.iter().find(|share| {
            let is_it = at < share.1;
            at = at.saturating_sub(share.1);
            is_it
        });
        let prefix_len = share.map_or(24, |share| share.0);
        let network = (address(&mut state, prefix_len), prefix_len);
        if seen.insert(network) {
            networks.push(network);
        }
    }
    networks
}
