//! Text for people, bytes for programs.
#![cfg(feature = "serde")]

use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr};

use cidr::{Cidr, Interface};
use serde::{Serialize, de::DeserializeOwned};

fn roundtrip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, bytes: &[u8]) {
    let text = serde_json::to_string(&value).expect("written");
    assert_eq!(serde_json::from_str::<T>(&text).expect("read"), value);
    let written = postcard::to_allocvec(&value).expect("written");
    // In front stands how many bytes there are.
    assert_eq!(written[1..], *bytes);
    assert_eq!(postcard::from_bytes::<T>(&written).expect("read"), value);
}

#[test]
fn written_and_read() {
    let ten: Cidr = "10.0.0.0/8".parse().unwrap();
    assert_eq!(serde_json::to_string(&ten).unwrap(), r#""10.0.0.0/8""#);
    roundtrip(ten, &[10, 0, 0, 0, 8]);
    roundtrip(
        "10.0.0.0/8".parse::<Cidr<Ipv4Addr>>().unwrap(),
        &[10, 0, 0, 0, 8],
    );
    roundtrip(
        "192.0.2.7/24".parse::<Interface>().unwrap(),
        &[192, 0, 2, 7, 24],
    );
    let loopback = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 128];
    roundtrip("::1".parse::<Cidr<Ipv6Addr>>().unwrap(), &loopback);
    roundtrip("::1".parse::<Cidr>().unwrap(), &loopback);
}

#[test]
fn refused() {
    let error = serde_json::from_str::<Cidr>(r#""10.0.0.1/8""#).unwrap_err();
    assert!(error.to_string().contains("10.0.0.0/8 is the network"));
    assert!(serde_json::from_str::<Cidr>("8").is_err());
    for bytes in [
        &[5, 10, 0, 0, 1, 8][..],
        &[5, 10, 0, 0, 0, 33],
        &[4, 10, 0, 0, 0],
        &[6, 10, 0, 0, 0, 8, 0],
        &[0],
    ] {
        assert!(postcard::from_bytes::<Cidr>(bytes).is_err(), "{bytes:?}");
    }
    let v6 = postcard::to_allocvec(&"::1".parse::<Cidr>().unwrap()).unwrap();
    assert!(postcard::from_bytes::<Cidr<Ipv4Addr>>(&v6).is_err());
}
