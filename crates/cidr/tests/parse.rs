//! What is read, what is refused, and what the errors say.

use std::net::{IpAddr, Ipv4Addr};

use cidr::{Cidr, CidrError};
use ipnet::IpNet;
use proptest::prelude::*;

#[test]
fn networks_are_written_as_they_are_read() {
    for text in [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "192.0.2.1/32",
        "255.255.255.255/32",
        "::/0",
        "2001:db8::/32",
        "::1/128",
        "::ffff:10.0.0.0/104",
    ] {
        assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
    }
}

#[test]
fn other_notations_of_a_network() {
    for (text, network) in [
        ("192.0.2.1", "192.0.2.1/32"),
        ("::1", "::1/128"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("10.0.0.0/0.255.255.255", "10.0.0.0/8"),
        // All zeros and all ones are netmasks.
        ("0.0.0.0/0.0.0.0", "0.0.0.0/0"),
        ("10.0.0.0/255.255.255.255", "10.0.0.0/32"),
        ("2001:DB8:0:0::/32", "2001:db8::/32"),
        ("1:2:3:4:5:6:7::/112", "1:2:3:4:5:6:7:0/112"),
    ] {
        assert_eq!(text.parse::<Cidr>().unwrap().to_string(), network, "{text}");
    }
}

#[test]
fn refused_with_the_reason() {
    for (text, reason) in [
        (
            "10.0.0.1/8",
            "10.0.0.1/8 has host bits set; 10.0.0.0/8 is the network",
        ),
        (
            "10.0.0.1/255.0.0.0",
            "10.0.0.1/8 has host bits set; 10.0.0.0/8 is the network",
        ),
        (
            "2001:db8::1/32",
            "2001:db8::1/32 has host bits set; 2001:db8::/32 is the network",
        ),
        ("10.0.0.0/33", "prefix length 33 is more than 32"),
        ("::/129", "prefix length 129 is more than 128"),
        (
            "::/99999999999",
            "prefix length 4294967295 is more than 128",
        ),
        ("10.0.010.0/8", "the number at byte 5 begins with a zero"),
        (
            "::ffff:10.0.0.00/104",
            "the number at byte 14 begins with a zero",
        ),
        ("10.0.0.0/08", "the number at byte 9 begins with a zero"),
        (
            "fe80::%eth0/64",
            "the zone at byte 6 is not part of an address here",
        ),
        (
            "10.0.0.0/255.0.255.0",
            "255.0.255.0 is neither a netmask (ones, then zeros) nor a hostmask (zeros, then ones)",
        ),
    ] {
        assert_eq!(text.parse::<Cidr>().unwrap_err().to_string(), reason);
    }
}

#[test]
fn refused_as_no_address_or_no_length() {
    for text in [
        "",
        "/8",
        "10/8",
        "10.0.0/8",
        "10.0.0.0.0/8",
        "256.0.0.0/8",
        " 10.0.0.0/8",
        "0x0a.0.0.0/8",
        "1.2.3.٤",
        "example.org",
        "1::2::3",
        "1::2:3:4:5:6:7:8",
        "[::1]",
        "10.0.0.0:80",
    ] {
        assert_eq!(text.parse::<Cidr>(), Err(CidrError::NoAddress), "{text:?}");
    }
    for text in [
        "", " 8", "+8", "-8", "8 ", "8\n", "8/8", "0x8", "٨", "255.0.0", "::",
    ] {
        let max = 32;
        let network = format!("10.0.0.0/{text}").parse::<Cidr>();
        assert_eq!(network, Err(CidrError::NoPrefix { max }), "{text:?}");
    }
    assert_eq!(
        "::/255.0.0.0".parse::<Cidr>(),
        Err(CidrError::NoPrefix { max: 128 })
    );
}

#[test]
fn lenient_drops_host_bits_and_forgives_nothing_else() {
    for (text, network) in [
        ("123.45.67.89/27", "123.45.67.64/27"),
        ("255.255.255.255/0", "0.0.0.0/0"),
        ("2001:db8::1/0", "::/0"),
        ("10.9.8.7/0.0.255.255", "10.9.0.0/16"),
    ] {
        let read = Cidr::parse_lenient(text).unwrap();
        assert_eq!(read.to_string(), network);
    }
    for text in ["010.0.0.0/8", "10.0.0.0/33", "10.0.0.0/", "10/8"] {
        let strict = text.parse::<Cidr>().unwrap_err();
        assert_eq!(Cidr::parse_lenient(text).unwrap_err(), strict);
    }
}

#[test]
fn to_and_from_ipnet() {
    let cidr: Cidr = "10.0.0.0/8".parse().unwrap();
    let net: IpNet = cidr.into();
    assert_eq!(net.to_string(), "10.0.0.0/8");
    assert_eq!(Cidr::try_from(net), Ok(cidr));
    let with_host_bits: IpNet = "10.0.0.1/8".parse().unwrap();
    assert_eq!(
        Cidr::try_from(with_host_bits),
        Err(CidrError::HostBits {
            address: IpAddr::from([10, 0, 0, 1]),
            network: cidr,
        })
    );
}

#[test]
fn sorted_by_family_address_and_length() {
    let sorted = [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.0.0.0/16",
        "10.0.1.0/24",
        "::/0",
        "::/128",
        "::1/128",
    ]
    .map(|text| text.parse::<Cidr>().expect("a network"));
    assert!(sorted.is_sorted_by(|a, b| a < b));
}

proptest! {
    #[test]
    fn what_is_written_is_read(address: IpAddr, prefix_len: u8) {
        let max = if address.is_ipv4() { 32 } else { 128 };
        match Cidr::new_lenient(address, prefix_len) {
            Ok(network) => prop_assert_eq!(network.to_string().parse(), Ok(network)),
            Err(error) => {
                let prefix_len = u32::from(prefix_len);
                prop_assert!(prefix_len > u32::from(max));
                prop_assert_eq!(error, CidrError::PrefixLen { prefix_len, max });
            }
        }
    }

    #[test]
    fn masks_say_what_lengths_say(address: Ipv4Addr, prefix_len in 0..=32_u8) {
        let network = Cidr::new_lenient(address, prefix_len).unwrap();
        let netmask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
        let with_netmask = format!("{address}/{}", Ipv4Addr::from(netmask));
        prop_assert_eq!(Cidr::parse_lenient(&with_netmask), Ok(network.into()));
        let hostmask = match prefix_len {
            // As netmasks these mean the opposite, and they are read as such.
            0 | 32 => return Ok(()),
            _ => !netmask,
        };
        let with_hostmask = format!("{address}/{}", Ipv4Addr::from(hostmask));
        prop_assert_eq!(Cidr::parse_lenient(&with_hostmask), Ok(network.into()));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9a-f:./% ]{0,40}|\\PC{0,40}") {
        if let Ok(network) = text.parse::<Cidr>() {
            prop_assert_eq!(Cidr::parse_lenient(&text), Ok(network));
        }
    }
}
