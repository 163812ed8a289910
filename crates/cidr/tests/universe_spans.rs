//! Addresses, hosts and subnets of small networks, in every way to go through them, against a list.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::{Address, Cidr};

/// Every network of up to eight addresses at the ends of both families: what a list of its addresses gives
/// for any four steps.
#[test]
fn small_networks() {
    let ends = [0, u32::MAX - 7].map(Ipv4Addr::from);
    every_network(&ends, |address, at| Ipv4Addr::from(u32::from(address) + at));
    let ends = [0, u128::MAX - 7].map(Ipv6Addr::from);
    let add = |address, at| Ipv6Addr::from(u128::from(address) + u128::from(at));
    every_network(&ends, add);
    every_network(&ends.map(IpAddr::V6), |address, at| match address {
        IpAddr::V4(_) => unreachable!("both are IPv6"),
        IpAddr::V6(address) => add(address, at).into(),
    });
}

/// The largest networks, in subnets so large that there are no more than eight.
#[test]
fn large_networks() {
    let all_v4 = Cidr::v4([0; 4], 0);
    let all_v6 = Cidr::v6([0; 8], 0);
    for bits in 0..=3 {
        let subnets: Vec<Cidr<Ipv4Addr>> = (0..1_u64 << bits)
            .map(|i| Ipv4Addr::from((i << (32 - bits)) as u32))
            .map(|address| Cidr::new(address, bits).expect("a network"))
            .collect();
        steps(all_v4.subnets(bits).expect("no shorter"), &subnets);
        let subnets: Vec<Cidr<Ipv6Addr>> = (0..1_u128 << bits)
            .map(|i| Ipv6Addr::from(i.checked_shl(128 - u32::from(bits)).unwrap_or(0)))
            .map(|address| Cidr::new(address, bits).expect("a network"))
            .collect();
        steps(all_v6.subnets(bits).expect("no shorter"), &subnets);
        let subnets: Vec<Cidr> = subnets.into_iter().map(Cidr::from).collect();
        steps(all_v6.either().subnets(bits).expect("no shorter"), &subnets);
    }
}

/// What lies beyond `usize` in the largest networks.
#[test]
fn all_addresses() {
    let v4 = Cidr::v4([0; 4], 0).addresses();
    assert_eq!(v4.size_hint(), (1 << 32, Some(1 << 32)));
    assert_eq!(v4.clone().nth((1 << 32) - 1), Some(Ipv4Addr::BROADCAST));
    assert_eq!(v4.clone().nth(1 << 32), None);
    assert_eq!(
        v4.clone().nth_back((1 << 32) - 1),
        Some(Ipv4Addr::UNSPECIFIED)
    );
    assert_eq!(v4.clone().nth_back(usize::MAX), None);
    let v6 = Cidr::v6([0; 8], 0).addresses();
    let far = usize::MAX as u128;
    assert_eq!(v6.size_hint(), (usize::MAX, None));
    assert_eq!(v6.clone().nth(usize::MAX), Some(far.into()));
    assert_eq!(
        v6.clone().nth_back(usize::MAX),
        Some((u128::MAX - far).into())
    );
    assert_eq!(v6.clone().last(), Some(u128::MAX.into()));
    // As many as a `usize` counts, and one more.
    let exact = Cidr::v6([0; 8], 64);
    let mut one_less = exact.addresses();
    assert_eq!(one_less.size_hint(), (usize::MAX, None));
    assert_eq!(one_less.next_back(), Some(far.into()));
    assert_eq!(one_less.size_hint(), (usize::MAX, Some(usize::MAX)));
    assert_eq!(exact.hosts().size_hint(), (usize::MAX, Some(usize::MAX)));
    assert_eq!(one_less.nth(usize::MAX), None);
    assert_eq!(one_less.next_back(), None);
}

fn every_network<A: Address>(ends: &[A], add: impl Fn(A, u32) -> A) {
    for &end in ends {
        let width = Cidr::from(end).prefix_len();
        for host_bits in 0..=3_u8 {
            for at in (0..8_u32).step_by(1 << host_bits) {
                let address = |i| add(end, at + i);
                let network = Cidr::new(address(0), width - host_bits).expect("a network");
                let addresses: Vec<A> = (0..1 << host_bits).map(address).collect();
                steps(network.addresses(), &addresses);
                let hosts = match (host_bits, width) {
                    (0 | 1, _) => &addresses[..],
                    (_, 32) => &addresses[1..addresses.len() - 1],
                    _ => &addresses[1..],
                };
                steps(network.hosts(), hosts);
                for bits in 0..=host_bits {
                    let subnets = addresses.iter().step_by(1 << bits);
                    let subnets = subnets
                        .map(|address| Cidr::new(*address, width - bits).expect("a network"));
                    let found = network.subnets(width - bits).expect("no shorter");
                    steps(found, &subnets.collect::<Vec<_>>());
                }
            }
        }
    }
}

/// Every four steps, each from one end or the other, over none, one, three or more than all.
fn steps<T: Copy + PartialEq + Debug>(
    iterator: impl DoubleEndedIterator<Item = T> + Clone,
    expected: &[T],
) {
    assert!(iterator.clone().eq(expected.iter().copied()));
    assert!(iterator.clone().rev().eq(expected.iter().rev().copied()));
    assert_eq!(iterator.clone().last(), expected.last().copied());
    assert_eq!(iterator.clone().count(), expected.len());
    for sequence in 0..8_u32.pow(4) {
        let mut iterator = iterator.clone();
        let mut expected = expected.iter().copied();
        for step in 0..4 {
            let step = sequence / 8_u32.pow(step) % 8;
            let over = [0, 1, 3, usize::MAX][step as usize / 2];
            let (found, due) = if step % 2 == 0 {
                (iterator.nth(over), expected.nth(over))
            } else {
                (iterator.nth_back(over), expected.nth_back(over))
            };
            assert_eq!(found, due);
            assert_eq!(iterator.size_hint(), expected.size_hint());
        }
    }
}
