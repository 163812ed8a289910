use ::bincode::enc::write::Writer;
use ::bincode::{config, error, serde as bincode_serde};
use serde::Serialize;
use serde::de::DeserializeSeed;

use crate::EncodeError;

// No limit in bincode's sense, which would be a constant: the slice is the limit. Behind the guard texts and bytes
// are borrowed from it, so a length that is longer than what is left fails before anything is allocated.
const CONFIG: config::Configuration = config::standard();

/// What it says when a type asks it what comes.
pub(super) const UNDESCRIBED: error::DecodeError =
    error::DecodeError::Serde(bincode_serde::DecodeError::AnyNotSupported);

pub(super) fn read<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<(S::Value, usize), error::DecodeError> {
    bincode_serde::seed_decode_from_slice(seed, bytes, CONFIG)
}

pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    bincode_serde::encode_into_writer(value, Out(out), CONFIG).map_err(|error| {
        EncodeError(match error {
            error::EncodeError::OtherString(text) => text,
            error::EncodeError::Serde(_) => super::NO_LENGTH.to_owned(),
            error => error.to_string(),
        })
    })
}

struct Out<'a>(&'a mut Vec<u8>);

impl Writer for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
