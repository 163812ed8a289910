//! Addresses, hosts and subnets, from both ends and by index, beside plain counting.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::{Address, Cidr, CidrError};
use proptest::prelude::*;

fn network(text: &str) -> Cidr {
    text.parse().expect("a network")
}

#[test]
fn all_addresses_of_small_networks() {
    for (text, addresses) in [
        (
            "0.0.0.0/30",
            vec!["0.0.0.0", "0.0.0.1", "0.0.0.2", "0.0.0.3"],
        ),
        (
            "255.255.255.254/31",
            vec!["255.255.255.254", "255.255.255.255"],
        ),
        ("192.0.2.7/32", vec!["192.0.2.7"]),
        ("::/127", vec!["::", "::1"]),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
            vec![
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            ],
        ),
        ("::1/128", vec!["::1"]),
    ] {
        let listed = network(text).addresses().map(|address| address.to_string());
        assert_eq!(listed.collect::<Vec<_>>(), addresses);
        let backwards = network(text).addresses().rev();
        let backwards = backwards.map(|address| address.to_string());
        assert!(backwards.eq(addresses.into_iter().rev()), "{text}");
    }
}

#[test]
fn everything_has_two_ends() {
    for text in ["0.0.0.0/0", "::/0"] {
        let mut addresses = network(text).addresses();
        assert_eq!(addresses.next(), Some(network(text).address()));
        assert_eq!(addresses.next_back(), Some(network(text).last()));
        assert_eq!(addresses.last(), network(text).last().checked_sub(1));
    }
    let all: Cidr<Ipv4Addr> = "0.0.0.0/0".parse().unwrap();
    assert_eq!(all.addresses().len(), 1 << 32);
    assert_eq!(
        all.addresses().nth((1 << 32) - 1),
        Some(Ipv4Addr::BROADCAST)
    );
    assert_eq!(all.addresses().nth(1 << 32), None);
    assert_eq!(all.addresses().nth(usize::MAX), None);
    assert_eq!(network("::/0").addresses().size_hint(), (usize::MAX, None));
    assert_eq!(network("::/65").addresses().size_hint().1, Some(1 << 63));
    assert_eq!(network("::/64").addresses().size_hint(), (usize::MAX, None));
}

