use core::cmp::Ordering;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::address::Address;
use crate::cidr::Cidr;
use crate::error::CidrError;
use crate::{parse, text};

/// An address and the network that it is in, as network interfaces are configured: `192.0.2.7/24`.
///
/// Unlike a [`Cidr`], it keeps its host bits. Interfaces sort by network, then by address.
///
/// ```
/// use cidr::Interface;
///
/// let interface: Interface = "123.45.67.73/27".parse()?;
/// assert_eq!(interface.ip().to_string(), "123.45.67.73");
/// assert_eq!(interface.network().to_string(), "123.45.67.64/27");
/// # Ok::<(), cidr::CidrError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interface<A: Address = IpAddr> {
    ip: A,
    prefix_len: u8,
}

impl<A: Address> Interface<A> {
    /// Makes an interface of its address and the prefix length of its network in bits.
    ///
    /// # Errors
    ///
    /// [`CidrError::PrefixLen`] if an address of this family has fewer bits.
    pub fn new(ip: A, prefix_len: u8) -> Result<Self, CidrError> {
        let max = ip.width();
        if prefix_len <= max {
            return Ok(Self { ip, prefix_len });
        }
        let prefix_len = prefix_len.into();
        Err(CidrError::PrefixLen { prefix_len, max })
    }

    /// The address.
    #[must_use]
    pub fn ip(self) -> A {
        self.ip
    }

    /// How many bits the address has in common with all others of its network.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// The network that the address is in.
    #[must_use]
    pub fn network(self) -> Cidr<A> {
        Cidr::of_valid(self.ip.first(self.prefix_len), self.prefix_len)
    }
}

impl<A: Address> FromStr for Interface<A> {
    type Err = CidrError;

    /// Reads what a [`Cidr`] is read from, with any host bits: `ADDRESS/LENGTH`, `ADDRESS/NETMASK`,
    /// `ADDRESS/HOSTMASK` (masks for IPv4 only) or a bare address, which is in a network of one.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix_len) = parse::address_and_prefix_len(text)?;
        Self::new(parse::of_family(address)?, prefix_len)
    }
}

/// Writes `ADDRESS/LENGTH`, also for a network of one.
impl<A: Address> fmt::Display for Interface<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(f, self.ip, self.prefix_len)
    }
}

/// Writes what [`Display`](fmt::Display) writes.
impl<A: Address> fmt::Debug for Interface<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<A: Address> Ord for Interface<A> {
    fn cmp(&self, other: &Self) -> Ordering {
        let networks = self.network().cmp(&other.network());
        networks.then(self.ip.cmp(&other.ip))
    }
}

impl<A: Address> PartialOrd for Interface<A> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The address in a network of one.
impl<A: Address> From<A> for Interface<A> {
    fn from(ip: A) -> Self {
        let prefix_len = ip.width();
        Self { ip, prefix_len }
    }
}

/// The network's own address in that network.
impl<A: Address> From<Cidr<A>> for Interface<A> {
    fn from(network: Cidr<A>) -> Self {
        Self {
            ip: network.address(),
            prefix_len: network.prefix_len(),
        }
    }
}

impl From<Interface<Ipv4Addr>> for Interface {
    fn from(interface: Interface<Ipv4Addr>) -> Self {
        let Interface { ip, prefix_len } = interface;
        let ip = ip.into();
        Self { ip, prefix_len }
    }
}

impl From<Interface<Ipv6Addr>> for Interface {
    fn from(interface: Interface<Ipv6Addr>) -> Self {
        let Interface { ip, prefix_len } = interface;
        let ip = ip.into();
        Self { ip, prefix_len }
    }
}

impl TryFrom<Interface> for Interface<Ipv4Addr> {
    type Error = CidrError;

    /// Takes an IPv4 interface as it is; another is [`CidrError::OtherFamily`].
    fn try_from(interface: Interface) -> Result<Self, CidrError> {
        let Interface { ip, prefix_len } = interface;
        let ip = parse::of_family(ip)?;
        Ok(Self { ip, prefix_len })
    }
}

impl TryFrom<Interface> for Interface<Ipv6Addr> {
    type Error = CidrError;

    /// Takes an IPv6 interface as it is; another is [`CidrError::OtherFamily`].
    fn try_from(interface: Interface) -> Result<Self, CidrError> {
        let Interface { ip, prefix_len } = interface;
        let ip = parse::of_family(ip)?;
        Ok(Self { ip, prefix_len })
    }
}
