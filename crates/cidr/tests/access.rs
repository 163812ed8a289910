//! Who may come in, and which rule says so.

use std::net::{IpAddr, Ipv6Addr};

use cidr::{AccessList, AccessProblem, Action, Cidr, FirstMatch, Order, Verdict};

fn networks(texts: &[&str]) -> Vec<Cidr> {
    texts
        .iter()
        .map(|text| text.parse().expect("a network"))
        .collect()
}

fn network(text: &str) -> Cidr {
    text.parse().expect("a network")
}

fn prefix(text: &str) -> Cidr<Ipv6Addr> {
    text.parse().expect("an IPv6 network")
}

fn check<O: Order>(list: &AccessList<O>, address: &str) -> Verdict {
    list.check(address.parse::<IpAddr>().expect("an address"))
}

fn says<O: Order>(list: &AccessList<O>, address: &str) -> String {
    let verdict = check(list, address);
    let text = verdict.to_string();
    assert_eq!(text.contains(" allowed"), verdict.is_allowed());
    text
}

/// By the longest match.
fn judge(allow: &[&str], deny: &[&str], address: &str) -> String {
    let list = AccessList::longest_match().allow(networks(allow));
    says(&list.deny(networks(deny)), address)
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
    assert_eq!(
        judge(ten, &["10.1.0.0/16"], inside),
        "10.1.2.3 denied by 10.1.0.0/16"
    );
    assert_eq!(
        judge(&["10.1.2.3"], ten, inside),
        "10.1.2.3 allowed by 10.1.2.3/32"
    );
    assert_eq!(judge(ten, ten, inside), "10.1.2.3 denied by 10.0.0.0/8");
    assert_eq!(
        judge(ten, &["10.2.0.0/16"], inside),
        "10.1.2.3 allowed by 10.0.0.0/8"
    );
    // Whichever family the allow rule is for.
    assert_eq!(judge(ten, &[], "::1"), "::1 denied: no rule allows it");
}

#[test]
fn the_first_match_decides_in_the_order_of_the_rules() {
    let [ten, one] = [network("10.0.0.0/8"), network("10.1.0.0/16")];
    let wide_first = AccessList::first_match().deny([ten]).allow([one]);
    assert_eq!(
        says(&wide_first, "10.1.2.3"),
        "10.1.2.3 denied by 10.0.0.0/8"
    );
    let narrow_first = AccessList::first_match().allow([one]).deny([ten]);
    assert_eq!(
        says(&narrow_first, "10.1.2.3"),
        "10.1.2.3 allowed by 10.1.0.0/16"
    );
    assert_eq!(
        says(&narrow_first, "10.2.2.3"),
        "10.2.2.3 denied by 10.0.0.0/8"
    );
    let same = AccessList::first_match().allow([ten]).deny([ten]);
    assert_eq!(says(&same, "10.1.2.3"), "10.1.2.3 allowed by 10.0.0.0/8");
    assert_eq!(
        says(&same, "192.0.2.1"),
        "192.0.2.1 denied: no rule allows it"
    );
}

#[test]
fn what_happens_otherwise_can_be_stated() {
    let ten = network("10.0.0.0/8");
    let open = AccessList::longest_match()
        .allow([ten])
        .otherwise(Action::Allow);
    assert_eq!(
        says(&open, "192.0.2.1"),
        "192.0.2.1 allowed: no rule denies it"
    );
    let shut = AccessList::first_match()
        .deny([ten])
        .otherwise(Action::Deny);
    assert_eq!(
        says(&shut, "192.0.2.1"),
        "192.0.2.1 denied: no rule allows it"
    );
    let shut = AccessList::longest_match().otherwise(Action::Deny);
    assert!(!check(&shut, "::1").is_allowed());
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
            assert_eq!(judge(&["0.0.0.0/0"], &[rule], address), denied);
        }
    }
    // Allowing all of IPv6 lets no IPv4 peer in by its other name.
    assert_eq!(
        judge(&["::/0"], &[], "::ffff:10.1.2.3"),
        "10.1.2.3 denied: no rule allows it"
    );
}

#[test]
fn mapped_addresses_are_kept_where_that_is_asked_for() {
    let rules = networks(&["10.0.0.0/8", "::ffff:10.1.0.0/112"]);
    // Before the rules or behind them.
    let before = AccessList::longest_match()
        .keep_mapped()
        .deny(rules.clone());
    let behind = AccessList::longest_match().deny(rules).keep_mapped();
    assert_eq!(before, behind);
    assert_eq!(
        says(&behind, "::ffff:10.1.2.3"),
        "::ffff:10.1.2.3 denied by ::ffff:10.1.0.0/112"
    );
    assert!(check(&behind, "::ffff:10.2.2.3").is_allowed());
    assert_eq!(says(&behind, "10.1.2.3"), "10.1.2.3 denied by 10.0.0.0/8");
}

