//! Addresses with the network they are in, and all forms in which networks and addresses are written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cidr::{Address, Cidr, CidrError, Interface};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

fn interface(text: &str) -> Interface {
    text.parse().expect("an interface")
}

#[test]
fn host_bits_stay() {
    for (text, ip, network) in [
        ("123.45.67.73/27", "123.45.67.73", "123.45.67.64/27"),
        (
            "123.45.67.73/255.255.255.224",
            "123.45.67.73",
            "123.45.67.64/27",
        ),
        ("192.0.2.7", "192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::7/64", "2001:db8::7", "2001:db8::/64"),
        ("255.255.255.255/0", "255.255.255.255", "0.0.0.0/0"),
    ] {
        let read = interface(text);
        assert_eq!(read.ip().to_string(), ip);
        assert_eq!(read.network().to_string(), network);
        assert_eq!(read.prefix_len(), read.network().prefix_len());
    }
}

#[test]
fn refused_as_networks_are() {
    for text in [
        "10.0.0.1/33",
        "10.0.0.01",
        "fe80::1%eth0/64",
        "10.0.0.1/",
        "",
        "::1/ffff::",
    ] {
        let error = Cidr::parse_lenient(text).unwrap_err();
        assert_eq!(text.parse::<Interface>(), Err(error));
    }
    let max = 32;
    let prefix_len = 33;
    let error = CidrError::PrefixLen { prefix_len, max };
    assert_eq!(Interface::new(Ipv4Addr::LOCALHOST, 33), Err(error));
}

#[test]
fn sorted_by_network_then_address() {
    let sorted = [
        "10.0.0.9/8",
        "10.0.0.1/24",
        "10.0.0.2/24",
        "10.0.1.0/24",
        "::1/64",
    ];
    assert!(sorted.map(interface).is_sorted_by(|a, b| a < b));
}

#[test]
fn of_one_family_or_the_other() {
    let v4: Interface<Ipv4Addr> = "192.0.2.7/24".parse().unwrap();
    assert_eq!(
        Interface::<Ipv4Addr>::try_from(Interface::<IpAddr>::from(v4)),
        Ok(v4)
    );
    let error = "2001:db8::7/64".parse::<Interface<Ipv4Addr>>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "2001:db8::7 is an IPv6 address where an IPv4 address is due"
    );
    let error = "192.0.2.0/24".parse::<Cidr<Ipv6Addr>>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "192.0.2.0 is an IPv4 address where an IPv6 address is due"
    );
    let v6: Cidr<Ipv6Addr> = "2001:db8::/32".parse().unwrap();
    assert_eq!(Cidr::<Ipv6Addr>::try_from(v6.either()), Ok(v6));
    assert!(Cidr::<Ipv4Addr>::try_from(v6.either()).is_err());
}

#[test]
fn an_ipnet_network_is_an_interface() {
    let net: IpNet = "192.0.2.7/24".parse().unwrap();
    assert_eq!(Interface::from(net), interface("192.0.2.7/24"));
    assert_eq!(IpNet::from(interface("192.0.2.7/24")), net);
    let net: Ipv4Net = "192.0.2.7/24".parse().unwrap();
    let v4 = Interface::<Ipv4Addr>::from(net);
    assert_eq!(
        (v4.to_string().as_str(), Ipv4Net::from(v4)),
        ("192.0.2.7/24", net)
    );
    assert!(Cidr::<Ipv4Addr>::try_from(net).is_err());
    let net: Ipv6Net = "2001:db8::/32".parse().unwrap();
    let v6 = Cidr::<Ipv6Addr>::try_from(net).unwrap();
    assert_eq!(
        (v6.to_string().as_str(), Ipv6Net::from(v6)),
        ("2001:db8::/32", net)
    );
    assert_eq!(Ipv6Net::from(Interface::from(v6)), net);
}

