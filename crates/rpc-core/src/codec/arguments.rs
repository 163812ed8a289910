use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error};

use super::Codec;
use crate::{
    ArgumentSink, ArgumentSource, Budget, DecodeError, DecodeLimits, Encode, EncodeError, Fault,
    ReadValue, Slot,
};

/// Gives the arguments of a call as they arrived; made by [`Codec::arguments`].
pub struct ArgumentReader<'a, K> {
    codec: Codec,
    rest: &'a [u8],
    positional: usize,
    keywords: K,
    budget: Budget,
}

impl<'a, K: Iterator<Item = &'a str>> ArgumentReader<'a, K> {
    pub(super) fn new(
        codec: Codec,
        bytes: &'a [u8],
        positional: usize,
        keywords: K,
        limits: &DecodeLimits,
    ) -> Self {
        Self {
            codec,
            rest: match codec {
                #[cfg(feature = "json")]
                Codec::Json => super::json::array(bytes),
                #[cfg(any(feature = "bincode", feature = "postcard"))]
                _ => bytes,
            },
            positional,
            keywords,
            budget: limits.budget(bytes.len()),
        }
    }

    fn end(&self) -> Result<(), Fault> {
        match self.codec {
            #[cfg(feature = "json")]
            Codec::Json if super::json::ends(self.rest) => Ok(()),
            #[cfg(feature = "json")]
            Codec::Json => Err(Fault::wrong_arguments(
                "the arguments are no JSON array, or one of another length than announced",
            )),
            #[cfg(any(feature = "bincode", feature = "postcard"))]
            _ if self.rest.is_empty() => Ok(()),
            #[cfg(any(feature = "bincode", feature = "postcard"))]
            _ => Err(too_much(self.rest.len())),
        }
    }

    fn read(&mut self, read: &mut ReadValue<'_>) -> Result<(), DecodeError> {
        match self.codec {
            #[cfg(feature = "json")]
            Codec::Json => {
                let element = super::json::element(&mut self.rest).ok_or_else(|| {
                    DecodeError::custom(
                        "the arguments are no JSON array, or a shorter one than announced",
                    )
                })?;
                self.codec.read(Erased(read), element, &self.budget)?;
            }
            #[cfg(any(feature = "bincode", feature = "postcard"))]
            codec => {
                let ((), used) = codec.read(Erased(read), self.rest, &self.budget)?;
                self.rest = &self.rest[used..];
            }
        }
        Ok(())
    }
}

impl<'a, K: Iterator<Item = &'a str>> ArgumentSource for ArgumentReader<'a, K> {
    fn next(&mut self) -> Result<Option<Slot<'_>>, Fault> {
        if let Some(left) = self.positional.checked_sub(1) {
            self.positional = left;
            return Ok(Some(Slot::Positional));
        }
        match self.keywords.next() {
            Some(name) => Ok(Some(Slot::Keyword(name))),
            None => self.end().map(|()| None),
        }
    }

    fn value(&mut self, read: &mut ReadValue<'_>) -> Result<(), Fault> {
        self.read(read).map_err(|error| fault(&error))
    }

    fn encoded(&mut self) -> Option<Encoded<'_>> {
        let has_keywords = self.keywords.size_hint().1 != Some(0);
        (self.codec.is_binary() && !has_keywords).then_some(Encoded {
            codec: self.codec,
            rest: self.rest,
            count: self.positional,
            budget: &self.budget,
        })
    }
}

/// The positional arguments of a call, for who knows their types and catches panics.
#[derive(Debug)]
pub struct Encoded<'a> {
    codec: Codec,
    rest: &'a [u8],
    count: usize,
    budget: &'a Budget,
}

impl Encoded<'_> {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<T, DecodeError> {
        let Self { codec, budget, .. } = *self;
        let (value, used) = codec.read_uncaught(PhantomData::<T>, self.rest, budget)?;
        self.rest = &self.rest[used..];
        Ok(value)
    }

    #[inline]
    pub(crate) fn end(&self) -> Result<(), Fault> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(too_much(left)),
        }
    }
}

