//! Access lists against a list that is searched rule by rule.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::{AccessList, Action, Cidr, Order, Rule, Verdict};
use proptest::prelude::*;

/// A few addresses, in every form, so that rules overlap.
fn some_address() -> impl Strategy<Value = IpAddr> {
    (0..4_u32, 0..5_u8).prop_map(|(last, form)| {
        let v4 = Ipv4Addr::from(last << 30 | last);
        let bits = u128::from(v4.to_bits());
        match form {
            0 => v4.into(),
            1 => v4.to_ipv6_mapped().into(),
            2 => Ipv6Addr::from(0x2002 << 112 | bits << 80 | 1).into(),
            3 => Ipv6Addr::from(0x0064_ff9b << 96 | bits).into(),
            _ => Ipv6Addr::from(bits << 96 | bits).into(),
        }
    })
}

fn some_rules() -> impl Strategy<Value = Vec<(Action, Cidr)>> {
    let action = prop_oneof![Just(Action::Allow), Just(Action::Deny)];
    let network = (some_address(), 0..=128_u8).prop_map(|(address, prefix_len)| {
        let max = if address.is_ipv4() { 32 } else { 128 };
        Cidr::new_lenient(address, prefix_len.min(max)).expect("not too long")
    });
    proptest::collection::vec((action, network), 0..12)
}

fn some_default() -> impl Strategy<Value = Option<Action>> {
    prop_oneof![
        Just(None),
        Just(Some(Action::Allow)),
        Just(Some(Action::Deny))
    ]
}

/// Whether an address is in a network, where mapped ones are IPv4.
fn is_in(address: IpAddr, network: Cidr) -> bool {
    network.to_canonical().contains(address)
}

/// The number of the rule that decides, and what it says.
fn by_hand(
    rules: &[(Action, Cidr)],
    otherwise: Option<Action>,
    is_first: bool,
    address: IpAddr,
) -> (Action, Option<usize>) {
    let matching = rules.iter().enumerate();
    let mut matching = matching.filter(|(_, (_, network))| is_in(address, *network));
    let decides = if is_first {
        matching.next()
    } else {
        // Of equals the last: a deny rule, and of these the first.
        matching.max_by_key(|(number, (action, network))| {
            let len = network.to_canonical().prefix_len();
            (len, *action == Action::Deny, usize::MAX - number)
        })
    };
    if let Some((number, (action, _))) = decides {
        return (*action, Some(number));
    }
    let has_allow = rules.iter().any(|(action, _)| *action == Action::Allow);
    let unstated = if has_allow {
        Action::Deny
    } else {
        Action::Allow
    };
    (otherwise.unwrap_or(unstated), None)
}

/// What 6to4 and the well-known prefix of NAT64 have inside.
fn inside(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let bits = address.to_bits();
    if bits >> 112 == 0x2002 {
        return Some(Ipv4Addr::from((bits >> 80) as u32).into());
    }
    (bits >> 32 == 0x0064_ff9b << 64).then(|| Ipv4Addr::from(bits as u32).into())
}

fn agrees(
    verdict: Verdict,
    rules: &[Rule],
    expected: (Action, Option<usize>),
) -> Result<(), TestCaseError> {
    let (action, number) = expected;
    prop_assert_eq!(verdict.is_allowed(), action == Action::Allow, "{}", verdict);
    prop_assert_eq!(verdict.rule(), number.map(|number| rules[number]));
    Ok(())
}

fn with<'a, O: Order>(
    mut list: AccessList<O>,
    rules: impl IntoIterator<Item = &'a (Action, Cidr)>,
    otherwise: Option<Action>,
) -> AccessList<O> {
    for (action, network) in rules {
        list = match action {
            Action::Allow => list.allow([*network]),
            Action::Deny => list.deny([*network]),
        };
    }
    match otherwise {
        Some(action) => list.otherwise(action),
        None => list,
    }
}

proptest! {
    #[test]
    fn the_longest_match_decides(
        rules in some_rules(),
        otherwise in some_default(),
        address in some_address(),
    ) {
        let list = with(AccessList::longest_match(), &rules, otherwise);
        let expected = by_hand(&rules, otherwise, false, address.to_canonical());
        agrees(list.check(address), list.rules(), expected)?;
    }

    #[test]
    fn the_first_match_decides(
        rules in some_rules(),
        otherwise in some_default(),
        address in some_address(),
    ) {
        let list = with(AccessList::first_match(), &rules, otherwise);
        let expected = by_hand(&rules, otherwise, true, address.to_canonical());
        agrees(list.check(address), list.rules(), expected)?;
    }

    #[test]
    fn for_the_longest_match_order_means_nothing(
        rules in some_rules(),
        address in some_address(),
    ) {
        let forward = with(AccessList::longest_match(), &rules, None);
        let backward = with(AccessList::longest_match(), rules.iter().rev(), None);
        let (forward, backward) = (forward.check(address), backward.check(address));
        prop_assert_eq!(forward.is_allowed(), backward.is_allowed());
        let len = |verdict: Verdict| Some(verdict.rule()?.network()?.to_canonical());
        prop_assert_eq!(len(forward), len(backward));
    }

    #[test]
    fn who_is_denied_as_one_address_is_denied(
        rules in some_rules(),
        otherwise in some_default(),
        address in some_address(),
    ) {
        let list = with(AccessList::longest_match(), &rules, otherwise);
        let prefix = "64:ff9b::/96".parse().expect("a network");
        let looking = list.clone().inside_6to4().inside_nat64(prefix).expect("a good length");
        let expected = list.check(address).is_allowed()
            && inside(address).is_none_or(|inside| list.check(inside).is_allowed());
        let verdict = looking.check(address);
        prop_assert_eq!(verdict.is_allowed(), expected, "{}", verdict);
        prop_assert_eq!(verdict.inside().is_some(), list.check(address).is_allowed() && !expected);
    }

    #[test]
    fn a_text_is_read_as_it_is_written(rules in some_rules(), address in some_address()) {
        let built = with(AccessList::longest_match(), &rules, None);
        let text: String = built.rules().iter().map(|rule| format!("{rule}\n")).collect();
        match text.parse::<AccessList>() {
            Ok(read) => {
                prop_assert_eq!(read.check(address).is_allowed(), built.check(address).is_allowed());
                let lines = read.rules().iter().map(|rule| rule.line());
                prop_assert!(lines.eq((1..=rules.len() as u32).map(Some)));
            }
            Err(_) => prop_assert!(rules.is_empty()),
        }
    }

    #[test]
    fn no_text_panics(text in "(allow|deny|otherwise|inside|all|nat64|6to4|::/0|1.2.3.4/[0-9]|#|[ \t\r\n]|.){0,20}") {
        if let Err(error) = text.parse::<AccessList>() {
            let lines = text.lines().count() as u32;
            prop_assert!((1..=lines + 1).contains(&error.line), "{}", error);
            let line = text.lines().nth(error.line as usize - 1).unwrap_or_default();
            prop_assert!((1..=line.chars().count() as u32 + 1).contains(&error.column), "{}", error);
        }
    }
}
