//! What addresses are for: Python's questions, and IANA's tables of special-purpose addresses.
//!
//! The questions are answered as Python 3.14 answers them (`ipaddress.ip_address(…).is_private` and so
//! on). An IPv4-mapped address is asked for the IPv4 address that it carries, save for
//! [`is_site_local`], which IPv4 does not know.
//!
//! ```
//! use std::net::IpAddr;
//!
//! use cidr::special;
//!
//! assert!(special::is_private([192, 168, 0, 1]));
//! assert!(special::is_global([192, 0, 0, 9]));
//! // The addresses that providers share among customers are neither.
//! assert!(!special::is_private([100, 64, 0, 1]) && !special::is_global([100, 64, 0, 1]));
//!
//! let address: IpAddr = "2001:db8::7".parse()?;
//! let entry = special::lookup(address).unwrap();
//! assert_eq!((entry.name, entry.rfc), ("Documentation", 3849));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! A network is asked as `Cidr::is_private` and so on.

use core::net::IpAddr;

use crate::address::Address;
use crate::cidr::Cidr;

pub use self::table::{DATE, Special, TABLE};

mod table;

/// The entry of [`TABLE`] with the longest prefix that contains the address. A mapped address is not
/// unwrapped: it has an entry of its own.
///
/// Compares with each entry.
#[must_use]
pub fn lookup(address: impl Into<IpAddr>) -> Option<&'static Special> {
    let address = address.into();
    let around = TABLE.iter().filter(|entry| entry.network.contains(address));
    around.max_by_key(|entry| entry.network.prefix_len())
}

/// Whether the address is not for use in the Internet at large: in private networks, on one link or
/// machine, in documentation, reserved.
#[must_use]
pub fn is_private(address: impl Into<IpAddr>) -> bool {
    Cidr::from(address.into().to_canonical()).is_private()
}

/// Whether the address is for use in the Internet at large: not private, and not of `100.64.0.0/10`, which
/// the customers of a provider share.
///
/// So multicast addresses are global, and so are most IPv6 addresses that nobody has been given yet.
#[must_use]
pub fn is_global(address: impl Into<IpAddr>) -> bool {
    Cidr::from(address.into().to_canonical()).is_global()
}

/// Whether the address means the machine itself: `127.0.0.0/8`, `::1`.
#[must_use]
pub fn is_loopback(address: impl Into<IpAddr>) -> bool {
    address.into().to_canonical().is_loopback()
}

