//! What must hold of any input. The fuzz targets run it on what the fuzzer makes up, and a test on the
//! stored corpora.

#![allow(dead_code, reason = "each fuzz target uses one function")]

use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use cidr::{
    AccessError, AccessList, Address, Cidr, CidrError, FirstMatch, Interface, IpSet, LpmIndex,
    LpmMap, Order,
};
use ipnet::IpNet;

/// Networks and interfaces from text.
pub(crate) fn parse(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let strict = text.parse::<Cidr>();
    let lenient = Cidr::parse_lenient(text);
    match (&strict, &lenient) {
        (Ok(strict), Ok(lenient)) => assert_eq!(strict, lenient),
        (Err(CidrError::HostBits { address, network }), Ok(lenient)) => {
            assert_eq!(network, lenient);
            assert!(IpNet::from(*network).contains(address));
            assert_ne!(network.address(), *address);
        }
        (Err(strict), Err(lenient)) => assert_eq!(strict, lenient),
        (strict, lenient) => panic!("{strict:?} and {lenient:?}"),
    }
    if let Err(error) = &strict {
        // The texts of the errors are short, however long the input.
        assert!(error.to_string().len() < 160);
    }
    let interface = text.parse::<Interface>();
    assert_eq!(interface.clone().map(Interface::network), lenient);
    // An address alone is an address to the standard library too, and the other way round.
    let alone = text.parse::<IpAddr>();
    assert_eq!(alone.is_ok(), !text.contains('/') && lenient.is_ok());
    if let Ok(interface) = interface {
        written_is_read(interface);
        check(interface.network());
        of_family::<Ipv4Addr>(text, interface.ip().is_ipv4(), strict.clone());
        of_family::<Ipv6Addr>(text, interface.ip().is_ipv6(), strict);
    }
}

/// A type of one family reads the texts of its family as the type of both does, and no others.
fn of_family<A: Address>(text: &str, is_its_own: bool, either: Result<Cidr, CidrError>)
where
    Cidr: From<Cidr<A>>,
{
    let read = text.parse::<Cidr<A>>();
    if is_its_own {
        assert_eq!(read.map(Cidr::from), either);
    } else {
        assert!(matches!(read, Err(CidrError::OtherFamily { .. })));
    }
}

fn check(network: Cidr) {
    written_is_read(network);
    assert_eq!(Cidr::try_from(IpNet::from(network)), Ok(network));
    assert_eq!(
        Cidr::new(network.address(), network.prefix_len()),
        Ok(network)
    );
    assert!(network.prefix_len() <= if network.address().is_ipv4() { 32 } else { 128 });

    let same = network.to_canonical();
    assert_eq!(same.to_canonical(), same);
    for (end, index) in [(network.address(), 0), (network.last(), -1)] {
        assert_eq!(network.get(index), Some(end));
        assert!(network.contains(end));
        assert!(IpNet::from(network).contains(&end));
        // An access list judges mapped addresses as what they carry: shorter IPv6 networks than these
        // addresses' own contain none of them.
        let is_carved_out = network.address().is_ipv6()
            && network.prefix_len() < 96
            && end.to_canonical().is_ipv4();
        let denied = AccessList::longest_match().deny([network]).check(end);
        let allowed = AccessList::longest_match().allow([network]).check(end);
        assert_eq!(denied.is_allowed(), is_carved_out);
        assert_eq!(allowed.is_allowed(), !is_carved_out);
    }
}

fn written_is_read<T>(value: T)
where
    T: Display + FromStr<Err = CidrError> + PartialEq + Debug,
{
    assert_eq!(value.to_string().parse(), Ok(value));
}

/// Access lists from text, of both kinds.
pub(crate) fn access(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let longest = access_of_order::<cidr::LongestMatch>(text);
    let first = access_of_order::<FirstMatch>(text);
    assert_eq!(longest, first);
}

