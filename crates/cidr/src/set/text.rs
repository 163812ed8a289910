use core::error::Error;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use alloc::vec::Vec;

use crate::cidr::Cidr;
use crate::error::CidrError;
use crate::number::Range;
use crate::set::IpSet;
use crate::summarize::RangeError;

/// Why a text is no [`IpSet`]. Both name the byte of the text at which the network, address or range
/// begins; positions in the [`CidrError`] count from there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IpSetError {
    /// It is no network and no address, and no end of a range.
    Network {
        /// Where it begins.
        at: usize,
        /// What is wrong with it.
        error: CidrError,
    },
    /// Its ends are addresses, but it is no range.
    Range {
        /// Where it begins.
        at: usize,
        /// What is wrong with it.
        error: RangeError,
    },
}

impl fmt::Display for IpSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { at, error } => write!(f, "in the network at byte {at}: {error}"),
            Self::Range { at, error } => write!(f, "in the range at byte {at}: {error}"),
        }
    }
}

impl Error for IpSetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Network { error, .. } => Some(error),
            Self::Range { error, .. } => Some(error),
        }
    }
}

/// Writes the smallest list of networks, between them a comma and a blank; nothing for an empty set.
impl fmt::Display for IpSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.networks().enumerate() {
            let between = if index > 0 { ", " } else { "" };
            write!(f, "{between}{network}")?;
        }
        Ok(())
    }
}

impl FromStr for IpSet {
    type Err = IpSetError;

    /// Reads networks, addresses and ranges `FIRST-LAST`, between them commas and white space; an empty
    /// text is an empty set. `#` begins a comment that ends with its line.
    fn from_str(text: &str) -> Result<Self, IpSetError> {
        let mut ranges = Vec::new();
        let mut rest = text;
        while let Some(begin) = rest.find(|c| !is_between(c)) {
            rest = &rest[begin..];
            let end = if rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else {
                let end = rest
                    .find(|c| is_between(c) || c == '#')
                    .unwrap_or(rest.len());
                ranges.push(range(&rest[..end], text.len() - rest.len())?);
                end
            };
            rest = &rest[end..];
        }
        Ok(Self::from_ranges(ranges.into_iter()))
    }
}

fn range(text: &str, at: usize) -> Result<Range, IpSetError> {
    let Some((first, last)) = text.split_once('-') else {
        let network: Result<Cidr, CidrError> = text.parse();
        let network = network.map_err(|error| IpSetError::Network { at, error })?;
        return Ok(Range::of(network));
    };
    let (first, last) = (address(first, at)?, address(last, at + first.len() + 1)?);
    Range::new(first, last).map_err(|error| IpSetError::Range { at, error })
}

fn address(text: &str, at: usize) -> Result<IpAddr, IpSetError> {
    let network = if text.contains('/') {
        Err(CidrError::NoAddress)
    } else {
        text.parse::<Cidr>().map(Cidr::address)
    };
    network.map_err(|error| IpSetError::Network { at, error })
}

fn is_between(c: char) -> bool {
    c == ',' || c.is_whitespace()
}