impl<K> fmt::Debug for ArgumentReader<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgumentReader")
            .field("codec", &self.codec)
            .field("bytes", &self.rest.len())
            .field("positional", &self.positional)
            .finish_non_exhaustive()
    }
}

fn fault(error: &DecodeError) -> Fault {
    Fault::wrong_arguments(error.to_string())
}

#[cold]
fn too_much(left: usize) -> Fault {
    Fault::wrong_arguments(format!(
        "{left} bytes are left behind the last argument: the caller's types are others"
    ))
}

/// A seed that hands the deserialiser on to whoever knows the type.
pub(crate) struct Erased<'a, 'r>(pub(crate) &'a mut ReadValue<'r>);

impl<'de> DeserializeSeed<'de> for Erased<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let mut erased = <dyn erased_serde::Deserializer<'_>>::erase(deserializer);
        (self.0)(&mut erased).map_err(D::Error::custom)
    }
}

/// Appends the arguments of a call to a buffer and remembers their names, which travel elsewhere.
///
/// ```
/// # #[cfg(feature = "json")] {
/// use rpc_core::{ArgumentWriter, Arguments, Codec, ToArguments};
///
/// let mut body = Vec::new();
/// let mut writer = ArgumentWriter::new(Codec::Json, &mut body);
/// Arguments::new().positional(&2).keyword("y", &3).write(&mut writer)?;
/// assert_eq!(writer.finish(), (1, vec!["y".to_owned()]));
/// assert_eq!(body, b"[2,3]");
/// # }
/// # Ok::<(), rpc_core::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct ArgumentWriter<'a> {
    codec: Codec,
    out: &'a mut Vec<u8>,
    positional: usize,
    names: Vec<String>,
}

impl<'a> ArgumentWriter<'a> {
    /// The most positional arguments, and the most with a name.
    pub const MAX_COUNT: usize = 255;
    /// The longest name, in bytes.
    pub const MAX_NAME_LEN: usize = 255;

    /// Appends to `out`.
    #[must_use]
    pub fn new(codec: Codec, out: &'a mut Vec<u8>) -> Self {
        #[cfg(feature = "json")]
        if codec == Codec::Json {
            out.push(b'[');
        }
        Self {
            codec,
            out,
            positional: 0,
            names: Vec::new(),
        }
    }

    /// How many positional arguments there were, and the names of the others in their order.
    #[must_use]
    pub fn finish(self) -> (usize, Vec<String>) {
        #[cfg(feature = "json")]
        if self.codec == Codec::Json {
            self.out.push(b']');
        }
        (self.positional, self.names)
    }
}

impl ArgumentSink for ArgumentWriter<'_> {
    /// # Errors
    /// [`EncodeError`] if the codec can't express the value, a name has more than 255 bytes, a positional argument
    /// comes after one with a name, or there are more than 255 of either. What was appended stays.
    fn value(
        &mut self,
        name: Option<&str>,
        value: &dyn erased_serde::Serialize,
    ) -> Result<(), EncodeError> {
        #[cfg(feature = "json")]
        if self.codec == Codec::Json && self.positional + self.names.len() > 0 {
            self.out.push(b',');
        }
        match name {
            Some(name) if name.len() > Self::MAX_NAME_LEN => {
                return Err(EncodeError(format!(
                    "the name of an argument has {} bytes, and may have {}",
                    name.len(),
                    Self::MAX_NAME_LEN
                )));
            }
            Some(name) if self.names.len() < Self::MAX_COUNT => self.names.push(name.to_owned()),
            None if !self.names.is_empty() => {
                return Err(EncodeError(
                    "a positional argument comes after one with a name".into(),
                ));
            }
            None if self.positional < Self::MAX_COUNT => self.positional += 1,
            Some(_) | None => {
                return Err(EncodeError(format!(
                    "more than {} arguments",
                    Self::MAX_COUNT
                )));
            }
        }
        self.codec.encode(value, self.out)
    }

    fn encoded(&mut self, count: usize) -> Option<(Codec, &mut Vec<u8>)> {
        let fits = self.names.is_empty() && self.positional + count <= Self::MAX_COUNT;
        if !fits || !self.codec.is_binary() {
            return None;
        }
        self.positional += count;
        Some((self.codec, self.out))
    }
}
