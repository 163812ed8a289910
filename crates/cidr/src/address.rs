use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{Debug, Display};
use core::hash::Hash;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use self::sealed::Bits;
use crate::span::{Span, V4Span, V6Span};
use crate::text::Digits;

/// What networks are made of: [`Ipv4Addr`], [`Ipv6Addr`], or [`IpAddr`] for either; and what the standard
/// library has no method for.
///
/// The trait is sealed: these three are all there are.
///
/// ```
/// use std::net::IpAddr;
///
/// use cidr::Address;
///
/// let address: IpAddr = "192.0.2.255".parse()?;
/// assert_eq!(address.checked_add(1), Some("192.0.3.0".parse()?));
/// assert_eq!(address.reverse_pointer(), "255.2.0.192.in-addr.arpa");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub trait Address:
    Bits + Copy + Ord + Hash + Debug + Display + Into<IpAddr> + Send + Sync + Unpin + 'static
{
    /// The address so many behind this one; `None` if there are not as many of its family.
    fn checked_add(self, count: u128) -> Option<Self> {
        self.with_number(self.to_number().checked_add(count)?)
    }

    /// The address so many before this one; `None` if there are not as many.
    fn checked_sub(self, count: u128) -> Option<Self> {
        self.with_number(self.to_number().checked_sub(count)?)
    }

    /// The address as a number, to be written in all its binary or hexadecimal digits.
    fn digits(self) -> Digits {
        Digits::new(self.to_number(), self.width())
    }

    /// The text with all digits of an IPv6 address: `2001:0db8:0000:0000:0000:0000:0000:0001`.
    fn exploded(self) -> String {
        if self.width() == 32 {
            return self.to_string();
        }
        format!("{:x}", self.digits().grouped()).replace('_', ":")
    }

    /// The name under which the DNS knows the name of this address: `1.2.0.192.in-addr.arpa`, or the 32
    /// digits of an IPv6 address below `ip6.arpa`.
    fn reverse_pointer(self) -> String {
        match self.into() {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(_) => {
                let digits = format!("{:x}", self.digits());
                let labels = digits.chars().rev().flat_map(|digit| [digit, '.']);
                labels.chain("ip6.arpa".chars()).collect()
            }
        }
    }
}

impl Address for Ipv4Addr {}
impl Address for Ipv6Addr {}
impl Address for IpAddr {}

pub(crate) mod sealed {
    use core::fmt::Debug;
    use core::net::IpAddr;

    /// The arithmetic of addresses. A prefix longer than the address stands for all of it.
    #[expect(unnameable_types, reason = "it seals `Address`")]
    pub trait Bits: Sized {
        /// Addresses of this type at equal distances.
        type Span: DoubleEndedIterator<Item = Self> + Clone + Debug + Send + Sync + Unpin;

        /// The addresses from the first to the last whose bits in front of the host bits count up. Both
        /// are of one family and have no host bits.
        fn span(first: Self, last: Self, host_bits: u8) -> Self::Span;

        /// How many bits the address has: 32 or 128.
        fn width(self) -> u8;

        /// The address, if it is of this type.
        fn from_ip(address: IpAddr) -> Option<Self>;

        /// The address with zeros behind the prefix: the first of its network.
        fn first(self, prefix_len: u8) -> Self;

        /// The address with ones behind the prefix: the last of its network.
        fn last(self, prefix_len: u8) -> Self;

        /// The address as a number.
        fn to_number(self) -> u128;

        /// The address of the same family that this number is.
        fn with_number(self, number: u128) -> Option<Self>;
    }
}

impl Bits for Ipv4Addr {
    type Span = V4Span;

    fn span(first: Self, last: Self, host_bits: u8) -> V4Span {
        V4Span::new(first, last, host_bits)
    }

    fn width(self) -> u8 {
        32
    }

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    fn first(self, prefix_len: u8) -> Self {
        Self::from_bits(self.to_bits() & !host_bits_v4(prefix_len))
    }

    fn last(self, prefix_len: u8) -> Self {
        Self::from_bits(self.to_bits() | host_bits_v4(prefix_len))
    }

    fn to_number(self) -> u128 {
        self.to_bits().into()
    }

    fn with_number(self, number: u128) -> Option<Self> {
        number.try_into().ok().map(Self::from_bits)
    }
}

impl Bits for Ipv6Addr {
    type Span = V6Span;

    fn span(first: Self, last: Self, host_bits: u8) -> V6Span {
        V6Span::new(first, last, host_bits)
    }

    fn width(self) -> u8 {
        128
    }

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        }
    }

    fn first(self, prefix_len: u8) -> Self {
        Self::from_bits(self.to_bits() & !host_bits_v6(prefix_len))
    }

    fn last(self, prefix_len: u8) -> Self {
        Self::from_bits(self.to_bits() | host_bits_v6(prefix_len))
    }

    fn to_number(self) -> u128 {
        self.to_bits()
    }

    fn with_number(self, number: u128) -> Option<Self> {
        Some(Self::from_bits(number))
    }
}

impl Bits for IpAddr {
    type Span = Span;

    fn span(first: Self, last: Self, host_bits: u8) -> Span {
        match (first, last) {
            (Self::V4(first), Self::V4(last)) => V4Span::new(first, last, host_bits).into(),
            (Self::V6(first), Self::V6(last)) => V6Span::new(first, last, host_bits).into(),
            _ => unreachable!("both ends of a network are of one family"),
        }
    }

    fn width(self) -> u8 {
        match self {
            Self::V4(address) => address.width(),
            Self::V6(address) => address.width(),
        }
    }

    fn from_ip(address: IpAddr) -> Option<Self> {
        Some(address)
    }

    fn first(self, prefix_len: u8) -> Self {
        match self {
            Self::V4(address) => Self::V4(address.first(prefix_len)),
            Self::V6(address) => Self::V6(address.first(prefix_len)),
        }
    }

    fn last(self, prefix_len: u8) -> Self {
        match self {
            Self::V4(address) => Self::V4(address.last(prefix_len)),
            Self::V6(address) => Self::V6(address.last(prefix_len)),
        }
    }

    fn to_number(self) -> u128 {
        match self {
            Self::V4(address) => address.to_number(),
            Self::V6(address) => address.to_number(),
        }
    }

    fn with_number(self, number: u128) -> Option<Self> {
        match self {
            Self::V4(address) => address.with_number(number).map(Self::V4),
            Self::V6(address) => address.with_number(number).map(Self::V6),
        }
    }
}

/// Ones in place of the host bits.
pub(crate) const fn host_bits_v4(prefix_len: u8) -> u32 {
    match u32::MAX.checked_shr(prefix_len as u32) {
        Some(bits) => bits,
        None => 0,
    }
}

/// Ones in place of the host bits.
pub(crate) const fn host_bits_v6(prefix_len: u8) -> u128 {
    match u128::MAX.checked_shr(prefix_len as u32) {
        Some(bits) => bits,
        None => 0,
    }
}
