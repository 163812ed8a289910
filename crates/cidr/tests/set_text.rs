//! Sets as text.

use std::error::Error;

use cidr::{CidrError, IpSet, IpSetError};
use proptest::prelude::*;

#[test]
fn what_is_read_and_written() {
    let cases = [
        ("", ""),
        (" ,,\n", ""),
        ("10.0.0.1", "10.0.0.1/32"),
        ("10.0.0.128/25,10.0.0.0/25", "10.0.0.0/24"),
        ("::1 10.0.0.0/255.0.0.0", "10.0.0.0/8, ::1/128"),
        ("10.0.0.3-10.0.0.8", "10.0.0.3/32, 10.0.0.4/30, 10.0.0.8/32"),
        ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
        (
            "# a list\n10.0.0.0/8 # ours\r\n#\n192.168.0.0/16#",
            "10.0.0.0/8, 192.168.0.0/16",
        ),
    ];
    for (text, written) in cases {
        let set: IpSet = text.parse().expect(text);
        assert_eq!(set.to_string(), written, "{text:?}");
        assert_eq!(written.parse(), Ok(set), "{text:?}");
    }
    let set: IpSet = "::1, 10.0.0.0/8".parse().unwrap();
    assert_eq!(format!("{set:?}"), "IpSet(10.0.0.0/8, ::1/128)");
}

#[test]
fn errors_say_where() {
    let cases = [
        (
            "10.0.0.0/8, 10.0.0.1/8",
            "in the network at byte 12: 10.0.0.1/8 has host bits set; 10.0.0.0/8 is the network",
        ),
        (
            "# x\n10.0.0.0/33",
            "in the network at byte 4: prefix length 33 is more than 32",
        ),
        (
            "10.0.0.9-10.0.0.1",
            "in the range at byte 0: a range from 10.0.0.9 to 10.0.0.1 ends before it begins",
        ),
        (
            " 10.0.0.1-::1",
            "in the range at byte 1: 10.0.0.1 and ::1, the ends of a range, are of two families",
        ),
    ];
    for (text, told) in cases {
        let error = text.parse::<IpSet>().expect_err(text);
        assert_eq!(error.to_string(), told, "{text:?}");
        assert!(error.source().is_some());
    }
    let network = |at, error| Err(IpSetError::Network { at, error });
    let cases = [
        ("10.0.0.1-10.0.0.0/8", network(9, CidrError::NoAddress)),
        ("10.0.0.0/8-10.0.0.9", network(0, CidrError::NoAddress)),
        ("10.0.0.1 - 10.0.0.9", network(9, CidrError::NoAddress)),
        (
            "10.0.0.1-10.0.0.09",
            network(9, CidrError::LeadingZero { at: 7 }),
        ),
        ("fe80::1%eth-0", network(0, CidrError::Zone { at: 7 })),
        ("10.0.0.1;10.0.0.2", network(0, CidrError::NoAddress)),
        ("-", network(0, CidrError::NoAddress)),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<IpSet>(), error, "{text:?}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn lists_of_networks() {
    let set: IpSet = "10.0.0.3-10.0.0.8, ::/0".parse().unwrap();
    let json = serde_json::to_string(&set).unwrap();
    assert_eq!(
        json,
        r#"["10.0.0.3/32","10.0.0.4/30","10.0.0.8/32","::/0"]"#
    );
    assert_eq!(serde_json::from_str::<IpSet>(&json).unwrap(), set);
    let bytes = postcard::to_allocvec(&set).unwrap();
    assert_eq!(bytes.len(), 1 + 3 * (1 + 5) + (1 + 17));
    assert_eq!(postcard::from_bytes::<IpSet>(&bytes).unwrap(), set);
    assert_eq!(serde_json::from_str::<IpSet>("[]").unwrap(), IpSet::new());
    let error = serde_json::from_str::<IpSet>(r#"["::1", "10.0.0.1/8"]"#).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("10.0.0.1/8 has host bits set"),
        "{error}"
    );
    assert!(serde_json::from_str::<IpSet>(r#""10.0.0.0/8""#).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in "[0-9a-f:./,# \n%-]{0,40}") {
        if let Ok(set) = text.parse::<IpSet>() {
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }
    }
}
