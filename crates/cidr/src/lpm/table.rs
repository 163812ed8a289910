use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use super::{LpmIndex, LpmMap};
use crate::cidr::Cidr;
use crate::error::LpmError;

/// An [`LpmMap`] that is frozen: it cannot be changed, is smaller, and finds the longest match faster. It is an
/// [`LpmIndex`] and the values in the same order.
///
/// ```
/// use cidr::LpmMap;
///
/// let mut map = LpmMap::new();
/// map.insert("10.0.0.0/8".parse()?, "office");
/// map.insert("10.1.0.0/16".parse()?, "printers");
///
/// let table = map.freeze()?;
/// let (network, value) = table.longest_match([10, 1, 2, 3]).unwrap();
/// assert_eq!((network.to_string().as_str(), *value), ("10.1.0.0/16", "printers"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # A new table under readers
///
/// Who changes the map freezes it again, and puts the new table in place of the old one. With `arc-swap`
/// readers wait for nobody, and each has a whole table, the old or the new:
///
/// ```
/// use arc_swap::ArcSwap;
/// use cidr::LpmMap;
///
/// let mut map = LpmMap::new();
/// map.insert("10.0.0.0/8".parse()?, "office");
/// let current = ArcSwap::from_pointee(map.freeze()?);
///
/// // a reader, in any thread
/// let table = current.load();
///
/// // the writer
/// map.insert("10.1.0.0/16".parse()?, "printers");
/// current.store(map.freeze()?.into());
///
/// assert_eq!(table.longest_match([10, 1, 2, 3]).unwrap().1, &"office");
/// assert_eq!(current.load().longest_match([10, 1, 2, 3]).unwrap().1, &"printers");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LpmTable<V, B = Vec<u8>> {
    index: LpmIndex<B>,
    values: Vec<V>,
}

impl<V> LpmMap<V> {
    /// Makes a table of what is in the map now, in time linear in its networks.
    ///
    /// # Errors
    ///
    /// [`LpmError::TooMany`] if there are more networks than 31 bits can number, with the ranges they cut.
    pub fn freeze(&self) -> Result<LpmTable<V>, LpmError>
    where
        V: Clone,
    {
        Ok(LpmTable {
            index: LpmIndex::new(self)?,
            values: self.iter().map(|entry| entry.1.clone()).collect(),
        })
    }
}

impl<V, B: AsRef<[u8]>> LpmTable<V, B> {
    /// Puts an index and the values of its networks together.
    ///
    /// # Errors
    ///
    /// [`LpmError::Values`] if there are not as many values as networks.
    pub fn new(index: LpmIndex<B>, values: Vec<V>) -> Result<Self, LpmError> {
        let (networks, values_len) = (index.len(), values.len());
        if networks == values_len {
            return Ok(Self { index, values });
        }
        Err(LpmError::Values {
            networks,
            values: values_len,
        })
    }

    /// The network with the longest prefix of those that contain the address, and its value.
    #[must_use]
    #[inline]
    pub fn longest_match(&self, address: impl Into<IpAddr>) -> Option<(Cidr, &V)> {
        let (network, number) = self.index.longest_match(address)?;
        Some((network, self.values.get(number as usize)?))
    }

    /// The value of the longest match alone.
    #[must_use]
    #[inline]
    pub fn find(&self, address: impl Into<IpAddr>) -> Option<&V> {
        let number = self.index.find(address)?;
        self.values.get(number as usize)
    }

    /// The values of the longest matches of many IPv4 addresses, as many as both slices have: faster a piece
    /// than [`find`](Self::find), because the memory is asked for several of them at once.
    pub fn find_batch<'a>(&'a self, addresses: &[Ipv4Addr], values: &mut [Option<&'a V>]) {
        self.index.each_v4(addresses, values, |answer| {
            self.values.get((answer as usize).wrapping_sub(1))
        });
    }

    /// The networks.
    #[must_use]
    pub fn index(&self) -> &LpmIndex<B> {
        &self.index
    }

    /// The values, in the order of [`LpmMap::iter`].
    #[must_use]
    pub fn values(&self) -> &[V] {
        &self.values
    }
}

impl<V, B: AsRef<[u8]>> fmt::Debug for LpmTable<V, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LpmTable")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
