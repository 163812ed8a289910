use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::cidr::Cidr;

mod index;
mod node;
mod ranges;
mod table;
mod trie;
mod v4;
mod v6;
mod walk;
mod words;

pub use index::LpmIndex;
pub use table::LpmTable;

use trie::Trie;

/// A map from networks to values that finds the longest match: of all networks that contain an address,
/// the one with the longest prefix, as routers do.
///
/// ```
/// use cidr::LpmMap;
///
/// let mut map = LpmMap::new();
/// map.insert("0.0.0.0/0".parse()?, "out");
/// map.insert("10.0.0.0/8".parse()?, "office");
/// map.insert("10.1.0.0/16".parse()?, "printers");
///
/// let (network, value) = map.longest_match([10, 1, 2, 3]).unwrap();
/// assert_eq!((network.to_string().as_str(), *value), ("10.1.0.0/16", "printers"));
/// assert_eq!(map.longest_match([192, 0, 2, 1]).unwrap().1, &"out");
/// assert!(map.longest_match([0, 0, 0, 0, 0, 0, 0, 1]).is_none());
/// # Ok::<(), cidr::CidrError>(())
/// ```
///
/// IPv4 and IPv6 are apart: an IPv4-mapped address (`::ffff:10.1.2.3`) is matched as the IPv6 address that
/// it is. [`IpAddr::to_canonical`] unwraps it where that is wanted.
///
/// # Memory and cost
///
/// With a `V` of 4 bytes, a million IPv4 networks as the Internet has them take about 14 bytes each, 200,000 of IPv6
/// about 90, since their nodes hold fewer. Finding, inserting and removing
/// look at up to 4 nodes for IPv4 and 16 for IPv6, of which few are there to look at: one for each octet where networks
/// part. A map that changes seldom and is asked often is worth [freezing](Self::freeze).
#[derive(Clone)]
pub struct LpmMap<V> {
    v4: Trie<u32, V>,
    v6: Trie<u128, V>,
}

impl<V> LpmMap<V> {
    /// An empty map. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            v4: Trie::new(),
            v6: Trie::new(),
        }
    }

    /// Sets the value of a network, and returns the value that it had.
    pub fn insert(&mut self, network: Cidr, value: V) -> Option<V> {
        let prefix_len = network.prefix_len();
        match network.address() {
            IpAddr::V4(first) => self.v4.insert(first.to_bits(), prefix_len, value),
            IpAddr::V6(first) => self.v6.insert(first.to_bits(), prefix_len, value),
        }
    }

    /// Takes a network out, and returns its value. Networks around it and inside it stay.
    pub fn remove(&mut self, network: Cidr) -> Option<V> {
        let prefix_len = network.prefix_len();
        match network.address() {
            IpAddr::V4(first) => self.v4.remove(first.to_bits(), prefix_len),
            IpAddr::V6(first) => self.v6.remove(first.to_bits(), prefix_len),
        }
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// The value of exactly this network, to be changed.
    pub fn get_mut(&mut self, network: Cidr) -> Option<&mut V> {
        let prefix_len = network.prefix_len();
        match network.address() {
            IpAddr::V4(first) => self.v4.get_mut(first.to_bits(), prefix_len),
            IpAddr::V6(first) => self.v6.get_mut(first.to_bits(), prefix_len),
        }
    }

    /// The value of exactly this network.
    #[must_use]
    pub fn get(&self, network: Cidr) -> Option<&V> {
        let prefix_len = network.prefix_len();
        match network.address() {
            IpAddr::V4(first) => self.v4.get(first.to_bits(), prefix_len),
            IpAddr::V6(first) => self.v6.get(first.to_bits(), prefix_len),
        }
    }

    /// Whether exactly this network is in the map.
    #[must_use]
    pub fn contains_key(&self, network: Cidr) -> bool {
        self.get(network).is_some()
    }

    /// How many networks are in the map, of both families.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether the map has no networks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The network with the longest prefix of those that contain the address, and its value.
    #[must_use]
    #[inline]
    pub fn longest_match(&self, address: impl Into<IpAddr>) -> Option<(Cidr, &V)> {
        let address = address.into();
        let (prefix_len, value) = match address {
            IpAddr::V4(v4) => self.v4.longest_match(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.longest_match(v6.to_bits()),
        }?;
        Some((Cidr::new_lenient(address, prefix_len).ok()?, value))
    }

    /// All networks that contain the address, with their values, the shortest prefix first.
    pub fn matches(&self, address: impl Into<IpAddr>) -> impl Iterator<Item = (Cidr, &V)> {
        let (v4, v6) = match address.into() {
            IpAddr::V4(v4) => (Some(self.v4.matches(v4.to_bits())), None),
            IpAddr::V6(v6) => (None, Some(self.v6.matches(v6.to_bits()))),
        };
        let v4 = v4.into_iter().flatten().filter_map(network_v4);
        v4.chain(v6.into_iter().flatten().filter_map(network_v6))
    }

    /// The network itself and all networks inside it, with their values, in order.
    pub fn covered_by(&self, network: Cidr) -> impl Iterator<Item = (Cidr, &V)> {
        let prefix_len = network.prefix_len();
        let (v4, v6) = match network.address() {
            IpAddr::V4(v4) => (Some(self.v4.covered_by(v4.to_bits(), prefix_len)), None),
            IpAddr::V6(v6) => (None, Some(self.v6.covered_by(v6.to_bits(), prefix_len))),
        };
        let v4 = v4.into_iter().flatten().filter_map(network_v4);
        v4.chain(v6.into_iter().flatten().filter_map(network_v6))
    }

    /// All networks with their values, in order: IPv4 first, by address, the shorter prefix first.
    pub fn iter(&self) -> impl Iterator<Item = (Cidr, &V)> {
        let v4 = self.v4.iter().filter_map(network_v4);
        v4.chain(self.v6.iter().filter_map(network_v6))
    }
}

impl<V: PartialEq> PartialEq for LpmMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for LpmMap<V> {}

impl<V> Default for LpmMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Of equal networks the last one stays.
impl<V> FromIterator<(Cidr, V)> for LpmMap<V> {
    fn from_iter<I: IntoIterator<Item = (Cidr, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<V> Extend<(Cidr, V)> for LpmMap<V> {
    fn extend<I: IntoIterator<Item = (Cidr, V)>>(&mut self, entries: I) {
        for (network, value) in entries {
            self.insert(network, value);
        }
    }
}

impl<V: fmt::Debug> fmt::Debug for LpmMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn network_v4<V>((bits, prefix_len, value): (u32, u8, V)) -> Option<(Cidr, V)> {
    let network = Cidr::new_lenient(Ipv4Addr::from_bits(bits).into(), prefix_len);
    Some((network.ok()?, value))
}

fn network_v6<V>((bits, prefix_len, value): (u128, u8, V)) -> Option<(Cidr, V)> {
    let network = Cidr::new_lenient(Ipv6Addr::from_bits(bits).into(), prefix_len);
    Some((network.ok()?, value))
}
