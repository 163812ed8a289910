//! Sets against lists of ranges, looked at one by one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::{Cidr, IpSet, RangeError, collapse, summarize};
use proptest::collection::vec;
use proptest::prelude::*;

/// Addresses near each other and near the ends of both families, so that ranges meet.
fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = prop_oneof![
        0..40_u32,
        1000..1040_u32,
        u32::MAX - 40..=u32::MAX,
        any::<u32>()
    ];
    let v6 = prop_oneof![
        0..40_u128,
        (1 << 64) - 20..(1 << 64) + 20_u128,
        u128::MAX - 40..=u128::MAX,
        any::<u128>()
    ];
    prop_oneof![
        v4.prop_map(|n| IpAddr::V4(n.into())),
        v6.prop_map(|n| IpAddr::V6(n.into()))
    ]
}

fn range() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    (address(), address()).prop_map(|(a, b)| match (a, b) {
        _ if a.is_ipv4() != b.is_ipv4() => (a, a),
        _ => (a.min(b), a.max(b)),
    })
}

fn network() -> impl Strategy<Value = Cidr> {
    (address(), 0..=128_u8).prop_map(|(address, prefix_len)| {
        let prefix_len = if address.is_ipv4() {
            prefix_len / 4
        } else {
            prefix_len
        };
        Cidr::new_lenient(address, prefix_len).expect("no longer than the address")
    })
}

fn set_of(ranges: &[(IpAddr, IpAddr)]) -> IpSet {
    let mut set = IpSet::new();
    for &(first, last) in ranges {
        set.insert_range(first, last).expect("a range");
    }
    set
}

fn is_in(ranges: &[(IpAddr, IpAddr)], address: IpAddr) -> bool {
    ranges
        .iter()
        .any(|(first, last)| (first..=last).contains(&&address))
}

/// Where sets made of these ranges may change: at the ends, and next to them.
fn witnesses(ranges: &[(IpAddr, IpAddr)]) -> Vec<IpAddr> {
    let ends = ranges.iter().flat_map(|&(first, last)| [first, last]);
    ends.flat_map(|end| match end {
        IpAddr::V4(end) => [-1, 0, 1].map(|step| {
            let near = u32::from(end).saturating_add_signed(step);
            Ipv4Addr::from(near).into()
        }),
        IpAddr::V6(end) => [-1, 0, 1].map(|step| {
            let near = u128::from(end).saturating_add_signed(step);
            Ipv6Addr::from(near).into()
        }),
    })
    .collect()
}

