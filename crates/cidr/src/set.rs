use core::fmt;
use core::iter::FusedIterator;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use alloc::vec::Vec;

use crate::address::Address;
use crate::cidr::Cidr;
use crate::number::{Number, Range};
use crate::summarize::RangeError;
use borders::Borders;

mod borders;
mod operators;
mod random;
#[cfg(feature = "serde")]
mod serde;
mod text;

pub use text::IpSetError;

/// A set of addresses of both families, kept as sorted ranges that neither touch nor overlap.
///
/// Two sets with the same addresses are equal, however they were made.
///
/// | operator | method | has the addresses |
/// |---|---|---|
/// | `&a \| &b` | [`union`](Self::union) | of `a` or `b` |
/// | `&a & &b` | [`intersection`](Self::intersection) | of `a` and `b` |
/// | `&a - &b` | [`difference`](Self::difference) | of `a`, but not `b` |
/// | `&a ^ &b` | [`symmetric_difference`](Self::symmetric_difference) | of either, but not both |
/// | `!&a` | [`complement`](Self::complement) | of both families that are not in `a` |
///
/// Each of these makes a new set in one pass over the ranges of both; so do `|=`, `&=`, `-=` and `^=`. A
/// question about one address or network is a binary search. A range takes 8 bytes, or 32 for IPv6.
/// [`insert`](Self::insert) and [`remove`](Self::remove) move the ranges behind the place, so many networks
/// are better collected at once, which sorts them:
///
/// ```
/// use cidr::{Cidr, IpSet};
///
/// let pool: IpSet = "10.0.0.0/22, 2001:db8::/64".parse()?;
/// let used: IpSet = ["10.0.0.0/24", "10.0.2.16/28"]
///     .into_iter()
///     .map(str::parse::<Cidr>)
///     .collect::<Result<_, _>>()?;
/// let mut free = &pool - &used;
/// assert_eq!(free.size_v4(), 1024 - 256 - 16);
/// assert!(!free.contains([10, 0, 2, 20]));
///
/// let network = free.take_v4(25).ok_or("no /25 is free")?;
/// assert_eq!(network.to_string(), "10.0.2.128/25");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Addresses are compared as numbers: an IPv4-mapped address such as `::ffff:10.0.0.1` is an IPv6 address
/// like others, and no member of a set that has 10.0.0.1. Where a socket reports such peers, ask
/// `set.contains(address.to_canonical())`.
///
/// As text, a set is its smallest list of networks, `10.0.0.0/8, 2001:db8::/32`. It is read from
/// networks, addresses and ranges `10.0.0.1-10.0.0.9`, between them commas, blanks and line ends in any
/// number, and `#` before a comment to the end of its line. With the feature `serde` it is a list of
/// networks.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IpSet {
    v4: Borders<u32>,
    v6: Borders<u128>,
}

