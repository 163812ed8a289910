use serde::Serialize;
use serde::de::DeserializeSeed;
use serde_json::{Deserializer, Result};

use crate::EncodeError;

/// Reads the whole of `bytes`.
pub(super) fn read<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<(S::Value, usize)> {
    let mut deserializer = Deserializer::from_slice(bytes);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, bytes.len()))
}

pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> std::result::Result<(), EncodeError> {
    serde_json::to_writer(out, value).map_err(|error| EncodeError(error.to_string()))
}

/// An array from its bracket on; nothing if it is none.
pub(super) fn array(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.trim_ascii_start();
    if bytes.starts_with(b"[") { bytes } else { b"" }
}

/// Cuts the next element off the front of what is left of an array: `[1, "]"]`, then `, "]"]`, then `]`.
///
/// It looks for the comma or bracket behind the element, and leaves it to [`read`] whether that is one.
pub(super) fn element<'a>(array: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (b'[' | b',', rest) = array.split_first()? else {
        return None;
    };
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut at = 0;
    loop {
        match rest.get(at)? {
            b'\\' if in_text => at += 1,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b',' | b']' if depth == 0 => break,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
    let (element, behind) = rest.split_at(at);
    *array = behind;
    Some(element)
}

/// Whether nothing is left of an array but its end.
pub(super) fn ends(array: &[u8]) -> bool {
    let rest = array.strip_prefix(b"[").unwrap_or(array);
    rest.trim_ascii() == b"]"
}
