//! The map against a plain list that is searched from end to end.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::{Cidr, LpmIndex, LpmMap};
use proptest::prelude::*;

/// Addresses that are near each other, so that networks lie inside each other, and some anywhere.
fn address() -> impl Strategy<Value = IpAddr> {
    let near = prop_oneof![Just(0), Just(u128::MAX), (0_u128..1 << 14), any::<u128>()];
    (near, 0_u32..128, any::<bool>()).prop_map(|(bits, turn, is_v4)| {
        let bits = bits.rotate_left(turn);
        if is_v4 {
            Ipv4Addr::from_bits(bits as u32).into()
        } else {
            Ipv6Addr::from_bits(bits).into()
        }
    })
}

fn network() -> impl Strategy<Value = Cidr> {
    let prefix_len = prop_oneof![0_u8..=128, Just(0), Just(128), Just(32), Just(24), Just(64)];
    (address(), prefix_len).prop_map(|(address, prefix_len)| {
        let max = Cidr::from(address).prefix_len();
        Cidr::new_lenient(address, prefix_len.min(max)).expect("a length of this family")
    })
}

/// Contains in the sense of the map: addresses of the other family never, mapped or not.
fn contains(network: Cidr, address: IpAddr) -> bool {
    let len = network.prefix_len();
    network.address().is_ipv4() == address.is_ipv4()
        && Cidr::new_lenient(address, len).is_ok_and(|around| around == network)
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Cidr, u32),
    Remove(Cidr),
    /// Removes what is in the map at this place.
    RemoveAt(prop::sample::Index),
    Change(Cidr, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (network(), any::<u32>()).prop_map(|(network, value)| Step::Insert(network, value)),
        1 => network().prop_map(Step::Remove),
        2 => any::<prop::sample::Index>().prop_map(Step::RemoveAt),
        1 => (network(), any::<u32>()).prop_map(|(network, value)| Step::Change(network, value)),
    ];
    prop::collection::vec(step, 0..200)
}

/// What the map should hold, in order.
#[derive(Default)]
struct Oracle(Vec<(Cidr, u32)>);

impl Oracle {
    fn insert(&mut self, network: Cidr, value: u32) -> Option<u32> {
        let old = self.remove(network);
        self.0.push((network, value));
        self.0.sort();
        old
    }

    fn remove(&mut self, network: Cidr) -> Option<u32> {
        let at = self.0.iter().position(|entry| entry.0 == network)?;
        Some(self.0.remove(at).1)
    }

    /// In order, which for networks that lie inside each other is the shortest first.
    fn matches(&self, address: IpAddr) -> Vec<(Cidr, u32)> {
        let entries = self.0.iter().copied();
        entries.filter(|entry| contains(entry.0, address)).collect()
    }

    fn covered_by(&self, network: Cidr) -> Vec<(Cidr, u32)> {
        let inside = |inner: Cidr| {
            inner.prefix_len() >= network.prefix_len() && contains(network, inner.address())
        };
        let entries = self.0.iter().copied();
        entries.filter(|entry| inside(entry.0)).collect()
    }
}

/// Makes a map and its oracle in the same steps, and compares what each step returns.
fn walk(steps: Vec<Step>) -> Result<(LpmMap<u32>, Oracle), TestCaseError> {
    let (mut map, mut oracle) = (LpmMap::new(), Oracle::default());
    for step in steps {
        match step {
            Step::Insert(network, value) => {
                prop_assert_eq!(map.insert(network, value), oracle.insert(network, value));
            }
            Step::Remove(network) => {
                prop_assert_eq!(map.remove(network), oracle.remove(network));
            }
            Step::RemoveAt(index) if !oracle.0.is_empty() => {
                let network = index.get(&oracle.0).0;
                prop_assert_eq!(map.remove(network), oracle.remove(network));
            }
            Step::RemoveAt(_) => prop_assert!(map.is_empty()),
            Step::Change(network, value) => {
                let had = oracle.0.iter().any(|entry| entry.0 == network);
                prop_assert_eq!(map.contains_key(network), had);
                if let Some(old) = map.get_mut(network) {
                    *old = value;
                    oracle.insert(network, value);
                }
            }
        }
        prop_assert_eq!(map.len(), oracle.0.len());
    }
    Ok((map, oracle))
}

/// Addresses at the borders of what is in the map, and others.
fn probes(oracle: &Oracle, others: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut probes = others;
    for (network, _) in &oracle.0 {
        let first = network.address();
        probes.push(first);
        match first {
            IpAddr::V4(v4) => {
                let host = u32::MAX.checked_shr(network.prefix_len().into());
                let last = v4.to_bits() | host.unwrap_or(0);
                let borders = [v4.to_bits().wrapping_sub(1), last, last.wrapping_add(1)];
                probes.extend(borders.map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))));
            }
            IpAddr::V6(v6) => {
                let host = u128::MAX.checked_shr(network.prefix_len().into());
                let last = v6.to_bits() | host.unwrap_or(0);
                let borders = [v6.to_bits().wrapping_sub(1), last, last.wrapping_add(1)];
                probes.extend(borders.map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))));
            }
        }
    }
    probes
}