impl IpSet {
    /// Makes an empty set. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            v4: Borders::new(),
            v6: Borders::new(),
        }
    }

    /// Puts in all addresses of a network, or one address. Costs moving the ranges behind it.
    ///
    /// ```
    /// use cidr::{Cidr, IpSet};
    /// use std::net::IpAddr;
    ///
    /// let mut set = IpSet::new();
    /// set.insert("10.0.0.0/25".parse::<Cidr>()?);
    /// set.insert(IpAddr::from([10, 0, 0, 128]));
    /// assert_eq!(set.to_string(), "10.0.0.0/25, 10.0.0.128/32");
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    pub fn insert(&mut self, network: impl Into<Cidr>) {
        self.assign(Range::of(network.into()), true);
    }

    /// Puts in all addresses from one to another, both included. Costs moving the ranges behind them.
    ///
    /// # Errors
    ///
    /// [`RangeError`] if the range ends before it begins, or the ends are of two families.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut set = cidr::IpSet::new();
    /// set.insert_range([10, 0, 0, 3], [10, 0, 0, 8])?;
    /// assert_eq!(set.to_string(), "10.0.0.3/32, 10.0.0.4/30, 10.0.0.8/32");
    /// # Ok::<(), cidr::RangeError>(())
    /// ```
    pub fn insert_range(
        &mut self,
        first: impl Into<IpAddr>,
        last: impl Into<IpAddr>,
    ) -> Result<(), RangeError> {
        self.assign(Range::new(first.into(), last.into())?, true);
        Ok(())
    }

    /// Takes out all addresses of a network, or one address. Costs moving the ranges behind it.
    ///
    /// ```
    /// use cidr::{Cidr, IpSet};
    ///
    /// let mut set: IpSet = "10.0.0.0/30".parse()?;
    /// set.remove("10.0.0.2/31".parse::<Cidr>()?);
    /// assert_eq!(set, "10.0.0.0/31".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&mut self, network: impl Into<Cidr>) {
        self.assign(Range::of(network.into()), false);
    }

    /// Takes out all addresses from one to another, both included. Costs moving the ranges behind them.
    ///
    /// # Errors
    ///
    /// [`RangeError`] if the range ends before it begins, or the ends are of two families.
    pub fn remove_range(
        &mut self,
        first: impl Into<IpAddr>,
        last: impl Into<IpAddr>,
    ) -> Result<(), RangeError> {
        self.assign(Range::new(first.into(), last.into())?, false);
        Ok(())
    }

    /// Takes an IPv4 network of that prefix length out of the set, if there is one. Which:
    ///
    /// 1. Of the [`networks`](Self::networks) that are large enough, the smallest, so that large ones
    ///    stay whole; of several, the one with the lowest address.
    /// 2. In it, the network at its start.
    ///
    /// The same set always gives the same network. What is done with is given back with
    /// [`insert`](Self::insert), and joins its neighbours. Looks at every network until one fits exactly.
    ///
    /// ```
    /// use cidr::IpSet;
    ///
    /// let mut free: IpSet = "10.0.0.0/24, 10.9.9.0/28".parse()?;
    /// let network = free.take_v4(30).ok_or("full")?;
    /// assert_eq!(network.to_string(), "10.9.9.0/30");
    /// assert_eq!(free.to_string(), "10.0.0.0/24, 10.9.9.4/30, 10.9.9.8/29");
    /// assert_eq!(free.take_v4(16), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_v4(&mut self, prefix_len: u8) -> Option<Cidr<Ipv4Addr>> {
        let host_bits = 32_u8.checked_sub(prefix_len)?;
        let first = self.v4.take(host_bits)?;
        Some(Number::network((first, host_bits)))
    }

    /// Takes an IPv6 network of that prefix length out of the set, by the rule of
    /// [`take_v4`](Self::take_v4).
    pub fn take_v6(&mut self, prefix_len: u8) -> Option<Cidr<Ipv6Addr>> {
        let host_bits = 128_u8.checked_sub(prefix_len)?;
        let first = self.v6.take(host_bits)?;
        Some(Number::network((first, host_bits)))
    }

    /// Whether there is no address in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether an address is in the set.
    #[must_use]
    pub fn contains(&self, address: impl Into<IpAddr>) -> bool {
        match address.into() {
            IpAddr::V4(address) => self.v4.contains(address.into()),
            IpAddr::V6(address) => self.v6.contains(address.into()),
        }
    }

    /// Whether all addresses of a network are in the set.
    #[must_use]
    pub fn contains_network(&self, network: impl Into<Cidr>) -> bool {
        match Range::of(network.into()) {
            Range::V4(first, last) => self.v4.contains_range(first, last),
            Range::V6(first, last) => self.v6.contains_range(first, last),
        }
    }

    /// Whether any address of a network is in the set.
    #[must_use]
    pub fn overlaps(&self, network: impl Into<Cidr>) -> bool {
        match Range::of(network.into()) {
            Range::V4(first, last) => self.v4.overlaps(first, last),
            Range::V6(first, last) => self.v6.overlaps(first, last),
        }
    }

    /// Whether all addresses of this set are in the other. At most one pass over both.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        let missing = |ours: bool, theirs: bool| ours && !theirs;
        !(self.v4.any(&other.v4, missing) || self.v6.any(&other.v6, missing))
    }

    /// Whether all addresses of the other set are in this one. At most one pass over both.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        other.is_subset(self)
    }

    /// Whether no address is in both sets. At most one pass over both.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        let shared = |ours: bool, theirs: bool| ours && theirs;
        !(self.v4.any(&other.v4, shared) || self.v6.any(&other.v6, shared))
    }

    /// How many IPv4 addresses are in the set: 2^32 for all of them. Costs a pass over the ranges.
    #[must_use]
    pub fn size_v4(&self) -> u64 {
        self.v4.size() as u64
    }

    /// How many IPv6 addresses are in the set; `None` for all of them, 2^128, which is one more than the
    /// type holds. Costs a pass over the ranges.
    #[must_use]
    pub fn size_v6(&self) -> Option<u128> {
        Some(self.v6.size()).filter(|&size| size > 0 || self.v6.is_empty())
    }

    /// The IPv4 address with that many others before it in the set. Costs a pass over the ranges.
    #[must_use]
    pub fn nth_v4(&self, index: u64) -> Option<Ipv4Addr> {
        self.v4.nth(index.into()).map(Number::address)
    }

    /// The IPv6 address with that many others before it in the set. Costs a pass over the ranges.
    #[must_use]
    pub fn nth_v6(&self, index: u128) -> Option<Ipv6Addr> {
        self.v6.nth(index).map(Number::address)
    }

    /// The address with that many others before it in the set, IPv4 before IPv6. Costs a pass over the
    /// ranges.
    ///
    /// In a set with more than 2^128 addresses the last ones have no index;
    /// [`nth_v6`](Self::nth_v6) reaches them.
    ///
    /// ```
    /// let set: cidr::IpSet = "10.0.0.0/31, 10.0.0.8/31, ::1".parse()?;
    /// assert_eq!(set.nth(2), Some([10, 0, 0, 8].into()));
    /// assert_eq!(set.nth(4), Some([0, 0, 0, 0, 0, 0, 0, 1].into()));
    /// assert_eq!(set.nth(5), None);
    /// # Ok::<(), cidr::IpSetError>(())
    /// ```
    #[must_use]
    pub fn nth(&self, index: u128) -> Option<IpAddr> {
        match index.checked_sub(self.v4.size()) {
            None => self.v4.nth(index).map(|found| found.address().into()),
            Some(index) => self.v6.nth(index).map(|found| found.address().into()),
        }
    }

    /// The first address and the last of each range, in order, IPv4 before IPv6.
    ///
    /// There is an address outside the set between any two ranges.
    ///
    /// ```
    /// let set: cidr::IpSet = "10.0.1.0/24, 10.0.0.0/24, ::1".parse()?;
    /// let ranges: Vec<_> = set.ranges().map(|(first, last)| format!("{first} {last}")).collect();
    /// assert_eq!(ranges, ["10.0.0.0 10.0.1.255", "::1 ::1"]);
    /// # Ok::<(), cidr::IpSetError>(())
    /// ```
    pub fn ranges(
        &self,
    ) -> impl DoubleEndedIterator<Item = (IpAddr, IpAddr)> + FusedIterator + Clone {
        self.v4.ranges().map(ends).chain(self.v6.ranges().map(ends))
    }

    /// The fewest networks with the same addresses, in order, IPv4 before IPv6. Allocates nothing.
    pub fn networks(&self) -> impl FusedIterator<Item = Cidr> + Clone {
        self.networks_of()
    }

    /// The set of the addresses in this set, the other, or both: `self | other`.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| ours | theirs)
    }

    /// The set of the addresses in both sets: `self & other`.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| ours & theirs)
    }

    /// The set of the addresses in this set that are not in the other: `self - other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| ours & !theirs)
    }

    /// The set of the addresses in one set that are not in the other: `self ^ other`.
    #[must_use]
    pub fn symmetric_difference(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| ours ^ theirs)
    }

    /// The set of all addresses of both families that are not in this one: `!self`.
    ///
    /// For the rest of one family, subtract from it: `&Cidr::v4([0; 4], 0).into() - &set`.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self {
            v4: self.v4.complement(),
            v6: self.v6.complement(),
        }
    }

    fn combine(&self, other: &Self, inside: impl Fn(bool, bool) -> bool) -> Self {
        Self {
            v4: self.v4.combine(&other.v4, &inside),
            v6: self.v6.combine(&other.v6, &inside),
        }
    }

    fn assign(&mut self, range: Range, inside: bool) {
        match range {
            Range::V4(first, last) => self.v4.assign(first, last, inside),
            Range::V6(first, last) => self.v6.assign(first, last, inside),
        }
    }

    /// `A` is `IpAddr`, or the only family in the set.
    pub(crate) fn networks_of<A: Address>(&self) -> impl FusedIterator<Item = Cidr<A>> + Clone {
        let v4 = self.v4.blocks().map(Number::network);
        v4.chain(self.v6.blocks().map(Number::network))
    }
}

