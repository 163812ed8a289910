use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::address::{Address, host_bits_v4, host_bits_v6};
use crate::error::CidrError;
use crate::{parse, text};

/// A network: an address without host bits, and the length of its prefix.
///
/// `Cidr` alone holds a network of either family; `Cidr<Ipv4Addr>` and `Cidr<Ipv6Addr>` hold one of
/// theirs, are smaller, and become a `Cidr` by `into`. All have the same methods.
///
/// IPv4 networks sort before IPv6 networks, then by address, then by length: a network stands before
/// those inside it.
///
/// ```
/// use cidr::{Cidr, CidrError};
///
/// let network: Cidr = "192.168.4.0/22".parse()?;
/// assert!(network.contains([192, 168, 7, 255]));
/// assert_eq!(network.to_string(), "192.168.4.0/22");
///
/// let error = "10.0.0.1/8".parse::<Cidr>().unwrap_err();
/// assert_eq!(error.to_string(), "10.0.0.1/8 has host bits set; 10.0.0.0/8 is the network");
/// # Ok::<(), CidrError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr<A: Address = IpAddr> {
    address: A,
    prefix_len: u8,
}

impl<A: Address> Cidr<A> {
    /// Makes a network of its address and the length of its prefix in bits.
    ///
    /// # Errors
    ///
    /// [`CidrError::PrefixLen`] if an address of this family has fewer bits, [`CidrError::HostBits`] if
    /// the address has bits behind the prefix.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    ///
    /// use cidr::Cidr;
    ///
    /// let network = Cidr::new(Ipv4Addr::new(10, 0, 0, 0), 8)?;
    /// assert_eq!(network.to_string(), "10.0.0.0/8");
    /// assert!(Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 8).is_err());
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    pub fn new(address: A, prefix_len: u8) -> Result<Self, CidrError> {
        let network = Self::new_lenient(address, prefix_len)?;
        if network.address == address {
            return Ok(network);
        }
        let (address, network) = (address.into(), network.widen());
        Err(CidrError::HostBits { address, network })
    }

    /// Makes the network of this prefix length that an address is in.
    ///
    /// # Errors
    ///
    /// [`CidrError::PrefixLen`] if an address of this family has fewer bits.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    ///
    /// use cidr::Cidr;
    ///
    /// let network = Cidr::new_lenient(Ipv4Addr::new(123, 45, 67, 89), 27)?;
    /// assert_eq!(network.to_string(), "123.45.67.64/27");
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    pub fn new_lenient(address: A, prefix_len: u8) -> Result<Self, CidrError> {
        let max = address.width();
        if prefix_len <= max {
            let address = address.first(prefix_len);
            return Ok(Self {
                address,
                prefix_len,
            });
        }
        let prefix_len = prefix_len.into();
        Err(CidrError::PrefixLen { prefix_len, max })
    }

    /// The network's own address, the first one in it.
    #[must_use]
    pub fn address(self) -> A {
        self.address
    }

    /// The last address of the network: of an IPv4 network, the one to broadcast to.
    #[must_use]
    #[doc(alias = "broadcast")]
    pub fn last(self) -> A {
        self.address.last(self.prefix_len)
    }

    /// How many bits all addresses of the network have in common: 0 to 32, or to 128 for IPv6.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether an address is in the network; an address of the other family never is.
    ///
    /// Addresses are taken as the numbers they are: an IPv4-mapped one, `::ffff:10.0.0.1`, is an IPv6
    /// address here and in no IPv4 network. [`IpAddr::to_canonical`] unwraps it.
    ///
    /// ```
    /// use std::net::IpAddr;
    ///
    /// use cidr::Cidr;
    ///
    /// let network: Cidr = "10.0.0.0/8".parse()?;
    /// let mapped: IpAddr = "::ffff:10.0.0.1".parse()?;
    /// assert!(!network.contains(mapped));
    /// assert!(network.contains(mapped.to_canonical()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn contains(self, address: impl Into<IpAddr>) -> bool {
        A::from_ip(address.into())
            .is_some_and(|address| address.first(self.prefix_len) == self.address)
    }

    /// The IPv4 network that a network of IPv4-mapped addresses, one inside `::ffff:0:0/96`, stands for;
    /// any other network as it is.
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// let network: Cidr = "::ffff:10.0.0.0/104".parse()?;
    /// assert_eq!(network.to_canonical().to_string(), "10.0.0.0/8");
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    #[must_use]
    pub fn to_canonical(self) -> Cidr {
        let network = self.widen();
        let IpAddr::V6(address) = network.address else {
            return network;
        };
        match (address.to_ipv4_mapped(), self.prefix_len.checked_sub(96)) {
            (Some(address), Some(prefix_len)) => Cidr {
                address: address.into(),
                prefix_len,
            },
            _ => network,
        }
    }

    /// The network of a length and an address that were checked.
    pub(crate) fn of_valid(address: A, prefix_len: u8) -> Self {
        Self {
            address,
            prefix_len,
        }
    }

    pub(crate) fn widen(self) -> Cidr {
        Cidr {
            address: self.address.into(),
            prefix_len: self.prefix_len,
        }
    }
}