proptest! {
    #[test]
    fn the_map_is_as_the_list(
        steps in steps(),
        others in prop::collection::vec(address(), 20),
        networks in prop::collection::vec(network(), 20),
    ) {
        let (map, oracle) = walk(steps)?;
        let table = map.freeze().expect("few networks");
        let bytes = LpmIndex::from_bytes(table.index().as_bytes()).expect("an index");
        for address in probes(&oracle, others) {
            let expected = oracle.matches(address);
            let matches: Vec<_> = map.matches(address).map(|(net, value)| (net, *value)).collect();
            prop_assert_eq!(&matches, &expected, "matches of {}", address);
            let longest = map.longest_match(address).map(|(net, value)| (net, *value));
            prop_assert_eq!(longest, expected.last().copied(), "longest match of {}", address);
            let frozen = table.longest_match(address).map(|(net, value)| (net, *value));
            prop_assert_eq!(frozen, longest, "longest match of {} in the table", address);
            prop_assert_eq!(table.find(address).copied(), longest.map(|found| found.1));
            let read = bytes.longest_match(address);
            let place = |found: (Cidr, u32)| oracle.0.iter().position(|entry| *entry == found);
            let expected = longest.map(|found| (found.0, place(found).expect("in the list") as u32));
            prop_assert_eq!(read, expected, "longest match of {} in bytes", address);
        }
        for network in networks.into_iter().chain(oracle.0.iter().map(|entry| entry.0)) {
            let value = oracle.0.iter().find(|entry| entry.0 == network).map(|entry| &entry.1);
            prop_assert_eq!(map.get(network), value);
            let covered: Vec<_> = map.covered_by(network).map(|(net, value)| (net, *value)).collect();
            prop_assert_eq!(covered, oracle.covered_by(network), "covered by {}", network);
        }
        let all: Vec<_> = map.iter().map(|(net, value)| (net, *value)).collect();
        prop_assert_eq!(&all, &oracle.0);
        let again: LpmMap<u32> = oracle.0.iter().rev().copied().collect();
        prop_assert_eq!(&again, &map);
    }
}

/// Nodes of the map come and go, with few children and with many.
#[test]
fn thousands_come_and_go() {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        u128::from(state >> 33)
    };
    let (mut map, mut oracle) = (LpmMap::new(), BTreeMap::new());
    for round in 0..6 {
        for value in 0..6000 {
            let len = next() as u8;
            let network: Cidr = if next() % 2 == 0 {
                let bits =
                    0x0a00_0000 | (next() as u32 & 0x0007_ffff) | (next() as u32 & 0x7000_0000);
                Cidr::new_lenient(Ipv4Addr::from_bits(bits).into(), 1 + len % 32).expect("up to 32")
            } else {
                let bits =
                    0x2001 << 112 | (next() & 0xff) << 96 | (next() & 0x1f) << 72 | (next() % 5);
                Cidr::new_lenient(Ipv6Addr::from_bits(bits).into(), len % 129).expect("up to 128")
            };
            assert_eq!(map.insert(network, value), oracle.insert(network, value));
        }
        let entries: Vec<(Cidr, u32)> = map
            .iter()
            .map(|(network, value)| (network, *value))
            .collect();
        assert!(
            entries
                .iter()
                .copied()
                .eq(oracle.iter().map(|(network, value)| (*network, *value)))
        );
        let table = map.freeze().unwrap();
        for &(network, value) in &entries {
            assert_eq!(map.get(network), Some(&value));
            let last = network.last();
            let longest = map.matches(last).last();
            assert_eq!(map.longest_match(last), longest);
            assert_eq!(table.longest_match(last), longest, "{last}");
        }
        // At the end nothing stays.
        for (network, value) in entries {
            if round == 5 || next() % 4 != 0 {
                assert_eq!(map.remove(network), Some(value));
                assert_eq!(map.remove(network), None);
                oracle.remove(&network);
            }
        }
        assert_eq!(map.len(), oracle.len());
    }
    assert_eq!(map, LpmMap::new());
    assert_eq!(map.longest_match(Ipv4Addr::LOCALHOST), None);
}

#[test]
fn both_families_have_a_default() {
    let mut map = LpmMap::new();
    map.insert("::/0".parse().unwrap(), 6);
    assert_eq!(map.longest_match([127, 0, 0, 1]), None);
    map.insert("0.0.0.0/0".parse().unwrap(), 4);
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    assert_eq!(map.longest_match([127, 0, 0, 1]).unwrap().1, &4);
    assert_eq!(map.longest_match(mapped).unwrap().1, &6);
    assert_eq!(map.iter().map(|entry| entry.1).sum::<i32>(), 10);
    map.clear();
    assert!(map.is_empty());
}