/// Whether the address is for one link: `169.254.0.0/16`, `fe80::/10`.
#[must_use]
pub fn is_link_local(address: impl Into<IpAddr>) -> bool {
    match address.into().to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether the address is of a group of receivers: `224.0.0.0/4`, `ff00::/8`.
#[must_use]
pub fn is_multicast(address: impl Into<IpAddr>) -> bool {
    address.into().to_canonical().is_multicast()
}

/// Whether the address is no address: `0.0.0.0`, `::`.
#[must_use]
pub fn is_unspecified(address: impl Into<IpAddr>) -> bool {
    address.into().to_canonical().is_unspecified()
}

/// Whether the IETF keeps the address for later: `240.0.0.0/4`, and of IPv6 all that is neither unicast
/// (`2000::/3`, `fc00::/7`, `fe80::/9`) nor multicast; `::1` is among these.
#[must_use]
pub fn is_reserved(address: impl Into<IpAddr>) -> bool {
    match address.into().to_canonical() {
        IpAddr::V4(address) => address.octets()[0] >= 240,
        IpAddr::V6(address) => !V6_IN_USE.iter().any(|network| network.contains(address)),
    }
}

/// Whether the address is of the abandoned kind for one site: `fec0::/10`.
#[must_use]
pub fn is_site_local(address: impl Into<IpAddr>) -> bool {
    v6([0xfec0, 0, 0], 10).contains(address)
}

/// A network has a property if its first and its last address have it.
impl<A: Address> Cidr<A> {
    /// Whether the network is not for use in the Internet at large: one of the ranges that are not holds
    /// all of it, and no exception holds its first or last address.
    ///
    /// Other than for an address ([`special::is_private`](is_private)), a network of mapped addresses is
    /// private as such.
    #[must_use]
    pub fn is_private(self) -> bool {
        let holds_it = |range: &Cidr| self.has_ends(|end| range.contains(end));
        let holds_an_end = |range: &Cidr| !self.has_ends(|end| !range.contains(end));
        PRIVATE.iter().any(holds_it) && !NOT_PRIVATE.iter().any(holds_an_end)
    }

    /// Whether the network is not private, nor inside `100.64.0.0/10`.
    #[must_use]
    pub fn is_global(self) -> bool {
        !self.is_private() && !self.has_ends(|end| SHARED.contains(end))
    }

    /// Whether both ends are [loopback](is_loopback) addresses.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        self.has_ends(is_loopback)
    }

    /// Whether both ends are [link-local](is_link_local).
    #[must_use]
    pub fn is_link_local(self) -> bool {
        self.has_ends(is_link_local)
    }

    /// Whether both ends are [multicast](is_multicast) addresses.
    #[must_use]
    pub fn is_multicast(self) -> bool {
        self.has_ends(is_multicast)
    }

    /// Whether it is the network of the [unspecified](is_unspecified) address alone.
    #[must_use]
    pub fn is_unspecified(self) -> bool {
        self.has_ends(is_unspecified)
    }

    /// Whether both ends are [reserved](is_reserved).
    #[must_use]
    pub fn is_reserved(self) -> bool {
        self.has_ends(is_reserved)
    }

    /// Whether both ends are [site-local](is_site_local).
    #[must_use]
    pub fn is_site_local(self) -> bool {
        self.has_ends(is_site_local)
    }

    fn has_ends(self, property: impl Fn(IpAddr) -> bool) -> bool {
        property(self.address().into()) && property(self.last().into())
    }
}

const SHARED: Cidr = v4([100, 64, 0, 0], 10);

/// The ranges that Python takes for private: not all that the tables call not globally reachable.
const PRIVATE: [Cidr; 25] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 0, 170], 31),
    v4([192, 0, 2, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([240, 0, 0, 0], 4),
    v4([255, 255, 255, 255], 32),
    Cidr::v6([0, 0, 0, 0, 0, 0, 0, 1], 128).either(),
    v6([0, 0, 0], 128),
    Cidr::v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96).either(),
    v6([0x64, 0xff9b, 1], 48),
    v6([0x100, 0, 0], 64),
    v6([0x2001, 0, 0], 23),
    v6([0x2001, 0xdb8, 0], 32),
    v6([0x2002, 0, 0], 16),
    v6([0x3fff, 0, 0], 20),
    v6([0xfc00, 0, 0], 7),
    v6([0xfe80, 0, 0], 10),
];

const NOT_PRIVATE: [Cidr; 8] = [
    v4([192, 0, 0, 9], 32),
    v4([192, 0, 0, 10], 32),
    Cidr::v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128).either(),
    Cidr::v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128).either(),
    v6([0x2001, 3, 0], 32),
    v6([0x2001, 4, 0x112], 48),
    v6([0x2001, 0x20, 0], 28),
    v6([0x2001, 0x30, 0], 28),
];

/// Global unicast, unique local, link-local with site-local, multicast.
const V6_IN_USE: [Cidr; 4] = [
    v6([0x2000, 0, 0], 3),
    v6([0xfc00, 0, 0], 7),
    v6([0xfe80, 0, 0], 9),
    v6([0xff00, 0, 0], 8),
];

const fn v4(octets: [u8; 4], prefix_len: u8) -> Cidr {
    Cidr::v4(octets, prefix_len).either()
}

/// The other five segments are zero.
const fn v6([a, b, c]: [u16; 3], prefix_len: u8) -> Cidr {
    Cidr::v6([a, b, c, 0, 0, 0, 0, 0], prefix_len).either()
}
