//! From text to an address and a prefix length, by the rules of Python's `ipaddress`, save that a
//! leading zero is refused in the length too.

use core::net::{IpAddr, Ipv4Addr};

use crate::address::{Address, sealed::Bits};
use crate::error::CidrError;

/// The length may still be too great for the address only where it comes from a caller, not from here.
pub(crate) fn address_and_prefix_len(text: &str) -> Result<(IpAddr, u8), CidrError> {
    let Some((before, behind)) = text.split_once('/') else {
        let address = address(text)?;
        return Ok((address, address.width()));
    };
    let address = address(before)?;
    let max = address.width();
    let prefix_len = if !behind.is_empty() && behind.bytes().all(|byte| byte.is_ascii_digit()) {
        if starts_with_zero(behind) {
            let at = before.len() + 1;
            return Err(CidrError::LeadingZero { at });
        }
        // More digits than fit are all the same: too great.
        let prefix_len = behind.parse().unwrap_or(u32::MAX);
        match u8::try_from(prefix_len) {
            Ok(prefix_len) if prefix_len <= max => prefix_len,
            _ => return Err(CidrError::PrefixLen { prefix_len, max }),
        }
    } else if address.is_ipv4() {
        let mask = behind.parse().map_err(|_| CidrError::NoPrefix { max })?;
        prefix_len_of(mask).ok_or(CidrError::Mask { mask })?
    } else {
        return Err(CidrError::NoPrefix { max });
    };
    Ok((address, prefix_len))
}

/// The address, if it is of the family that is asked for.
pub(crate) fn of_family<A: Address>(address: IpAddr) -> Result<A, CidrError> {
    A::from_ip(address).ok_or(CidrError::OtherFamily { address })
}

fn address(text: &str) -> Result<IpAddr, CidrError> {
    text.parse().map_err(|_| {
        if let Some(at) = text.find('%') {
            return CidrError::Zone { at };
        }
        match leading_zero(text) {
            Some(at) => CidrError::LeadingZero { at },
            None => CidrError::NoAddress,
        }
    })
}

/// Where in four dotted numbers, alone or at the end of an IPv6 address, one begins with a zero too many.
fn leading_zero(text: &str) -> Option<usize> {
    let mut at = text.rfind(':').map_or(0, |colon| colon + 1);
    let mut found = None;
    let mut count = 0;
    for octet in text[at..].split('.') {
        if octet.is_empty() || !octet.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if found.is_none() && starts_with_zero(octet) {
            found = Some(at);
        }
        at += octet.len() + 1;
        count += 1;
    }
    found.filter(|_| count == 4)
}

fn starts_with_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

/// A mask is a netmask if it is ones and then zeros, and else a hostmask if it is zeros and then ones.
fn prefix_len_of(mask: Ipv4Addr) -> Option<u8> {
    let mask = u32::from(mask);
    let ones = if mask.leading_ones() + mask.trailing_zeros() >= u32::BITS {
        mask.leading_ones()
    } else if mask.leading_zeros() + mask.trailing_ones() == u32::BITS {
        mask.leading_zeros()
    } else {
        return None;
    };
    u8::try_from(ones).ok()
}