#[test]
fn forms() {
    let v4: Cidr = "10.0.0.0/8".parse().unwrap();
    assert_eq!(v4.with_netmask(), "10.0.0.0/255.0.0.0");
    assert_eq!(v4.with_hostmask(), "10.0.0.0/0.255.255.255");
    assert_eq!(v4.exploded(), "10.0.0.0/8");
    let v6: Cidr<Ipv6Addr> = "2001:db8::/32".parse().unwrap();
    assert_eq!(v6.with_netmask(), "2001:db8::/ffff:ffff::");
    assert_eq!(
        v6.with_hostmask(),
        "2001:db8::/::ffff:ffff:ffff:ffff:ffff:ffff"
    );
    assert_eq!(v6.exploded(), "2001:0db8:0000:0000:0000:0000:0000:0000/32");
    for (text, netmask, hostmask) in [
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
        ("10.0.0.0/32", "255.255.255.255", "0.0.0.0"),
        ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("::1/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::"),
    ] {
        let network: Cidr = text.parse().unwrap();
        assert_eq!(network.netmask().to_string(), netmask);
        assert_eq!(network.hostmask().to_string(), hostmask);
    }
    let seven = interface("192.0.2.7/24");
    assert_eq!(seven.with_netmask(), "192.0.2.7/255.255.255.0");
    assert_eq!(seven.with_hostmask(), "192.0.2.7/0.0.0.255");
    assert_eq!(
        interface("::7/64").exploded(),
        "0000:0000:0000:0000:0000:0000:0000:0007/64"
    );
}

#[test]
fn filled_up_in_tables() {
    let network: Cidr = "10.0.0.0/8".parse().unwrap();
    assert_eq!(format!("{network:14}|"), "10.0.0.0/8    |");
    assert_eq!(format!("{network:>14}|"), "    10.0.0.0/8|");
    assert_eq!(format!("{:*^13}", interface("10.0.0.1/8")), "*10.0.0.1/8**");
}

#[test]
fn digits_of_addresses() {
    let v4 = Ipv4Addr::new(1, 2, 3, 254);
    assert_eq!(
        format!("{:b}", v4.digits()),
        "00000001000000100000001111111110"
    );
    assert_eq!(format!("{:#x}", v4.digits()), "0x010203fe");
    assert_eq!(format!("{:#X}", v4.digits().grouped()), "0X0102_03FE");
    assert_eq!(
        format!("{:#b}", v4.digits().grouped()),
        "0b0000_0001_0000_0010_0000_0011_1111_1110"
    );
    let v6: IpAddr = "2001:db8::f".parse().unwrap();
    assert_eq!(
        format!("{:x}", v6.digits()),
        "20010db800000000000000000000000f"
    );
    assert_eq!(format!("{:b}", Ipv6Addr::LOCALHOST.digits()).len(), 128);
}

#[test]
fn names_in_the_dns() {
    assert_eq!(
        Ipv4Addr::new(1, 2, 3, 4).reverse_pointer(),
        "4.3.2.1.in-addr.arpa"
    );
    let v6: IpAddr = "2001:db8::567:89ab".parse().unwrap();
    assert_eq!(
        v6.reverse_pointer(),
        "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
    );
}

#[test]
fn addresses_count() {
    assert_eq!(
        Ipv4Addr::LOCALHOST.checked_add(1),
        Some([127, 0, 0, 2].into())
    );
    assert_eq!(Ipv4Addr::BROADCAST.checked_add(1), None);
    assert_eq!(Ipv4Addr::LOCALHOST.checked_add(u128::MAX), None);
    assert_eq!(Ipv4Addr::UNSPECIFIED.checked_sub(1), None);
    let all = Ipv6Addr::UNSPECIFIED.checked_add(u128::MAX).unwrap();
    assert_eq!(all.checked_add(1), None);
    assert_eq!(all.checked_sub(u128::MAX), Some(Ipv6Addr::UNSPECIFIED));
    assert_eq!(IpAddr::from(all).checked_sub(0), Some(all.into()));
}

proptest! {
    #[test]
    fn what_is_written_is_read(address: IpAddr, prefix_len: u8) {
        let prefix_len = prefix_len % (Cidr::from(address).prefix_len() + 1);
        let interface = Interface::new(address, prefix_len).unwrap();
        prop_assert_eq!(interface.to_string().parse(), Ok(interface));
        prop_assert_eq!(interface.exploded().parse(), Ok(interface));
        prop_assert_eq!(Interface::from(IpNet::from(interface)), interface);
        prop_assert_eq!(interface.network(), Cidr::new_lenient(address, prefix_len).unwrap());
        if address.is_ipv4() {
            prop_assert_eq!(interface.with_netmask().parse(), Ok(interface));
        }
    }
}