#[test]
fn every_line_of_the_table_of_addresses_inside() {
    let list = |allow: &[&str]| {
        let list = AccessList::longest_match().allow(networks(allow));
        list.deny(networks(&["10.0.0.0/8", "2002:a09::/32"]))
    };
    let [v4, both] = [list(&["0.0.0.0/0"]), list(&["0.0.0.0/0", "::/0"])];
    let (ten, other, nine) = ("2002:a01:203::1", "2002:c000:201::1", "2002:a09::1");
    // It is a matter of asking.
    assert!(check(&both, ten).is_allowed());
    let (v4, both) = (v4.inside_6to4(), both.inside_6to4());
    assert_eq!(
        says(&both, ten),
        "2002:a01:203::1 denied as 10.1.2.3 by 10.0.0.0/8"
    );
    assert_eq!(says(&both, other), "2002:c000:201::1 allowed by ::/0");
    assert_eq!(says(&both, nine), "2002:a09::1 denied by 2002:a09::/32");
    // The address inside lets nobody in.
    assert_eq!(
        says(&v4, other),
        "2002:c000:201::1 denied: no rule allows it"
    );
    // And who is not let in as that stays outside.
    let v6 = AccessList::longest_match()
        .allow([network("::/0")])
        .inside_6to4();
    assert_eq!(
        says(&v6, other),
        "2002:c000:201::1 denied as 192.0.2.1: no rule allows it"
    );
    assert_eq!(says(&v6, "2003::1"), "2003::1 allowed by ::/0");
}

#[test]
fn nat64_prefixes_of_every_length_are_looked_into() {
    // RFC 6052, section 2.4.
    let examples = [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ];
    for (nat64, address) in examples {
        let list = AccessList::longest_match().deny([network("192.0.2.33")]);
        assert!(check(&list, address).is_allowed(), "{nat64}");
        let list = list.inside_nat64(prefix(nat64)).expect("a good length");
        let verdict = check(&list, address);
        assert!(!verdict.is_allowed(), "{nat64}");
        assert_eq!(verdict.inside(), Some([192, 0, 2, 33].into()), "{nat64}");
        assert!(check(&list, "2001:db7::1").is_allowed());
    }
}

#[test]
fn an_address_with_two_nat64_prefixes_is_judged_as_each() {
    let list = AccessList::first_match()
        .deny(networks(&["10.1.2.3", "10.9.9.9"]))
        .inside_nat64(prefix("64:ff9b:1::/48"))
        .and_then(|list| list.inside_nat64(prefix("64:ff9b:1:fffe::/96")))
        .expect("good lengths");
    assert_eq!(
        check(&list, "64:ff9b:1:fffe::10.1.2.3").inside(),
        Some([10, 1, 2, 3].into())
    );
    assert_eq!(
        check(&list, "64:ff9b:1:a09:9:900::").inside(),
        Some([10, 9, 9, 9].into())
    );
}

#[test]
fn other_lengths_are_no_nat64_prefixes() {
    for text in ["64:ff9b::/95", "64:ff9b::/97", "::/0", "64:ff9b::/128"] {
        let prefix = prefix(text);
        let refused = AccessList::longest_match().inside_nat64(prefix);
        assert_eq!(refused, Err(AccessProblem::Nat64Prefix { prefix }));
    }
}

#[test]
fn the_verdict_names_the_rule() {
    let ten = network("10.0.0.0/8");
    let list: AccessList<FirstMatch> = AccessList::first_match().deny([ten]).allow([ten]);
    let verdict = check(&list, "::ffff:10.1.2.3");
    let rule = verdict.rule().expect("a rule decided");
    assert_eq!(rule, list.rules()[0]);
    assert_eq!(rule.action(), Action::Deny);
    assert_eq!(rule.network(), Some(ten));
    assert_eq!(rule.line(), None);
    assert_eq!(verdict.address(), IpAddr::from([10, 1, 2, 3]));
    assert_eq!(verdict.inside(), None);
    assert_eq!(list.rules().len(), 2);
    assert_eq!(list.rules()[1].to_string(), "allow 10.0.0.0/8");
    assert_eq!(check(&list, "::1").rule(), None);
}
