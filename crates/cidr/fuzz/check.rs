//! What must hold of any text. The fuzz target runs it on what the fuzzer makes up, and a test on the
//! stored corpus.

use std::net::IpAddr;

use cidr::{AccessList, Cidr, CidrError};
use ipnet::IpNet;

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
    if let Err(error) = strict {
        // The texts of the errors are short, however long the input.
        assert!(error.to_string().len() < 160);
    }
    // An address alone is an address to the standard library too, and the other way round.
    let alone = text.parse::<IpAddr>();
    assert_eq!(alone.is_ok(), !text.contains('/') && lenient.is_ok());
    if let Ok(network) = lenient {
        check(network);
    }
}

fn check(network: Cidr) {
    assert_eq!(network.to_string().parse(), Ok(network));
    assert_eq!(Cidr::try_from(IpNet::from(network)), Ok(network));
    assert_eq!(
        Cidr::new(network.address(), network.prefix_len()),
        Ok(network)
    );
    assert!(network.prefix_len() <= if network.address().is_ipv4() { 32 } else { 128 });

    let same = network.to_canonical();
    assert_eq!(same.to_canonical(), same);
    for end in [network.address(), network.last()] {
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
