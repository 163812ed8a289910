use std::fmt;

use crate::Violation;

/// The most bytes of a call's metadata.
pub const MAX_METADATA_LEN: usize = 4096;

/// The names of keyword arguments: an iterator over `&str`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Keywords<'a> {
    pub(super) count: u8,
    /// Checked when it was read: `count` names, each a length of one byte and so much UTF-8.
    pub(super) bytes: &'a [u8],
}

/// The metadata of a call: an iterator over pairs of a name and bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// Checked when it was read: pairs of a length of one byte, a name in UTF-8, a length of two bytes
    /// and a value.
    pub(super) bytes: &'a [u8],
}

impl<'a> Keywords<'a> {
    pub(super) fn parse(count: u8, rest: &'a [u8]) -> Result<(Self, &'a [u8]), Violation> {
        let mut after = rest;
        for _ in 0..count {
            (_, after) = named(after)?;
        }
        let bytes = &rest[..rest.len() - after.len()];
        Ok((Self { count, bytes }, after))
    }
}

impl<'a> Iterator for Keywords<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        self.count = self.count.checked_sub(1)?;
        let (name, rest) = named(self.bytes).ok()?;
        self.bytes = rest;
        Some(name)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count.into(), Some(self.count.into()))
    }
}

impl ExactSizeIterator for Keywords<'_> {}

impl fmt::Debug for Keywords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl<'a> Metadata<'a> {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[cold]
    pub(crate) fn to_owned(self) -> crate::Metadata {
        self.map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect()
    }

    pub(super) fn parse(len: usize, rest: &'a [u8]) -> Result<(Self, &'a [u8]), Violation> {
        if len > MAX_METADATA_LEN {
            return Err(Violation::Metadata {
                len,
                limit: MAX_METADATA_LEN,
            });
        }
        let (bytes, body) = cut_off(rest, len)?;
        let mut pairs = bytes;
        while !pairs.is_empty() {
            Self::pair(&mut pairs)?;
        }
        Ok((Self { bytes }, body))
    }

    /// Takes the first pair from the front of `bytes`.
    fn pair(bytes: &mut &'a [u8]) -> Result<(&'a str, &'a [u8]), Violation> {
        let (name, rest) = named(bytes)?;
        let (len, rest) = cut_off(rest, 2)?;
        let (value, rest) = cut_off(rest, usize::from(u16::from_be_bytes([len[0], len[1]])))?;
        *bytes = rest;
        Ok((name, value))
    }
}

impl<'a> Iterator for Metadata<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        Self::pair(&mut self.bytes).ok()
    }
}

impl fmt::Debug for Metadata<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(*self).finish()
    }
}

/// A name with its length in front.
#[inline]
fn named(bytes: &[u8]) -> Result<(&str, &[u8]), Violation> {
    let (len, rest) = cut_off(bytes, 1)?;
    text(rest, usize::from(len[0]))
}

#[inline]
pub(super) fn text(bytes: &[u8], len: usize) -> Result<(&str, &[u8]), Violation> {
    let (text, rest) = cut_off(bytes, len)?;
    match std::str::from_utf8(text) {
        Ok(text) => Ok((text, rest)),
        Err(_) => Err(Violation::NotText { len }),
    }
}

#[inline]
pub(super) fn cut_off(bytes: &[u8], len: usize) -> Result<(&[u8], &[u8]), Violation> {
    bytes.split_at_checked(len).ok_or(Violation::Short {
        announced: len,
        found: bytes.len(),
    })
}
