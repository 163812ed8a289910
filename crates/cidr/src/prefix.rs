use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::error::CidrError;
use crate::parse;

/// A network: an address without host bits, and the length of its prefix.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(IpNet);

impl Cidr {
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
    /// use cidr::Cidr;
    ///
    /// assert_eq!(Cidr::new([10, 0, 0, 0], 8)?, "10.0.0.0/8".parse()?);
    /// assert!(Cidr::new([10, 0, 0, 1], 8).is_err());
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    pub fn new(address: impl Into<IpAddr>, prefix_len: u8) -> Result<Self, CidrError> {
        let address = address.into();
        let network = Self::new_lenient(address, prefix_len)?;
        if network.address() == address {
            Ok(network)
        } else {
            Err(CidrError::HostBits { address, network })
        }
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
    /// use cidr::Cidr;
    ///
    /// let network = Cidr::new_lenient([123, 45, 67, 89], 27)?;
    /// assert_eq!(network.to_string(), "123.45.67.64/27");
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    pub fn new_lenient(address: impl Into<IpAddr>, prefix_len: u8) -> Result<Self, CidrError> {
        let address = address.into();
        match IpNet::new(address, prefix_len) {
            Ok(net) => Ok(Self(net.trunc())),
            Err(_) => Err(CidrError::PrefixLen {
                prefix_len: prefix_len.into(),
                max: Self::from(address).prefix_len(),
            }),
        }
    }

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

    /// The network's own address, the first one in it.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0.addr()
    }

    /// How many bits all addresses of the network have in common: 0 to 32, or to 128 for IPv6.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether an address is in the network; an address of the other family never is.
    ///
    /// An IPv4-mapped address is judged as the IPv4 address that it carries, and a network of mapped
    /// addresses as the IPv4 network: `::/0` contains no mapped address.
    ///
    /// ```
    /// use std::net::IpAddr;
    ///
    /// use cidr::Cidr;
    ///
    /// let network: Cidr = "10.0.0.0/8".parse()?;
    /// let mapped: IpAddr = "::ffff:10.0.0.1".parse()?;
    /// assert!(network.contains(mapped));
    /// assert!(!"::/0".parse::<Cidr>()?.contains(mapped));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn contains(self, address: impl Into<IpAddr>) -> bool {
        let address = address.into().to_canonical();
        self.to_canonical().0.contains(&address)
    }

    /// The IPv4 network that a network of IPv4-mapped addresses, one inside `::ffff:0:0/96`, stands for;
    /// any other network as it is. It contains the same addresses.
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// let network: Cidr = "::ffff:10.0.0.0/104".parse()?;
    /// assert_eq!(network.to_canonical().to_string(), "10.0.0.0/8");
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    #[must_use]
    pub fn to_canonical(self) -> Self {
        let IpNet::V6(net) = self.0 else {
            return self;
        };
        let carried = net.addr().to_ipv4_mapped();
        let carried = carried
            .zip(net.prefix_len().checked_sub(96))
            .and_then(|(address, prefix_len)| Ipv4Net::new(address, prefix_len).ok());
        carried.map_or(self, |net| Self(net.into()))
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// Reads `ADDRESS/LENGTH`, `ADDRESS/NETMASK`, `ADDRESS/HOSTMASK` (masks for IPv4 only) or a bare
    /// address, which is a network of one.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix_len) = parse::address_and_prefix_len(text)?;
        Self::new(address, prefix_len)
    }
}

/// Writes `ADDRESS/LENGTH`, also for a single address.
impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<Cidr> for IpNet {
    fn from(cidr: Cidr) -> Self {
        cidr.0
    }
}

impl TryFrom<IpNet> for Cidr {
    type Error = CidrError;

    /// Takes a network as it is; one with host bits is [`CidrError::HostBits`].
    fn try_from(net: IpNet) -> Result<Self, CidrError> {
        Self::new(net.addr(), net.prefix_len())
    }
}

/// The network of this one address.
impl From<IpAddr> for Cidr {
    fn from(address: IpAddr) -> Self {
        Self(address.into())
    }
}

/// The network of this one address.
impl From<Ipv4Addr> for Cidr {
    fn from(address: Ipv4Addr) -> Self {
        IpAddr::from(address).into()
    }
}

/// The network of this one address.
impl From<Ipv6Addr> for Cidr {
    fn from(address: Ipv6Addr) -> Self {
        IpAddr::from(address).into()
    }
}
