//! Small universes, every case in them, each judged by looking at every address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::{Cidr, IpSet, collapse, summarize};

/// Every set of addresses in four worlds of eight addresses, at both ends of both families: as a byte, a
/// bit for each address.
#[test]
fn algebra_of_all_sets() {
    for world in worlds() {
        let sets: Vec<IpSet> = (0..=u8::MAX).map(|bits| set_of(&world, bits)).collect();
        let all = &sets[255];
        for (a, bits_a) in sets.iter().zip(0..=u8::MAX) {
            assert_eq!(bits_of(a, &world), bits_a);
            assert_eq!(a.size_v4() + small(a.size_v6()), bits_a.count_ones().into());
            assert_eq!(&!a & all, sets[usize::from(!bits_a)]);
            assert_eq!(&(!a) | all, !&IpSet::new());
            assert_eq!(!&!a, *a);
            for (b, bits_b) in sets.iter().zip(0..=u8::MAX) {
                let set = |bits: u8| &sets[usize::from(bits)];
                assert_eq!(&(a | b), set(bits_a | bits_b));
                assert_eq!(&(a & b), set(bits_a & bits_b));
                assert_eq!(&(a - b), set(bits_a & !bits_b));
                assert_eq!(&(a ^ b), set(bits_a ^ bits_b));
                let mut changed = a.clone();
                changed |= b;
                changed -= b;
                assert_eq!(&changed, set(bits_a & !bits_b));
                changed ^= a;
                assert_eq!(&changed, set(bits_a & bits_b));
                changed &= b;
                assert_eq!(&changed, set(bits_a & bits_b));
                assert_eq!(a.is_subset(b), bits_a & !bits_b == 0);
                assert_eq!(a.is_superset(b), bits_b & !bits_a == 0);
                assert_eq!(a.is_disjoint(b), bits_a & bits_b == 0);
            }
        }
    }
}

/// What the complements of these sets do with each other and with the sets: they have both ends of a
/// family, and all that is between.
#[test]
fn algebra_of_all_complements() {
    for world in worlds() {
        let sets: Vec<IpSet> = (0..=u8::MAX).map(|bits| set_of(&world, bits)).collect();
        let complements: Vec<IpSet> = sets.iter().map(IpSet::complement).collect();
        for (a, bits_a) in complements.iter().zip(0..=u8::MAX) {
            assert_eq!(bits_of(a, &world), !bits_a);
            for (b, bits_b) in sets.iter().zip(0..=u8::MAX) {
                let set = |bits: u8| &sets[usize::from(bits)];
                let but = |bits: u8| &complements[usize::from(bits)];
                assert_eq!(&(a | b), but(bits_a & !bits_b));
                assert_eq!(&(a & b), set(!bits_a & bits_b));
                assert_eq!(&(a - b), but(bits_a | bits_b));
                assert_eq!(&(b - a), set(bits_b & bits_a));
                assert_eq!(&(a ^ but(bits_b)), set(bits_a ^ bits_b));
                assert_eq!(b.is_subset(a), bits_a & bits_b == 0);
                assert_eq!(b.is_disjoint(a), bits_b & !bits_a == 0);
                assert!(!a.is_subset(b) && !a.is_disjoint(but(bits_b)));
            }
        }
    }
}

/// Every range put into every set of eight addresses, and taken out; every index; every size taken.
#[test]
fn every_change_of_all_sets() {
    for world in worlds() {
        for bits in 0..=u8::MAX {
            let set = set_of(&world, bits);
            let members: Vec<IpAddr> = (0..8)
                .filter(|i| bits >> i & 1 == 1)
                .map(|i| world[i])
                .collect();
            for (index, member) in members.iter().enumerate() {
                assert_eq!(set.nth(index as u128), Some(*member));
            }
            assert_eq!(set.nth(members.len() as u128), None);
            for (first, last) in pairs(8) {
                let range = (first..=last).fold(0, |bits, i| bits | 1 << i);
                let mut changed = set.clone();
                let ends = (world[first], world[last]);
                changed.insert_range(ends.0, ends.1).expect("a range");
                assert_eq!(changed, set_of(&world, bits | range));
                let mut changed = set.clone();
                changed.remove_range(ends.0, ends.1).expect("a range");
                assert_eq!(changed, set_of(&world, bits & !range));
            }
            for host_bits in 0..=3 {
                take(&world, bits, host_bits);
            }
        }
    }
}

