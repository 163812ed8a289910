use bytes::Bytes;

use super::{Entry, Record};

/// The bytes before the value: a CRC32 of the key and all that follows, then the time of expiry in
/// milliseconds since 1970, 0 for never. Both are big-endian.
///
/// ```text
/// ┌─────────┬──────────┬───────────┐
/// │ CRC32 4 │ expiry 8 │ value ... │
/// └─────────┴──────────┴───────────┘
/// ```
const HEAD_LEN: usize = 12;

impl Record {
    pub(super) fn entry<'a>(&'a self, key: &'a str) -> Entry<'a> {
        Entry {
            key,
            value: &self.value,
            expires: self.expires,
        }
    }
}

impl<'a> Entry<'a> {
    pub(super) fn to_record(self) -> Record {
        Record {
            value: Bytes::copy_from_slice(self.value),
            expires: self.expires,
        }
    }

    /// Replaces what `out` holds by the record as it is stored.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.expires.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(self.value);
        let sum = checksum(self.key.as_bytes(), &out[4..]);
        out[..4].copy_from_slice(&sum.to_be_bytes());
    }

    /// Reads what is stored; `Err` says what is wrong with it.
    pub(super) fn decode(key: &'a [u8], stored: &'a [u8]) -> Result<Self, &'static str> {
        let Some((head, value)) = stored.split_first_chunk::<HEAD_LEN>() else {
            return Err("a record is cut short");
        };
        let [a, b, c, d, expires @ ..] = *head;
        if checksum(key, &stored[4..]) != u32::from_be_bytes([a, b, c, d]) {
            return Err("a record does not have its checksum");
        }
        let Ok(key) = std::str::from_utf8(key) else {
            return Err("a key is not UTF-8");
        };
        Ok(Self {
            key,
            value,
            expires: expiry(expires),
        })
    }

    /// Reads when a stored record that is about to be replaced expires, whatever else is in it.
    pub(super) fn stored_expiry(stored: &[u8]) -> Option<u64> {
        let (&[_, _, _, _, expires @ ..], _) = stored.split_first_chunk::<HEAD_LEN>()?;
        expiry(expires)
    }
}

fn expiry(bytes: [u8; 8]) -> Option<u64> {
    match u64::from_be_bytes(bytes) {
        0 => None,
        at => Some(at),
    }
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(rest);
    hasher.finalize()
}