proptest! {
    #[test]
    fn algebra(a in vec(range(), 0..12), b in vec(range(), 0..12)) {
        let (set_a, set_b) = (set_of(&a), set_of(&b));
        let union = &set_a | &set_b;
        let intersection = &set_a & &set_b;
        let difference = &set_a - &set_b;
        let symmetric = &set_a ^ &set_b;
        let complement = !&set_a;
        for address in witnesses(&a).into_iter().chain(witnesses(&b)) {
            let (in_a, in_b) = (is_in(&a, address), is_in(&b, address));
            prop_assert_eq!(set_a.contains(address), in_a);
            prop_assert_eq!(union.contains(address), in_a || in_b);
            prop_assert_eq!(intersection.contains(address), in_a && in_b);
            prop_assert_eq!(difference.contains(address), in_a && !in_b);
            prop_assert_eq!(symmetric.contains(address), in_a != in_b);
            prop_assert_eq!(complement.contains(address), !in_a);
        }
        prop_assert_eq!(&complement & &set_b, &set_b - &set_a);
        prop_assert_eq!(&difference | &intersection, set_a.clone());
        prop_assert_eq!(set_a.is_subset(&set_b), difference.is_empty());
        prop_assert_eq!(set_b.is_superset(&set_a), difference.is_empty());
        prop_assert_eq!(set_a.is_disjoint(&set_b), intersection.is_empty());
        prop_assert!(intersection.is_subset(&set_a) && set_a.is_subset(&union));
    }

    #[test]
    fn ranges_are_apart_and_networks_are_fewest(ranges in vec(range(), 0..12)) {
        let set = set_of(&ranges);
        let found: Vec<_> = set.ranges().collect();
        prop_assert_eq!(set_of(&found), set.clone());
        for pair in found.windows(2) {
            let (IpAddr::V4(last), IpAddr::V4(first)) = (pair[0].1, pair[1].0) else { continue };
            prop_assert!(u32::from(first) - u32::from(last) > 1);
        }
        let mut backwards: Vec<_> = set.ranges().rev().collect();
        backwards.reverse();
        prop_assert_eq!(backwards, found.clone());

        let networks: Vec<Cidr> = set.networks().collect();
        prop_assert!(networks.is_sorted());
        prop_assert_eq!(networks.iter().copied().collect::<IpSet>(), set.clone());
        prop_assert_eq!(collapse(networks.iter().rev().copied()), networks.clone());
        let summaries = found.into_iter().flat_map(|(first, last)| summarize(first, last).expect("a range"));
        prop_assert_eq!(summaries.collect::<Vec<_>>(), networks);
    }

    #[test]
    fn networks_one_by_one_or_together(networks in vec(network(), 0..12), address in address()) {
        let together: IpSet = networks.iter().copied().collect();
        let mut one_by_one = IpSet::new();
        let mut extended = IpSet::new();
        for network in &networks {
            one_by_one.insert(*network);
            extended.extend([*network]);
            prop_assert!(one_by_one.contains_network(*network));
        }
        prop_assert_eq!(&one_by_one, &together);
        prop_assert_eq!(&extended, &together);
        let found = networks.iter().any(|network| network.contains(address));
        prop_assert_eq!(together.contains(address), found);
        prop_assert_eq!(together.overlaps(address), found);
        for network in &networks {
            one_by_one.remove(*network);
            prop_assert!(!one_by_one.overlaps(*network));
        }
        prop_assert!(one_by_one.is_empty());
    }

    #[test]
    fn questions_about_networks(ranges in vec(range(), 0..12), network in network()) {
        let set = set_of(&ranges);
        let asked = IpSet::from(network);
        prop_assert_eq!(set.contains_network(network), asked.is_subset(&set));
        prop_assert_eq!(set.overlaps(network), !asked.is_disjoint(&set));
    }

    #[test]
    fn members_by_index(ranges in vec(range(), 1..12), part in any::<u128>()) {
        let set = set_of(&ranges);
        let size = set.size_v6().and_then(|v6| v6.checked_add(set.size_v4().into()));
        let index = size.map_or(part, |size| part % size);
        let address = set.nth(index).expect("the index is below the size");
        prop_assert!(set.contains(address));
        // As many members as that are before it.
        let mut before = set.clone();
        let end = if address.is_ipv4() { Ipv4Addr::BROADCAST.into() } else { IpAddr::V6(u128::MAX.into()) };
        before.remove_range(address, end).expect("a range");
        if address.is_ipv4() {
            before = &before & &"0.0.0.0/0".parse().expect("a network");
        }
        let v6 = before.size_v6().expect("one is missing");
        prop_assert_eq!(v6 + u128::from(before.size_v4()), index);
        if let Some(size) = size {
            prop_assert_eq!(set.nth(size), None);
            prop_assert!(set.nth(size - 1).is_some());
        }
    }

    #[test]
    fn taken_networks_are_members_and_the_best_fit(ranges in vec(range(), 0..8), prefix_len in 0..=128_u8) {
        let whole = set_of(&ranges);
        let mut rest = whole.clone();
        let of_length = |network: &Cidr| network.prefix_len() <= prefix_len;
        for v4 in [true, false] {
            let of_family = |network: &Cidr| network.address().is_ipv4() == v4;
            let fitting = whole.networks().filter(of_family).filter(of_length);
            let longest = fitting.map(|network| network.prefix_len()).max();
            let taken = if v4 { rest.take_v4(prefix_len).map(Cidr::from) } else { rest.take_v6(prefix_len).map(Cidr::from) };
            let Some(taken) = taken else {
                prop_assert!(longest.is_none() || prefix_len > 32 && v4);
                continue;
            };
            let mut from = whole.networks().filter(of_family);
            let from = from.find(|network| Some(network.prefix_len()) == longest);
            prop_assert_eq!(Some(taken.address()), from.map(Cidr::address));
            prop_assert_eq!(taken.prefix_len(), prefix_len);
            prop_assert!(whole.contains_network(taken) && !rest.overlaps(taken));
            rest.insert(taken);
        }
        prop_assert_eq!(rest, whole);
    }

    #[test]
    fn random_members(ranges in vec(range(), 1..8), numbers in vec(any::<u64>(), 64)) {
        let set = set_of(&ranges);
        let mut numbers = numbers.into_iter().cycle();
        let member = set.random(|| numbers.next().expect("it goes round"));
        prop_assert!(member.is_some_and(|member| set.contains(member)));
    }
}