/// The networks of a set of eight addresses: the largest at every place; and what is taken is the first
/// of those that are large enough and no larger than another such.
fn take(world: &[IpAddr; 8], bits: u8, host_bits: u8) {
    let blocks: Vec<(usize, u8)> = blocks_of(bits);
    let mut set = set_of(world, bits);
    let networks: Vec<Cidr> = set.networks().collect();
    let expected: Vec<Cidr> = blocks
        .iter()
        .map(|&(at, n)| network(world[at], n))
        .collect();
    assert_eq!(networks, expected);

    let fitting = blocks.iter().filter(|block| block.1 >= host_bits);
    let best = fitting.min_by_key(|block| block.1);
    let taken = match world[0] {
        IpAddr::V4(_) => set.take_v4(32 - host_bits).map(Cidr::from),
        IpAddr::V6(_) => set.take_v6(128 - host_bits).map(Cidr::from),
    };
    assert_eq!(taken, best.map(|&(at, _)| network(world[at], host_bits)));
    if let Some(taken) = taken {
        assert!(!set.overlaps(taken));
        set.insert(taken);
    }
    assert_eq!(set, set_of(world, bits));
}

/// Every pair of the 511 networks inside a /24.
#[test]
fn pairs_of_networks() {
    let networks = networks_of_24();
    assert_eq!(networks.len(), 511);
    let sets: Vec<IpSet> = networks.iter().copied().map(IpSet::from).collect();
    for (a, set_a) in networks.iter().zip(&sets) {
        let inside_a = hosts(*a);
        assert_eq!(set_a.size_v4(), inside_a.clone().count() as u64);
        for (b, set_b) in networks.iter().zip(&sets) {
            let inside_b = hosts(*b);
            let shared = inside_a.contains(inside_b.start()) && inside_a.contains(inside_b.end());
            let within = inside_b.contains(inside_a.start()) && inside_b.contains(inside_a.end());
            assert_eq!(set_a.contains_network(*b), shared);
            assert_eq!(set_a.overlaps(*b), shared || within);
            assert_eq!(set_a.is_disjoint(set_b), !(shared || within));
            let merged = set_a | set_b;
            let rest = set_a - set_b;
            // Two networks are nested, or apart and perhaps two halves of one.
            let (size_a, size_b) = (set_a.size_v4(), set_b.size_v4());
            if shared {
                assert_eq!(
                    (merged.size_v4(), rest.size_v4()),
                    (size_a, size_a - size_b)
                );
                let pieces = u32::from(b.prefix_len() - a.prefix_len());
                assert_eq!(rest.networks().count() as u32, pieces);
            } else if within {
                assert_eq!((&merged, rest.is_empty()), (set_b, true));
            } else {
                assert_eq!((merged.size_v4(), &rest), (size_a + size_b, set_a));
                let halves =
                    size_a == size_b && (inside_a.start() ^ inside_b.start()) as u64 == size_a;
                assert_eq!(collapse([*a, *b]).len(), if halves { 1 } else { 2 });
            }
        }
    }
}

/// What two networks are to each other, and what is left of one without the other.
#[test]
fn relations_of_pairs() {
    let networks = networks_of_24();
    for a in &networks {
        let inside_a = hosts(*a);
        for b in &networks {
            let inside_b = hosts(*b);
            let is_within =
                inside_b.contains(inside_a.start()) && inside_b.contains(inside_a.end());
            let is_around =
                inside_a.contains(inside_b.start()) && inside_a.contains(inside_b.end());
            assert_eq!(a.is_subnet_of(*b), is_within);
            assert_eq!(a.is_supernet_of(*b), is_around);
            assert_eq!(a.overlaps(*b), is_within || is_around);
            assert_eq!(a.supernet(b.prefix_len()) == Ok(*b), is_within);
            match a.exclude(*b) {
                Ok(pieces) => {
                    let rest = &IpSet::from(*a) - &IpSet::from(*b);
                    assert!(is_around && pieces.clone().eq(rest.networks()));
                    let backwards: Vec<Cidr> = pieces.clone().rev().collect();
                    assert!(pieces.eq(backwards.into_iter().rev()));
                }
                Err(_) => assert!(!is_around),
            }
        }
        for prefix_len in a.prefix_len()..=32 {
            let expected = networks.iter().filter(|b| b.prefix_len() == prefix_len);
            let expected = expected.filter(|b| b.is_subnet_of(*a)).copied();
            let subnets = a
                .subnets(prefix_len)
                .expect("no shorter than the network's own");
            assert!(subnets.eq(expected));
        }
        let last = inside_a.end() - inside_a.start();
        for (index, host) in inside_a.enumerate() {
            let address = IpAddr::from([10, 0, 0, host as u8]);
            assert_eq!(a.get(index as i128), Some(address));
            assert_eq!(a.get(index as i128 - last as i128 - 1), Some(address));
        }
    }
}

