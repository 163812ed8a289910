use alloc::collections::BTreeMap;
use core::fmt;
use core::net::IpAddr;

use crate::cidr::Cidr;

mod index;
mod ranges;
mod table;
mod v4;
mod v6;
mod words;

pub use index::LpmIndex;
pub use table::LpmTable;

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
#[derive(Clone, PartialEq, Eq)]
pub struct LpmMap<V> {
    entries: BTreeMap<Cidr, V>,
}

impl<V> LpmMap<V> {
    /// An empty map. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }

    /// Sets the value of a network, and returns the value that it had.
    pub fn insert(&mut self, network: Cidr, value: V) -> Option<V> {
        self.entries.insert(network, value)
    }

    /// Takes a network out, and returns its value. Networks around it and inside it stay.
    pub fn remove(&mut self, network: Cidr) -> Option<V> {
        self.entries.remove(&network)
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The value of exactly this network, to be changed.
    pub fn get_mut(&mut self, network: Cidr) -> Option<&mut V> {
        self.entries.get_mut(&network)
    }

    /// The value of exactly this network.
    #[must_use]
    pub fn get(&self, network: Cidr) -> Option<&V> {
        self.entries.get(&network)
    }

    /// Whether exactly this network is in the map.
    #[must_use]
    pub fn contains_key(&self, network: Cidr) -> bool {
        self.get(network).is_some()
    }

    /// How many networks are in the map, of both families.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the map has no networks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The network with the longest prefix of those that contain the address, and its value.
    #[must_use]
    pub fn longest_match(&self, address: impl Into<IpAddr>) -> Option<(Cidr, &V)> {
        let address = address.into();
        let mut at_most = Cidr::from(address);
        // What stands before the address either contains it, or tells how long a match can be at most.
        loop {
            let (&before, value) = self.entries.range(..=at_most).next_back()?;
            let shared = shared_prefix_len(before.address(), address)?;
            if shared >= before.prefix_len() {
                return Some((before, value));
            }
            at_most = Cidr::new_lenient(address, shared).ok()?;
        }
    }

    /// All networks that contain the address, with their values, the shortest prefix first.
    pub fn matches(&self, address: impl Into<IpAddr>) -> impl Iterator<Item = (Cidr, &V)> {
        let address = address.into();
        let lens = 0..=Cidr::from(address).prefix_len();
        lens.filter_map(move |prefix_len| {
            let network = Cidr::new_lenient(address, prefix_len).ok()?;
            Some((network, self.get(network)?))
        })
    }

    /// The network itself and all networks inside it, with their values, in order.
    pub fn covered_by(&self, network: Cidr) -> impl Iterator<Item = (Cidr, &V)> {
        let inside = move |inner: Cidr| {
            let shared = shared_prefix_len(inner.address(), network.address());
            shared.is_some_and(|shared| shared >= network.prefix_len())
        };
        let from = self.entries.range(network..);
        from.take_while(move |entry| inside(*entry.0))
            .map(|(network, value)| (*network, value))
    }

    fn networks_v4(&self) -> impl Iterator<Item = (u32, u8)> {
        self.entries
            .keys()
            .filter_map(|network| match network.address() {
                IpAddr::V4(v4) => Some((v4.to_bits(), network.prefix_len())),
                IpAddr::V6(_) => None,
            })
    }

    fn networks_v6(&self) -> impl Iterator<Item = (u128, u8)> {
        self.entries
            .keys()
            .filter_map(|network| match network.address() {
                IpAddr::V4(_) => None,
                IpAddr::V6(v6) => Some((v6.to_bits(), network.prefix_len())),
            })
    }

    /// All networks with their values, in order: IPv4 first, by address, the shorter prefix first.
    pub fn iter(&self) -> impl Iterator<Item = (Cidr, &V)> {
        self.entries
            .iter()
            .map(|(network, value)| (*network, value))
    }
}

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

/// How many first bits two addresses have in common; `None` if they are of different families.
fn shared_prefix_len(a: IpAddr, b: IpAddr) -> Option<u8> {
    let shared = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return None,
    };
    u8::try_from(shared).ok()
}
