use core::error::Error;
use core::fmt;
use core::iter::FusedIterator;
use core::net::IpAddr;

use alloc::vec::Vec;

use crate::address::Address;
use crate::cidr::Cidr;
use crate::number::{Blocks, Number, Range};
use crate::set::IpSet;

/// The fewest networks that together are a range of addresses, in order; both ends belong to it.
///
/// At most 62 networks come out for IPv4, 254 for IPv6. Nothing is allocated.
///
/// # Errors
///
/// [`RangeError`] if the range ends before it begins, or the ends are of two families.
///
/// # Examples
///
/// ```
/// use std::net::Ipv4Addr;
///
/// let (first, last) = (Ipv4Addr::new(192, 0, 2, 0), Ipv4Addr::new(192, 0, 2, 130));
/// let networks: Vec<_> = cidr::summarize(first, last)?.map(|network| network.to_string()).collect();
/// assert_eq!(networks, ["192.0.2.0/25", "192.0.2.128/31", "192.0.2.130/32"]);
/// # Ok::<(), cidr::RangeError>(())
/// ```
pub fn summarize<A: Address>(
    first: A,
    last: A,
) -> Result<impl FusedIterator<Item = Cidr<A>> + Clone + fmt::Debug, RangeError> {
    let (v4, v6) = match Range::new(first.into(), last.into())? {
        Range::V4(first, last) => (Some(Blocks::new(first, last)), None),
        Range::V6(first, last) => (None, Some(Blocks::new(first, last))),
    };
    let v4 = v4.into_iter().flatten().map(Number::network);
    Ok(v4.chain(v6.into_iter().flatten().map(Number::network)))
}

/// The fewest networks that together have the same addresses as these, in order.
///
/// What is given twice, or inside another network, is dropped; neighbours become one. Costs a sorting.
/// It is what an [`IpSet`] does, which also subtracts.
///
/// # Examples
///
/// ```
/// use cidr::{Cidr, CidrError};
///
/// let networks = ["10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25"].map(str::parse::<Cidr>);
/// let networks = networks.into_iter().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(cidr::collapse(networks), ["10.0.0.0/23".parse()?]);
/// # Ok::<(), CidrError>(())
/// ```
pub fn collapse<A: Address>(networks: impl IntoIterator<Item = Cidr<A>>) -> Vec<Cidr<A>> {
    let set: IpSet = networks.into_iter().map(Range::of).collect();
    set.networks_of().collect()
}

/// Two addresses are not the ends of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeError {
    /// Where the range should begin.
    pub first: IpAddr,
    /// Where it should end: before that, or in the other family.
    pub last: IpAddr,
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first.is_ipv4() == last.is_ipv4() {
            write!(f, "a range from {first} to {last} ends before it begins")
        } else {
            write!(
                f,
                "{first} and {last}, the ends of a range, are of two families"
            )
        }
    }
}

impl Error for RangeError {}
