use core::error::Error;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use crate::cidr::Cidr;

/// Why something is no network, or no network of the kind asked for. Positions are in bytes from the start of the
/// text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CidrError {
    /// What stands before the slash, or all of it, is no address.
    NoAddress,
    /// It is a network or an address of the other family than the one asked for.
    OtherFamily {
        /// The address.
        address: IpAddr,
    },
    /// What stands behind the slash is neither a length nor a mask.
    NoPrefix {
        /// The greatest length for this address.
        max: u8,
    },
    /// A number begins with a zero, which some programs read as octal.
    LeadingZero {
        /// Where the number begins.
        at: usize,
    },
    /// The address has a zone (`%eth0`): it belongs to a machine, while networks and addresses here are
    /// numbers.
    Zone {
        /// Where the zone begins.
        at: usize,
    },
    /// The prefix is longer than an address.
    PrefixLen {
        /// The length asked for; `u32::MAX` stands for anything greater too.
        prefix_len: u32,
        /// The greatest length for this address.
        max: u8,
    },
    /// The ones of a mask are in more than one place.
    Mask {
        /// The mask.
        mask: Ipv4Addr,
    },
    /// Behind the prefix, the address has bits that are not zero.
    HostBits {
        /// The address.
        address: IpAddr,
        /// The network it is in.
        network: Cidr,
    },
    /// Subnets were asked for that are greater than the network.
    SubnetLen {
        /// The length asked for.
        prefix_len: u8,
        /// The network, whose own length is the least.
        network: Cidr,
    },
    /// A supernet was asked for that is smaller than the network.
    SupernetLen {
        /// The length asked for.
        prefix_len: u8,
        /// The network, whose own length is the greatest.
        network: Cidr,
    },
    /// A network was to be taken out of one that it is not inside.
    NotInside {
        /// The network to be taken out.
        network: Cidr,
        /// The network it is not inside.
        outer: Cidr,
    },
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str(
                "no address: neither four numbers as in 10.0.0.0 nor groups as in 2001:db8::",
            ),
            Self::OtherFamily { address } => {
                let (is, due) = if address.is_ipv4() { (4, 6) } else { (6, 4) };
                write!(
                    f,
                    "{address} is an IPv{is} address where an IPv{due} address is due"
                )
            }
            Self::NoPrefix { max: 32 } => f.write_str(
                "behind the slash is neither a prefix length (0 to 32) nor a mask as in 255.0.0.0",
            ),
            Self::NoPrefix { max } => {
                write!(f, "behind the slash is no prefix length (0 to {max})")
            }
            Self::LeadingZero { at } => {
                write!(f, "the number at byte {at} begins with a zero")
            }
            Self::Zone { at } => write!(f, "the zone at byte {at} is not part of an address here"),
            Self::PrefixLen { prefix_len, max } => {
                write!(f, "prefix length {prefix_len} is more than {max}")
            }
            Self::Mask { mask } => write!(
                f,
                "{mask} is neither a netmask (ones, then zeros) nor a hostmask (zeros, then ones)"
            ),
            Self::HostBits { address, network } => write!(
                f,
                "{address}/{} has host bits set; {network} is the network",
                network.prefix_len()
            ),
            Self::SubnetLen {
                prefix_len,
                network,
            } => write!(
                f,
                "no subnet of {network} has length {prefix_len}, which is shorter"
            ),
            Self::SupernetLen {
                prefix_len,
                network,
            } => write!(
                f,
                "no supernet of {network} has length {prefix_len}, which is longer"
            ),
            Self::NotInside { network, outer } => write!(f, "{network} is not inside {outer}"),
        }
    }
}

impl Error for CidrError {}

/// Why there is no index or table for longest matches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LpmError {
    /// The bytes do not begin as an index does.
    NotAnIndex,
    /// The index is of a version that is not known here.
    Version {
        /// Its version.
        version: u32,
    },
    /// There are more or fewer bytes than the header says, or not even a header.
    Length {
        /// How many bytes there are.
        actual: usize,
    },
    /// A part of the bytes is as no index has it.
    Damaged {
        /// Its name.
        part: &'static str,
    },
    /// There are more networks, or ranges that they cut, than 31 bits can number.
    TooMany {
        /// How many networks there are.
        networks: usize,
    },
    /// There is not one value for each network.
    Values {
        /// How many networks there are.
        networks: usize,
        /// How many values there are.
        values: usize,
    },
}

impl fmt::Display for LpmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnIndex => f.write_str("the bytes are no index for longest matches"),
            Self::Version { version } => {
                write!(
                    f,
                    "the index has version {version}, known here is version 1"
                )
            }
            Self::Length { actual } => {
                write!(
                    f,
                    "{actual} bytes are not as many as the header of the index says"
                )
            }
            Self::Damaged { part } => write!(f, "the {part} of the index is damaged"),
            Self::TooMany { networks } => {
                write!(
                    f,
                    "{networks} networks are more than 31 bits can number with their ranges"
                )
            }
            Self::Values { networks, values } => {
                write!(f, "{values} values for {networks} networks")
            }
        }
    }
}

impl Error for LpmError {}