impl Cidr {
    /// Reads a text as [`FromStr`] does, but drops host bits: `10.0.0.1/8` is `10.0.0.0/8`.
    ///
    /// # Errors
    ///
    /// Any [`CidrError`] but [`HostBits`](CidrError::HostBits).
    ///
    /// # Examples
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// assert_eq!(Cidr::parse_lenient("10.0.0.1/8")?, "10.0.0.0/8".parse()?);
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    pub fn parse_lenient(text: &str) -> Result<Self, CidrError> {
        let (address, prefix_len) = parse::address_and_prefix_len(text)?;
        Self::new_lenient(address, prefix_len)
    }
}

impl Cidr<Ipv4Addr> {
    /// Makes an IPv4 network of numbers that stand in the program, for constants.
    ///
    /// # Panics
    ///
    /// If there are host bits or the prefix is longer than 32: in a constant, it does not compile.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    ///
    /// use cidr::Cidr;
    ///
    /// const OFFICE: Cidr<Ipv4Addr> = Cidr::v4([10, 0, 0, 0], 8);
    /// assert!(OFFICE.contains([10, 1, 2, 3]));
    /// ```
    #[must_use]
    pub const fn v4(octets: [u8; 4], prefix_len: u8) -> Self {
        let [a, b, c, d] = octets;
        let address = Ipv4Addr::new(a, b, c, d);
        assert!(prefix_len <= 32, "the prefix is at most 32 bits long");
        let host_bits = address.to_bits() & host_bits_v4(prefix_len);
        assert!(host_bits == 0, "a network has no host bits");
        Self {
            address,
            prefix_len,
        }
    }

    /// The same network as a [`Cidr`] of either family. `into` does it too, but not in constants.
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// const LOOPBACK: [Cidr; 2] = [
    ///     Cidr::v4([127, 0, 0, 0], 8).either(),
    ///     Cidr::v6([0, 0, 0, 0, 0, 0, 0, 1], 128).either(),
    /// ];
    /// assert!(LOOPBACK.iter().any(|network| network.contains([127, 0, 0, 1])));
    /// ```
    #[must_use]
    pub const fn either(self) -> Cidr {
        Cidr {
            address: IpAddr::V4(self.address),
            prefix_len: self.prefix_len,
        }
    }
}

impl Cidr<Ipv6Addr> {
    /// Makes an IPv6 network of numbers that stand in the program, for constants.
    ///
    /// # Panics
    ///
    /// If there are host bits or the prefix is longer than 128: in a constant, it does not compile.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::Ipv6Addr;
    ///
    /// use cidr::Cidr;
    ///
    /// const DOCUMENTATION: Cidr<Ipv6Addr> = Cidr::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32);
    /// assert_eq!(DOCUMENTATION.to_string(), "2001:db8::/32");
    /// ```
    #[must_use]
    pub const fn v6(segments: [u16; 8], prefix_len: u8) -> Self {
        let [a, b, c, d, e, f, g, h] = segments;
        let address = Ipv6Addr::new(a, b, c, d, e, f, g, h);
        assert!(prefix_len <= 128, "the prefix is at most 128 bits long");
        let host_bits = address.to_bits() & host_bits_v6(prefix_len);
        assert!(host_bits == 0, "a network has no host bits");
        Self {
            address,
            prefix_len,
        }
    }

    /// The same network as a [`Cidr`] of either family. `into` does it too, but not in constants.
    #[must_use]
    pub const fn either(self) -> Cidr {
        Cidr {
            address: IpAddr::V6(self.address),
            prefix_len: self.prefix_len,
        }
    }
}

impl<A: Address> FromStr for Cidr<A> {
    type Err = CidrError;

    /// Reads `ADDRESS/LENGTH`, `ADDRESS/NETMASK`, `ADDRESS/HOSTMASK` (masks for IPv4 only) or a bare
    /// address, which is a network of one.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix_len) = parse::address_and_prefix_len(text)?;
        Self::new(parse::of_family(address)?, prefix_len)
    }
}

/// Writes `ADDRESS/LENGTH`, also for a single address.
impl<A: Address> fmt::Display for Cidr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(f, self.address, self.prefix_len)
    }
}

/// Writes what [`Display`](fmt::Display) writes.
impl<A: Address> fmt::Debug for Cidr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The network of this one address.
impl<A: Address> From<A> for Cidr<A> {
    fn from(address: A) -> Self {
        let prefix_len = address.width();
        Self {
            address,
            prefix_len,
        }
    }
}

impl From<Cidr<Ipv4Addr>> for Cidr {
    fn from(network: Cidr<Ipv4Addr>) -> Self {
        network.widen()
    }
}

impl From<Cidr<Ipv6Addr>> for Cidr {
    fn from(network: Cidr<Ipv6Addr>) -> Self {
        network.widen()
    }
}

impl TryFrom<Cidr> for Cidr<Ipv4Addr> {
    type Error = CidrError;

    /// Takes an IPv4 network as it is; another is [`CidrError::OtherFamily`].
    fn try_from(network: Cidr) -> Result<Self, CidrError> {
        let address = parse::of_family(network.address)?;
        let prefix_len = network.prefix_len;
        Ok(Self {
            address,
            prefix_len,
        })
    }
}

impl TryFrom<Cidr> for Cidr<Ipv6Addr> {
    type Error = CidrError;

    /// Takes an IPv6 network as it is; another is [`CidrError::OtherFamily`].
    fn try_from(network: Cidr) -> Result<Self, CidrError> {
        let address = parse::of_family(network.address)?;
        let prefix_len = network.prefix_len;
        Ok(Self {
            address,
            prefix_len,
        })
    }
}