/// Every choice of the 15 networks inside a /29.
#[test]
fn collapse_of_all_choices() {
    let world = world([255, 255, 255, 248].into());
    let all: Vec<(usize, u8)> = (0..=3)
        .flat_map(|host_bits| {
            (0..8)
                .step_by(1 << host_bits)
                .map(move |at| (at, host_bits))
        })
        .collect();
    assert_eq!(all.len(), 15);
    for chosen in 0_u32..1 << 15 {
        let list = all.iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1);
        let list: Vec<(usize, u8)> = list.map(|(_, block)| *block).collect();
        let bits = list
            .iter()
            .fold(0, |bits, &block| bits | bits_of_block(block));
        let to_network = |&(at, host_bits): &(usize, u8)| network(world[at], host_bits);
        let expected: Vec<Cidr> = blocks_of(bits).iter().map(to_network).collect();
        assert_eq!(collapse(list.iter().rev().map(to_network)), expected);
    }
}

/// Every range inside a /24: the networks join without a gap, and no neighbours are halves of one.
#[test]
fn summaries_of_all_ranges() {
    for (first, last) in pairs(256) {
        let at = |host: usize| IpAddr::from([10, 0, 0, host as u8]);
        let networks: Vec<Cidr> = summarize(at(first), at(last)).expect("a range").collect();
        let mut next = first;
        for network in &networks {
            let inside = hosts(*network);
            assert_eq!(*inside.start(), next);
            next = inside.end() + 1;
        }
        assert_eq!(next, last + 1);
        assert_eq!(collapse(networks.iter().copied()), networks);
        assert!(networks.len() <= 14);
    }
}

fn worlds() -> [[IpAddr; 8]; 4] {
    [
        world([0, 0, 0, 0].into()),
        world([255, 255, 255, 248].into()),
        world(Ipv6Addr::UNSPECIFIED.into()),
        world(Ipv6Addr::from(u128::MAX - 7).into()),
    ]
}

/// Eight addresses from one on.
fn world(first: IpAddr) -> [IpAddr; 8] {
    [0_u8, 1, 2, 3, 4, 5, 6, 7].map(|i| match first {
        IpAddr::V4(first) => Ipv4Addr::from(u32::from(first) + u32::from(i)).into(),
        IpAddr::V6(first) => Ipv6Addr::from(u128::from(first) + u128::from(i)).into(),
    })
}

fn set_of(world: &[IpAddr; 8], bits: u8) -> IpSet {
    let members = (0..8).filter(|i| bits >> i & 1 == 1);
    members.map(|i| world[i]).collect()
}

fn bits_of(set: &IpSet, world: &[IpAddr; 8]) -> u8 {
    (0..8).fold(0, |bits, i| bits | u8::from(set.contains(world[i])) << i)
}

/// The fewest aligned blocks with these of eight addresses: where one begins, and its host bits.
fn blocks_of(bits: u8) -> Vec<(usize, u8)> {
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < 8 {
        let fits = |host_bits: &u8| {
            let block = (at, *host_bits);
            at % (1 << host_bits) == 0 && bits & bits_of_block(block) == bits_of_block(block)
        };
        match (0..=3).rev().find(fits) {
            Some(host_bits) => {
                blocks.push((at, host_bits));
                at += 1 << host_bits;
            }
            None => at += 1,
        }
    }
    blocks
}

fn bits_of_block((at, host_bits): (usize, u8)) -> u8 {
    (at..at + (1 << host_bits)).fold(0, |bits, i| bits | 1 << i)
}

fn network(address: IpAddr, host_bits: u8) -> Cidr {
    let width = if address.is_ipv4() { 32 } else { 128 };
    Cidr::new(address, width - host_bits).expect("blocks begin at multiples of their size")
}

fn networks_of_24() -> Vec<Cidr> {
    let mut networks = Vec::new();
    for host_bits in 0..=8_u8 {
        for at in (0..256).step_by(1 << host_bits) {
            networks.push(network([10, 0, 0, at as u8].into(), host_bits));
        }
    }
    networks
}

/// The last numbers of a network's addresses, which are all in 10.0.0.0/24.
fn hosts(network: Cidr) -> std::ops::RangeInclusive<usize> {
    let IpAddr::V4(address) = network.address() else {
        panic!("{network} is not inside 10.0.0.0/24");
    };
    let first = usize::from(address.octets()[3]);
    first..=first + (1 << (32 - network.prefix_len())) - 1
}

fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |first| (first..count).map(move |last| (first, last)))
}

fn small(size: Option<u128>) -> u64 {
    let size = size.expect("not all of IPv6");
    size.try_into().expect("a small world")
}
