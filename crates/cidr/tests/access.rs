//! Who may come in, and which rule says so.

use std::net::IpAddr;

use cidr::{AccessList, Cidr, Verdict};
use proptest::prelude::*;

fn networks(texts: &[&str]) -> Vec<Cidr> {
    texts
        .iter()
        .map(|text| text.parse().expect("a network"))
        .collect()
}

fn judge(allow: &[&str], deny: &[&str], address: &str) -> String {
    let list = AccessList::default()
        .allow(networks(allow))
        .deny(networks(deny));
    let address: IpAddr = address.parse().expect("an address");
    let verdict = list.check(address);
    let text = verdict.to_string();
    assert_eq!(text.contains(" allowed"), verdict.is_allowed());
    text
}

#[test]
fn every_line_of_the_truth_table() {
    let inside = "10.1.2.3";
    let outside = "192.0.2.1";
    let ten = &["10.0.0.0/8"];
    assert_eq!(
        judge(&[], &[], inside),
        "10.1.2.3 allowed: no rule denies it"
    );
    assert_eq!(judge(&[], ten, inside), "10.1.2.3 denied by 10.0.0.0/8");
    assert_eq!(
        judge(&[], ten, outside),
        "192.0.2.1 allowed: no rule denies it"
    );
    assert_eq!(judge(ten, &[], inside), "10.1.2.3 allowed by 10.0.0.0/8");
    assert_eq!(
        judge(ten, &[], outside),
        "192.0.2.1 denied: no rule allows it"
    );
    // Narrower or wider, the deny rule wins.
    assert_eq!(
        judge(ten, &["10.1.0.0/16"], inside),
        "10.1.2.3 denied by 10.1.0.0/16"
    );
    assert_eq!(
        judge(&["10.1.2.3"], ten, inside),
        "10.1.2.3 denied by 10.0.0.0/8"
    );
    assert_eq!(
        judge(ten, &["10.2.0.0/16"], inside),
        "10.1.2.3 allowed by 10.0.0.0/8"
    );
}

#[test]
fn the_narrowest_rule_is_named_whichever_came_first() {
    let mut rules = ["0.0.0.0/0", "::ffff:10.1.0.0/112", "10.0.0.0/8", "::/0"];
    for _ in 0..rules.len() {
        rules.rotate_left(1);
        assert_eq!(
            judge(&[], &rules, "10.1.2.3"),
            "10.1.2.3 denied by ::ffff:10.1.0.0/112"
        );
    }
}

#[test]
fn mapped_addresses_pass_no_rule_by() {
    for rule in ["10.0.0.0/8", "::ffff:10.0.0.0/104"] {
        for address in ["10.1.2.3", "::ffff:10.1.2.3"] {
            let denied = format!("10.1.2.3 denied by {rule}");
            assert_eq!(judge(&[], &[rule], address), denied);
            assert_eq!(judge(&["10.1.2.3"], &[rule], address), denied);
        }
    }
    // Allowing all of IPv6 lets no IPv4 peer in by its other name.
    assert_eq!(
        judge(&["::/0"], &[], "::ffff:10.1.2.3"),
        "10.1.2.3 denied: no rule allows it"
    );
}

#[test]
fn the_verdict_names_the_rule() {
    let ten: Cidr = "10.0.0.0/8".parse().unwrap();
    let address = IpAddr::from([10, 1, 2, 3]);
    let list = AccessList::default().deny([ten]);
    let by = Some(ten);
    assert_eq!(list.check(address), Verdict::Denied { address, by });
}

fn some_networks() -> impl Strategy<Value = Vec<Cidr>> {
    // Few addresses, so that rules overlap.
    let network = (0..4_u32, 0..=32_u8, any::<bool>()).prop_map(|(last, prefix_len, is_mapped)| {
        let address = std::net::Ipv4Addr::from(last);
        let network = if is_mapped {
            Cidr::new_lenient(address.to_ipv6_mapped().into(), prefix_len + 96)
        } else {
            Cidr::new_lenient(address.into(), prefix_len)
        };
        network.expect("at most 32 bits, or 128")
    });
    proptest::collection::vec(network, 0..5)
}

fn contains(rules: &[Cidr], address: std::net::Ipv4Addr) -> bool {
    rules
        .iter()
        .any(|rule| rule.to_canonical().contains(address))
}

proptest! {
    #[test]
    fn order_decides_nothing_and_deny_rules_win(
        allow in some_networks(),
        deny in some_networks(),
        last in 0..4_u32,
    ) {
        let address = std::net::Ipv4Addr::from(last);
        let list = AccessList::default().allow(allow.clone()).deny(deny.clone());
        let is_denied = contains(&deny, address);
        let is_named = allow.is_empty() || contains(&allow, address);
        prop_assert_eq!(list.check(address).is_allowed(), is_named && !is_denied);
        let reversed = AccessList::default()
            .deny(deny.into_iter().rev())
            .allow(allow.into_iter().rev());
        prop_assert_eq!(
            reversed.check(address).is_allowed(),
            list.check(address).is_allowed()
        );
    }
}
