//! Every prefix length on random addresses, beside Python's `ipaddress`.
//!
//! `CIDR_ADDRESSES` is how many addresses each length is tried with (default 2000).

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::Cidr;
use support::Python;

#[test]
fn every_prefix_length_of_ipv4() {
    compare("4", 33, |number| {
        let number = u32::try_from(number).expect("an IPv4 address");
        Ipv4Addr::from_bits(number).into()
    });
}

#[test]
fn every_prefix_length_of_ipv6() {
    compare("6", 129, |number| Ipv6Addr::from_bits(number).into());
}

fn compare(family: &str, lens: usize, address: impl Fn(u128) -> IpAddr) {
    let count = std::env::var("CIDR_ADDRESSES").unwrap_or_else(|_| "2000".to_owned());
    let mut compared = 0;
    let python = Python::start("python3".as_ref(), "prefix_lengths.py", &[family, &count]);
    python.each_line(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let address = |word| address(u128::from_str_radix(word, 16).expect("a number"));
        let prefix_len: u8 = words[0].parse().expect("a length");
        let network = Cidr::new_lenient(address(words[1]), prefix_len).expect("a network");
        assert_eq!(network.address(), address(words[2]), "{line}");
        assert_eq!(network.last(), address(words[3]), "{line}");
        assert_eq!(
            network.contains(address(words[4])),
            words[5] == "1",
            "{line}"
        );
        let is_network = network.address() == address(words[1]);
        let strict = Cidr::new(address(words[1]), prefix_len);
        assert_eq!(strict.is_ok(), is_network, "{line}");
        compared += 1;
    });
    let count: usize = count.parse().expect("CIDR_ADDRESSES is a number");
    assert_eq!(compared, lens * count);
}
