use ::postcard::ser_flavors::Flavor;
use ::postcard::{Deserializer, Error, Result, serialize_with_flavor};
use serde::Serialize;
use serde::de::DeserializeSeed;

use crate::EncodeError;

/// What it says when a type asks it what comes.
pub(super) const UNDESCRIBED: Error = Error::WontImplement;

pub(super) fn read<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<(S::Value, usize)> {
    let mut deserializer = Deserializer::from_bytes(bytes);
    let value = seed.deserialize(&mut deserializer)?;
    let rest = deserializer.finalize()?;
    Ok((value, bytes.len() - rest.len()))
}

pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> std::result::Result<(), EncodeError> {
    serialize_with_flavor(value, Out(out)).map_err(|error| {
        EncodeError(match error {
            // Postcard doesn't keep why.
            Error::SerdeSerCustom => "a value refuses to be written: too deep, perhaps".to_owned(),
            Error::SerializeSeqLengthUnknown => super::NO_LENGTH.to_owned(),
            error => error.to_string(),
        })
    })
}

struct Out<'a>(&'a mut Vec<u8>);

impl Flavor for Out<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> Result<()> {
        Ok(())
    }
}