fn access_of_order<O: Order + PartialEq + Debug>(text: &str) -> Option<AccessError> {
    let list = match text.parse::<AccessList<O>>() {
        Ok(list) => list,
        Err(error) => {
            assert!((1..=text.lines().count() + 1).contains(&(error.line as usize)));
            let line = text.lines().nth(error.line as usize - 1).unwrap_or("");
            assert!((1..=line.chars().count() + 1).contains(&(error.column as usize)));
            assert!(error.to_string().len() < 250);
            return Some(error);
        }
    };
    for rule in list.rules() {
        // All that a rule says is in its text.
        let again: AccessList<O> = rule.to_string().parse().expect("a rule");
        let again = again.rules()[0];
        assert_eq!(
            (again.action(), again.network()),
            (rule.action(), rule.network())
        );
        let Some(network) = rule.network() else {
            continue;
        };
        for end in [network.address(), network.last()] {
            let verdict = list.check(end);
            if let Some(by) = verdict.rule() {
                assert!(list.rules().contains(&by));
                assert_eq!(by.action() == cidr::Action::Allow, verdict.is_allowed());
            }
        }
    }
    None
}

/// Sets from text.
pub(crate) fn set(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match text.parse::<IpSet>() {
        Ok(set) => {
            assert_eq!(set.to_string().parse().as_ref(), Ok(&set));
            assert!(set.networks().all(|network| set.contains_network(network)));
            assert_eq!(set.networks().collect::<IpSet>(), set);
            assert!((&set & &!&set).is_empty());
        }
        Err(error) => assert!(error.to_string().len() < 250),
    }
}

/// Frozen tables from bytes: the input as it is, and an index of some networks that is damaged as the input
/// says. Whatever can be opened answers something.
pub(crate) fn index(input: &[u8]) {
    answers(input);
    let Some((&count, rest)) = input.split_first() else {
        return;
    };
    let at = (usize::from(count) * 6).min(rest.len());
    let (networks, damage) = rest.split_at(at);
    let map: LpmMap<()> = networks
        .chunks_exact(6)
        .map(|bytes| (network(bytes), ()))
        .collect();
    let mut bytes = LpmIndex::new(&map)
        .expect("few networks")
        .as_bytes()
        .to_vec();
    answers(&bytes);
    for three in damage.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([three[0], three[1]]));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = three[2];
        }
    }
    answers(&bytes);
}

/// The first byte is of the length and the family, the others are the first of the address.
fn network(bytes: &[u8]) -> Cidr {
    let number = bytes[1..]
        .iter()
        .fold(0, |number, byte| number << 8 | u128::from(*byte));
    let network = if bytes[0] < 200 {
        Cidr::new_lenient(
            Ipv4Addr::from_bits((number >> 8) as u32).into(),
            bytes[0] % 33,
        )
    } else {
        Cidr::new_lenient(Ipv6Addr::from_bits(number << 88).into(), bytes[0] - 190)
    };
    network.expect("a length of this family")
}

fn answers(bytes: &[u8]) {
    let index = match LpmIndex::from_bytes(bytes) {
        Ok(index) => index,
        Err(error) => {
            assert!(error.to_string().len() < 250);
            return;
        }
    };
    assert_eq!(index.as_bytes(), bytes);
    let numbers = bytes.chunks_exact(4).take(100);
    let numbers = numbers.map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
    let asked: Vec<Ipv4Addr> = numbers
        .chain([0, u32::MAX])
        .map(Ipv4Addr::from_bits)
        .collect();
    let mut found = vec![None; asked.len()];
    index.find_batch(&asked, &mut found);
    for (address, found) in asked.into_iter().zip(found) {
        assert_eq!(index.find(address), found);
        let wide = Ipv6Addr::from_bits(u128::from(address.to_bits()) << 96);
        for address in [IpAddr::V4(address), IpAddr::V6(wide)] {
            if let Some((network, number)) = index.longest_match(address) {
                assert_eq!(index.find(address), Some(number));
                assert!(network.contains(address));
            }
        }
    }
}
