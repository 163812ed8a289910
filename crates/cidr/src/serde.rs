//! Text where people read the format, else bytes: the address's 4 or 16, then the prefix length.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::net::IpAddr;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::address::Address;
use crate::cidr::Cidr;
use crate::error::CidrError;
use crate::interface::Interface;
use crate::parse;

impl<A: Address> Serialize for Cidr<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, self.address(), self.prefix_len(), serializer)
    }
}

impl<A: Address> Serialize for Interface<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, self.ip(), self.prefix_len(), serializer)
    }
}

impl<'de, A: Address> Deserialize<'de> for Cidr<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, Self::new)
    }
}

impl<'de, A: Address> Deserialize<'de> for Interface<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, Self::new)
    }
}

fn serialize<S: Serializer>(
    text: &impl fmt::Display,
    address: impl Into<IpAddr>,
    prefix_len: u8,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        return serializer.collect_str(text);
    }
    let mut bytes = Vec::with_capacity(17);
    match address.into() {
        IpAddr::V4(address) => bytes.extend(address.octets()),
        IpAddr::V6(address) => bytes.extend(address.octets()),
    }
    bytes.push(prefix_len);
    serializer.serialize_bytes(&bytes)
}

fn deserialize<'de, D, A, T>(
    deserializer: D,
    new: fn(A, u8) -> Result<T, CidrError>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    A: Address,
    T: FromStr<Err = CidrError>,
{
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(Text(PhantomData))
    } else {
        deserializer.deserialize_bytes(Bytes(new))
    }
}

struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err = CidrError>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a network as in \"10.0.0.0/8\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

struct Bytes<A, T>(fn(A, u8) -> Result<T, CidrError>);

impl<A: Address, T> Visitor<'_> for Bytes<A, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the 4 or 16 bytes of an address and a prefix length")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        let wrong_len = || E::invalid_length(bytes.len(), &self);
        let (&prefix_len, octets) = bytes.split_last().ok_or_else(wrong_len)?;
        let address = match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
            (Ok(octets), _) => IpAddr::from(octets),
            (_, Ok(octets)) => IpAddr::from(octets),
            _ => return Err(wrong_len()),
        };
        let address = parse::of_family(address).map_err(E::custom)?;
        self.0(address, prefix_len).map_err(E::custom)
    }
}
