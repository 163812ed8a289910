//! Longest matches and access lists in small universes, every case, against a look at every network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::{AccessList, Action, Cidr, FirstMatch, LpmMap};

/// Every choice of the 15 networks inside eight addresses, at both ends of both families.
#[test]
fn maps_of_all_choices() {
    for first in ends(3) {
        let world = World::new(first, 3);
        assert_eq!((world.addresses.len(), world.networks.len()), (8, 15));
        for chosen in 0_u32..1 << 15 {
            let networks = world.choose(chosen);
            let map: LpmMap<Cidr> = networks
                .iter()
                .map(|network| (*network, *network))
                .collect();
            assert_eq!(map.len(), networks.len());
            for address in &world.addresses {
                let found = map.longest_match(*address).map(|(_, value)| *value);
                assert_eq!(found, longest(&networks, *address));
            }
            assert_eq!(map.longest_match(outside(first)), None);
        }
    }
}

/// Every choice of the 7 networks inside four addresses, frozen; also as bytes.
#[test]
fn tables_of_all_choices() {
    for first in ends(2) {
        let world = World::new(first, 2);
        assert_eq!((world.addresses.len(), world.networks.len()), (4, 7));
        for chosen in 0_u32..1 << 7 {
            let networks = world.choose(chosen);
            let map: LpmMap<Cidr> = networks
                .iter()
                .map(|network| (*network, *network))
                .collect();
            let table = map.freeze().expect("few networks");
            for address in &world.addresses {
                let expected = longest(&networks, *address);
                let found = table.longest_match(*address);
                assert_eq!(found.map(|(network, _)| network), expected);
                assert_eq!(found.map(|(_, value)| *value), expected);
                assert_eq!(table.find(*address).copied(), expected);
            }
            assert_eq!(table.longest_match(outside(first)), None);
        }
    }
}

/// All networks inside a /24, put in one by one, and then taken out: what is found for each address, and
/// what each network covers.
#[test]
fn all_networks_of_a_24() {
    let world = World::new([10, 0, 0, 0].into(), 8);
    assert_eq!((world.addresses.len(), world.networks.len()), (256, 511));
    let mut map = LpmMap::new();
    let mut present = Vec::new();
    // Far from each other, and each once: 511 is no multiple of 5.
    for step in 0..511 {
        let network = world.networks[step * 5 % 511];
        assert_eq!(map.insert(network, step), None);
        present.push(network);
        check_all(&map, &present, &world.addresses);
    }
    let table = map.freeze().expect("few networks");
    for address in &world.addresses {
        assert_eq!(
            table.longest_match(*address).map(|found| found.0),
            Some(Cidr::from(*address))
        );
    }
    for outer in &world.networks {
        let covered = map.covered_by(*outer).map(|found| found.0);
        let expected = map
            .iter()
            .map(|found| found.0)
            .filter(|inner| inner.is_subnet_of(*outer));
        assert!(covered.eq(expected));
    }
    for step in 0..511 {
        let network = world.networks[step * 5 % 511];
        assert_eq!(map.remove(network), Some(step));
        present.retain(|other| *other != network);
        check_all(&map, &present, &world.addresses);
    }
    assert!(map.is_empty());
}

fn check_all(map: &LpmMap<usize>, present: &[Cidr], addresses: &[IpAddr]) {
    for address in addresses {
        let found = map.longest_match(*address).map(|found| found.0);
        assert_eq!(found, longest(present, *address));
    }
    // One address in each step; the steps together come to all of them.
    let address = addresses[present.len() % addresses.len()];
    let mut expected: Vec<Cidr> = containing(present, address).collect();
    expected.sort_by_key(|network| network.prefix_len());
    assert!(map.matches(address).map(|found| found.0).eq(expected));
}

