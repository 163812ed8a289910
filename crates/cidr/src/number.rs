//! Addresses as numbers, and ranges of them.

use core::fmt::Debug;
use core::iter::FusedIterator;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::sealed::Bits;
use crate::address::{Address, host_bits_v4, host_bits_v6};
use crate::cidr::Cidr;
use crate::summarize::RangeError;

/// A range of addresses; the second is not less than the first, and belongs to it.
pub(crate) enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

impl Range {
    pub(crate) fn new(first: IpAddr, last: IpAddr) -> Result<Self, RangeError> {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                Ok(Self::V4(first.into(), last.into()))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                Ok(Self::V6(first.into(), last.into()))
            }
            _ => Err(RangeError { first, last }),
        }
    }

    pub(crate) fn of<A: Address>(network: Cidr<A>) -> Self {
        match network.address().into() {
            IpAddr::V4(address) => {
                let first = u32::from(address);
                Self::V4(first, first | host_bits_v4(network.prefix_len()))
            }
            IpAddr::V6(address) => {
                let first = u128::from(address);
                Self::V6(first, first | host_bits_v6(network.prefix_len()))
            }
        }
    }
}

/// An address as a number.
pub(crate) trait Number: Copy + Ord + Into<u128> + Debug {
    const ZERO: Self;
    const MAX: Self;
    /// How many addresses there are, modulo 2^128.
    const COUNT: u128;
    type Address: Address;

    fn next(self) -> Option<Self>;

    /// Only of what is greater than zero.
    fn previous(self) -> Self;

    /// The number that many further on; only where there is one.
    fn plus(self, more: u128) -> Self;

    /// How many host bits the largest network has that begins here and goes no further than `last`.
    fn host_bits(self, last: Self) -> u8;

    /// The last address of the network of that size that begins here.
    fn last(self, host_bits: u8) -> Self;

    fn address(self) -> Self::Address;

    /// The network of that size that begins here. `A` is this family's type, or `IpAddr`.
    fn network<A: Address>((first, host_bits): (Self, u8)) -> Cidr<A> {
        let address = first.address();
        let prefix_len = address.width() - host_bits;
        let address = A::from_ip(address.into()).expect("the family is the one asked for");
        Cidr::new_lenient(address, prefix_len).expect("no longer than the address")
    }
}

impl Number for u32 {
    const ZERO: Self = 0;
    const MAX: Self = Self::MAX;
    const COUNT: u128 = 1 << 32;
    type Address = Ipv4Addr;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Self {
        self - 1
    }

    fn plus(self, more: u128) -> Self {
        self + more as Self
    }

    fn host_bits(self, last: Self) -> u8 {
        let fitting = (last - self).checked_add(1);
        let fitting = fitting.map_or(Self::BITS, Self::ilog2);
        self.trailing_zeros().min(fitting) as u8
    }

    fn last(self, host_bits: u8) -> Self {
        self | host_bits_v4(32 - host_bits)
    }

    fn address(self) -> Ipv4Addr {
        self.into()
    }
}

impl Number for u128 {
    const ZERO: Self = 0;
    const MAX: Self = Self::MAX;
    const COUNT: Self = 0;
    type Address = Ipv6Addr;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Self {
        self - 1
    }

    fn plus(self, more: u128) -> Self {
        self + more
    }

    fn host_bits(self, last: Self) -> u8 {
        let fitting = (last - self).checked_add(1);
        let fitting = fitting.map_or(Self::BITS, Self::ilog2);
        self.trailing_zeros().min(fitting) as u8
    }

    fn last(self, host_bits: u8) -> Self {
        self | host_bits_v6(128 - host_bits)
    }

    fn address(self) -> Ipv6Addr {
        self.into()
    }
}

/// The largest networks that a range falls into, each as its first address and its number of host bits.
#[derive(Clone, Debug)]
pub(crate) struct Blocks<N> {
    /// What is left of the range.
    rest: Option<(N, N)>,
}

impl<N: Number> Blocks<N> {
    pub(crate) fn new(first: N, last: N) -> Self {
        let rest = Some((first, last));
        Self { rest }
    }
}

impl<N: Number> Iterator for Blocks<N> {
    type Item = (N, u8);

    fn next(&mut self) -> Option<(N, u8)> {
        let (first, last) = self.rest?;
        let host_bits = first.host_bits(last);
        let block_last = first.last(host_bits);
        self.rest = match block_last.next() {
            Some(next) if block_last < last => Some((next, last)),
            _ => None,
        };
        Some((first, host_bits))
    }
}

impl<N: Number> FusedIterator for Blocks<N> {}