#[test]
fn extremes() {
    let nothing = IpSet::new();
    let everything = !&nothing;
    assert_eq!(everything, "0.0.0.0/0, ::/0".parse().unwrap());
    assert_eq!(!&everything, nothing);
    assert_eq!(
        (everything.size_v4(), everything.size_v6()),
        (1 << 32, None)
    );
    assert_eq!((nothing.size_v4(), nothing.size_v6()), (0, Some(0)));
    assert_eq!(everything.nth_v6(u128::MAX), Some(u128::MAX.into()));
    assert_eq!(
        everything.nth_v4(u32::MAX.into()),
        Some(Ipv4Addr::BROADCAST)
    );
    assert_eq!(everything.nth_v4(1 << 32), None);
    assert_eq!(everything.nth(1 << 32), Some(Ipv6Addr::UNSPECIFIED.into()));
    let last = u128::MAX - (1 << 32);
    assert_eq!(everything.nth(u128::MAX), Some(IpAddr::V6(last.into())));
    assert_eq!(everything.networks().count(), 2);

    let mut but_one = everything.clone();
    but_one.remove(Cidr::from(Ipv6Addr::UNSPECIFIED));
    assert_eq!(but_one.size_v6(), Some(u128::MAX));
    assert_eq!(but_one.networks().count(), 1 + 128);
    but_one.remove(Cidr::from(Ipv6Addr::from(u128::MAX)));
    assert_eq!(but_one.size_v6(), Some(u128::MAX - 1));
    assert_eq!(but_one.networks().count(), 1 + 254);

    let mut free = everything;
    assert_eq!(free.take_v6(0), Some("::/0".parse().unwrap()));
    assert_eq!((free.take_v6(0), free.take_v6(128)), (None, None));
    assert_eq!((free.take_v4(33), free.take_v6(129)), (None, None));
    assert_eq!(free.take_v4(0), Some("0.0.0.0/0".parse().unwrap()));
    assert!(free.is_empty());
}

#[test]
fn no_range() {
    let (low, high) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 9]));
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    let mut set = IpSet::new();
    for (first, last) in [(high, low), (low, v6), (v6, low)] {
        let error = RangeError { first, last };
        assert_eq!(set.insert_range(first, last), Err(error));
        assert_eq!(set.remove_range(first, last), Err(error));
        assert_eq!(summarize(first, last).err(), Some(error));
    }
    assert!(set.is_empty());
    let told = summarize(high, low).err().unwrap().to_string();
    assert_eq!(
        told,
        "a range from 10.0.0.9 to 10.0.0.1 ends before it begins"
    );
    let told = summarize(low, v6).err().unwrap().to_string();
    assert_eq!(
        told,
        "10.0.0.1 and ::1, the ends of a range, are of two families"
    );
}

/// Every member comes as often as another, whatever range and family it is in.
#[test]
fn random_members_without_bias() {
    let set: IpSet = "10.0.0.1, 10.0.0.4/31, 10.0.0.9, ::1, ::4/126, ::9"
        .parse()
        .unwrap();
    let mut state = 0_u64;
    let mut counts = [0_u32; 10];
    let draws = 50_000;
    for _ in 0..draws {
        let member = set.random(|| splitmix(&mut state)).unwrap();
        let index = (0..10)
            .find(|index| set.nth(*index) == Some(member))
            .unwrap();
        counts[index as usize] += 1;
    }
    // Five standard deviations are 335.
    assert!(
        counts.iter().all(|count| count.abs_diff(draws / 10) < 335),
        "{counts:?}"
    );
}

#[test]
fn random_members_at_the_extremes() {
    let mut state = 1_u64;
    let mut random = || splitmix(&mut state);
    assert_eq!(IpSet::new().random(&mut random), None);
    let one: IpSet = "::1".parse().unwrap();
    assert_eq!(one.random(&mut random), Some(Ipv6Addr::LOCALHOST.into()));
    let wide: IpSet = "10.0.0.0/31, 10.0.0.4/32, ::/0".parse().unwrap();
    assert_eq!(wide.random(|| 0), Some([10, 0, 0, 0].into()));
    assert_eq!(wide.random(|| u64::MAX), Some(IpAddr::V6(u128::MAX.into())));
    // A source that repeats itself has an end.
    let three: IpSet = "10.0.0.0/31, 10.0.0.4/32".parse().unwrap();
    assert_eq!(three.random(|| u64::MAX), None);
    let member = (!&IpSet::new()).random(&mut random).unwrap();
    assert!(member.is_ipv6());
}

/// The generator of Steele, Lea and Flood, for numbers that are the same in every run.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
