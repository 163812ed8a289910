//! What addresses are for. `interop.rs` asks Python the same.

use std::net::IpAddr;

use cidr::{Cidr, special};
use proptest::prelude::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn the_ends_of_ranges_and_what_is_beside_them() {
    type Question = fn(IpAddr) -> bool;
    let questions: [(Question, &[&str], &[&str]); 8] = [
        (
            special::is_private,
            &[
                "0.0.0.0",
                "10.255.255.255",
                "172.31.255.255",
                "192.0.0.8",
                "240.0.0.0",
                "2001:db8::",
                "fdff::",
                "::ffff:10.0.0.1",
            ],
            &[
                "9.255.255.255",
                "172.32.0.0",
                "192.0.0.9",
                "100.64.0.0",
                "224.0.0.1",
                "2001:20::",
                "fec0::",
                "::ffff:8.8.8.8",
                "2001:200::",
            ],
        ),
        (
            special::is_global,
            &[
                "8.8.8.8",
                "192.0.0.10",
                "224.0.0.1",
                "2606:4700::1111",
                "2001:1::2",
                "::ffff:8.8.8.8",
                "ff02::1",
            ],
            &[
                "100.64.0.0",
                "100.127.255.255",
                "10.0.0.0",
                "::1",
                "2001:1::3",
                "::ffff:100.64.0.0",
            ],
        ),
        (
            special::is_loopback,
            &["127.0.0.0", "127.255.255.255", "::1", "::ffff:127.0.0.1"],
            &["128.0.0.0", "::", "::2"],
        ),
        (
            special::is_link_local,
            &["169.254.0.0", "febf::", "::ffff:169.254.1.1"],
            &["169.253.255.255", "fec0::"],
        ),
        (
            special::is_multicast,
            &["224.0.0.0", "239.255.255.255", "ff00::", "::ffff:224.0.0.1"],
            &["223.255.255.255", "240.0.0.0", "feff::"],
        ),
        (
            special::is_unspecified,
            &["0.0.0.0", "::", "::ffff:0.0.0.0"],
            &["0.0.0.1", "::1"],
        ),
        (
            special::is_reserved,
            &[
                "240.0.0.0",
                "255.255.255.255",
                "::1",
                "1fff::",
                "4000::",
                "fbff::",
                "fe7f::",
                "::ffff:255.0.0.0",
            ],
            &[
                "239.255.255.255",
                "2000::",
                "3fff::",
                "fc00::",
                "fe80::",
                "fec0::",
                "ff00::",
                "::ffff:1.2.3.4",
            ],
        ),
        (
            special::is_site_local,
            &["fec0::", "feff::"],
            &["febf::", "ff00::", "::ffff:10.0.0.1", "10.0.0.1"],
        ),
    ];
    for (number, (question, yes, no)) in questions.into_iter().enumerate() {
        for text in yes {
            assert!(question(address(text)), "question {number}: {text}");
        }
        for text in no {
            assert!(!question(address(text)), "question {number}: {text}");
        }
    }
}

#[test]
fn networks_have_what_both_ends_have() {
    let network = |text: &str| text.parse::<Cidr>().expect("a network");
    assert!(network("10.0.0.0/8").is_private());
    assert!(!network("10.0.0.0/7").is_private());
    // No single range holds both ends, though each is in one.
    assert!(!network("0.0.0.0/0").is_private());
    // An end of it is an exception.
    assert!(!network("192.0.0.8/31").is_private());
    assert!(network("192.0.0.0/24").is_private());
    assert!(!network("100.64.0.0/10").is_global() && !network("100.64.0.0/10").is_private());
    assert!(network("100.0.0.0/8").is_global());
    assert!(network("127.0.0.0/8").is_loopback() && !network("126.0.0.0/7").is_loopback());
    assert!(network("fe80::/10").is_link_local() && network("fec0::/10").is_site_local());
    assert!(network("224.0.0.0/4").is_multicast() && network("240.0.0.0/4").is_reserved());
    assert!(network("::/128").is_unspecified() && !network("::/127").is_unspecified());
    // An address is asked for what it carries, a network is not.
    assert!(network("::ffff:8.8.8.8/128").is_private());
    assert!(!special::is_private(address("::ffff:8.8.8.8")));
}

#[test]
fn the_longest_entry_is_found() {
    for (text, network, name) in [
        ("0.0.0.0", "0.0.0.0/32", "This host on this network"),
        ("0.0.0.1", "0.0.0.0/8", "This network"),
        ("192.0.0.9", "192.0.0.9/32", "Port Control Protocol Anycast"),
        (
            "192.0.0.7",
            "192.0.0.0/29",
            "IPv4 Service Continuity Prefix",
        ),
        ("255.255.255.255", "255.255.255.255/32", "Limited Broadcast"),
        (
            "::ffff:10.0.0.1",
            "::ffff:0.0.0.0/96",
            "IPv4-mapped Address",
        ),
        (
            "2001:3f::",
            "2001:30::/28",
            "Drone Remote ID Protocol Entity Tags (DETs) Prefix",
        ),
        ("2001:40::", "2001::/23", "IETF Protocol Assignments"),
    ] {
        let entry = special::lookup(address(text)).unwrap();
        assert_eq!(
            (entry.network.to_string().as_str(), entry.name),
            (network, name)
        );
    }
    assert_eq!(special::lookup([8, 8, 8, 8]), None);
    assert_eq!(special::lookup(address("2606:4700::1111")), None);
}

#[test]
fn the_table_is_in_order_and_its_date_is_one() {
    assert!(special::TABLE.is_sorted_by(|a, b| a.network < b.network));
    let date: Vec<u32> = special::DATE
        .split('-')
        .map(|part| part.parse().unwrap())
        .collect();
    assert!(matches!(date[..], [2025..=2099, 1..=12, 1..=31]));
}

#[test]
fn what_the_table_calls_reachable_python_calls_global_but_for_these() {
    let mut different = Vec::new();
    for entry in &special::TABLE {
        let is_global = special::is_global(entry.network.address());
        if entry
            .is_globally_reachable
            .is_some_and(|reachable| reachable != is_global)
        {
            different.push(entry.network.to_string());
        }
    }
    // Later than Python's lists, or never taken into them.
    assert_eq!(
        different,
        [
            "192.88.99.2/32",
            "100:0:0:1::/64",
            "2001:1::3/128",
            "5f00::/16"
        ]
    );
}

proptest! {
    #[test]
    fn no_address_is_private_and_global(address: IpAddr) {
        prop_assert!(!(special::is_private(address) && special::is_global(address)));
        let network = Cidr::from(address);
        prop_assert!(!(network.is_private() && network.is_global()));
    }
}
