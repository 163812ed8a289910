//! An `ipnet` network may have host bits: it is an [`Interface`], and a [`Cidr`] is one that has none.

use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::cidr::Cidr;
use crate::error::CidrError;
use crate::interface::Interface;

const VALID: &str = "the length was checked when it was made";

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

impl From<Interface<Ipv4Addr>> for Ipv4Net {
    fn from(interface: Interface<Ipv4Addr>) -> Self {
        Self::new(interface.ip(), interface.prefix_len()).expect(VALID)
    }
}

impl From<Ipv4Net> for Interface<Ipv4Addr> {
    fn from(net: Ipv4Net) -> Self {
        Self::new(net.addr(), net.prefix_len()).expect(VALID)
    }
}

impl From<Interface<Ipv6Addr>> for Ipv6Net {
    fn from(interface: Interface<Ipv6Addr>) -> Self {
        Self::new(interface.ip(), interface.prefix_len()).expect(VALID)
    }
}

impl From<Ipv6Net> for Interface<Ipv6Addr> {
    fn from(net: Ipv6Net) -> Self {
        Self::new(net.addr(), net.prefix_len()).expect(VALID)
    }
}

impl From<Interface> for IpNet {
    fn from(interface: Interface) -> Self {
        Self::new(interface.ip(), interface.prefix_len()).expect(VALID)
    }
}

impl From<IpNet> for Interface {
    fn from(net: IpNet) -> Self {
        Self::new(net.addr(), net.prefix_len()).expect(VALID)
    }
}