#[test]
fn hosts_leave_out_what_is_no_host() {
    for (text, first, last) in [
        ("192.0.2.0/24", "192.0.2.1", "192.0.2.254"),
        ("192.0.2.0/30", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.0/31", "192.0.2.0", "192.0.2.1"),
        ("192.0.2.0/32", "192.0.2.0", "192.0.2.0"),
        ("0.0.0.0/0", "0.0.0.1", "255.255.255.254"),
        ("2001:db8::/126", "2001:db8::1", "2001:db8::3"),
        ("2001:db8::/127", "2001:db8::", "2001:db8::1"),
        ("2001:db8::/128", "2001:db8::", "2001:db8::"),
        ("::/0", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ] {
        let ends = (network(text).hosts().next(), network(text).hosts().last());
        let expected = (first.parse().ok(), last.parse().ok());
        assert_eq!(ends, expected, "{text}");
    }
}

#[test]
fn indices_from_both_ends() {
    for (text, index, address) in [
        ("192.0.2.0/24", 0, Some("192.0.2.0")),
        ("192.0.2.0/24", 255, Some("192.0.2.255")),
        ("192.0.2.0/24", 256, None),
        ("192.0.2.0/24", -1, Some("192.0.2.255")),
        ("192.0.2.0/24", -256, Some("192.0.2.0")),
        ("192.0.2.0/24", -257, None),
        ("255.255.255.255/32", 1, None),
        ("0.0.0.0/32", -2, None),
        ("0.0.0.0/0", i128::MAX, None),
        ("0.0.0.0/0", i128::MIN, None),
        (
            "::/0",
            i128::MAX,
            Some("7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ),
        ("::/0", i128::MIN, Some("8000::")),
        ("8000::/1", i128::MIN, Some("8000::")),
        ("ffff::/16", i128::MIN, None),
    ] {
        let found = network(text).get(index).map(|found| found.to_string());
        assert_eq!(found.as_deref(), address, "{text} {index}");
    }
}

#[test]
fn sizes() {
    for (text, size) in [
        ("0.0.0.0/0", Some(1 << 32)),
        ("192.0.2.1/32", Some(1)),
        ("::/0", None),
        ("8000::/1", Some(1 << 127)),
        ("::1/128", Some(1)),
    ] {
        assert_eq!(network(text).size(), size);
    }
}

#[test]
fn subnets_of_wrong_lengths() {
    let ten = network("10.0.0.0/8");
    for (prefix_len, text) in [
        (7, "no subnet of 10.0.0.0/8 has length 7, which is shorter"),
        (33, "prefix length 33 is more than 32"),
    ] {
        assert_eq!(ten.subnets(prefix_len).unwrap_err().to_string(), text);
    }
    // Where Python gives a network of one address for any length, these are errors too.
    let one = network("10.0.0.1/32");
    let max = 32;
    let prefix_len = 33;
    let error = CidrError::PrefixLen { prefix_len, max };
    assert_eq!(one.subnets(33).unwrap_err(), error);
    assert!(one.subnets(32).unwrap().eq([one]));
}

#[test]
fn subnets_of_everything() {
    for (text, halves) in [
        ("0.0.0.0/0", ["0.0.0.0/1", "128.0.0.0/1"]),
        ("::/0", ["::/1", "8000::/1"]),
    ] {
        let all = network(text);
        assert!(all.subnets(0).unwrap().eq([all]));
        assert!(all.subnets(0).unwrap().rev().eq([all]));
        assert!(all.subnets(1).unwrap().eq(halves.map(network)));
        assert!(
            all.subnets(1)
                .unwrap()
                .rev()
                .eq([halves[1], halves[0]].map(network))
        );
    }
    let ends = network("::/0").subnets(128).unwrap();
    assert_eq!(
        ends.last(),
        Some(network("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
    );
}

/// What is done to an iterator.
#[derive(Clone, Copy, Debug)]
enum Step {
    Next,
    NextBack,
    Nth(usize),
    NthBack(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Next),
        Just(Step::NextBack),
        (0..6_usize).prop_map(Step::Nth),
        (0..6_usize).prop_map(Step::NthBack),
    ];
    proptest::collection::vec(step, 0..20)
}

/// Does the same to an iterator and to a list of what it should give.
fn same<T: PartialEq + Debug>(
    mut iterator: impl DoubleEndedIterator<Item = T>,
    listed: Vec<T>,
    steps: &[Step],
) {
    let mut left = VecDeque::from(listed);
    for step in steps {
        match *step {
            Step::Next => assert_eq!(iterator.next(), left.pop_front()),
            Step::NextBack => assert_eq!(iterator.next_back(), left.pop_back()),
            Step::Nth(n) => {
                left.drain(..n.min(left.len()));
                assert_eq!(iterator.nth(n), left.pop_front());
            }
            Step::NthBack(n) => {
                left.truncate(left.len() - n.min(left.len()));
                assert_eq!(iterator.nth_back(n), left.pop_back());
            }
        }
        assert_eq!(iterator.size_hint(), (left.len(), Some(left.len())));
    }
    assert!(iterator.eq(left));
}

/// Addresses, hosts and subnets of a network of few addresses, which is counted through.
fn counted<A: Address>(network: Cidr<A>, subnet_len: u8, steps: &[Step]) {
    let size = network.size().expect("few addresses");
    let numbers = 0..size;
    let addresses: Vec<A> = numbers
        .map(|number| network.address().checked_add(number).expect("inside"))
        .collect();
    for (index, address) in addresses.iter().enumerate() {
        let index = index as i128;
        assert_eq!(network.get(index), Some(*address));
        assert_eq!(network.get(index - size as i128), Some(*address));
    }
    let is_host = |address: &A| match network.address().into() {
        _ if size <= 2 => true,
        IpAddr::V4(_) => *address != network.address() && *address != network.last(),
        IpAddr::V6(_) => *address != network.address(),
    };
    let hosts = addresses.iter().copied().filter(is_host).collect();
    let mut subnets: Vec<Cidr<A>> = addresses
        .iter()
        .map(|address| Cidr::new_lenient(*address, subnet_len).expect("a length"))
        .collect();
    subnets.dedup();
    same(network.hosts(), hosts, steps);
    same(network.subnets(subnet_len).expect("longer"), subnets, steps);
    same(network.addresses(), addresses.clone(), steps);
    let folded = network.addresses().fold(Vec::new(), |mut all, address| {
        all.push(address);
        all
    });
    assert_eq!(folded, addresses);
}

proptest! {
    #[test]
    fn as_counted_ipv4(first: Ipv4Addr, len in 27..=32_u8, longer in 0..=5_u8, steps in steps()) {
        let network = Cidr::new_lenient(first, len).unwrap();
        let subnet_len = (len + longer).min(32);
        counted(network, subnet_len, &steps);
        counted(network.either(), subnet_len, &steps);
    }

    #[test]
    fn as_counted_ipv6(first: Ipv6Addr, len in 123..=128_u8, longer in 0..=5_u8, steps in steps()) {
        let network = Cidr::new_lenient(first, len).unwrap();
        let subnet_len = (len + longer).min(128);
        counted(network, subnet_len, &steps);
        counted(network.either(), subnet_len, &steps);
    }
}
