use core::fmt::{Debug, Display};
use core::hash::Hash;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use self::sealed::Bits;

/// What networks are made of: [`Ipv4Addr`], [`Ipv6Addr`], or [`IpAddr`] for either.
///
/// The trait is sealed: these three are all there are.
pub trait Address:
    Bits + Copy + Ord + Hash + Debug + Display + Into<IpAddr> + Send + Sync + Unpin + 'static
{
}

impl Address for Ipv4Addr {}
impl Address for Ipv6Addr {}
impl Address for IpAddr {}

pub(crate) mod sealed {
    use core::net::IpAddr;

    /// The arithmetic of addresses. A prefix longer than the address stands for all of it.
    #[expect(unnameable_types, reason = "it seals `Address`")]
    pub trait Bits: Sized {
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
