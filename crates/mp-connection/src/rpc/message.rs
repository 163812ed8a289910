//! Messages: a pickled byte string whose content is a pickle too.

use std::borrow::Cow;

use rpc_core::EncodeError;
use serde::{Serialize, Serializer};

use crate::pickle::{self, Options, Protocol, Value};

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
    out.extend_from_slice(&[PROTO, number(protocol), BINBYTES, 0, 0, 0, 0]);
    let inner = out.len();
    write(out)?;
    let len = length(out.len() - inner)?;
    out[inner - 4..inner].copy_from_slice(&len.to_le_bytes());
    out.push(STOP);
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

/// The protocol in which who sent `message` wants to be answered: its own, if it is not newer than `newest`.
pub(super) fn protocol_of(message: &[u8], newest: Protocol) -> Protocol {
    let theirs = match message {
        [PROTO, 0..=2, ..] => Protocol::V2,
        [PROTO, 3, ..] => Protocol::V3,
        [PROTO, 4, ..] => Protocol::V4,
        [PROTO, ..] => Protocol::V5,
        // Protocols 0 and 1 don't say what they are.
        _ => Protocol::V2,
    };
    theirs.min(newest)
}

/// What nearly all messages look like, without a copy; `None` if it is not plain that this is one.
fn unwrap_plain(message: &[u8]) -> Option<&[u8]> {
    let [PROTO, 2..=5, rest @ ..] = message else {
        return None;
    };
    let rest = match rest {
        [FRAME, rest @ ..] => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from_le_bytes(*len) == rest.len() as u64).then_some(rest)?
        }
        rest => rest,
    };
    let (&opcode, rest) = rest.split_first()?;
    let (len, rest) = match opcode {
        SHORT_BINBYTES | SHORT_BINSTRING => {
            let (len, rest) = rest.split_first()?;
            (usize::from(*len), rest)
        }
        BINBYTES | BINSTRING => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_le_bytes(*len)).ok()?, rest)
        }
        BINBYTES8 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_le_bytes(*len)).ok()?, rest)
        }
        _ => return None,
    };
    let (inner, end) = rest.split_at_checked(len)?;
    matches!(
        end,
        [STOP] | [MEMOIZE, STOP] | [BINPUT, _, STOP] | [LONG_BINPUT, _, _, _, _, STOP]
    )
    .then_some(inner)
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::V2 => 2,
        Protocol::V3 => 3,
        Protocol::V4 => 4,
        Protocol::V5 => 5,
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

const PROTO: u8 = 0x80;
const FRAME: u8 = 0x95;
const MEMOIZE: u8 = 0x94;
const BINPUT: u8 = b'q';
const LONG_BINPUT: u8 = b'r';
const SHORT_BINBYTES: u8 = b'C';
const BINBYTES: u8 = b'B';
const BINBYTES8: u8 = 0x8e;
/// What Python 2 has for byte strings.
const SHORT_BINSTRING: u8 = b'U';
const BINSTRING: u8 = b'T';
const STOP: u8 = b'.';