impl Default for IpSet {
    fn default() -> Self {
        Self::new()
    }
}

/// Costs a sorting, which is cheap if the networks are in order.
impl<N: Into<Cidr>> FromIterator<N> for IpSet {
    fn from_iter<I: IntoIterator<Item = N>>(networks: I) -> Self {
        let networks = networks.into_iter();
        networks.map(|network| Range::of(network.into())).collect()
    }
}

impl FromIterator<Range> for IpSet {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for range in ranges {
            match range {
                Range::V4(first, last) => v4.push((first, last)),
                Range::V6(first, last) => v6.push((first, last)),
            }
        }
        Self {
            v4: Borders::from_ranges(v4),
            v6: Borders::from_ranges(v6),
        }
    }
}

/// Costs a sorting of what is new and one pass over the set.
impl<N: Into<Cidr>> Extend<N> for IpSet {
    fn extend<I: IntoIterator<Item = N>>(&mut self, networks: I) {
        *self = self.union(&networks.into_iter().collect());
    }
}

impl<A: Address> From<Cidr<A>> for IpSet {
    fn from(network: Cidr<A>) -> Self {
        Self::from_iter([Range::of(network)])
    }
}

/// Writes the networks.
impl fmt::Debug for IpSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IpSet({self})")
    }
}

fn ends<N: Number>((first, last): (N, N)) -> (IpAddr, IpAddr) {
    (first.address().into(), last.address().into())
}
