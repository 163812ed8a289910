//! A list of networks, each as [`Cidr`] is serialized.

use core::fmt;
use core::iter;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::cidr::Cidr;
use crate::set::IpSet;

/// The smallest list of networks, in order.
impl Serialize for IpSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Some formats write the length first.
        let mut list = serializer.serialize_seq(Some(self.networks().count()))?;
        for network in self.networks() {
            list.serialize_element(&network)?;
        }
        list.end()
    }
}

/// Any list of networks.
impl<'de> Deserialize<'de> for IpSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Networks)
    }
}

struct Networks;

impl<'de> Visitor<'de> for Networks {
    type Value = IpSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of networks as in [\"10.0.0.0/8\"]")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut sequence: S) -> Result<IpSet, S::Error> {
        iter::from_fn(|| sequence.next_element::<Cidr>().transpose()).collect()
    }
}
