//! Messages: a pickled byte string whose content is a pickle too.

use std::borrow::Cow;

use rpc_core::EncodeError;
use serde::{Serialize, Serializer};

use crate::pickle::{self, Options, Protocol, Value, opcode};

/// The longest message that is written, whatever the options say: every Python reads it in one piece.
pub(super) const LONGEST: usize = 1 << 30;

/// What a frame has before its message, for messages that are not longer than [`LONGEST`].
pub(super) const HEAD: usize = 4;

/// Appends a frame, head and all, whose inner pickle is what `write` appends. Nothing is copied, except for protocol
/// 2. When it fails, `out` may hold a part of it.
pub(super) fn frame(
    protocol: Protocol,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    wrap(protocol, out, write)?;
    let message = start + HEAD;
    let len = length(out.len() - message)?;
    out[start..message].copy_from_slice(&len.to_be_bytes());
    Ok(())
}

/// Appends a message without a head.
pub(super) fn wrap(
    protocol: Protocol,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    if protocol == Protocol::V2 {
        return wrap_for_python_2(out, write);
    }
    out.extend_from_slice(&[opcode::PROTO, protocol.number(), opcode::BINBYTES]);
    out.extend_from_slice(&[0; size_of::<u32>()]);
    let inner = out.len();
    write(out)?;
    let len = length(out.len() - inner)?;
    out[inner - 4..inner].copy_from_slice(&len.to_le_bytes());
    out.push(opcode::STOP);
    Ok(())
}

/// Protocol 2 has no byte strings: they are made by a function out of a text.
#[cold]
fn wrap_for_python_2(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut inner = Vec::new();
    write(&mut inner)?;
    let options = Options {
        protocol: Protocol::V2,
        max_bytes: usize::MAX,
        ..Options::default()
    };
    options
        .write_pickle(&Bytes(&inner), out)
        .map_err(|error| EncodeError(error.to_string()))
}

fn length(len: usize) -> Result<u32, EncodeError> {
    match u32::try_from(len) {
        Ok(short) if len <= LONGEST => Ok(short),
        _ => Err(EncodeError(format!(
            "a message of {len} bytes, the limit is {LONGEST}"
        ))),
    }
}

/// The inner pickle of a message; `None` if it is a pickle of something else than bytes.
///
/// # Errors
/// It is no pickle.
pub(super) fn unwrap<'a>(
    message: &'a [u8],
    options: &Options,
) -> Result<Option<Cow<'a, [u8]>>, pickle::Error> {
    if let Some(inner) = unwrap_plain(message) {
        return Ok(Some(Cow::Borrowed(inner)));
    }
    Ok(match Value::from_pickle(message, options)? {
        Value::Bytes(inner) | Value::ByteArray(inner) => Some(Cow::Owned(inner.to_vec())),
        _ => None,
    })
}

/// What nearly all messages look like, without a copy; `None` if it is not plain that this is one.
fn unwrap_plain(message: &[u8]) -> Option<&[u8]> {
    let [opcode::PROTO, 2..=5, rest @ ..] = message else {
        return None;
    };
    let rest = match rest {
        [opcode::FRAME, rest @ ..] => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from_le_bytes(*len) == rest.len() as u64).then_some(rest)?
        }
        rest => rest,
    };
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        opcode::SHORT_BINBYTES | opcode::SHORT_BINSTRING => {
            let (len, rest) = rest.split_first()?;
            (usize::from(*len), rest)
        }
        opcode::BINBYTES | opcode::BINSTRING => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_le_bytes(*len)).ok()?, rest)
        }
        opcode::BINBYTES8 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_le_bytes(*len)).ok()?, rest)
        }
        _ => return None,
    };
    let (inner, end) = rest.split_at_checked(len)?;
    matches!(
        end,
        [opcode::STOP]
            | [opcode::MEMOIZE, opcode::STOP]
            | [opcode::BINPUT, _, opcode::STOP]
            | [opcode::LONG_BINPUT, _, _, _, _, opcode::STOP]
    )
    .then_some(inner)
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
