use alloc::format;
use alloc::string::String;
use core::fmt::{self, Write as _};

use crate::address::Address;
use crate::cidr::Cidr;
use crate::interface::Interface;

impl<A: Address> Cidr<A> {
    /// The addresses' common bits as ones: `255.0.0.0` for `10.0.0.0/8`.
    #[must_use]
    pub fn netmask(self) -> A {
        self.address().first(0).last(0).first(self.prefix_len())
    }

    /// The host bits as ones: `0.255.255.255` for `10.0.0.0/8`.
    #[must_use]
    pub fn hostmask(self) -> A {
        self.address().first(0).last(self.prefix_len())
    }

    /// The network with its mask in place of the length: `10.0.0.0/255.0.0.0`, `2001:db8::/ffff:ffff::`.
    #[must_use]
    pub fn with_netmask(self) -> String {
        format!("{}/{}", self.address(), self.netmask())
    }

    /// The network with the host bits' mask in place of the length: `10.0.0.0/0.255.255.255`.
    ///
    /// Of `/0` and `/32` it reads as the opposite: these masks are netmasks too.
    #[must_use]
    pub fn with_hostmask(self) -> String {
        format!("{}/{}", self.address(), self.hostmask())
    }

    /// The network with all digits of an IPv6 address: `2001:0db8:0000:0000:0000:0000:0000:0000/32`.
    #[must_use]
    pub fn exploded(self) -> String {
        format!("{}/{}", self.address().exploded(), self.prefix_len())
    }
}

impl<A: Address> Interface<A> {
    /// The interface with its network's mask in place of the length: `192.0.2.7/255.255.255.0`.
    #[must_use]
    pub fn with_netmask(self) -> String {
        format!("{}/{}", self.ip(), self.network().netmask())
    }

    /// The interface with the host bits' mask in place of the length: `192.0.2.7/0.0.0.255`.
    #[must_use]
    pub fn with_hostmask(self) -> String {
        format!("{}/{}", self.ip(), self.network().hostmask())
    }

    /// The interface with all digits of an IPv6 address.
    #[must_use]
    pub fn exploded(self) -> String {
        format!("{}/{}", self.ip().exploded(), self.prefix_len())
    }
}

/// An address as a number with all its digits: [`Address::digits`].
///
/// ```
/// use std::net::Ipv4Addr;
///
/// use cidr::Address;
///
/// let digits = Ipv4Addr::new(1, 2, 3, 4).digits();
/// assert_eq!(format!("{digits:x}"), "01020304");
/// assert_eq!(format!("{:#x}", digits.grouped()), "0x0102_0304");
/// assert_eq!(format!("{digits:b}"), "00000001000000100000001100000100");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    number: u128,
    width: u8,
    is_grouped: bool,
}

impl Digits {
    pub(crate) fn new(number: u128, width: u8) -> Self {
        Self {
            number,
            width,
            is_grouped: false,
        }
    }

    /// With `_` between groups of four digits.
    #[must_use]
    pub fn grouped(mut self) -> Self {
        self.is_grouped = true;
        self
    }

    /// The number in digits of so many bits, all of them.
    fn write(
        self,
        f: &mut fmt::Formatter<'_>,
        prefix: &str,
        bits_each: u8,
        alphabet: &[u8; 16],
    ) -> fmt::Result {
        if f.alternate() {
            f.write_str(prefix)?;
        }
        for digit in (0..self.width / bits_each).rev() {
            let value = self.number >> (digit * bits_each) & ((1 << bits_each) - 1);
            f.write_char(alphabet[value as usize].into())?;
            if self.is_grouped && digit > 0 && digit % 4 == 0 {
                f.write_char('_')?;
            }
        }
        Ok(())
    }
}

impl fmt::Binary for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "0b", 1, b"0123456789abcdef")
    }
}

impl fmt::LowerHex for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "0x", 4, b"0123456789abcdef")
    }
}

impl fmt::UpperHex for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "0X", 4, b"0123456789ABCDEF")
    }
}

/// Writes `ADDRESS/LENGTH`, filled up to a width if one is asked for.
pub(crate) fn write<A: Address>(
    f: &mut fmt::Formatter<'_>,
    address: A,
    prefix_len: u8,
) -> fmt::Result {
    if f.width().is_none() && f.precision().is_none() {
        write!(f, "{address}/{prefix_len}")
    } else {
        f.pad(&format!("{address}/{prefix_len}"))
    }
}
