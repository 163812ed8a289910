use core::error::Error;
use core::fmt;
use core::iter;
use core::net::IpAddr;
use core::str::FromStr;

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
        let mut rest = text;
        let ranges = iter::from_fn(|| {
            let entry = next_entry(&mut rest)?;
            let at = text.len() - rest.len() - entry.len();
            Some(range(entry, at))
        });
        ranges.collect()
    }
}

/// Cuts the next network, address or range off a text, and what is before it.
fn next_entry<'a>(text: &mut &'a str) -> Option<&'a str> {
    loop {
        let begin = text.find(|c| !is_between(c))?;
        let behind = &text[begin..];
        let is_comment = behind.starts_with('#');
        let end = if is_comment {
            behind.find('\n')
        } else {
            behind.find(|c| is_between(c) || c == '#')
        };
        let (entry, rest) = behind.split_at(end.unwrap_or(behind.len()));
        *text = rest;
        if !is_comment {
            return Some(entry);
        }
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