/// Every list of up to three rules about the 7 networks inside four addresses, in both orders of judging.
#[test]
fn access_lists_of_three_rules() {
    for first in ends(2) {
        let world = World::new(first, 2);
        // Allow and deny of each, and no rule.
        let rules: Vec<Option<(Action, Cidr)>> = [Action::Allow, Action::Deny]
            .into_iter()
            .flat_map(|action| {
                world
                    .networks
                    .iter()
                    .map(move |network| Some((action, *network)))
            })
            .chain([None])
            .collect();
        for a in &rules {
            for b in &rules {
                for c in &rules {
                    let list: Vec<(Action, Cidr)> =
                        [a, b, c].into_iter().copied().flatten().collect();
                    judge(&list, &world.addresses);
                }
            }
        }
    }
}

fn judge(rules: &[(Action, Cidr)], addresses: &[IpAddr]) {
    let mut longest = AccessList::longest_match();
    let mut first: AccessList<FirstMatch> = AccessList::first_match();
    for &(action, network) in rules {
        (longest, first) = match action {
            Action::Allow => (longest.allow([network]), first.allow([network])),
            Action::Deny => (longest.deny([network]), first.deny([network])),
        };
    }
    let is_open = rules.iter().all(|(action, _)| *action == Action::Deny);
    for &address in addresses {
        let matching = rules
            .iter()
            .filter(|(_, network)| network.contains(address));
        let expected = matching.clone().next();
        let verdict = first.check(address);
        let found = verdict
            .rule()
            .map(|rule| (rule.action(), rule.network().expect("it names one")));
        assert_eq!(found, expected.copied());
        let is_allowed =
            |rule: Option<&(Action, Cidr)>| rule.map_or(is_open, |rule| rule.0 == Action::Allow);
        assert_eq!(verdict.is_allowed(), is_allowed(expected));

        let expected = matching
            .max_by_key(|(action, network)| (network.prefix_len(), *action == Action::Deny));
        let verdict = longest.check(address);
        let found = verdict
            .rule()
            .map(|rule| (rule.action(), rule.network().expect("it names one")));
        assert_eq!(found, expected.copied());
        assert_eq!(verdict.is_allowed(), is_allowed(expected));
    }
}

struct World {
    addresses: Vec<IpAddr>,
    networks: Vec<Cidr>,
}

impl World {
    fn new(first: IpAddr, host_bits: u8) -> Self {
        let width = Cidr::from(first).prefix_len();
        let all = Cidr::new(first, width - host_bits).expect("a network");
        let subnets = |prefix_len| all.subnets(prefix_len).expect("no shorter than its own");
        Self {
            addresses: all.addresses().collect(),
            networks: (width - host_bits..=width).flat_map(subnets).collect(),
        }
    }

    fn choose(&self, chosen: u32) -> Vec<Cidr> {
        let networks = self.networks.iter().enumerate();
        let networks = networks.filter(|(i, _)| chosen >> i & 1 == 1);
        networks.map(|(_, network)| *network).collect()
    }
}

/// The first of 2^`host_bits` addresses at the four ends of both families.
fn ends(host_bits: u8) -> [IpAddr; 4] {
    [
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv4Addr::from(u32::MAX << host_bits).into(),
        Ipv6Addr::UNSPECIFIED.into(),
        Ipv6Addr::from(u128::MAX << host_bits).into(),
    ]
}

/// An address of the family that is in none of these worlds.
fn outside(first: IpAddr) -> IpAddr {
    match first {
        IpAddr::V4(_) => Ipv4Addr::from(1 << 31).into(),
        IpAddr::V6(_) => Ipv6Addr::from(1 << 127).into(),
    }
}

fn containing(networks: &[Cidr], address: IpAddr) -> impl Iterator<Item = Cidr> {
    networks
        .iter()
        .copied()
        .filter(move |network| network.contains(address))
}

fn longest(networks: &[Cidr], address: IpAddr) -> Option<Cidr> {
    containing(networks, address).max_by_key(|network| network.prefix_len())
}
