//! An `ipnet` network may have host bits: to it a [`Cidr`] is one that has none.

use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::cidr::Cidr;
use crate::error::CidrError;

const VALID: &str = "the length was checked when the network was made";

impl From<Cidr<Ipv4Addr>> for Ipv4Net {
    fn from(network: Cidr<Ipv4Addr>) -> Self {
        Self::new(network.address(), network.prefix_len()).expect(VALID)
    }
}

impl From<Cidr<Ipv6Addr>> for Ipv6Net {
    fn from(network: Cidr<Ipv6Addr>) -> Self {
        Self::new(network.address(), network.prefix_len()).expect(VALID)
    }
}

impl From<Cidr> for IpNet {
    fn from(network: Cidr) -> Self {
        Self::new(network.address(), network.prefix_len()).expect(VALID)
    }
}

impl TryFrom<Ipv4Net> for Cidr<Ipv4Addr> {
    type Error = CidrError;

    /// Takes a network as it is; one with host bits is [`CidrError::HostBits`].
    fn try_from(net: Ipv4Net) -> Result<Self, CidrError> {
        Self::new(net.addr(), net.prefix_len())
    }
}

impl TryFrom<Ipv6Net> for Cidr<Ipv6Addr> {
    type Error = CidrError;

    /// Takes a network as it is; one with host bits is [`CidrError::HostBits`].
    fn try_from(net: Ipv6Net) -> Result<Self, CidrError> {
        Self::new(net.addr(), net.prefix_len())
    }
}

impl TryFrom<IpNet> for Cidr {
    type Error = CidrError;

    /// Takes a network as it is; one with host bits is [`CidrError::HostBits`].
    fn try_from(net: IpNet) -> Result<Self, CidrError> {
        Self::new(net.addr(), net.prefix_len())
    }
}
