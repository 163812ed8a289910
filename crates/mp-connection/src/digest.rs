use hmac::{EagerHash, Hmac, KeyInit as _, Mac as _};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The hash functions that Python's logins know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    Md5,
    Sha256,
    Sha384,
    Sha3_256,
    Sha3_384,
}

impl Digest {
    /// Splits `{name}` off a message; `None` if there is none in front, or one of no digest.
    pub(crate) fn split(message: &[u8]) -> Option<(Self, &[u8])> {
        Self::ALL.into_iter().find_map(|digest| {
            let rest = message.strip_prefix(digest.prefix())?;
            Some((digest, rest))
        })
    }

    /// As it stands in front of a message.
    pub(crate) fn prefix(self) -> &'static [u8] {
        match self {
            Self::Md5 => b"{md5}",
            Self::Sha256 => b"{sha256}",
            Self::Sha384 => b"{sha384}",
            Self::Sha3_256 => b"{sha3_256}",
            Self::Sha3_384 => b"{sha3_384}",
        }
    }

    pub(crate) fn mac(self, key: &[u8], message: &[u8]) -> Tag {
        match self {
            Self::Md5 => mac::<md5::Md5>(key, message),
            Self::Sha256 => mac::<sha2::Sha256>(key, message),
            Self::Sha384 => mac::<sha2::Sha384>(key, message),
            Self::Sha3_256 => mac::<sha3::Sha3_256>(key, message),
            Self::Sha3_384 => mac::<sha3::Sha3_384>(key, message),
        }
    }

    const ALL: [Self; 5] = [
        Self::Md5,
        Self::Sha256,
        Self::Sha384,
        Self::Sha3_256,
        Self::Sha3_384,
    ];
}

/// What proves the key: 16, 32 or 48 bytes.
pub(crate) struct Tag {
    bytes: Zeroizing<[u8; LONGEST]>,
    len: usize,
}

impl Tag {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Whether `other` is the same. How long that takes depends on nothing, not even on its length.
    pub(crate) fn is(&self, other: &[u8]) -> bool {
        let mut padded = [0; LONGEST];
        let len = other.len().min(LONGEST);
        padded[..len].copy_from_slice(&other[..len]);
        let is_same = self.bytes[..].ct_eq(&padded) & self.len.ct_eq(&other.len());
        is_same.into()
    }
}

fn mac<D: EagerHash>(key: &[u8], message: &[u8]) -> Tag {
    let mut mac = Hmac::<D>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    let result = mac.finalize().into_bytes();
    let mut bytes = Zeroizing::new([0; LONGEST]);
    bytes[..result.len()].copy_from_slice(&result);
    Tag {
        bytes,
        len: result.len(),
    }
}

const LONGEST: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_itself_alone() {
        let tag = Digest::Md5.mac(b"key", b"message");
        assert!(tag.is(tag.bytes()));
        for wrong in 0..16 {
            let mut other = tag.bytes().to_vec();
            other[wrong] ^= 1;
            assert!(!tag.is(&other));
        }
        for len in (0..100).filter(|len| *len != 16) {
            let mut other = tag.bytes().to_vec();
            other.resize(len, 0);
            assert!(!tag.is(&other), "{len}");
        }
    }
}
